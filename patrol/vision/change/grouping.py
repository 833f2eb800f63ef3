"""One cause, one notice: what a whole round has in common is told once.

Pure, over the answers of a round: when many cameras at once report the same frame-wide cause it is
weather over the town (or over one village), and becomes one grouped item instead of hundreds.
"""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from patrol.vision.change.model import Cause, FrameWide

MIN_CAMERAS = 5
MIN_SHARE = 0.2  # of the cameras that could be compared

Key = TypeVar("Key", bound=Hashable)
KIND: Mapping[Cause, str] = {
    Cause.SNOW: "road_condition", Cause.DUST: "severe_weather", Cause.FOG: "severe_weather",
    Cause.RAIN: "severe_weather", Cause.DUSK: "", Cause.UNKNOWN: "scene_change",
}  # fmt: skip
WORDS: Mapping[Cause, str] = {
    Cause.SNOW: "疑似降雪 suspected snow", Cause.DUST: "疑似沙尘 suspected dust",
    Cause.FOG: "疑似大雾 suspected fog", Cause.RAIN: "疑似降雨 suspected rain",
    Cause.DUSK: "天色已暗 dusk", Cause.UNKNOWN: "画面普遍变化 pictures changed as a whole",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Grouped(Generic[Key]):
    """One grouped observation."""

    cause: Cause
    kind: str  # category identifier; empty: nothing to do but to know it
    cameras: tuple[Key, ...]
    compared: int  # cameras that had a reference to compare with
    score: float

    @property
    def words(self) -> str:
        """For the queue, Chinese first."""
        share = round(100 * len(self.cameras) / self.compared)
        return f"{WORDS[self.cause]}:{len(self.cameras)}/{self.compared} 路 ({share}%)"


def group(
    answers: Iterable[tuple[Key, FrameWide | None]],
    *,
    min_cameras: int = MIN_CAMERAS,
    min_share: float = MIN_SHARE,
) -> Sequence[Grouped[Key]]:
    """The causes that a round's cameras share, most cameras first.

    `answers`: every camera that was compared, with what it saw. A camera whose cause is not shared
    by enough others is in no group: its change is its own, and stays its own observation.
    """
    by_cause: dict[Cause, list[Key]] = defaultdict(list)
    scores: Counter[Cause] = Counter()
    compared = 0
    for camera, wide in answers:
        compared += 1
        if wide is not None:
            by_cause[wide.cause].append(camera)
            scores[wide.cause] += wide.score  # type: ignore[assignment]  # Counter adds floats too
    enough = max(min_cameras, min_share * compared)
    groups = [
        Grouped(
            cause=cause, kind=KIND[cause], cameras=tuple(cameras), compared=compared,
            score=min(1.0, scores[cause] / len(cameras)),
        )
        for cause, cameras in by_cause.items()
        if len(cameras) >= enough
    ]  # fmt: skip
    return sorted(groups, key=lambda g: -len(g.cameras))
