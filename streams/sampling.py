"""Choose which key frames of a running stream to keep, and judge whether they prove it live.

Pure: takes frames with the times they came at, returns decisions; opens nothing, reads no clock.
Not here: decoding (decode.py), judging the picture (patrol.vision).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from streams.model import Freshness, KeyFrame

# Servers send the last group of pictures to a new client: media time may run ahead of ours once.
RTSP_BURST_S: Final = 15.0
SEGMENT_BURST_S: Final = 60.0  # HLS, FLV: several segments of ten seconds at once
SLOWEST: Final = 0.5  # media seconds for one of ours; below it, it hardly moved
STOOD_STILL: Final = 0.25
FASTEST: Final = 2.0
JITTER_S: Final = 0.5  # by which two arrivals may differ


@dataclass(slots=True)
class FrameSampler:
    """Keeps the first key frame, then each that comes `spacing_s` or more after the last kept."""

    pictures: int
    spacing_s: float
    on_kept: Callable[[KeyFrame], None] | None = None
    kept: list[KeyFrame] = field(default_factory=list)
    _last_at_s: float = 0.0

    @property
    def done(self) -> bool:
        """Whether enough key frames are kept."""
        return len(self.kept) >= self.pictures

    @property
    def next_wanted_s(self) -> float:
        """From when on another key frame may be kept, in seconds of the same monotonic clock."""
        return self._last_at_s + self.spacing_s if self.kept else 0.0

    def accept(self, frame: KeyFrame, at_s: float) -> bool:
        """Keep or drop a frame that came at `at_s` of a monotonic clock; True when kept."""
        if self.kept and _same_picture(self.kept[-1], frame):
            self.kept[-1] = frame  # the rest of a picture whose end was marked too early
            self._report_kept(frame)
            return False
        if self.done or at_s < self.next_wanted_s:
            return False
        self.kept.append(frame)
        self._last_at_s = at_s
        self._report_kept(frame)
        return True

    def _report_kept(self, frame: KeyFrame) -> None:
        if self.on_kept is not None:
            self.on_kept(frame)


def _same_picture(kept: KeyFrame, frame: KeyFrame) -> bool:
    return (
        frame.media_time_s is not None
        and kept.media_time_s == frame.media_time_s
        and len(frame.data) > len(kept.data)
    )


def key_frame_interval_s(frames: Sequence[KeyFrame]) -> float | None:
    """Media time between the first two frames; None without it."""
    if len(frames) < 2:  # noqa: PLR2004  two to compare
        return None
    first, second = frames[0].media_time_s, frames[1].media_time_s
    if first is None or second is None or second <= first:
        return None
    return second - first


def freshness_of(frames: Sequence[KeyFrame], burst_s: float) -> Freshness:
    """What the frames of one visit prove; media time may run `burst_s` ahead of ours."""
    if len(frames) < 2:  # noqa: PLR2004  two to compare
        return Freshness.SINGLE
    first, last = frames[0], frames[-1]
    if first.media_time_s is None or last.media_time_s is None:
        return Freshness.STILL
    media_s = last.media_time_s - first.media_time_s
    ours_s = (last.taken_at - first.taken_at).total_seconds()
    if abs(media_s) < STOOD_STILL * ours_s:
        return Freshness.MEDIA_CLOCK_STOOD_STILL
    if len({frame.sha256 for frame in frames}) == 1:
        return Freshness.REPEATED_BITS
    if SLOWEST * ours_s - JITTER_S <= media_s <= FASTEST * ours_s + burst_s:
        return Freshness.LIVE
    return Freshness.MEDIA_CLOCK_ASTRAY
