"""Choose which key frames of a running stream to keep, and judge whether they prove it live.

Pure: takes frames with the times they came at, returns decisions; opens nothing, reads no clock.
Not here: the clocks (clocks.py), decoding (decode.py), judging the picture (patrol.vision).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from streams.clocks import PACES_HZ, STOOD_STILL, VIDEO_CLOCK_HZ, media_clock_of
from streams.model import Freshness, KeyFrame, MediaClock

REST_OF_PICTURE_S: Final = 0.5  # later, an equal timestamp is that of another picture


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
        at_once = at_s < self._last_at_s + REST_OF_PICTURE_S
        if self.kept and at_once and _same_picture(self.kept[-1], frame):
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


def key_frame_interval_s(
    frames: Sequence[KeyFrame],
    clock: MediaClock = MediaClock.AS_DECLARED,
    clock_rate_hz: int = VIDEO_CLOCK_HZ,
) -> float | None:
    """Media time between the first two frames, in seconds; None where no clock tells it."""
    if len(frames) < 2:  # noqa: PLR2004  two to compare
        return None
    first, second = frames[0].media_time_s, frames[1].media_time_s
    if first is None or second is None or second <= first:
        return None
    pace_hz = clock_rate_hz if clock is MediaClock.AS_DECLARED else PACES_HZ.get(clock)
    return (second - first) * clock_rate_hz / pace_hz if pace_hz else None


def total_bytes(frames: Sequence[KeyFrame]) -> int:
    """The compressed bytes of the frames: the least that their pictures take of an uplink."""
    return sum(len(frame.data) for frame in frames)


def freshness_by_bits(frames: Sequence[KeyFrame]) -> Freshness:
    """What the frames of a stream without timestamps prove."""
    if len(frames) < 2:  # noqa: PLR2004  two to compare
        return Freshness.SINGLE
    repeated = len({frame.sha256 for frame in frames}) == 1
    return Freshness.REPEATED_BITS if repeated else Freshness.PICTURES_DIFFER


_NO_CLOCK: Final = frozenset({MediaClock.FRAME_COUNTER, MediaClock.CONSTANT})


def freshness_of(
    frames: Sequence[KeyFrame], burst_s: float, clock_rate_hz: int = VIDEO_CLOCK_HZ
) -> Freshness:
    """What the frames of one visit prove; media time may run `burst_s` ahead of ours.

    Timestamps that are no clock prove nothing: then it rests on the bits alone.
    """
    if len(frames) < 2:  # noqa: PLR2004  two to compare
        return Freshness.SINGLE
    first, last = frames[0], frames[-1]
    if first.media_time_s is None or last.media_time_s is None:
        return Freshness.STILL
    clock = media_clock_of(frames, burst_s, clock_rate_hz)
    if len({frame.sha256 for frame in frames}) == 1:
        constant = clock is MediaClock.CONSTANT
        return Freshness.MEDIA_CLOCK_STOOD_STILL if constant else Freshness.REPEATED_BITS
    if clock in _NO_CLOCK:
        return Freshness.PICTURES_DIFFER
    if clock is not MediaClock.ASTRAY:
        return Freshness.LIVE
    ours_s = (last.taken_at - first.taken_at).total_seconds()
    crawled = abs(last.media_time_s - first.media_time_s) < STOOD_STILL * ours_s
    return Freshness.MEDIA_CLOCK_STOOD_STILL if crawled else Freshness.MEDIA_CLOCK_ASTRAY
