"""Program and transport streams cut anywhere: the same key pictures, and never an exception."""

import itertools
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.gb28181.program_stream import MuxOptions, mux_picture, transport_stream
from streams.annexb import split_nals
from streams.model import Codec
from streams.mpeg.key_pictures import KeyPicture, KeyPictureFinder
from streams.mpeg.program_stream import ProgramStreamDemuxer, PtsTimeline, read_pts
from streams.mpeg.transport_stream import TransportStreamDemuxer
from tests.zoo.clips import START, Clip, clip_of

MAX = 1 << 20
CODECS = {"h264": Codec.H264, "hevc": Codec.H265}
OPTIONS = {
    "plain": MuxOptions(),
    "no map": MuxOptions(with_map=False),
    "the map lies": MuxOptions(declared="h264"),
    "the map is broken": MuxOptions(broken_map=True),
    "many PES packets": MuxOptions(pes_payload=700),
    "a time on each": MuxOptions(pes_payload=700, pts_on="every"),
    "no time at all": MuxOptions(pes_payload=700, pts_on="none"),
    "PES without length": MuxOptions(zero_length=True),
    "private streams": MuxOptions(private_streams=True),
    "padding and audio": MuxOptions(padding=True, audio=True),
}


def annexb(clip: Clip, number: int) -> bytes:
    return START + START.join(clip.units[number].nals)


@cache
def muxed(codec: str, name: str) -> bytes:
    clip = clip_of(codec)
    return b"".join(
        mux_picture(
            annexb(clip, n), 90_000 + 3600 * n, key=unit.key, codec=codec, options=OPTIONS[name]
        )
        for n, unit in enumerate(clip.units)
    )


def found(data: bytes, cuts: list[int]) -> tuple[list[KeyPicture], ProgramStreamDemuxer]:
    finder = KeyPictureFinder()
    demuxer = ProgramStreamDemuxer(MAX, finder.may_be_key, finder.begins_picture)
    units = []
    edges = [0, *sorted({cut % (len(data) + 1) for cut in cuts}), len(data)]
    for begin, end in itertools.pairwise(edges):
        units += demuxer.feed(data[begin:end])
    units += demuxer.finish()
    pictures = [picture for unit in units for picture in finder.pictures(unit)]
    return pictures, demuxer


def expected(codec: str) -> list[list[bytes]]:
    clip = clip_of(codec)
    return [split_nals(annexb(clip, n)) for n, unit in enumerate(clip.units) if unit.key]


def slices(codec: str, nals: list[bytes]) -> list[bytes]:
    kinds = range(1, 6) if codec == "h264" else range(22)
    return [n for n in nals if (n[0] & 0x1F if codec == "h264" else n[0] >> 1 & 0x3F) in kinds]


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("name", OPTIONS)
def test_every_key_picture_comes_whole_whatever_the_muxer_does(codec: str, name: str) -> None:
    pictures, demuxer = found(muxed(codec, name), [])
    assert [picture.codec for picture in pictures] == [CODECS[codec]] * len(expected(codec))
    got = [slices(codec, split_nals(picture.data)) for picture in pictures]
    assert got == [slices(codec, nals) for nals in expected(codec)]
    assert not demuxer.lost
    if name not in {"no map", "the map is broken"}:
        assert demuxer.stream_types[0xE0] == (0x1B if "lies" in name or codec == "h264" else 0x24)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(sorted(OPTIONS)), st.lists(st.integers(0, 1 << 20), max_size=200))
def test_cuts_change_nothing(name: str, cuts: list[int]) -> None:
    whole, _ = found(muxed("h264", name), [])
    cut, _ = found(muxed("h264", name), cuts)
    assert cut == whole


