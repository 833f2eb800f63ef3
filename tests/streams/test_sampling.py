"""Which key frames are kept, and what they prove: a table of rules."""

from datetime import UTC, datetime, timedelta

import pytest

from streams.model import Codec, Freshness, KeyFrame
from streams.sampling import (
    FrameSampler,
    freshness_by_bits,
    freshness_of,
    key_frame_interval_s,
)

NOON = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)


def frame(at_s: float = 0.0, media_s: float | None = None, bits: bytes = b"x") -> KeyFrame:
    return KeyFrame(
        codec=Codec.H264,
        data=bits,
        taken_at=NOON + timedelta(seconds=at_s),
        media_time_s=media_s,
        sha256=bits.hex(),
    )


@pytest.mark.parametrize(
    ("times_s", "kept_s"),
    [
        pytest.param([0, 1, 2, 3, 4], [0, 3], id="the first that is far enough"),
        pytest.param([0, 2.99, 5.98], [0, 5.98], id="at least, not about"),
        pytest.param([5, 5, 5], [5], id="a burst is one"),
        pytest.param([0, 9, 18], [0, 9], id="no more than asked"),
    ],
)
def test_spacing_is_by_our_clock(times_s: list[float], kept_s: list[float]) -> None:
    sampler = FrameSampler(2, 3.0)
    for number, at_s in enumerate(times_s):
        sampler.accept(frame(at_s, float(number)), at_s)
    assert [(kept.taken_at - NOON).total_seconds() for kept in sampler.kept] == kept_s
    assert sampler.done == (len(kept_s) == 2)


def test_the_rest_of_a_picture_replaces_its_beginning() -> None:
    sampler = FrameSampler(2, 3.0)
    assert sampler.accept(frame(0, 1.0, b"half"), 0.0)
    assert not sampler.accept(frame(0.1, 1.0, b"half and half"), 0.1)
    assert [kept.data for kept in sampler.kept] == [b"half and half"]


@pytest.mark.parametrize(
    ("ours_s", "media_s", "bits", "expected"),
    [
        pytest.param(3, 3.0, b"y", Freshness.LIVE, id="in step"),
        pytest.param(3, 4.5, b"y", Freshness.LIVE, id="key frames jitter"),
        pytest.param(3, 12.0, b"y", Freshness.LIVE, id="an old group of pictures first"),
        pytest.param(3, 0.0, b"y", Freshness.PICTURES_DIFFER, id="no clock"),
        pytest.param(8, 0.5, b"y", Freshness.MEDIA_CLOCK_STOOD_STILL, id="crawled"),
        pytest.param(3, 0.0, b"x", Freshness.MEDIA_CLOCK_STOOD_STILL, id="still in all"),
        pytest.param(3, 3.0, b"x", Freshness.REPEATED_BITS, id="the same bits"),
        pytest.param(3, -20.0, b"y", Freshness.MEDIA_CLOCK_ASTRAY, id="backwards"),
        pytest.param(3, 9000.0, b"y", Freshness.MEDIA_CLOCK_ASTRAY, id="a jump"),
        pytest.param(10, 4.0, b"y", Freshness.MEDIA_CLOCK_ASTRAY, id="slow motion"),
        pytest.param(3, None, b"y", Freshness.STILL, id="no media clock"),
        pytest.param(3, 0.033, b"y", Freshness.LIVE, id="milliseconds"),
        pytest.param(3, 0.033, b"x", Freshness.REPEATED_BITS, id="milliseconds, the same bits"),
        pytest.param(3, 33.3, b"y", Freshness.LIVE, id="microseconds"),
        pytest.param(3, 75 / 90_000, b"y", Freshness.PICTURES_DIFFER, id="counts frames"),
        pytest.param(3, 75 / 90_000, b"x", Freshness.REPEATED_BITS, id="... of the same bits"),
    ],
)
def test_what_two_frames_prove(
    ours_s: float, media_s: float | None, bits: bytes, expected: Freshness
) -> None:
    first = frame(0, None if media_s is None else 0.0)
    assert freshness_of([first, frame(ours_s, media_s, bits)], burst_s=15.0) is expected


def test_an_equal_timestamp_later_is_another_picture() -> None:
    """Of a clock that stands still: not the rest of the picture before."""
    sampler = FrameSampler(2, 3.0)
    assert sampler.accept(frame(0, 1.0, b"one"), 0.0)
    assert not sampler.accept(frame(2, 1.0, b"too early"), 2.0)
    assert sampler.accept(frame(3, 1.0, b"another one"), 3.0)
    assert [kept.data for kept in sampler.kept] == [b"one", b"another one"]


@pytest.mark.parametrize(
    ("bits", "expected"),
    [(b"y", Freshness.PICTURES_DIFFER), (b"x", Freshness.REPEATED_BITS)],
)
def test_streams_without_timestamps_rest_on_their_bits(bits: bytes, expected: Freshness) -> None:
    assert freshness_by_bits([frame(), frame(3, None, bits)]) is expected
    assert freshness_by_bits([frame()]) is Freshness.SINGLE


def test_one_frame_proves_nothing() -> None:
    assert freshness_of([frame()], burst_s=15.0) is Freshness.SINGLE
    assert key_frame_interval_s([frame()]) is None


@pytest.mark.parametrize(
    ("first", "second", "interval"), [(1.0, 3.0, 2.0), (3.0, 1.0, None), (None, 1.0, None)]
)
def test_the_interval_is_media_time(
    first: float | None, second: float, interval: float | None
) -> None:
    assert key_frame_interval_s([frame(0, first), frame(9, second)]) == interval


def test_each_picture_that_is_kept_is_reported() -> None:
    reported: list[bytes] = []
    sampler = FrameSampler(9, 3.0, lambda kept: reported.append(kept.data))
    for at_s, bits in ((0, b"a"), (1, b"b"), (3, b"c"), (7, b"d")):
        sampler.accept(frame(at_s, float(at_s), bits), at_s)
    sampler.accept(frame(7.1, 7.0, b"d, whole"), 7.1)
    assert reported == [b"a", b"c", b"d", b"d, whole"]
