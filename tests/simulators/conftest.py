"""A small camera farm with every fault in it, served from a thread of the test process."""

import asyncio
import hashlib
import re
import socket
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import unquote, urlsplit

import pytest

from simulators.faults import CameraFault
from simulators.rtsp_farm.control import FarmControl
from simulators.rtsp_farm.server import FarmInfo, FarmOptions, serve

START_S = 120


@dataclass
class RunningFarm:
    """A farm that serves: its options, where it listens, its ground truth."""

    info: FarmInfo
    control: FarmControl
    urls: dict[str, str]  # camera id → main stream
    sub_urls: dict[str, str]
    truth: dict[str, dict[str, object]] = field(default_factory=dict)

    def with_fault(self, fault: CameraFault) -> str:
        """The id of a camera that has the fault."""
        return next(i for i, truth in self.truth.items() if truth["fault"] == fault)


@contextmanager
def running(options: FarmOptions) -> Iterator[FarmInfo]:
    """Serve in a thread while the block runs; re-raise here what broke it."""
    ready = threading.Event()
    infos: list[FarmInfo] = []
    stops: list[Callable[[], None]] = []
    errors: list[BaseException] = []

    async def main() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        stops.append(lambda: loop.call_soon_threadsafe(stop.set))

        def on_ready(info: FarmInfo) -> None:
            infos.append(info)
            ready.set()

        await serve(options, on_ready, stop)

    def run() -> None:
        try:
            asyncio.run(main())
        except BaseException as error:  # noqa: BLE001 handed to the test's thread
            errors.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=run, name="farm")
    thread.start()
    try:
        assert ready.wait(START_S), "the farm did not come up"
        if errors:
            raise errors[0]
        yield infos[0]
    finally:
        for stop in stops:
            stop()
        thread.join(20)
        assert not thread.is_alive(), "the farm did not stop"
    if errors:
        raise errors[0]


