"""Cameras with ideas of their own: old packets, keep-alives, descriptions, limits."""

import asyncio
import socket
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from patrol.clock import SystemClock
from streams.address import StreamAddress
from streams.capture import StreamCameraClient
from streams.errors import StreamBusy, StreamError, Unreachable, Unreadable
from streams.model import Sample
from streams.tcp_connect import alternate_families, connect_tcp
from tests.zoo.control_camera import QUICK, Answer, Asked, ControlCamera, visit
from tests.zoo.control_media import CODECS, clip, control_camera, description

LONGER = replace(QUICK, pictures=2, spacing_s=1.3)


@pytest.fixture(params=CODECS)
def camera(request: pytest.FixtureRequest) -> ControlCamera:
    return control_camera(request.param)


def packet(channel: int, data: bytes) -> bytes:
    return b"$" + bytes((channel,)) + len(data).to_bytes(2, "big") + data


RTP = b"\x80\xe0\0\1\0\0\0\1\0\0\0\1" + bytes(range(256)) * 4
REPORT = bytes.fromhex("80c80006") + bytes(24)
STALE = {
    "one packet": packet(0, RTP),
    "many packets": packet(0, RTP) * 90,
    "another channel": packet(6, RTP),
    "a short report": packet(1, REPORT[:8]),
    "video, audio and reports": packet(0, RTP) + packet(1, REPORT) + packet(2, RTP[:30]),
    "an empty packet": packet(0, b""),
    "with the word of an answer inside": packet(0, b"\x80\xe0RTSP/1.0 200 OK\r\n\r\n" + bytes(20)),
    "the end of one before": RTP[700:] + packet(0, RTP),
}


@pytest.mark.parametrize("name", STALE)
@pytest.mark.parametrize("login", [True, False])
def test_packets_of_an_earlier_session_come_before_each_answer(
    camera: ControlCamera, name: str, *, login: bool
) -> None:
    camera.stale_packets, camera.login = STALE[name], login
    sample = visit(camera)
    assert sample.key_frames[0].data in {clip(codec).data for codec in CODECS}
    assert camera.connections == 1


@pytest.mark.parametrize("cut", [1, 3, 4, 5, 12, 19, 500])
def test_they_may_be_cut_anywhere(camera: ControlCamera, cut: int) -> None:
    stale = packet(0, RTP) + packet(1, REPORT)

    async def run() -> Sample:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(stale[:cut])
            await writer.drain()
            await asyncio.sleep(0.05)  # so that they are two reads
            camera.stale_packets = stale[cut:]
            await camera.serve(reader, writer)

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            port: Any = server.sockets[0].getsockname()[1]
            address = StreamAddress.parse(f"rtsp://127.0.0.1:{port}/live")
            return await StreamCameraClient(SystemClock().now)(address, QUICK)

    # What is sent again before later answers is half a packet then: only the first is tested.
    def first_only(asked: Asked) -> Answer:
        camera.stale_packets, answer = b"", camera.stale_packets
        del camera.answers["SETUP"]
        assert answer is not None
        return camera.answer(asked)

    camera.answers["SETUP"] = first_only
    assert asyncio.run(run()).key_frames


def test_nothing_but_packets_is_no_answer(camera: ControlCamera) -> None:
    camera.answers["DESCRIBE"] = lambda _: packet(0, RTP) * 2000
    with pytest.raises(StreamError, match=r"no RTSP answer|no answer to DESCRIBE"):
        visit(camera)


# -- keep-alive -----------------------------------------------------------------------------------


def counted_keep_alives(camera: ControlCamera, counted: str, refused: str = "") -> None:
    """The server ends the session where no request of the counted kind comes within its timeout."""
    camera.session = "s1;timeout=1"
    usual = camera.answer
    last_s = [0.0]

    def answer(asked: Asked) -> Answer:
        now_s = asyncio.get_running_loop().time()
        if asked.method in {"PLAY", counted}:
            last_s[0] = now_s
        elif asked.method == "TEARDOWN" or now_s - last_s[0] < 1.0 or not last_s[0]:
            pass
        else:
            return "close"
        return "close" if asked.method == refused else usual(asked)

    camera.answer = answer  # type: ignore[method-assign]


