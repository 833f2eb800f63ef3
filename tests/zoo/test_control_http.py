"""HTTP cameras on the way to their picture: names with dead addresses, busy ones, bad redirects."""

import asyncio
import socket
from typing import Any

import pytest

from patrol.clock import SystemClock
from streams.address import StreamAddress
from streams.capture import StreamCameraClient
from streams.errors import StreamBusy, StreamError, Unreadable
from streams.model import Sample, VisitOptions
from tests.zoo.control_camera import md5
from tests.zoo.http_cameras import answer, jpeg
from tests.zoo.serving import HttpServer, visit_http

QUICK = VisitOptions(pictures=1, connect_timeout_s=2.0, answer_timeout_s=1, visit_timeout_s=4)


@pytest.mark.parametrize("hosts", [("127.0.0.2", "127.0.0.1"), ("127.0.0.1", "127.0.0.2")])
def test_a_name_with_a_black_hole_among_its_addresses(
    monkeypatch: pytest.MonkeyPatch, hosts: tuple[str, ...]
) -> None:
    def getaddrinfo(_host: str, port: int, *_rest: Any, **_options: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port)) for host in hosts]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer(jpeg()))
        await writer.drain()
        writer.close()

    async def run(port: int) -> Sample:
        async with await asyncio.start_server(serve, "127.0.0.1", port):
            monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
            address = StreamAddress.parse(f"http://camera.example:{port}/a.jpg")
            return await StreamCameraClient(SystemClock().now)(address, QUICK)

    with socket.socket() as hole, socket.socket() as first, socket.socket() as second:
        hole.bind(("127.0.0.2", 0))
        hole.listen(0)
        for sock in (first, second):  # its queue is full: a SYN gets no answer
            sock.setblocking(False)  # noqa: FBT003  the socket's own signature
            sock.connect_ex(hole.getsockname())
        sample = asyncio.run(run(hole.getsockname()[1]))
    assert sample.key_frames[0].data == jpeg()
    assert sample.facts.connect_s < QUICK.connect_timeout_s


@pytest.mark.parametrize("status", ["503 Service Unavailable", "429 Too Many Requests"])
@pytest.mark.parametrize(("value", "wait_s"), [("", None), ("5", 5.0), ("Wed, 21 Oct", None)])
def test_busy(status: str, value: str, wait_s: float | None) -> None:
    head = f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n"
    head += f"Retry-After: {value}\r\n" if value else ""
    with pytest.raises(StreamBusy, match=status[:3]) as caught:
        asyncio.run(visit_http(HttpServer(f"{head}\r\n".encode()), options=QUICK))
    assert (caught.value.status, caught.value.retry_after_s) == (int(status[:3]), wait_s)


@pytest.mark.parametrize(
    "location",
    ["//[x", "http://[x", "control://[x", "http://h:99999/", "rtsp://h/", "http://a:b#c@h/", "//"],
)
def test_a_redirect_to_no_address(location: str) -> None:
    head = f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
    with pytest.raises(StreamError) as caught:
        asyncio.run(visit_http(HttpServer(head.encode()), options=QUICK))
    assert isinstance(caught.value, Unreadable)


def test_chinese_users_realms_and_paths() -> None:
    """Digest hashes UTF-8, and the request line is percent-encoded."""
    requests: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = (await reader.readuntil(b"\r\n\r\n")).decode()
        requests.append(request)
        if "authorization" in request.lower():
            writer.write(answer(jpeg()))
        else:
            challenge = 'WWW-Authenticate: Digest realm="摄像机", nonce="n"'
            head = f"HTTP/1.1 401 No\r\n{challenge}\r\nContent-Length: 0\r\n\r\n"
            writer.write(head.encode())
        await writer.drain()
        writer.close()

    async def run() -> Sample:
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            port: Any = server.sockets[0].getsockname()[1]
            address = StreamAddress.parse(f"http://管理员:口令@127.0.0.1:{port}/通道1.jpg")
            return await StreamCameraClient(SystemClock().now)(address, QUICK)

    assert asyncio.run(run()).key_frames
    target = "/%E9%80%9A%E9%81%931.jpg"
    assert requests[1].startswith(f"GET {target} HTTP/1.1\r\n")
    assert 'username="管理员"' in requests[1]
    assert 'realm="摄像机"' in requests[1]
    assert md5(f"{md5('管理员:摄像机:口令')}:n:{md5(f'GET:{target}')}") in requests[1]
