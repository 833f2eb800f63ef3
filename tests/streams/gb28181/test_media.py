"""RTP packets to key pictures: framings, order, loss, strangers, other containers than agreed."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.gb28181.program_stream import (
    MuxOptions,
    interleaved,
    mux_picture,
    rtp_packets,
    transport_stream,
)
from simulators.rtsp_farm.rtp_packets import payloads, split_annexb
from streams.gb28181.media_receiver import Container, MediaReceiver
from streams.gb28181.rtp_framing import ReorderWindow, RtpStreamFramer
from streams.model import Codec
from tests.zoo.clips import START, clip_of

MAX = 1 << 20
KEYS = 6  # of a clip


def packets(
    container: str = "ps", codec: str = "h264", options: MuxOptions | None = None
) -> list[bytes]:
    clip, out, counter = clip_of(codec), [], 0
    for n, unit in enumerate(clip.units):
        annexb, pts = START + START.join(unit.nals), 90_000 + 3600 * n
        if container == "raw":
            kind = 98 if codec == "h264" else 99
            for payload in payloads(codec, split_annexb(annexb), aggregate=True):
                out += rtp_packets(payload, sequence=len(out), timestamp=pts, ssrc=7,
                                   payload_type=kind, size=len(payload))  # fmt: skip
            continue
        if container == "ts":
            data, counter = transport_stream(annexb, pts, counter=counter)
        else:
            data = mux_picture(annexb, pts, key=unit.key, codec=codec, options=options)
        size, kind = (1316, 33) if container == "ts" else (1400, 96)
        out += rtp_packets(
            data, sequence=len(out), timestamp=pts, ssrc=7, payload_type=kind, size=size
        )
    return out


def received(sent: list[bytes], *, over_udp: bool = False) -> MediaReceiver:
    receiver = MediaReceiver(MAX, over_udp=over_udp)
    for n, packet in enumerate(sent):
        receiver.push(packet, n * 0.001)
    receiver.tick(1e6)
    return receiver


@pytest.mark.parametrize("codec", ["h264", "hevc"])
@pytest.mark.parametrize("container", ["ps", "ts", "raw"])
@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_every_container_is_read_off_the_packets(
    codec: str, container: str, transport: str
) -> None:
    receiver = received(packets(container, codec), over_udp=transport == "udp")
    assert receiver.container is Container(container)
    assert receiver.finder.codec is (Codec.H264 if codec == "h264" else Codec.H265)
    # Of raw video the first packets decide; what is still open at the end has no successor.
    assert len(receiver.pictures) >= KEYS - 1 - (container == "raw")


def test_a_lost_packet_costs_its_picture_and_no_other() -> None:
    sent = packets()
    whole = len(received(sent, over_udp=True).pictures)
    for lost in (3, 5, len(sent) // 2):
        receiver = received(sent[:lost] + sent[lost + 1 :], over_udp=True)
        assert whole - 1 <= len(receiver.pictures) <= whole
        assert receiver.gaps == 1


def test_over_tcp_a_jump_of_steady_numbers_is_a_gap_and_of_others_none() -> None:
    sent = packets()
    assert received(sent[:50] + sent[55:]).gaps == 1
    constant = [packet[:2] + b"\x00\x05" + packet[4:] for packet in sent]
    assert len(received(constant).pictures) == len(received(sent).pictures)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 8))
def test_packets_out_of_order_change_nothing(seed: int, depth: int) -> None:
    sent = packets()
    rng = random.Random(seed)
    mixed = sorted(range(len(sent)), key=lambda n: n + rng.random() * depth)
    got = received([sent[n] for n in mixed], over_udp=True)
    assert [p.data for p in got.pictures] == [p.data for p in received(sent).pictures]
    assert got.gaps == 0


def test_a_late_first_packet_is_waited_for() -> None:
    sent = packets()
    got = received([sent[1], sent[0], *sent[2:]], over_udp=True)
    assert len(got.pictures) == len(received(sent).pictures)


def test_packets_of_strangers_and_reports_are_passed_over() -> None:
    sent: list[bytes] = []
    for packet in packets():
        sent += [
            packet,
            packet[:8] + b"\xff\xff\x00\x00" + packet[12:],
            b"\x80\xc8\x00\x06" + b"x" * 24,
        ]
    receiver = received(sent)
    assert len(receiver.pictures) == len(received(packets()).pictures)
    assert (receiver.alien, receiver.unread) == (len(sent) // 3, len(sent) // 3)


def test_a_source_that_begins_anew_is_followed() -> None:
    sent = packets()
    anew = [packet[:8] + b"\x00\x00\x00\x09" + packet[12:] for packet in sent]
    receiver = received(sent[:40] + anew)
    assert receiver.ssrc == 9
    assert len(receiver.pictures) >= KEYS - 3


def test_svac_is_named() -> None:
    receiver = received(packets(options=MuxOptions(declared="svac")))
    assert receiver.declared == "SVAC"


def test_noise_is_hopeless_in_the_end_and_never_raises() -> None:
    rng = random.Random(1)
    receiver = MediaReceiver(MAX)
    for n in range(2100):
        receiver.push(b"\x80\x60" + n.to_bytes(2, "big") + b"\0" * 8 + rng.randbytes(50), 0.0)
    assert receiver.is_hopeless


def framed(data: bytes, cuts: list[int]) -> tuple[list[bytes], RtpStreamFramer]:
    framer = RtpStreamFramer()
    edges = [0, *sorted({cut % (len(data) + 1) for cut in cuts}), len(data)]
    out: list[bytes] = []
    for begin, end in zip(edges, edges[1:], strict=False):  # noqa: RUF007
        out += framer.feed(data[begin:end])
    return out, framer


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(["rfc4571", "dollar"]), st.lists(st.integers(0, 1 << 20), max_size=60))
def test_a_connection_cut_anywhere_gives_the_same_packets(framing: str, cuts: list[int]) -> None:
    sent = packets()
    assert framed(interleaved(sent, framing), cuts)[0] == sent


@pytest.mark.parametrize("framing", ["rfc4571", "dollar"])
@pytest.mark.parametrize("preamble", [256, 1, 3, 1000])
def test_what_comes_first_and_is_no_rtp_is_passed_over(framing: str, preamble: int) -> None:
    sent = packets()
    got, framer = framed(b"\x01" * preamble + interleaved(sent, framing), [])
    assert got[-1] == sent[-1]
    assert len(got) >= len(sent) - 2
    assert framer.garbage_bytes >= preamble


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=400), st.integers(0, 1 << 20))
def test_garbage_in_the_middle_costs_little(garbage: bytes, at: int) -> None:
    sent = packets()[:120]
    data = interleaved(sent, "rfc4571")
    cut = at % len(data)
    framer = RtpStreamFramer(ssrc=(7).to_bytes(4, "big"))
    got = framer.feed(data[:cut] + garbage + data[cut:]) + framer.feed(
        interleaved(sent, "rfc4571") * 2
    )
    assert len(set(got) & set(sent)) >= len(sent) - 50


def test_the_window_is_bounded() -> None:
    window = ReorderWindow()
    for n in range(0, 60_000, 2):  # every second packet is missing
        window.push(n & 0xFFFF, b"x", n * 1e-5)
    assert len(window._held) <= window.depth
