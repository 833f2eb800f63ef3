"""`patrol bench round`: whole rounds against a live simulated town, at three sizes in one run.

The simulator and the patrol are separate processes on the same machine, so the patrol's own CPU and
memory are counted apart from the cameras'. Beside it stands what a user would otherwise do: one
`cv2.VideoCapture` after the other, on a few cameras, scaled.
"""

import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from patrol.bench.child_process import ReportProgress, json_from_process
from simulators.rtsp_farm.process import running_farm

SIZES = (60, 600, 3000)
NAIVE_CAMERAS = 6  # about 4 s each, one after the other whatever the threads
CEILING_WALL_S = 60.0  # at 600 cameras
CEILING_RSS_MB = 400.0
ROUND_TIMEOUT_S = 1800


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundCost:
    """One round as the patrol itself counted it."""

    cameras: int
    seen: int
    pictures: int
    wall_s: float
    cpu_s: float
    peak_rss_mb: float

    @property
    def cpu_ms_per_camera(self) -> float:
        """CPU time per camera, which must not grow with their number."""
        return 1000.0 * self.cpu_s / max(1, self.cameras)

    def row(self) -> dict[str, object]:
        """Plain data for JSON and tables."""
        return {
            "cameras": self.cameras,
            "seen": self.seen,
            "pictures": self.pictures,
            "wall_s": round(self.wall_s, 1),
            "cpu_s": round(self.cpu_s, 1),
            "cpu_ms_per_camera": round(self.cpu_ms_per_camera, 1),
            "cameras_per_s": round(self.cameras / max(self.wall_s, 0.001), 1),
            "peak_rss_mb": round(self.peak_rss_mb, 1),
        }


def run(
    *,
    sizes: Sequence[int] = SIZES,
    naive_cameras: int = NAIVE_CAMERAS,
    report: ReportProgress = lambda _: None,
) -> dict[str, Any]:
    """Measure one round at every size. Raises RuntimeError when a round fails."""
    rounds: list[dict[str, object]] = []
    naive: dict[str, object] = {}
    for size in sizes:
        report(f"{size} cameras: starting the town")
        with tempfile.TemporaryDirectory(prefix="patrol-bench-") as folder:
            town = Path(folder) / "town"
            with running_farm(town, cameras=size, profile="bench") as farm:
                report(f"{size} cameras: running a round")
                rounds.append(measure_round(town).row())
                if not naive and naive_cameras:
                    report(f"{naive_cameras} cameras one after the other with cv2.VideoCapture")
                    naive = measure_naive(farm.urls()[:naive_cameras], pictures=2)
    return {
        "rounds": rounds,
        "naive_cv2": naive,
        "ceilings_at_600": {"wall_s": CEILING_WALL_S, "peak_rss_mb": CEILING_RSS_MB},
    }


def measure_round(config_dir: Path) -> RoundCost:
    """`patrol round morning --json` in a process of its own."""
    command = [sys.executable, "-m", "patrol", "-c", str(config_dir), "round", "morning", "--json"]
    summary = json_from_process(
        command, name="the round", timeout_s=ROUND_TIMEOUT_S, quote_stderr=True
    )
    return RoundCost(
        cameras=summary["planned"],
        seen=summary["seen"],
        pictures=summary["pictures"],
        wall_s=summary["wall_s"],
        cpu_s=summary["cpu_s"],
        peak_rss_mb=summary["peak_rss_mb"],
    )


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
