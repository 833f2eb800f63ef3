"""Serve a zoo camera over a real socket, and visit it with the real client."""

import asyncio
import base64
import contextlib
import itertools
import struct
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field

from typing_extensions import override

from patrol.clock import SystemClock
from streams.address import StreamAddress
from streams.capture import StreamCameraClient
from streams.model import Sample, VisitOptions
from tests.streams.capture.conftest import Camera
from tests.zoo.clips import START, AccessUnit, Clip
from tests.zoo.packing import Pack

CLOCK = SystemClock()
FRAMES_PER_S = 25
NTP_TO_UNIX_S = 2_208_988_800
Ntp = Callable[[float, float], tuple[int, int]]  # (Unix time, seconds since PLAY) → two words


def video_ticks(passed_s: float, _frame: int) -> int:
    return int(passed_s * 90_000)


def true_ntp(unix_s: float, _passed_s: float) -> tuple[int, int]:
    return int(unix_s) + NTP_TO_UNIX_S, int(unix_s % 1 * (1 << 32))


@dataclass(frozen=True, kw_only=True)
class Rtp:
    """How a camera numbers and stamps its packets."""

    marker: str = "last"  # or: "each unit", "each packet", "never"
    ticks: Callable[[float, int], int] = video_ticks
    first_tick: int = 0x1234
    sequence: Callable[[int, int], int] = lambda packet, _in_frame: packet
    ssrc: Callable[[int], int] = lambda _frame: 0xBEEF
    payload_type: int = 96
    padding: int = 0
    extension: bytes = b""  # whole 32-bit words
    sources: int = 0
    twice: bool = False
    tick_of_packet: int = 0  # that each packet of a picture is later than the one before
    lost: Callable[[int, int], bool] = lambda _frame, _in_frame: False
    ntp: Ntp | None = true_ntp

    def packet(self, payload: bytes, number: int, in_frame: int, frame: int, tick: int) -> bytes:
        """One packet without its marker."""
        first = (
            0x80 | (0x20 if self.padding else 0) | (0x10 if self.extension else 0) | self.sources
        )
        sequence = self.sequence(number, in_frame) % 65536
        head = struct.pack(
            ">BBHII", first, self.payload_type, sequence, tick % (1 << 32), self.ssrc(frame)
        )
        head += b"\x00\x00\x00\x09" * self.sources
        if self.extension:
            head += b"\xab\xac" + (len(self.extension) // 4).to_bytes(2, "big") + self.extension
        tail = bytes(self.padding - 1) + bytes((self.padding,)) if self.padding else b""
        return head + payload + tail


@dataclass(frozen=True, kw_only=True)
class Description:
    """What a camera's SDP tells."""

    sets: str = "all"  # or: "none", "start codes", "glued", "rubbish"
    payload_type: int = 96
    clock_rate_hz: int = 90_000
    more: str = ""

    def text(self, clip: Clip) -> str:
        lines = ["v=0", "o=- 1 1 IN IP4 0.0.0.0", "s=zoo", "t=0 0", "a=control:*"]
        lines.append(f"m=video 0 RTP/AVP {self.payload_type}")
        name = {"h264": "H264", "hevc": "H265", "mjpeg": "JPEG"}[clip.codec]
        lines.append(f"a=rtpmap:{self.payload_type} {name}/{self.clock_rate_hz}")
        parameters = "; ".join(p for p in (self._sets(clip), self.more) if p)
        if parameters:
            lines.append(f"a=fmtp:{self.payload_type} {parameters}")
        return "\r\n".join([*lines, "a=control:track1"]) + "\r\n"

    def _sets(self, clip: Clip) -> str:
        if self.sets == "none" or not clip.sets:
            return ""
        sets = list(clip.sets)
        if self.sets == "start codes":
            sets = [START + nal for nal in sets]
        elif self.sets == "glued":
            sets = [START + START.join(sets)]
        elif self.sets == "rubbish":
            sets = [nal[:1] + bytes(range(7)) for nal in sets]
        texts = [base64.b64encode(nal).decode() for nal in sets]
        if clip.codec == "h264" or self.sets == "glued":
            return "sprop-parameter-sets=" + ",".join(texts)
        names = ("sprop-vps", "sprop-sps", "sprop-pps")
        return "; ".join(f"{name}={text}" for name, text in zip(names, texts, strict=True))


@dataclass
class ZooServer(Camera):
    """Plays a clip in a loop, each frame at its time, as the camera packs and stamps it."""

    clip: Clip = field(kw_only=True)
    pack: Pack = field(kw_only=True)
    rtp: Rtp = field(kw_only=True)
    sets_in_band: bool = True
    channel: int = 0
    control_channel: int = 1
    packets: int = 0

    @override
    async def play(self, writer: asyncio.StreamWriter) -> None:
        start_s = time.monotonic()
        with contextlib.suppress(ConnectionError):
            for number in range(10_000):
                unit = self.clip.units[number % len(self.clip.units)]
                passed_s = time.monotonic() - start_s
                writer.write(b"".join(self._frame(unit, number, passed_s)))
                await writer.drain()
                self.played.set()
                await asyncio.sleep((number + 1) / FRAMES_PER_S - (time.monotonic() - start_s))

    def _frame(self, unit: AccessUnit, frame: int, passed_s: float) -> Iterator[bytes]:
        rtp = self.rtp
        nals = [n for n in unit.nals if self.sets_in_band or not self.clip.is_set(n)]
        tick = rtp.first_tick + rtp.ticks(passed_s, frame)
        if unit.key and rtp.ntp is not None:
            words = (x % (1 << 32) for x in (*rtp.ntp(CLOCK.now().timestamp(), passed_s), tick))
            report = struct.pack(">BBHI", 0x80, 200, 6, rtp.ssrc(frame))
            report += struct.pack(">IIIII", *words, 0, 0)
            yield struct.pack(">BBH", 0x24, self.control_channel, len(report)) + report
        payloads = self.pack(nals)
        for index, payload in enumerate(payloads):
            packet = bytearray(
                rtp.packet(payload, self.packets, index, frame, tick + index * rtp.tick_of_packet)
            )
            self.packets += 1
            packet[1] |= 0x80 if self._marked(payload, last=index == len(payloads) - 1) else 0
            if rtp.lost(frame, index):
                continue
            framed = struct.pack(">BBH", 0x24, self.channel, len(packet)) + packet
            yield framed * (2 if rtp.twice else 1)

    def _marked(self, payload: bytes, *, last: bool) -> bool:
        if self.rtp.marker == "each unit":
            flags = payload[1] if self.clip.codec == "h264" else payload[2]
            kinds = (payload[0] & 0x1F, payload[0] >> 1)
            fragment = kinds[0] == 28 if self.clip.codec == "h264" else kinds[1] == 49
            return not fragment or flags & 0x40 != 0
        return self.rtp.marker == "each packet" or (last and self.rtp.marker == "last")


VISIT = VisitOptions(pictures=2, spacing_s=0.5, visit_timeout_s=6, silence_timeout_s=3)


async def visit(server: Camera, options: VisitOptions = VISIT) -> Sample:
    """One visit over a real socket."""
    async with server.running() as at:
        address = StreamAddress.parse(f"rtsp://{at}/zoo")
        return await StreamCameraClient(CLOCK.now)(address, options)


@dataclass
class HttpServer:
    """Answers every GET with the same bytes, then with more of them as long as anybody reads."""

    answer: bytes
    after: tuple[bytes, ...] = ()  # sent in turns behind it, one a pause
    pause_s: float = 0.05
    piece_bytes: int = 0  # the answer trickles in pieces, one a pause; 0: all at once
    stays: bool = False  # the connection is not closed behind it
    requests: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            self.requests += 1
            size = self.piece_bytes or len(self.answer) or 1
            for at in range(0, len(self.answer), size):
                writer.write(self.answer[at : at + size])
                await writer.drain()
                await asyncio.sleep(self.pause_s if self.piece_bytes else 0)
            for more in itertools.cycle(self.after):
                writer.write(more)
                await writer.drain()
                await asyncio.sleep(self.pause_s)
            if self.stays:
                await reader.read()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        try:
            host, port = server.sockets[0].getsockname()[:2]
            yield f"{host}:{port}"
        finally:
            server.close()


async def visit_http(
    server: HttpServer, path: str = "/snap.jpg", options: VisitOptions = VISIT
) -> Sample:
    """One visit over a real socket."""
    async with server.running() as at:
        address = StreamAddress.parse(f"http://{at}{path}")
        return await StreamCameraClient(CLOCK.now)(address, options)
