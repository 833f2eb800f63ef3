"""The pure parts of the farm: payloads, packets, requests, transports, passwords, frames due."""

import hashlib
from base64 import b64encode
from datetime import UTC, datetime
from struct import unpack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.faults import CameraFault
from simulators.rtsp_farm.auth import REALM, challenges, is_authorized
from simulators.rtsp_farm.camera import frame_of
from simulators.rtsp_farm.playback import SentCounts, sender_report
from simulators.rtsp_farm.rtp_packets import (
    MTU_PAYLOAD,
    PacketLoop,
    packet_frame,
    payloads,
    split_annexb,
)
from simulators.rtsp_farm.rtsp_messages import (
    BadRequest,
    RequestedTransport,
    RequestReader,
    RtspRequest,
    choose_transport,
)
from simulators.scenes.catalogue import StreamFormat
from simulators.town.model import Login

# ---- payloads: an independent reader puts them together again


def reassembled(codec: str, parts: list[bytes]) -> list[bytes]:
    """What RFC 6184 and RFC 7798 say that a receiver does."""
    units: list[bytes] = []
    head = 1 if codec == "h264" else 2
    for part in parts:
        kind = part[0] & 0x1F if codec == "h264" else (part[0] >> 1) & 0x3F
        if kind in {24, 48}:
            at = head
            while at < len(part):
                size = int.from_bytes(part[at : at + 2], "big")
                units.append(part[at + 2 : at + 2 + size])
                at += 2 + size
        elif kind in {28, 49}:
            flags = part[head]
            if flags & 0x80:
                first = (
                    bytes([part[0] & 0xE0 | flags & 0x1F])
                    if codec == "h264"
                    else bytes([part[0] & 0x81 | (flags & 0x3F) << 1, part[1]])
                )
                units.append(first)
            units[-1] += part[head + 1 :]
        else:
            units.append(part)
    return units


def nal(codec: str, kind: int, size: int) -> bytes:
    header = bytes([0x60 | kind]) if codec == "h264" else bytes([kind << 1, 1])
    return header + bytes((7 * i) % 255 + 1 for i in range(size))


@given(
    codec=st.sampled_from(["h264", "hevc"]),
    sizes=st.lists(st.integers(1, 6000), min_size=1, max_size=6),
    aggregate=st.booleans(),
)
def test_units_survive_the_journey_in_packets(
    codec: str, sizes: list[int], *, aggregate: bool
) -> None:
    units = [nal(codec, 1 + n % 5, size) for n, size in enumerate(sizes)]
    parts = payloads(codec, units, aggregate=aggregate)
    assert all(len(part) <= MTU_PAYLOAD for part in parts)
    assert reassembled(codec, parts) == units


def test_small_units_travel_together_only_when_asked() -> None:
    units = [nal("h264", 7, 20), nal("h264", 8, 5), nal("h264", 5, 3000)]
    assert len(payloads("h264", units, aggregate=False)) == 5
    together = payloads("h264", units, aggregate=True)
    assert together[0][0] & 0x1F == 24
    assert len(together) == 4


def test_annexb_is_split_at_three_and_four_byte_start_codes() -> None:
    assert split_annexb(b"\0\0\0\1\x67ab\0\0\1\x68c\0\0\0\1\x65d") == [
        b"\x67ab",
        b"\x68c",
        b"\x65d",
    ]


# ---- packets


def test_stamping_counts_on_across_the_wrap_and_leaves_the_original_alone() -> None:
    frame = packet_frame([b"a" * 10, b"b" * 20, b"c"], payload_type=96, key=True)
    before = frame.data.copy()
    stamped = frame.stamped(65_535, 2**32 + 5, 0xDEADBEEF, channel=4)
    assert (frame.data == before).all()
    seen = []
    for datagram in frame.datagrams(stamped):
        first, second, sequence, time, ssrc = unpack(">BBHII", datagram[:12])
        assert first == 0x80
        assert (time, ssrc) == (5, 0xDEADBEEF)
        seen.append((sequence, second, bytes(datagram[12:])))
    assert seen == [(65_535, 96, b"a" * 10), (0, 96, b"b" * 20), (1, 96 | 0x80, b"c")]
    assert stamped[frame.starts].tolist() == [ord("$")] * 3
    assert stamped[frame.starts + 1].tolist() == [4] * 3


def test_a_sender_report_ties_rtp_to_wall_time() -> None:
    at = datetime(2026, 11, 22, 1, 2, 3, 500_000, tzinfo=UTC)
    data = sender_report(7, at, 90_000, SentCounts(packets=3, octets=99))
    version, kind, words, ssrc, ntp, rtp, packets, octets = unpack(">BBHIQIII", data[:28])
    assert (version, kind, words, ssrc, rtp, packets, octets) == (0x80, 200, 6, 7, 90_000, 3, 99)
    assert ntp / 2**32 - 2_208_988_800 == pytest.approx(at.timestamp(), abs=1e-3)
    assert len(data) % 4 == 0


# ---- requests


def test_a_request_may_arrive_byte_by_byte_between_receiver_reports() -> None:
    report = b"$\x01\x00\x04abcd"
    text = b"OPTIONS * RTSP/1.0\r\nCSeq: 3\r\n\r\n"
    body = b"SET_PARAMETER rtsp://x/ RTSP/1.0\r\nCSeq: 4\r\nContent-Length: 2\r\n\r\nhi"
    reader, seen = RequestReader(), []
    for byte in report + text + report + body:
        seen += list(reader.feed(bytes([byte])))
    assert [r.method if r else None for r in seen] == [None, "OPTIONS", None, "SET_PARAMETER"]
    assert seen[1] == RtspRequest(method="OPTIONS", url="*", headers={"cseq": "3"})


