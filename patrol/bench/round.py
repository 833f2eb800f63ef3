"""`patrol bench round`: whole rounds against a live simulated town, at three sizes in one run.

The simulator and the patrol are separate processes on the same machine, so the patrol's own CPU and
memory are counted apart from the cameras'. Objects are looked for on every camera. Below each round
stands its floor, measured right before and right after it: the bare decode to BGR, on one thread,
of as many key frames as a visit takes, out of the same cameras. Beside it stands what a user would
otherwise do: one `cv2.VideoCapture` after the other, on a few cameras, scaled.
"""

import csv
import json
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, Final

import yaml

from patrol.bench import capture
from patrol.bench.child_process import ReportProgress, json_from_process
from simulators.rtsp_farm.process import running_farm

SIZES = (60, 600, 3000)
MIXED_CAMERAS = 600  # 1080p H.264 and 1440p H.265, half and half
NAIVE_CAMERAS = 6  # about 4 s each, one after the other whatever the threads
FLOOR_CAMERAS = 32  # their key frames are the floor
CEILING_WALL_S = 60.0  # at 600 cameras
CEILING_RSS_MB = 400.0
ROUND_TIMEOUT_S = 1800
REST: Final = "network_and_rest"
# A zone for cameras that have none, so that the detector has work at each.
EVERYWHERE: Final = {
    "name": "全景",
    "polygon": [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]],
    "classes": ["person"],
    "kind": "person_near_water",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundCost:
    """One round as the patrol itself counted it, and the bare decodes of its pictures."""

    cameras: int
    seen: int
    pictures: int
    wall_s: float
    cpu_s: float
    peak_rss_mb: float
    floor_ms_per_picture: float
    stages_ms: Mapping[str, float]  # CPU of all visits together
    bytes_received: int
    key_frame_bytes: int
    without: Sequence[str] = ()  # what the round lacked: no model, no objects

    @property
    def cpu_ms_per_camera(self) -> float:
        """CPU time per camera, which must not grow with their number."""
        return 1000.0 * self.cpu_s / max(1, self.cameras)

    @property
    def floor_ms_per_camera(self) -> float:
        """CPU time of the bare decode of the pictures of one camera."""
        return self.floor_ms_per_picture * self.pictures / max(1, self.seen)

    @property
    def times_floor(self) -> float:
        """CPU time per camera over the bare decode of its pictures."""
        return self.cpu_ms_per_camera / max(self.floor_ms_per_camera, 0.001)

    def shares(self) -> dict[str, float]:
        """The share of each stage in the CPU time, 0..1; what is in no stage is the rest."""
        total_ms = max(1000.0 * self.cpu_s, 0.001)
        stages = {stage: spent_ms / total_ms for stage, spent_ms in self.stages_ms.items()}
        rest = max(0.0, 1.0 - sum(stages.values()))
        return {stage: round(share, 3) for stage, share in {**stages, REST: rest}.items()}

    def row(self) -> dict[str, object]:
        """Plain data for JSON and tables."""
        return {
            "cameras": self.cameras,
            "seen": self.seen,
            "pictures": self.pictures,
            "wall_s": round(self.wall_s, 1),
            "cpu_s": round(self.cpu_s, 1),
            "cpu_ms_per_camera": round(self.cpu_ms_per_camera, 1),
            "floor_ms_per_camera": round(self.floor_ms_per_camera, 2),
            "times_floor": round(self.times_floor, 2),
            "cameras_per_s": round(self.cameras / max(self.wall_s, 0.001), 1),
            "peak_rss_mb": round(self.peak_rss_mb, 1),
            "bytes_per_visit": round(self.bytes_received / max(1, self.seen)),
            "key_frame_bytes_per_visit": round(self.key_frame_bytes / max(1, self.seen)),
            "stages": self.shares(),
            **({"without": list(self.without)} if self.without else {}),
        }


def run(
    *,
    sizes: Sequence[int] = SIZES,
    mixed_cameras: int = MIXED_CAMERAS,
    naive_cameras: int = NAIVE_CAMERAS,
    report: ReportProgress = lambda _: None,
) -> dict[str, Any]:
    """Measure one round at every size. Raises RuntimeError when a round fails."""
    rounds: list[dict[str, object]] = []
    naive: dict[str, object] = {}
    sub_stream: dict[str, object] = {}
    for size in sizes:
        report(f"{size} cameras: starting the town")
        with tempfile.TemporaryDirectory(prefix="patrol-bench-") as folder:
            town = Path(folder) / "town"
            with running_farm(town, cameras=size, profile="bench") as farm:
                report(f"{size} cameras: running a round")
                rounds.append(measure_round(town, farm.urls()).row())
                if not sub_stream:
                    report(f"{size} cameras: a round by sub streams")
                    sub_stream = measure_sub_stream(town, farm.urls())
                if not naive and naive_cameras:
                    report(f"{naive_cameras} cameras one after the other with cv2.VideoCapture")
                    naive = measure_naive(farm.urls()[:naive_cameras], pictures=2)
    result: dict[str, Any] = {
        "rounds": rounds,
        "sub_stream_evidence_main": sub_stream,
        "naive_cv2": naive,
        "ceilings_at_600": {"wall_s": CEILING_WALL_S, "peak_rss_mb": CEILING_RSS_MB},
    }
    if mixed_cameras:
        result["mixed_1080p_h264_1440p_h265"] = measure_mixed(mixed_cameras, report)
    return result


