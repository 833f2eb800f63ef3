"""A camera on loopback with the manners of real firmware in its RTSP answers.

It knows its stream by certain URLs alone, checks the Digest signature of each request, changes its
nonce when it likes, hangs up where some cameras do, and sends old packets between its answers. Its
media is good: what is tested is the way to it.
"""

import asyncio
import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from patrol.clock import SystemClock
from streams.address import StreamAddress
from streams.capture import StreamCameraClient
from streams.model import Sample, VisitOptions

PASSWORD = "2026#Sec@"
LOGIN = "admin:2026%23Sec%40@"
QUICK = VisitOptions(
    pictures=1, connect_timeout_s=2.0, answer_timeout_s=1.0, silence_timeout_s=1.0,
    visit_timeout_s=4.0,
)  # fmt: skip

Answer = bytes | str | None


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def signature_is_right(method: str, uri: str, authorization: str, nonces: Sequence[str]) -> bool:
    """Whether a Digest header without qop signs this request with one of the nonces."""
    given = dict(re.findall(r'(\w+)="([^"]*)"', authorization))
    secret, what = md5(f"admin:cam:{PASSWORD}"), md5(f"{method}:{uri}")
    return given.get("nonce") in nonces and given.get("response") == md5(
        f"{secret}:{given['nonce']}:{what}"
    )


@dataclass
class Asked:
    """One request that came."""

    method: str
    uri: str
    headers: dict[str, str]
    connection: int  # the first is 1


def read_request(head: bytes, connection: int) -> Asked:
    first, *lines = head.decode().strip().split("\r\n")
    pairs = (line.partition(":") for line in lines)
    method, uri, _ = first.split()
    return Asked(method, uri, {name.lower(): value.strip() for name, _, value in pairs}, connection)


def is_status(answer: Answer, status: bytes) -> bool:
    return isinstance(answer, bytes) and answer.startswith(b"RTSP/1.0 " + status)


@dataclass
class ControlCamera:
    """`base` and `known` are patterns with {authority}; an empty `known` knows every URL."""

    sdp: str
    media: Sequence[bytes]
    base: str | None = None
    known: str = ""  # the URL of SETUP
    wrong_url_status: str = "404 Not Found"
    login: bool = False
    closes_after_401: bool = False
    nonce_for_each: str = ""  # "request": used once; "connection": new on each
    stale_packets: bytes = b""  # before every answer until PLAY's
    session: str = "s1;timeout=60"
    public: str = "OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER"
    answers: dict[str, Callable[[Asked], Answer]] = field(default_factory=dict)
    keep_alive_nonce: bool = False  # every keep-alive is asked for a login anew
    media_pause_s: float = 0.02
    asked: list[Asked] = field(default_factory=list)
    authority: str = ""
    connections: int = 0
    nonces: list[str] = field(default_factory=list)

    def methods(self) -> list[str]:
        return [asked.method for asked in self.asked]

    def reply(self, asked: Asked, status: str = "200 OK", body: str = "", **more: str) -> bytes:
        lines = [f"RTSP/1.0 {status}", f"CSeq: {asked.headers['cseq']}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in more.items()]
        lines += [f"Content-Length: {len(body)}"] if body else []
        return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()

    def challenge(self, asked: Asked) -> bytes:
        self.nonces.append(f"nonce{len(self.nonces)}")
        text = f'Digest realm="cam", nonce="{self.nonces[-1]}"'
        return self.reply(asked, "401 Unauthorized", WWW_Authenticate=text)

    def is_let_in(self, asked: Asked) -> bool:
        signed_uri = asked.uri
        if asked.method == "SETUP" and self.known and self.wrong_url_status.startswith("401"):
            signed_uri = self.known.format(authority=self.authority)  # it hashes what it expects
        authorization = asked.headers.get("authorization", "")
        valid = self.nonces[-1:]
        if not authorization or not signature_is_right(
            asked.method, signed_uri, authorization, valid
        ):
            return False
        if self.nonce_for_each == "request":
            self.nonces.append("used up")
        return True

    def answer(self, asked: Asked) -> Answer:
        if asked.method in self.answers:
            return self.answers[asked.method](asked)
        if self.login and not self.is_let_in(asked):
            return self.challenge(asked)
        usual: dict[str, Callable[[Asked], Answer]] = {
            "DESCRIBE": self.describe, "SETUP": self.set_up, "OPTIONS": self.options,
        }  # fmt: skip
        if asked.method in usual:
            return usual[asked.method](asked)
        return self.reply(asked, Session=self.session)

    def describe(self, asked: Asked) -> Answer:
        more = {"Content_Base": self.base.format(authority=self.authority)} if self.base else {}
        return self.reply(asked, body=self.sdp.replace("{authority}", self.authority), **more)

    def set_up(self, asked: Asked) -> Answer:
        if self.known and asked.uri != self.known.format(authority=self.authority):
            return self.reply(asked, self.wrong_url_status)
        transport = "RTP/AVP/TCP;unicast;interleaved=0-1"
        return self.reply(asked, Transport=transport, Session=self.session)

    def options(self, asked: Asked) -> Answer:
        return self.reply(asked, **({"Public": self.public} if self.public else {}))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        connection = self.connections
        if self.nonce_for_each == "connection":
            self.nonces.append("of this connection")
        playing: list[asyncio.Task[None]] = []
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                asked = read_request(head, connection)
                self.asked.append(asked)
                answer = self.answer(asked)
                if isinstance(answer, bytes):
                    writer.write((b"" if playing else self.stale_packets) + answer)
                    await writer.drain()
                if answer == "close" or (self.closes_after_401 and is_status(answer, b"401")):
                    return
                if asked.method == "PLAY" and is_status(answer, b"200"):
                    playing.append(asyncio.create_task(self.play(writer)))
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the visit is over
        finally:
            for task in playing:
                task.cancel()
            writer.close()

    async def play(self, writer: asyncio.StreamWriter) -> None:
        try:
            for chunk in self.media:
                writer.write(chunk)
                await writer.drain()
                await asyncio.sleep(self.media_pause_s)
        except ConnectionError:
            pass


def visit(
    camera: ControlCamera, path: str = "/live", options: VisitOptions = QUICK, login: str = LOGIN
) -> Sample:
    """One whole visit over loopback. Raises StreamError."""

    async def run() -> Sample:
        server = await asyncio.start_server(camera.serve, "127.0.0.1", 0)
        async with server:
            port: Any = server.sockets[0].getsockname()[1]
            camera.authority = f"127.0.0.1:{port}"
            user = login if camera.login else ""
            address = StreamAddress.parse(f"rtsp://{user}{camera.authority}{path}")
            return await StreamCameraClient(SystemClock().now)(address, options)

    return asyncio.run(run())