@pytest.mark.parametrize("name", OPTIONS)
def test_byte_by_byte_is_the_same(name: str) -> None:
    data = muxed("h264", name)[:120_000]
    assert found(data, list(range(len(data))))[0] == found(data, [])[0]


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(sorted(OPTIONS)),
    st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 255)), min_size=1, max_size=40),
    st.integers(0, 1 << 20),
)
def test_damage_never_raises_and_reading_goes_on(
    name: str, damage: list[tuple[int, int]], start: int
) -> None:
    data = bytearray(muxed("hevc", name))
    for at, value in damage:
        data[at % len(data)] = value
    good = muxed("hevc", "plain")
    pictures, _ = found(bytes(data[start % len(data) :]) + good * 2, [])
    assert len(pictures) >= len(expected("hevc")) - 1


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=3000))
def test_noise_never_raises(noise: bytes) -> None:
    for data in (noise, b"\x00\x00\x01\xba" + noise, muxed("h264", "plain")[:60] + noise):
        found(data, [len(data) // 2])
        TransportStreamDemuxer(MAX).feed(b"\x47" + noise)


def test_a_start_in_mid_group_waits_for_the_next_key_picture() -> None:
    clip = clip_of("h264")
    second = [n for n, unit in enumerate(clip.units) if unit.key][1]
    data = b"".join(
        mux_picture(annexb(clip, n), 3600 * n, key=clip.units[n].key, codec="h264")
        for n in range(1, second + 2)
    )
    pictures, _ = found(data[500:], [])
    assert [slices("h264", split_nals(p.data)) for p in pictures] == [
        slices("h264", expected("h264")[1])
    ]


def test_sets_that_came_once_are_put_in_front_of_later_key_pictures() -> None:
    clip = clip_of("hevc")
    keys = [n for n, unit in enumerate(clip.units) if unit.key]
    data = b""
    for n, unit in enumerate(clip.units):
        nals = unit.nals if n == keys[0] else [x for x in unit.nals if not clip.is_set(x)]
        data += mux_picture(START + START.join(nals), 3600 * n, key=unit.key, codec="hevc")
    pictures, _ = found(data, [])
    assert len(pictures) == len(keys)
    assert all(set(clip.sets) <= set(split_nals(picture.data)) for picture in pictures)


def test_a_picture_with_a_hole_is_given_up_and_counted() -> None:
    data = muxed("h264", "plain")
    half = data.index(b"\x00\x00\x01\xe0") + 800
    finder = KeyPictureFinder()
    demuxer = ProgramStreamDemuxer(MAX, finder.may_be_key, finder.begins_picture)
    units = demuxer.feed(data[:half])
    demuxer.discontinuity()
    units += demuxer.feed(data[half + 300 :]) + demuxer.finish()
    pictures = [picture for unit in units for picture in finder.pictures(unit)]
    assert len(pictures) == len(expected("h264")) - 1
    assert demuxer.lost == 1


def test_a_picture_without_end_is_bounded() -> None:
    demuxer = ProgramStreamDemuxer(10_000)
    one = mux_picture(START + b"\x65" + b"x" * 5000, 1, key=True, codec="h264")
    for _ in range(50):
        demuxer.feed(one)  # all with one time, so they are one picture
    assert demuxer.oversized
    assert not demuxer.finish()


def test_media_time_follows_the_time_stamps_across_the_wrap() -> None:
    stamps = [(1 << 33) - 9000, (1 << 33) - 4500, 0, 4500]
    timeline = PtsTimeline()
    assert [timeline.seconds(pts) for pts in stamps] == [0.0, 0.05, 0.1, 0.15]
    data = mux_picture(START + b"\x65", stamps[0], key=True, codec="h264")
    at = data.index(b"\x00\x00\x01\xe0") + 9
    assert read_pts(data, at) == stamps[0]


@pytest.mark.parametrize("codec", CODECS)
def test_a_transport_stream_gives_the_same_pictures(codec: str) -> None:
    clip, data, counter = clip_of(codec), b"", 0
    for n in range(len(clip.units)):
        packets, counter = transport_stream(annexb(clip, n), 3600 * n, counter=counter)
        data += packets
    finder = KeyPictureFinder()
    demuxer = TransportStreamDemuxer(MAX, finder.may_be_key)
    units = [
        unit for at in range(0, len(data), 1316) for unit in demuxer.feed(data[at : at + 1316])
    ]
    units += demuxer.finish()
    pictures = [picture for unit in units for picture in finder.pictures(unit)]
    assert [slices(codec, split_nals(p.data)) for p in pictures] == [
        slices(codec, nals) for nals in expected(codec)
    ]