@pytest.fixture(scope="session")
def stream_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache directory of encoded loops for all tests."""
    return tmp_path_factory.mktemp("streams")


@pytest.fixture(scope="session")
def farm(tmp_path_factory: pytest.TempPathFactory, stream_cache: Path) -> Iterator[RunningFarm]:
    """A farm with three cameras of every fault, and as many without."""
    out = tmp_path_factory.mktemp("town")
    options = FarmOptions(
        count=3 * len(CameraFault),
        out=out,
        faults="each",
        profile="tiny",
        light="morning",
        cache=stream_cache,
        session_timeout_s=4,
    )
    with running(options) as info, FarmControl(info.control_port) as control:
        rows = (out / "cameras.csv").read_text("utf-8").splitlines()
        cells = [row.split(",") for row in rows[1:]]
        yield RunningFarm(
            info=info,
            control=control,
            urls={row[0]: row[4] for row in cells},
            sub_urls={row[0]: row[5] for row in cells},
            truth={row[0]: control.truth(row[0]) for row in cells},
        )


class RtspTestClient:
    """A bare RTSP client: sends what the test asks for, keeps what it receives."""

    def __init__(self, url: str, timeout_s: float = 8.0) -> None:
        parts = urlsplit(url)
        self.login = (unquote(parts.username or ""), unquote(parts.password or ""))
        query = f"?{parts.query}" if parts.query else ""
        self.url = f"rtsp://{parts.hostname}:{parts.port}{parts.path}{query}"
        self.base = self.url
        self.socket = socket.create_connection((parts.hostname, parts.port), timeout=timeout_s)
        self.file = self.socket.makefile("rb")
        self.count = 0
        self.session = ""
        self.challenge = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.file.close()
        self.socket.close()

    def ask(self, method: str, url: str = "", **headers: str) -> tuple[int, dict[str, str], str]:
        """Send one request, authenticated if challenged; return status, headers, body."""
        url = url or self.url
        status, headers_in, body = self._once(method, url, headers)
        if status == 401 and not self.challenge:
            self.challenge = headers_in["www-authenticate"]
            status, headers_in, body = self._once(method, url, headers)
        self.session = headers_in.get("session", self.session).partition(";")[0]
        return status, headers_in, body

    def _once(
        self, method: str, url: str, headers: dict[str, str]
    ) -> tuple[int, dict[str, str], str]:
        self.count += 1
        lines = [f"{method} {url} RTSP/1.0", f"CSeq: {self.count}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        if self.session:
            lines.append(f"Session: {self.session}")
        if self.challenge:
            lines.append(f"Authorization: {self._proof(method, url)}")
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode())
        return self._answer()

    def _answer(self) -> tuple[int, dict[str, str], str]:
        line = self.file.readline()
        while line.startswith(b"$"):
            raise AssertionError("media before the answer")
        if not line:
            raise ConnectionError("hung up")
        status, headers_in = int(line.split()[1]), {}
        while (text := self.file.readline().decode().strip()) != "":
            name, _, value = text.partition(":")
            headers_in.setdefault(name.lower(), value.strip())
        body = self.file.read(int(headers_in.get("content-length", "0"))).decode()
        return status, headers_in, body

    def _proof(self, method: str, url: str) -> str:
        user, password = self.login
        if self.challenge.startswith("Basic"):
            return "Basic " + b64encode(f"{user}:{password}".encode()).decode()
        asked = dict(re.findall(r'(\w+)="?([^",]+)"?', self.challenge))
        name = "sha256" if asked.get("algorithm") == "SHA-256" else "md5"

        def hashed(text: str) -> str:
            return hashlib.new(name, text.encode()).hexdigest()

        middle, extra = asked["nonce"], ""
        if "qop" in asked:
            middle += ":00000001:beef:auth"
            extra = ', qop=auth, nc=00000001, cnonce="beef"'
        secret = hashed(f"{user}:{asked['realm']}:{password}")
        response = hashed(f"{secret}:{middle}:{hashed(f'{method}:{url}')}")
        algorithm = ", algorithm=SHA-256" if name == "sha256" else ""
        return (
            f'Digest username="{user}", realm="{asked["realm"]}", nonce="{asked["nonce"]}", '
            f'uri="{url}", response="{response}"{algorithm}{extra}'
        )

    def control(self, sdp: str, media: str = "video") -> str:
        """The control URL of a track in the SDP."""
        found = re.search(rf"m={media}.*?a=control:(\S+)", sdp, re.DOTALL)
        assert found is not None, sdp
        return found[1] if "://" in found[1] else f"{self.base}/{found[1]}"

    def start(self, transport: str = "RTP/AVP/TCP;unicast;interleaved=0-1") -> dict[str, str]:
        """DESCRIBE, SETUP of the video, PLAY; return the SETUP's headers."""
        status, headers_in, sdp = self.ask("DESCRIBE")
        assert status == 200, status
        self.base = headers_in.get("content-base", self.url).rstrip("/")
        status, setup, _ = self.ask("SETUP", self.control(sdp), Transport=transport)
        assert status == 200, status
        assert self.ask("PLAY", self.base)[0] == 200
        return setup

    def packet(self) -> tuple[int, bytes]:
        """The next interleaved packet: channel, data. Raises ConnectionError at the end."""
        head = self.file.read(4)
        if len(head) < 4:
            raise ConnectionError("hung up")
        assert head[:1] == b"$", head
        data = self.file.read(int.from_bytes(head[2:], "big"))
        if len(data) < int.from_bytes(head[2:], "big"):
            raise ConnectionError("hung up in mid-packet")
        return head[1], data

    def until_hung_up(self, packets: int = 1000) -> None:
        """Read on; raises ConnectionError when the camera closes the connection."""
        for _ in range(packets):
            self.packet()


@pytest.fixture(scope="session")
def talk() -> type[RtspTestClient]:
    """The client's class."""
    return RtspTestClient
