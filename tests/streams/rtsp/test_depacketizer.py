"""Packets into key pictures: as cameras send them, well and badly."""

from collections.abc import Callable
from typing import Any

import pytest

from streams.errors import Unreadable
from streams.rtsp import h264 as avc
from streams.rtsp import h265 as hevc
from streams.rtsp.depacketizer import ASK_THIRD, SKIP, TAKE, KeyAccessUnit, KeyFrameDepacketizer
from streams.rtsp.rtp import RtpTimeline, read_rtp, read_sender_report, sequence_step

START = b"\x00\x00\x00\x01"


def annexb(*groups: list[bytes]) -> bytes:
    return b"".join(START + nal for group in groups for nal in group)


def push(depacketizer: KeyFrameDepacketizer, packets: list[bytes]) -> list[KeyAccessUnit]:
    units = [depacketizer.push(rtp) for rtp in map(read_rtp, packets) if rtp is not None]
    return [unit for unit in units if unit is not None]


def assembler_of(
    clip: Any, a_format: Any = avc.FORMAT, *, sets: bool = True
) -> KeyFrameDepacketizer:
    depacketizer = KeyFrameDepacketizer(a_format, 1 << 20)
    for nal in clip.sets if sets else ():
        depacketizer.sets.add(a_format.parameter_kind(nal), nal, None)
    return depacketizer


def test_sets_from_the_description(h264: Any, sender: Any) -> None:
    (unit,) = push(assembler_of(h264), sender().picture(h264.key))
    assert unit.data == h264.data


def test_sets_in_band_replace_those_of_the_description(h264: Any, sender: Any) -> None:
    depacketizer = assembler_of(h264, sets=False)
    for kind in (7, 8):
        depacketizer.sets.add(kind, bytes((kind, 1, 2)), None)
    (unit,) = push(depacketizer, sender().picture([*h264.sets, *h264.key]))
    assert unit.data == h264.data


def test_sets_of_an_earlier_picture_serve_a_later_one(h264: Any, sender: Any) -> None:
    out, depacketizer = sender(), assembler_of(h264, sets=False)
    assert not push(depacketizer, out.picture(h264.sets))
    (unit,) = push(depacketizer, out.picture(h264.key))
    assert unit.data == h264.data


def test_no_sets_at_all(h264: Any, sender: Any) -> None:
    depacketizer = assembler_of(h264, sets=False)
    assert not push(depacketizer, sender().picture(h264.key))
    assert depacketizer.undecodable == 1


@pytest.mark.parametrize("mtu", [100, 700, 60_000])
def test_slices_belong_together(h264_slices: Any, sender: Any, mtu: int) -> None:
    assert len(h264_slices.key) == 4
    (unit,) = push(assembler_of(h264_slices), sender(mtu=mtu).picture(h264_slices.key))
    assert unit.data == h264_slices.data


def test_a_stream_whose_markers_are_on_every_nal(h264_slices: Any, sender: Any) -> None:
    """The first sign is a marker on the parameter sets; then the next timestamp ends a picture."""
    out, depacketizer = sender(mtu=60_000), assembler_of(h264_slices)
    stamp = out.timestamp
    packets = []
    for nal in [*h264_slices.sets, *h264_slices.key]:
        out.timestamp = stamp
        packets += out.picture([nal])
    assert not push(depacketizer, packets)
    (unit,) = push(depacketizer, out.picture(h264_slices.other))
    assert unit.data == h264_slices.data


def test_a_marker_that_came_too_early_is_made_good(h264_slices: Any, sender: Any) -> None:
    out, depacketizer = sender(mtu=60_000), assembler_of(h264_slices)
    stamp, packets = out.timestamp, []
    for nal in h264_slices.key:
        out.timestamp = stamp
        packets += out.picture([nal])
    short, whole = push(depacketizer, [*packets, *out.picture(h264_slices.other)])
    assert short.timestamp == whole.timestamp
    assert len(short.data) < len(whole.data) == len(h264_slices.data)


