"""NAL units glued into one with start codes: any split into packets gives the same picture."""

import time
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.rtsp import h264, h265
from streams.rtsp.depacketizer import CodecFormat, KeyAccessUnit, KeyFrameDepacketizer, split_glued
from streams.rtsp.rtp import RtpPacket
from tests.zoo.clips import START, Clip, clip_of, nal_kind
from tests.zoo.packing import SHORT_START, Packing

FORMATS = {"h264": h264.FORMAT, "hevc": h265.FORMAT}
STARTS = st.sampled_from([START, SHORT_START])
SLICES = {"h264": 4, "hevc": 1}


def clip(codec: str) -> Clip:
    return clip_of(codec, slices=SLICES[codec])


def push(
    a_format: CodecFormat, payloads: Sequence[bytes], max_bytes: int = 1 << 20
) -> list[KeyAccessUnit]:
    depacketizer = KeyFrameDepacketizer(a_format, max_bytes)
    last = len(payloads) - 1
    packets = (RtpPacket(n, 9, n == last, 96, 1, p) for n, p in enumerate(payloads))
    return [unit for unit in map(depacketizer.push, packets) if unit is not None]


def whole(codec: str) -> KeyAccessUnit:
    """The key picture as a camera without faults sends it."""
    (unit,) = push(FORMATS[codec], Packing(codec=codec)(clip(codec).units[0].nals))
    return unit


@st.composite
def glued(draw: st.DrawFn, codec: str) -> bytes:
    """The units of a key picture behind each other, with start codes of both lengths."""
    out = draw(st.sampled_from([b"", START, SHORT_START]))
    for number, nal in enumerate(clip(codec).units[0].nals):
        out += (draw(STARTS) if number else b"") + nal
    return out + draw(st.sampled_from([b"", START, b"\x00\x00\x00"]))


@st.composite
def fragments(draw: st.DrawFn, codec: str) -> list[bytes]:
    """Fragments of a glued picture, cut anywhere, above all around the start codes."""
    data = draw(glued(codec))
    near = [i + d for i in range(len(data)) if data.startswith(b"\0\0\1", i) for d in range(-2, 6)]
    cuts = draw(st.sets(st.one_of(st.integers(2, len(data)), st.sampled_from(near)), max_size=40))
    header = 1 if codec == "h264" else 2
    edges = sorted({header, len(data), *(cut for cut in cuts if header < cut < len(data))})
    parts = [data[a:b] for a, b in pairwise(edges)]
    return Packing(codec=codec).fragments_of(data, nal_kind(codec, data), parts)


@pytest.mark.parametrize("codec", FORMATS)
@given(data=st.data())
@settings(max_examples=120, deadline=None)
def test_any_split_gives_the_same_picture(codec: str, data: st.DataObject) -> None:
    (unit,) = push(FORMATS[codec], data.draw(fragments(codec)))
    assert unit == whole(codec)


@pytest.mark.parametrize("codec", FORMATS)
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_in_one_packet_or_in_an_aggregate(codec: str, data: st.DataObject) -> None:
    together = data.draw(glued(codec))
    head = b"\x78" if codec == "h264" else b"\x60\x01"
    sized = head + len(together).to_bytes(2, "big") + together
    payload = data.draw(st.sampled_from([together, sized]))
    (unit,) = push(FORMATS[codec], [payload])
    assert unit == whole(codec)


@pytest.mark.parametrize("size", range(1, 40))
def test_every_size_of_fragment(size: int) -> None:
    nals = clip_of(size_px=(64, 48)).units[0].nals
    (expected,) = push(h264.FORMAT, Packing()(nals))
    (unit,) = push(h264.FORMAT, Packing(mtu=size, glue=START)(nals))
    assert unit == expected


def test_the_smallest_of_them() -> None:
    sps, pps, idr = (
        "67640033acd940780227e5c05a808080a0000003002000000781e30632c0",
        "68ee3cb0",
        "6588",
    )
    payload = bytes.fromhex(sps + "00000001" + pps + "000001" + idr + "84")
    (unit,) = push(h264.FORMAT, [payload])
    expected = START + START.join(bytes.fromhex(x) for x in (sps, pps, idr + "84"))
    assert unit.data == expected


@pytest.mark.parametrize("codec", FORMATS)
def test_no_legal_unit_is_cut(codec: str) -> None:
    for unit in clip(codec).units:
        for nal in unit.nals:
            assert split_glued(nal, zero_is_padding=codec == "h264") == [nal]


@pytest.mark.parametrize("codec", FORMATS)
def test_pictures_that_are_no_key_pictures_are_given_up(codec: str) -> None:
    other = clip(codec).units[1]
    assert not other.key
    for pack in (Packing(codec=codec, glue=START), Packing(codec=codec, glue=START, mtu=60_000)):
        depacketizer = KeyFrameDepacketizer(FORMATS[codec], 1 << 20)
        for number, payload in enumerate(pack(other.nals)):
            packet = RtpPacket(number, 9, marker=False, payload_type=96, ssrc=1, payload=payload)
            assert depacketizer.push(packet) is None
            if number > 1:
                assert not depacketizer.busy


@pytest.mark.parametrize(
    "pattern", [b"\0\0\1", b"\0\0\1\x67", b"\0\0\1\x67\x01", b"\0\0\0\1\x65\x88"]
)
def test_start_codes_without_end_cost_little(pattern: bytes) -> None:
    payload = b"\x67\x64" + pattern * (65_000 // len(pattern))
    start_s = time.process_time()
    push(h264.FORMAT, [payload])
    assert time.process_time() - start_s < 0.15