def measure_sub_stream(config_dir: Path, urls: Sequence[str]) -> dict[str, object]:
    """The same cameras by their sub streams, the main stream for what was found alone.

    Its `times_floor` is over the bare decodes of the main streams.
    """
    path = config_dir / "site.yaml"
    text = path.read_text("utf-8")
    path.write_text(text.replace("stream: main}", "stream: sub, evidence: main}"), "utf-8")
    try:
        return measure_round(config_dir, urls).row()
    finally:
        path.write_text(text, "utf-8")


def measure_mixed(cameras: int, report: ReportProgress) -> dict[str, object]:
    """A round of half 1080p H.264 and half 1440p H.265: what it costs, and what memory it takes."""
    report(f"{cameras} cameras, mixed: starting the town")
    with tempfile.TemporaryDirectory(prefix="patrol-bench-") as folder:
        town = Path(folder) / "town"
        with running_farm(town, cameras=cameras, profile="mixed") as farm:
            report(f"{cameras} cameras, mixed: running a round")
            return measure_round(town, farm.urls()).row()


def measure_round(config_dir: Path, urls: Sequence[str]) -> RoundCost:
    """A round as `patrol round morning` makes it, between two measurements of its floor."""
    look_everywhere(config_dir)
    some = urls[:: max(1, len(urls) // FLOOR_CAMERAS)][:FLOOR_CAMERAS]
    floors = [capture.measure_ours(some)[1].cpu_ms_per_camera]
    summary = json_from_process(
        [sys.executable, "-m", "patrol.bench.round_ours"],
        name="the round",
        timeout_s=ROUND_TIMEOUT_S,
        request={"config": str(config_dir), "plan": "morning"},
        quote_stderr=True,
    )
    floors.append(capture.measure_ours(some)[1].cpu_ms_per_camera)
    return RoundCost(
        cameras=summary["planned"],
        seen=summary["seen"],
        pictures=summary["pictures"],
        wall_s=summary["wall_s"],
        cpu_s=summary["cpu_s"],
        peak_rss_mb=summary["peak_rss_mb"],
        floor_ms_per_picture=fmean(floors),
        stages_ms=summary["stages_ms"],
        bytes_received=summary["uplink"]["bytes"],
        key_frame_bytes=summary["uplink"]["key_frame_bytes"],
        without=summary["without"],
    )


def look_everywhere(config_dir: Path) -> None:
    """Give every camera of a configuration a zone in which objects are looked for."""
    path = config_dir / "zones.yaml"
    areas: dict[str, dict[str, Any]] = yaml.safe_load(path.read_text("utf-8")) or {}
    with (config_dir / "cameras.csv").open(encoding="utf-8-sig", newline="") as file:
        cameras = [row["camera_id"] for row in csv.DictReader(file)]
    for camera in cameras:
        area = areas.setdefault(camera, {})
        if not any(zone.get("classes") for zone in area.get("zones", ())):
            area["zones"] = [*area.get("zones", ()), EVERYWHERE]
    path.write_text(json.dumps(areas, ensure_ascii=False), "utf-8")  # JSON is YAML


_NAIVE = """
import json, os, sys, time
os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = "rtsp_transport;tcp"
import cv2
asked = json.load(sys.stdin)
urls, pictures = asked["urls"], asked["pictures"]
start, cpu, got = time.monotonic(), time.process_time(), 0
for url in urls:
    capture = cv2.VideoCapture(url)
    for _ in range(pictures):
        got += bool(capture.read()[0])
    capture.release()
wall_s, cpu_s = time.monotonic() - start, time.process_time() - cpu
print(json.dumps({"wall_s": wall_s, "cpu_s": cpu_s, "got": got}))
"""


def measure_naive(urls: Sequence[str], *, pictures: int) -> dict[str, object]:
    """The loop that everyone writes first: open, read, release; nothing judged, nothing stored."""
    began = time.monotonic()
    cost = json_from_process(
        [sys.executable, "-c", _NAIVE],
        name="cv2.VideoCapture",
        timeout_s=ROUND_TIMEOUT_S,
        request={"urls": list(urls), "pictures": pictures},
    )
    each_s = (time.monotonic() - began) / len(urls)
    return {
        "cameras": len(urls),
        "pictures": cost["got"],
        "wall_s": round(cost["wall_s"], 1),
        "cpu_ms_per_camera": round(1000.0 * cost["cpu_s"] / len(urls), 1),
        "wall_s_at_600": round(600 * each_s, 0),
    }
