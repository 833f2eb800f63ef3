"""Clocks of streams: which pace timestamps have, and which reports tell the time of day."""

from datetime import UTC, datetime, timedelta

import pytest

from streams.clocks import RTSP_BURST_S, SenderClock, media_clock_of, wall_clock_of
from streams.model import Codec, KeyFrame, MediaClock, WallClock
from streams.sampling import key_frame_interval_s

NOON = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
NOW_S = NOON.timestamp()
NTP_S = 2_208_988_800
YEAR_S = 365.25 * 86_400
VIDEO_HZ = 90_000


def two_frames(ours_s: float, ticks: float, rate_hz: int) -> list[KeyFrame]:
    def frame(at_s: float, media_s: float) -> KeyFrame:
        at = NOON + timedelta(seconds=at_s)
        return KeyFrame(codec=Codec.H264, data=b"x", taken_at=at, media_time_s=media_s, sha256="")

    return [frame(0, 5.0), frame(ours_s, 5.0 + ticks / rate_hz)]


PACES = [
    (90_000, MediaClock.AS_DECLARED),
    (1_000, MediaClock.MILLISECONDS),
    (1_000_000, MediaClock.MICROSECONDS),
    (10_000_000, MediaClock.HUNDRED_NANOSECONDS),
    (8_000, MediaClock.EIGHT_KHZ),
    (16_000, MediaClock.SIXTEEN_KHZ),
    (25, MediaClock.FRAME_COUNTER),
    (100, MediaClock.FRAME_COUNTER),
    (1, MediaClock.FRAME_COUNTER),
    (0, MediaClock.CONSTANT),
]
TIMES = {MediaClock.FRAME_COUNTER, MediaClock.CONSTANT}


@pytest.mark.parametrize(("pace_hz", "expected"), PACES)
@pytest.mark.parametrize("ours_s", [0.5, 1.0, 3.0, 4.2, 10.0, 60.0])
@pytest.mark.parametrize("jitter", [0.92, 1.0, 1.08])
def test_paces(pace_hz: int, expected: MediaClock, ours_s: float, jitter: float) -> None:
    frames = two_frames(ours_s, pace_hz * ours_s * jitter, VIDEO_HZ)
    clock = media_clock_of(frames, RTSP_BURST_S)
    assert clock is expected
    interval_s = key_frame_interval_s(frames, clock)
    if expected in TIMES:
        assert interval_s is None
    else:
        assert interval_s == pytest.approx(ours_s * jitter)


@pytest.mark.parametrize(("ours_s", "media_s", "expected"), [
    pytest.param(3, 12.0, MediaClock.AS_DECLARED, id="a burst of the last group of pictures"),
    pytest.param(0.6, 2.0, MediaClock.AS_DECLARED, id="a burst, two frames at once"),
    pytest.param(0.0, 2.0, MediaClock.AS_DECLARED, id="a burst, both in one read"),
    pytest.param(3, 0.15, MediaClock.MILLISECONDS, id="milliseconds after a burst"),
    pytest.param(3, 9000.0, MediaClock.ASTRAY, id="a jump"),
    pytest.param(3, -20.0, MediaClock.ASTRAY, id="backwards"),
    pytest.param(10, 4.0, MediaClock.ASTRAY, id="slow motion"),
])  # fmt: skip
def test_bursts_and_jumps(ours_s: float, media_s: float, expected: MediaClock) -> None:
    frames = two_frames(ours_s, media_s * VIDEO_HZ, VIDEO_HZ)
    assert media_clock_of(frames, RTSP_BURST_S) is expected
    if expected is MediaClock.ASTRAY:
        assert key_frame_interval_s(frames, expected) is None


@pytest.mark.parametrize("declared_hz", [1000, 8000, 16_000])
def test_a_rate_that_is_described_wrongly(declared_hz: int) -> None:
    frames = two_frames(3, 3 * VIDEO_HZ, declared_hz)
    clock = media_clock_of(frames, RTSP_BURST_S, declared_hz)
    assert clock is MediaClock.NINETY_KHZ
    assert key_frame_interval_s(frames, clock, declared_hz) == pytest.approx(3)


def test_one_frame_has_no_pace() -> None:
    assert media_clock_of(two_frames(3, 3, 1)[:1], RTSP_BURST_S) is MediaClock.UNKNOWN


@pytest.mark.parametrize(("ntp_s", "expected"), [
    pytest.param(NOW_S + NTP_S, WallClock.TIME_OF_DAY, id="right"),
    pytest.param(NOW_S + NTP_S - 86_400, WallClock.TIME_OF_DAY, id="a day late"),
    pytest.param(NOW_S + NTP_S + 3 * YEAR_S, WallClock.TIME_OF_DAY, id="years ahead"),
    pytest.param(946_684_800 + NTP_S, WallClock.TIME_OF_DAY, id="2000-01-01: wrong, but a time"),
    pytest.param(5.0, WallClock.SINCE_START, id="uptime"),
    pytest.param(3 * YEAR_S, WallClock.SINCE_START, id="uptime of years"),
    pytest.param(NOW_S, WallClock.UNIX_SECONDS, id="Unix seconds"),
    pytest.param(NOW_S - 8 * 3600, WallClock.UNIX_SECONDS, id="Unix seconds, another zone"),
    pytest.param(NOW_S * 1000 % (1 << 32), WallClock.UNIX_MILLISECONDS, id="Unix ms, 32 bits"),
    pytest.param(NOW_S * 1000 / (1 << 32), WallClock.SINCE_START, id="Unix ms, 64 bits"),
    pytest.param(NOW_S * 1e6 / (1 << 32), WallClock.SINCE_START, id="Unix us, 64 bits"),
    pytest.param(NOW_S * 1e9 / (1 << 32), WallClock.SINCE_START, id="Unix ns, 64 bits"),
    pytest.param(NTP_S + 60.0, WallClock.NEVER_SET, id="1970"),
    pytest.param(NTP_S + 12 * YEAR_S, WallClock.ASTRAY, id="1982"),
])  # fmt: skip
def test_reports(ntp_s: float, expected: WallClock) -> None:
    assert wall_clock_of(ntp_s - NTP_S, NOW_S) is expected
    clock = SenderClock()
    clock.report(ntp_s - NTP_S, NOW_S)
    told = expected is WallClock.TIME_OF_DAY
    assert clock.offset_s == (pytest.approx(ntp_s - NTP_S - NOW_S) if told else None)


@pytest.mark.parametrize(("passed_s", "expected"), [
    (10.0, WallClock.TIME_OF_DAY),
    (0.0, WallClock.OTHER_PACE),
    (1000.0, WallClock.OTHER_PACE),
    (-10.0, WallClock.OTHER_PACE),
])  # fmt: skip
def test_a_clock_that_does_not_run_is_none(passed_s: float, expected: WallClock) -> None:
    clock = SenderClock()
    clock.report(NOW_S - 100, NOW_S)
    assert clock.offset_s == -100
    clock.report(NOW_S - 100 + passed_s, NOW_S + 10)
    assert clock.kind is expected
    assert (clock.offset_s is None) == (expected is WallClock.OTHER_PACE)