@pytest.mark.parametrize("text", [b"GET / HTTP/1.1\r\n\r\n", b"hello\r\n\r\n", b"x" * 70_000])
def test_what_is_no_rtsp_is_refused(text: bytes) -> None:
    with pytest.raises(BadRequest):
        list(RequestReader().feed(text))


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("RTP/AVP/TCP;unicast;interleaved=2-3", RequestedTransport(tcp=True, first=2)),
        ("RTP/AVP/TCP;unicast", RequestedTransport(tcp=True, first=None)),
        ("RTP/AVP;unicast;client_port=5000-5001", RequestedTransport(tcp=False, first=5000)),
        ("RTP/AVP/UDP;unicast;client_port=5000-5001", RequestedTransport(tcp=False, first=5000)),
        ("RTP/AVP;multicast, RTP/AVP/TCP;interleaved=0-1", RequestedTransport(tcp=True, first=0)),
        ("RTP/AVP;multicast", None),
        ("RTP/SAVP;unicast;client_port=1-2", None),
    ],
)
def test_the_first_transport_that_a_camera_can_do(
    header: str, expected: RequestedTransport | None
) -> None:
    assert choose_transport(header) == expected


# ---- passwords


def digest(login: Login, algorithm: str, *, qop: bool, nonce: str = "n1") -> str:
    name = {"MD5": "md5", "SHA-256": "sha256"}[algorithm]

    def hashed(text: str) -> str:
        return hashlib.new(name, text.encode()).hexdigest()

    ha1 = hashed(f"{login.user}:{REALM}:{login.password}")
    ha2 = hashed("DESCRIBE:rtsp://h/x")
    middle = f"{nonce}:00000001:c0ffee:auth" if qop else nonce
    extra = ', qop=auth, nc=00000001, cnonce="c0ffee"' if qop else ""
    return (
        f'Digest username="{login.user}", realm="{REALM}", nonce="{nonce}", uri="rtsp://h/x", '
        f'algorithm={algorithm}, response="{hashed(f"{ha1}:{middle}:{ha2}")}"{extra}'
    )


@pytest.mark.parametrize(
    ("scheme", "algorithm", "qop"),
    [
        ("digest-md5", "MD5", False),
        ("digest-md5-qop", "MD5", True),
        ("digest-sha256", "SHA-256", True),
        ("digest-sha256-md5", "SHA-256", True),
        ("digest-sha256-md5", "MD5", True),
        ("basic+digest", "MD5", False),
    ],
)
def test_digest_is_right_only_with_the_password_and_the_nonce(
    scheme: str, algorithm: str, *, qop: bool
) -> None:
    login = Login(scheme=scheme, user="admin", password="p@ss/1")
    wrong = Login(scheme=scheme, user="admin", password="p@ss/2")
    assert any(algorithm in text or algorithm == "MD5" for text in challenges(login, "n1"))
    assert is_authorized(login, digest(login, algorithm, qop=qop), "DESCRIBE", "n1")
    assert not is_authorized(login, digest(wrong, algorithm, qop=qop), "DESCRIBE", "n1")
    assert not is_authorized(login, digest(login, algorithm, qop=qop, nonce="n0"), "DESCRIBE", "n1")
    assert not is_authorized(login, digest(login, algorithm, qop=qop), "PLAY", "n1")
    assert not is_authorized(login, None, "DESCRIBE", "n1")


def test_an_answer_weaker_than_what_was_asked_is_refused() -> None:
    login = Login(scheme="digest-sha256", user="admin", password="x")
    assert not is_authorized(login, digest(login, "MD5", qop=False), "DESCRIBE", "n1")
    basic = "Basic " + b64encode(b"admin:x").decode()
    assert not is_authorized(login, basic, "DESCRIBE", "n1")
    assert is_authorized(Login(scheme="basic", user="admin", password="x"), basic, "PLAY", "n1")
    assert not is_authorized(
        Login(scheme="basic", user="admin", password="x"), "Basic ?", "PLAY", "n1"
    )


# ---- frames due

LOOP_FORMAT = StreamFormat(codec="h264", width=64, height=64, gop_s=2, kbit_s=100)


def due(fault: CameraFault, index: int, played: int = 0) -> int | None:
    keys = [packet_frame([b"x"], payload_type=96, key=n % 30 == 0) for n in range(90)]
    return frame_of(PacketLoop(LOOP_FORMAT, (), tuple(keys)), fault, index, played)


def test_a_sound_camera_repeats_its_loop() -> None:
    assert [due(CameraFault.NONE, n) for n in (0, 89, 90, 179)] == [0, 89, 0, 89]


def test_a_frozen_camera_repeats_one_group_of_pictures() -> None:
    assert {due(CameraFault.FROZEN, n) for n in range(0, 300, 30)} == {0}


def test_no_key_frame_for_thirty_seconds_of_each_session() -> None:
    early = [due(CameraFault.NO_KEY_FRAME_30S, n, n) for n in range(450)]
    assert all(frame is not None and frame % 30 for frame in early)
    assert due(CameraFault.NO_KEY_FRAME_30S, 480, 480) == 30


def test_a_key_frame_every_ten_seconds_and_another_one_each_time() -> None:
    frames = [due(CameraFault.KEY_FRAME_EVERY_10S, n) for n in range(450)]
    keys = [n for n, frame in enumerate(frames) if frame is not None and frame % 30 == 0]
    assert keys == [0, 150, 300]
    assert [frames[n] for n in keys] == [0, 30, 60]


def test_no_packets_means_none() -> None:
    assert due(CameraFault.NO_PACKETS, 5) is None