def test_a_stream_without_markers(h264: Any, sender: Any) -> None:
    out, depacketizer = sender(), assembler_of(h264)
    assert not push(depacketizer, out.picture(h264.key, marker=False))
    (unit,) = push(depacketizer, out.picture(h264.other, marker=False))
    assert unit.data == h264.data


@pytest.mark.parametrize("hole", [0, 1, 5, -1])
def test_a_hole_costs_the_picture_and_no_more(h264: Any, sender: Any, hole: int) -> None:
    out, depacketizer = sender(), assembler_of(h264)
    holed = out.picture(h264.key)
    del holed[hole]
    (unit,) = push(depacketizer, [*holed, *out.picture(h264.other), *out.picture(h264.key)])
    assert unit.data == h264.data


def test_a_missing_first_slice(h264_slices: Any, sender: Any) -> None:
    depacketizer = assembler_of(h264_slices)
    assert not push(depacketizer, sender().picture(h264_slices.key[1:]))
    assert not depacketizer.busy


def test_repeated_packets_count_once(h264: Any, sender: Any) -> None:
    packets = [twice for packet in sender().picture(h264.key) for twice in (packet, packet)]
    (unit,) = push(assembler_of(h264), packets)
    assert unit.data == h264.data


def test_a_new_sender_in_mid_picture(h264: Any, sender: Any) -> None:
    begun = sender().picture(h264.key)[:3]
    (unit,) = push(assembler_of(h264), [*begun, *sender(ssrc=77).picture(h264.key)])
    assert unit.data == h264.data


def test_too_large_a_picture(h264: Any, sender: Any) -> None:
    depacketizer = assembler_of(h264)
    depacketizer.max_bytes = 1000
    with pytest.raises(Unreadable, match="more than 1000 bytes"):
        push(depacketizer, sender().picture(h264.key))


def test_equal_slices_hash_alike_whatever_stands_before_them(h264: Any, sender: Any) -> None:
    out, depacketizer = sender(), assembler_of(h264)
    sei = b"\x06\x05\x01\x00\x80"
    one, two = push(depacketizer, [*out.picture(h264.key), *out.picture([sei, *h264.key])])
    assert one.sha256 == two.sha256
    assert one.data != two.data


def sized(*nals: bytes) -> bytes:
    return b"".join(len(nal).to_bytes(2, "big") + nal for nal in nals)


def sized_with(extra: bytes, *nals: bytes) -> bytes:
    return b"".join((len(nal) + len(extra)).to_bytes(2, "big") + extra + nal for nal in nals)


AGGREGATES: list[Any] = [
    pytest.param(lambda n: b"\x18" + sized(*n), id="STAP-A"),
    pytest.param(lambda n: b"\x19\x00\x07" + sized(*n), id="STAP-B"),
    pytest.param(lambda n: b"\x1a\x00\x07" + sized_with(b"\x01\x00\x00", *n), id="MTAP16"),
    pytest.param(lambda n: b"\x1b\x00\x07" + sized_with(b"\x01\x00\x00\x00", *n), id="MTAP24"),
    pytest.param(lambda n: START + START.join(n), id="Annex B as it is"),
]


@pytest.mark.parametrize("pack", AGGREGATES)
def test_aggregates_of_h264(h264: Any, sender: Any, pack: Callable[[list[bytes]], bytes]) -> None:
    out, depacketizer = sender(), assembler_of(h264, sets=False)
    together = out.rtp(pack(h264.sets))
    (unit,) = push(depacketizer, [together, *out.picture(h264.key)])
    assert unit.data == h264.data


@pytest.mark.parametrize("don", [False, True])
def test_h265_aggregates_and_fragments(h265: Any, sender: Any, don: bool) -> None:  # noqa: FBT001
    out = sender(h265=True)
    order = b"\x00\x09" if don else b""
    first, *rest = h265.sets
    body = order + sized(first)
    body += b"".join((b"\x00" if don else b"") + sized(nal) for nal in rest)
    aggregate = out.rtp(b"\x60\x01" + body)
    packets = []
    for packet in out.picture(h265.key):
        starts = packet[12] >> 1 == 49 and packet[14] & 0x80
        packets.append(packet[:15] + order + packet[15:] if starts else packet)
    a_format = hevc.make_format(uses_don=don)
    (unit,) = push(assembler_of(h265, a_format, sets=False), [aggregate, *packets])
    assert unit.data == annexb(h265.sets, h265.key)


