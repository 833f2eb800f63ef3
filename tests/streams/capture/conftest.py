"""Servers to visit: one that behaves as told, GStreamer's, and nobody at all."""

import asyncio
import os
import select
import socket
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
SYSTEM_PYTHON = "/usr/bin/python3"


@dataclass
class Request:
    method: str
    uri: str
    headers: dict[str, str]


Answer = bytes | str | None  # bytes as they are; "close"; None: not a word


@dataclass
class Camera:
    """A server that answers as it is told; keeps what was asked."""

    sdp: str = ""
    answers: dict[str, Callable[[Request], Answer]] = field(default_factory=dict)
    after_play: Sequence[bytes] = ()  # sent behind the answer to PLAY, in this order
    pause_s: float = 0.0  # between them
    repeat: bool = False
    hang_up: bool = False  # once all is sent
    transport: str = "RTP/AVP/TCP;unicast;interleaved=0-1"
    base: str | None = "{uri}/"
    session: str = "abc123;timeout=60"
    requests: list[Request] = field(default_factory=list)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    played: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0

    def methods(self) -> list[str]:
        return [request.method for request in self.requests]

    def reply(self, request: Request, status: str = "200 OK", body: str = "", **more: str) -> bytes:
        lines = [f"RTSP/1.0 {status}", f"CSeq: {request.headers.get('cseq', '')}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in more.items()]
        lines += [f"Content-Length: {len(body)}"] if body else []
        return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()

    def usual(self, request: Request) -> Answer:
        if request.method == "DESCRIBE":
            more = {} if self.base is None else {"Content_Base": self.base.format(uri=request.uri)}
            return self.reply(request, body=self.sdp, Server="Fake/1.0", **more)
        if request.method == "SETUP":
            return self.reply(request, Transport=self.transport, Session=self.session)
        if request.method in {"PLAY", "TEARDOWN", "GET_PARAMETER"}:
            return self.reply(request, Session=self.session)
        if request.method == "OPTIONS":
            return self.reply(request, Public="OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER")
        return self.reply(request, "501 Not Implemented")

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        playing: asyncio.Task[None] | None = None
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                first, *lines = head.decode().strip().split("\r\n")
                pairs = (line.partition(":") for line in lines)
                headers = {name.lower(): value.strip() for name, _, value in pairs}
                method, uri, _ = first.split()
                request = Request(method, uri, headers)
                self.requests.append(request)
                answer = self.answers.get(request.method, self.usual)(request)
                if answer == "close":
                    return
                if isinstance(answer, bytes):
                    writer.write(answer)
                if request.method == "PLAY" and isinstance(answer, bytes) and b" 200" in answer:
                    playing = asyncio.create_task(self.play(writer))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            if playing is not None:
                playing.cancel()
            writer.close()
            self.gone.set()

    async def play(self, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                for chunk in self.after_play:
                    writer.write(chunk)
                    await writer.drain()
                    self.played.set()
                    await asyncio.sleep(self.pause_s)
                if not self.repeat:
                    break
            if self.hang_up:
                await writer.drain()
                writer.close()
        except ConnectionError:
            pass

    @asynccontextmanager
    async def running(self, host: str = "127.0.0.1") -> AsyncIterator[str]:
        """The authority to connect to."""
        server = await asyncio.start_server(self.serve, host, 0)
        try:
            self.port = server.sockets[0].getsockname()[1]
            yield f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"
        finally:
            server.close()


@pytest.fixture
def camera() -> type[Camera]:
    return Camera


def missing(what: str) -> None:
    """A real part is not installed: skip here, fail where nothing may be missing."""
    if os.environ.get("CI") == "true":
        pytest.fail(what)
    pytest.skip(what)


@pytest.fixture(scope="session")
def gst() -> Iterator[Callable[..., str]]:
    """Start GStreamer's RTSP server with the given options; its `host:port`."""
    probe = "import gi; gi.require_version('GstRtspServer','1.0'); from gi.repository import Gst;"
    probe += "Gst.init(None); assert Gst.ElementFactory.find('x264enc')"
    if subprocess.run([SYSTEM_PYTHON, "-c", probe], capture_output=True, check=False).returncode:
        missing("GStreamer's RTSP server (gir1.2-gst-rtsp-server-1.0, plugins) is not installed")
    started: dict[tuple[str, ...], tuple[subprocess.Popen[str], str]] = {}

    def start(*options: str) -> str:
        if options not in started:
            process = subprocess.Popen(
                [SYSTEM_PYTHON, str(HERE / "gst_server.py"), *options],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            assert process.stdout is not None
            ready, _, _ = select.select([process.stdout], [], [], 60)
            line = process.stdout.readline().strip() if ready else ""
            assert line.isdigit(), "GStreamer's server did not come up"
            started[options] = (process, f"127.0.0.1:{line}")
        return started[options][1]

    yield start
    for process, _ in started.values():
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


@pytest.fixture
def dead_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: Any = sock.getsockname()[1]
    return int(port)