@pytest.mark.parametrize(
    ("public", "counted", "refused"),
    [
        ("OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER", "GET_PARAMETER", ""),
        ("options,play,get_parameter", "GET_PARAMETER", "SET_PARAMETER"),
        ("OPTIONS, DESCRIBE, SETUP, PLAY", "OPTIONS", "GET_PARAMETER"),
        ("OPTIONS, SETUP, PLAY, SET_PARAMETER", "SET_PARAMETER", "GET_PARAMETER"),
        ("", "OPTIONS", "GET_PARAMETER"),
    ],
)
def test_the_keep_alive_that_the_server_counts(
    camera: ControlCamera, public: str, counted: str, refused: str
) -> None:
    camera.public = public
    camera.media_pause_s = 0.1
    counted_keep_alives(camera, counted, refused)
    assert len(visit(camera, options=LONGER).key_frames) == 2
    assert camera.methods().count(counted) >= 2


def test_a_listed_keep_alive_that_is_refused_gives_way_to_another(camera: ControlCamera) -> None:
    camera.session = "s1;timeout=1"
    camera.media_pause_s = 0.1
    for method in ("GET_PARAMETER", "SET_PARAMETER"):
        camera.answers[method] = lambda asked: camera.reply(asked, "501 Not Implemented")
    camera.public += ", SET_PARAMETER"
    assert len(visit(camera, options=LONGER).key_frames) == 2
    methods = camera.methods()
    assert [methods.count(m) for m in ("GET_PARAMETER", "SET_PARAMETER")] == [1, 1]
    assert methods.count("OPTIONS") >= 2


# -- descriptions ---------------------------------------------------------------------------------


def moved_lines(text: str, name: str, where: str) -> str:
    """The description with its `a=NAME:96` line above the media lines, in the audio's, or last."""
    lines = text.split("\r\n")
    (line,) = [line for line in lines if line.startswith(f"a={name}:96")]
    lines.remove(line)
    media = [at for at, text in enumerate(lines) if text.startswith("m=")]
    lines.insert({"session": media[0], "audio": media[1] + 1, "end": len(lines) - 1}[where], line)
    return "\r\n".join(lines)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("where", ["session", "audio", "end"])
@pytest.mark.parametrize("names", [("fmtp",), ("rtpmap",), ("fmtp", "rtpmap")])
def test_fmtp_and_rtpmap_in_the_wrong_section(
    codec: str, where: str, names: tuple[str, ...]
) -> None:
    """The parameter sets are nowhere else: without them there is no picture."""
    camera = control_camera(codec)
    for name in names:
        camera.sdp = moved_lines(camera.sdp, name, where)
    assert visit(camera).facts.codec == ("h264" if codec == "H264" else "hevc")


@pytest.mark.parametrize("codec", CODECS)
def test_fmtp_under_another_number(codec: str) -> None:
    camera = control_camera(codec)
    camera.sdp = camera.sdp.replace("a=fmtp:96", "a=fmtp:97")
    assert visit(camera).key_frames


@pytest.mark.parametrize("codec", CODECS)
def test_fmtp_of_another_track_is_left_to_it(codec: str) -> None:
    """The audio has an fmtp of the video's number in its own formats: it is the audio's."""
    camera = control_camera(codec)
    camera.sdp = camera.sdp.replace("RTP/AVP 8", "RTP/AVP 8 96")
    camera.sdp += "a=fmtp:96 sprop-parameter-sets=AAAA,AAAA; sprop-sps=AAAA\r\n"
    sample = visit(camera)
    assert sample.facts.width_px == clip(codec).size_px[0]


# -- limits ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["DESCRIBE", "SETUP", "PLAY"])
@pytest.mark.parametrize(
    ("status", "headers", "retry_after_s"),
    [
        ("453 Not Enough Bandwidth", {}, None),
        ("500 Internal Server Error", {"Retry_After": "x"}, None),
        ("503 Service Unavailable", {"Retry_After": "7"}, 7.0),
        ("503 Service Unavailable", {"Retry_After": "120 (in maintenance)"}, 120.0),
        ("503 Service Unavailable", {"Retry_After": "9" * 30}, 3600.0),
    ],
)
def test_a_recorder_without_a_stream_left_is_busy(
    camera: ControlCamera,
    method: str,
    status: str,
    headers: dict[str, str],
    retry_after_s: float | None,
) -> None:
    camera.answers[method] = lambda asked: camera.reply(asked, status, **headers)
    with pytest.raises(StreamBusy, match=status[:3]) as caught:
        visit(camera)
    assert (caught.value.status, caught.value.retry_after_s) == (int(status[:3]), retry_after_s)
    assert caught.value.retry