@pytest.mark.parametrize("size_px", [(320, 240), (1920, 1080), (638, 358)])
def test_sizes_are_read_from_the_sets(encoder: Any, size_px: tuple[int, int]) -> None:
    assert avc.size_px(encoder("libx264", size_px=size_px).sets[0]) == size_px
    sets = encoder("libx265", size_px=size_px).sets
    assert hevc.size_px(next(nal for nal in sets if (nal[0] >> 1) & 0x3F == 33)) == size_px


@pytest.mark.parametrize("sps", [b"", b"\x67\x42", b"\x42\x01" + b"\xff" * 2, bytes(40)])
def test_a_set_that_cannot_be_read_has_no_size(sps: bytes) -> None:
    assert avc.size_px(sps) is None
    assert hevc.size_px(sps) is None


def test_the_peek_lets_nothing_of_a_key_picture_by(
    h264_slices: Any, h265: Any, sender: Any
) -> None:
    for clip, a_format, is_265 in ((h264_slices, avc.FORMAT, False), (h265, hevc.FORMAT, True)):
        for payload in (p[12:] for p in sender(h265=is_265).picture([*clip.sets, *clip.key])):
            peeked = a_format.peek[payload[0] << 8 | payload[1]]
            assert peeked == TAKE or (
                peeked == ASK_THIRD and a_format.peek_third[payload[2]] == TAKE
            )
        for payload in (p[12:] for p in sender(h265=is_265).picture(clip.other)):
            if len(payload) > 2 and not (payload[0] & 0x1F == 6 and not is_265):
                peeked = a_format.peek[payload[0] << 8 | payload[1]]
                third = a_format.peek_third[payload[2]]
                assert peeked == SKIP or (peeked == ASK_THIRD and third == SKIP)


def test_sequence_numbers_and_timestamps_wrap() -> None:
    assert sequence_step(65535, 0) == 1
    assert sequence_step(0, 65535) == -1
    timeline = RtpTimeline(90_000)
    assert timeline.seconds(0xFFFF_FFFF - 89_999) == 0.0
    assert timeline.seconds(0) == 1.0
    assert timeline.seconds(90_000) == 2.0
    assert timeline.seconds(0) == 1.0


@pytest.mark.parametrize(
    ("packet", "payload"),
    [
        pytest.param("8060000100000000000000ff" + "abcd", "abcd", id="plain"),
        pytest.param("a060000100000000000000ff" + "abcd000003", "abcd", id="padding"),
        pytest.param("8160000100000000000000ff" + "11111111abcd", "abcd", id="a source"),
        pytest.param("9060000100000000000000ff" + "bede0001aaaaaaaaab", "ab", id="extension"),
        pytest.param("9060000100000000000000ff" + "bedeffff", None, id="extension too long"),
        pytest.param("b060000100000000000000ff" + "bede0000ff", None, id="padding too long"),
        pytest.param("4060000100000000000000ff", None, id="version 1"),
        pytest.param("80600001", None, id="short"),
    ],
)
def test_rtp_headers(packet: str, payload: str | None) -> None:
    found = read_rtp(bytes.fromhex(packet))
    assert (None if found is None else found.payload.hex()) == payload


def test_rtcp_without_a_wall_clock_gives_no_time() -> None:
    assert read_sender_report(bytes.fromhex("80c80006" + "00" * 24)) is None
    receiver_first = bytes.fromhex("80c9000100000001") + bytes.fromhex(
        "80c80006" + "00000001" + "83aa7e80" + "40000000" + "00" * 12
    )
    report = read_sender_report(receiver_first)
    assert report is not None
    assert report.unix_s == 0.25
