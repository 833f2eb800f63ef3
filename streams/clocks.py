"""Judge a stream's clocks: the pace of its RTP timestamps, and the time in its RTCP reports.

Pure: takes the key frames of one visit with the times they came at, or reports with the time of
their arrival; reads no clock. Many cameras count their RTP timestamps in milliseconds or frames
whatever the description says (RFC 6184 §5.1 and RFC 7798 §4.1 want 90 kHz), and report the seconds
since they started as NTP time (RFC 3550 §6.4.1 allows just that). Such clocks prove nothing against
a camera: they are named, corrected where the pace is known, and passed over otherwise.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from streams.model import KeyFrame, MediaClock, WallClock

VIDEO_CLOCK_HZ: Final = 90_000
# Servers send the last group of pictures to a new client: media time may run ahead of ours once.
RTSP_BURST_S: Final = 15.0
SEGMENT_BURST_S: Final = 60.0  # HLS, FLV: several segments of ten seconds at once
SLOWEST: Final = 0.5  # media seconds for one of ours; below it, it hardly moved
STOOD_STILL: Final = 0.25
FASTEST: Final = 2.0
JITTER_S: Final = 0.5  # by which two arrivals may differ
NEAR: Final = 0.25  # of our time: key frames are not as evenly spaced as seconds
EXACT: Final = 0.1  # ... for a pace that might also be a burst at the declared one
SHORTEST_PACED_S: Final = 0.4  # of our time; in less, arrivals jitter too much to tell a pace
MOST_FRAMES_PER_S: Final = 240  # of any camera, in ticks of one or two a frame

# Paces that cameras have; the likeliest first.
PACES_HZ: Final = {
    MediaClock.NINETY_KHZ: VIDEO_CLOCK_HZ,
    MediaClock.MILLISECONDS: 1_000,
    MediaClock.MICROSECONDS: 1_000_000,
    MediaClock.HUNDRED_NANOSECONDS: 10_000_000,
    MediaClock.EIGHT_KHZ: 8_000,
    MediaClock.SIXTEEN_KHZ: 16_000,
}
_AFTER_BURST: Final = (MediaClock.MILLISECONDS, MediaClock.MICROSECONDS)  # told from each other


def media_clock_of(
    frames: Sequence[KeyFrame], burst_s: float, clock_rate_hz: int = VIDEO_CLOCK_HZ
) -> MediaClock:
    """The pace of the timestamps between the first and the last frame.

    `clock_rate_hz` is the declared one, by which the frames' media time was computed; media time
    may run `burst_s` ahead of ours.
    """
    if len(frames) < 2 or frames[0].media_time_s is None or frames[-1].media_time_s is None:  # noqa: PLR2004  two to compare
        return MediaClock.UNKNOWN
    media_s = frames[-1].media_time_s - frames[0].media_time_s
    ours_s = (frames[-1].taken_at - frames[0].taken_at).total_seconds()
    if media_s <= 0:
        return MediaClock.CONSTANT if media_s == 0 else MediaClock.ASTRAY
    return _pace_of(media_s, ours_s, burst_s, clock_rate_hz)


def _pace_of(media_s: float, ours_s: float, burst_s: float, clock_rate_hz: int) -> MediaClock:
    if abs(media_s - ours_s) <= max(JITTER_S, NEAR * ours_s) and media_s >= STOOD_STILL * ours_s:
        return MediaClock.AS_DECLARED
    ticks = media_s * clock_rate_hz
    steady = _steady_pace(ticks, ours_s, clock_rate_hz)
    if steady is not None:
        return steady
    if _is_in_step(media_s, ours_s, burst_s):
        return MediaClock.AS_DECLARED
    if ticks <= MOST_FRAMES_PER_S * ours_s:
        return MediaClock.FRAME_COUNTER
    ahead = (c for c in _AFTER_BURST if _is_in_step(ticks / PACES_HZ[c], ours_s, burst_s))
    return next(ahead, MediaClock.ASTRAY)


def _steady_pace(ticks: float, ours_s: float, clock_rate_hz: int) -> MediaClock | None:
    """The pace that our own time agrees with, without a burst."""
    for clock, pace_hz in PACES_HZ.items() if ours_s >= SHORTEST_PACED_S else ():
        allowed = NEAR if pace_hz <= clock_rate_hz else EXACT
        if abs(ticks / pace_hz - ours_s) <= allowed * ours_s:
            return clock
    return None


def _is_in_step(media_s: float, ours_s: float, burst_s: float) -> bool:
    slowest_s = max(SLOWEST * ours_s - JITTER_S, STOOD_STILL * ours_s)
    return slowest_s <= media_s <= FASTEST * ours_s + burst_s


_YEAR_S: Final = 365.25 * 86_400
_NTP_TO_UNIX_S: Final = 2_208_988_800  # 1900-01-01 to 1970-01-01
_WRAP_32: Final = 1 << 32
UPTIME_S: Final = 5 * _YEAR_S  # the longest that a camera ran, or runs with a clock never set
MAX_OFFSET_S: Final = 30 * _YEAR_S  # 2000-01-01, where many clocks begin, lies nearer
MILLISECONDS_APART: Final = 3_600_000  # of ours and a camera's that counts them


def wall_clock_of(unix_s: float, now_s: float) -> WallClock:
    """The kind of time that a report holds; both in seconds since 1970 as RFC 3550 reads it."""
    ntp_s = unix_s + _NTP_TO_UNIX_S
    if abs(unix_s - now_s) < UPTIME_S:
        return WallClock.TIME_OF_DAY
    if abs(ntp_s - now_s) < UPTIME_S:
        return WallClock.UNIX_SECONDS
    apart = (ntp_s - now_s * 1000 + _WRAP_32 / 2) % _WRAP_32 - _WRAP_32 / 2
    if abs(apart) < MILLISECONDS_APART:
        return WallClock.UNIX_MILLISECONDS
    if unix_s < UPTIME_S:
        return WallClock.NEVER_SET if unix_s >= 0 else WallClock.SINCE_START
    return WallClock.TIME_OF_DAY if abs(unix_s - now_s) < MAX_OFFSET_S else WallClock.ASTRAY


@dataclass(slots=True)
class SenderClock:
    """The clock of a sender by its RTCP reports: how far it is off, and whether it is one."""

    kind: WallClock = WallClock.NOT_REPORTED
    offset_s: float | None = None  # its time minus ours; None where it tells no time of day
    _first: tuple[float, float] | None = None  # its time and ours of the first report

    def report(self, unix_s: float, now_s: float) -> None:
        """Take a report that came at `now_s`; both in seconds since 1970."""
        first_s, first_now_s = self._first = self._first or (unix_s, now_s)
        self.kind = wall_clock_of(unix_s, now_s)
        passed_s, ours_s = unix_s - first_s, now_s - first_now_s
        even = SLOWEST * ours_s - JITTER_S <= passed_s <= FASTEST * ours_s + JITTER_S
        if self.kind is WallClock.TIME_OF_DAY and not even:
            self.kind = WallClock.OTHER_PACE
        self.offset_s = unix_s - now_s if self.kind is WallClock.TIME_OF_DAY else None