@pytest.mark.parametrize("method", ["SETUP", "PLAY"])
def test_a_recorder_that_hangs_up_is_busy(camera: ControlCamera, method: str) -> None:
    camera.answers[method] = lambda _: "close"
    with pytest.raises(StreamBusy, match=f"hung up on {method}") as caught:
        visit(camera)
    assert caught.value.status is None


# -- connecting -----------------------------------------------------------------------------------


@pytest.fixture
def black_hole() -> Iterator[str]:
    """`127.0.0.2:PORT`, whose queue of connections is full: a SYN there gets no answer."""
    with socket.socket() as listening, socket.socket() as first, socket.socket() as second:
        listening.bind(("127.0.0.2", 0))
        listening.listen(0)
        for sock in (first, second):
            sock.setblocking(False)  # noqa: FBT003  the socket's own signature
            sock.connect_ex(listening.getsockname())
        yield f"127.0.0.2:{listening.getsockname()[1]}"


def resolving_to(*hosts: str) -> Any:
    async def getaddrinfo(_host: str, port: int, **_options: Any) -> list[Any]:
        found = []
        for host in hosts:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            tail = (0, 0) if ":" in host else ()
            found.append((family, socket.SOCK_STREAM, 6, "", (host, port, *tail)))
        return found

    return getaddrinfo


@pytest.mark.parametrize("hosts", [("127.0.0.2", "127.0.0.1"), ("127.0.0.1", "127.0.0.2")])
def test_a_name_with_a_black_hole_among_its_addresses(
    camera: ControlCamera, black_hole: str, hosts: tuple[str, ...]
) -> None:
    port = int(black_hole.rpartition(":")[2])

    async def run() -> tuple[Sample, float]:
        loop = asyncio.get_running_loop()
        loop.getaddrinfo = resolving_to(*hosts)  # type: ignore[method-assign]
        async with await asyncio.start_server(camera.serve, "127.0.0.1", port):
            start_s = loop.time()
            address = StreamAddress.parse(f"rtsp://camera.example:{port}/live")
            sample = await StreamCameraClient(SystemClock().now)(address, QUICK)
            return sample, loop.time() - start_s

    sample, passed_s = asyncio.run(run())
    assert sample.key_frames
    assert sample.facts.connect_s < QUICK.connect_timeout_s
    assert passed_s < QUICK.visit_timeout_s


def test_a_name_that_is_a_black_hole_alone(black_hole: str) -> None:
    port = int(black_hole.rpartition(":")[2])

    async def run() -> None:
        asyncio.get_running_loop().getaddrinfo = resolving_to(  # type: ignore[method-assign]
            "127.0.0.2", "127.0.0.2"
        )
        await connect_tcp(StreamAddress.parse(f"rtsp://camera.example:{port}/live"), 0.4)

    with pytest.raises(Unreachable, match=r"no TCP connection in 0\.4 s"):
        asyncio.run(run())


def test_addresses_alternate_between_the_families() -> None:
    four, six = socket.AF_INET, socket.AF_INET6
    given: list[Any] = [(six, "a"), (six, "b"), (six, "b"), (four, "c"), (four, "d"), (six, "e")]
    assert alternate_families(given) == [given[0], given[3], given[1], given[4], given[5]]


@pytest.mark.parametrize("number", [25, 34])
def test_a_static_payload_type_is_no_missing_format(number: int) -> None:
    """RFC 3551 names them; libav is asked, and what it cannot play is told as such."""
    camera = control_camera("H264")
    camera.sdp = f"v=0\r\nm=video 0 RTP/AVP {number}\r\na=control:t\r\n"
    with pytest.raises(StreamError) as caught:
        visit(camera, options=replace(QUICK, visit_timeout_s=2.6))
    assert "names no payload format" not in caught.value.seen


@pytest.mark.parametrize("number", [96, 35, 127])
def test_a_payload_type_that_nothing_names_is_told_with_its_number(number: int) -> None:
    camera = control_camera("H264")
    camera.sdp = f"v=0\r\nm=video 0 RTP/AVP {number}\r\na=control:t\r\n"
    with pytest.raises(Unreadable, match=f"type {number} .no rtpmap"):
        visit(camera)


def test_the_description_of_the_zoo_is_what_it_says() -> None:
    assert description("H264", "t", "").count("a=control") == 2
