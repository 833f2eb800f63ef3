"""The farm's time: frames since it started, and the wall clock that belongs to each.

All cameras run at 15 frames a second, each ahead by its own phase. A frame is divided into ticks,
and every camera belongs to one of them, so that the work is spread evenly over time.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

FRAMES_PER_S: Final = 15
TICKS_PER_FRAME: Final = 8  # 8.3 ms: hundreds of viewers make a few dozen writes per tick
TICKS_PER_S: Final = FRAMES_PER_S * TICKS_PER_FRAME
VIDEO_CLOCK_HZ: Final = 90_000
AUDIO_CLOCK_HZ: Final = 8_000
_NTP_EPOCH_S: Final = 2_208_988_800  # 1900 → 1970


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """Counts from the moment in which the farm began."""

    began_s: float  # on the event loop's clock
    began_at: datetime  # UTC

    def tick_at(self, now_s: float) -> int:
        """The tick that is running at `now_s`."""
        return int((now_s - self.began_s) * TICKS_PER_S)

    def due_s(self, tick: int) -> float:
        """When a tick begins, on the event loop's clock."""
        return self.began_s + tick / TICKS_PER_S

    def wall_at(self, frame: int) -> datetime:
        """The wall clock at a frame of a camera without phase."""
        return self.began_at + timedelta(seconds=frame / FRAMES_PER_S)


def ntp_time(at: datetime) -> int:
    """64-bit NTP timestamp of RTCP (RFC 3550 §4)."""
    return int((at.timestamp() + _NTP_EPOCH_S) * (1 << 32))
