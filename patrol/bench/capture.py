"""`patrol bench capture`: what one key frame of a camera costs, beside the other ways, in one run.

The work: connect, get one 1080p H.264 key frame of a live camera, decode it to a BGR array, leave.
The cameras are a process of their own, and so is every way; a way's processor time includes its
children's. Below all stands the floor: the bare decode of the very key frames that we fetched, on
one thread. Ours and the floor are taken in turns, and the middle of the ratios is the result,
because a machine's speed changes from minute to minute.
"""

import shutil
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from patrol.bench import capture_others
from patrol.bench.child_process import ReportProgress, json_from_process
from simulators.rtsp_farm.process import running_farm

CAMERAS: Final = 600
REPEATS: Final = 3
MAX_TIMES_FLOOR: Final = 1.3
WAY_TIMEOUT_S: Final = 600
# How many of each slow way are run: enough to see the cost per camera, few enough to wait for.
OTHER_WAYS: Final = {
    "cv2.VideoCapture, threads": (capture_others.CV2, 4),
    "PyAV default, threads": (capture_others.PYAV_DEFAULT, 10),
    "PyAV tuned (no probing, key frames only), threads": (capture_others.PYAV_TUNED, 60),
    "ffmpeg command, a process each": (capture_others.FFMPEG, 10),
}
OURS: Final = "patrol (streams), all at once"
FLOOR: Final = "floor: bare decode, one thread"


@dataclass(frozen=True, slots=True, kw_only=True)
class WayCost:
    """What one way cost, as its own process counted it."""

    how: str
    cameras: int  # run at once
    got: int  # pictures
    cpu_s: float
    wall_s: float
    peak_rss_mb: float

    @property
    def cpu_ms_per_camera(self) -> float:
        """Milliseconds of CPU for each picture that was got."""
        return 1000.0 * self.cpu_s / max(1, self.got)

    def row(self, floor_ms: float) -> dict[str, object]:
        """Plain data for JSON and tables."""
        return {
            "how": self.how,
            "cameras": self.cameras,
            "pictures": self.got,
            "cpu_ms_per_camera": round(self.cpu_ms_per_camera, 2),
            "times_floor": round(self.cpu_ms_per_camera / floor_ms, 2),
            "wall_s": round(self.wall_s, 1),
            "peak_rss_mb": round(self.peak_rss_mb, 1),
        }


def run(
    *,
    cameras: int = CAMERAS,
    repeats: int = REPEATS,
    slow_ways: bool = True,
    report: ReportProgress = lambda _: None,
) -> dict[str, Any]:
    """Measure every way on a simulated town. Raises RuntimeError when one of them fails."""
    pairs: list[tuple[WayCost, WayCost]] = []
    slow: list[WayCost] = []
    report(f"starting {cameras} cameras")
    with (
        tempfile.TemporaryDirectory(prefix="patrol-bench-") as folder,
        running_farm(Path(folder) / "town", cameras=cameras, profile="bench") as farm,
    ):
        urls = farm.urls()[:cameras]
        for number in range(repeats):
            report(f"{OURS}: {cameras} cameras ({number + 1} of {repeats})")
            pairs.append(measure_ours(urls))
        for how, (program, count) in OTHER_WAYS.items() if slow_ways else ():
            if program is capture_others.FFMPEG and shutil.which("ffmpeg") is None:
                report(f"{how}: not installed, left out")
                continue
            report(f"{how}: {count} cameras")
            slow.append(measure_other(how, program, urls[:count]))
    return as_document(pairs, slow)


def as_document(
    pairs: Sequence[tuple[WayCost, WayCost]], slow: Sequence[WayCost]
) -> dict[str, Any]:
    """Rows from the dearest way to the cheapest, and whether ours is within MAX_TIMES_FLOOR."""
    ratios = [ours.cpu_ms_per_camera / floor.cpu_ms_per_camera for ours, floor in pairs]
    middle = statistics.median_low(ratios)
    ours, floor = pairs[ratios.index(middle)]
    dearest_first = sorted(slow, key=lambda cost: -cost.cpu_ms_per_camera)
    ways = [*dearest_first, ours, floor]
    return {
        "ways": [cost.row(floor.cpu_ms_per_camera) for cost in ways],
        "times_floor": round(middle, 3),
        "times_floor_of_each_run": [round(ratio, 3) for ratio in ratios],
        "ceiling": MAX_TIMES_FLOOR,
        "within": middle <= MAX_TIMES_FLOOR,
    }


def measure_ours(urls: Sequence[str]) -> tuple[WayCost, WayCost]:
    """Ours for these cameras, and the bare decode of the key frames that it got."""
    ours = [sys.executable, "-m", "patrol.bench.capture_ours"]
    result = _result_of(OURS, ours, {"urls": list(urls)})
    if result["got"] < len(urls):
        raise RuntimeError(f"{OURS}: {result['got']} of {len(urls)}; {result['failures']}")
    floor = [sys.executable, "-c", capture_others.FLOOR]
    frames = {"frames": result["frames"], "codecs": result["codecs"]}
    bare = _result_of(FLOOR, floor, frames)
    return _cost(OURS, len(urls), result), _cost(FLOOR, 1, bare)


def measure_other(how: str, program: str, urls: Sequence[str]) -> WayCost:
    """One of the other ways. Raises RuntimeError when it gets no picture at all."""
    result = _result_of(how, [sys.executable, "-c", program], {"urls": list(urls)})
    if not result["got"]:
        raise RuntimeError(f"{how}: no picture of {len(urls)} cameras")
    return _cost(how, len(urls), result)


def _cost(how: str, cameras: int, result: dict[str, Any]) -> WayCost:
    return WayCost(
        how=how,
        cameras=cameras,
        got=result["got"],
        cpu_s=result["cpu_s"],
        wall_s=result["wall_s"],
        peak_rss_mb=result["peak_rss_mb"],
    )


def _result_of(how: str, command: Sequence[str], request: dict[str, Any]) -> dict[str, Any]:
    return json_from_process(command, name=how, timeout_s=WAY_TIMEOUT_S, request=request)
