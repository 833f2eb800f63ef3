"""A live stream as a media gateway serves it: RTSP, and FLV, MPEG-TS, fMP4 and HLS over HTTP.

One encoded loop plays for every viewer from where it is. `admit` is asked with path and query of
each opening and answers with an HTTP status; so look-alikes put their tickets and faults there.
Counted: openings by protocol, viewers now.
"""

import asyncio
import contextlib
import itertools
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import av
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from simulators.faults import CameraFault
from simulators.http_sources.connections import serving_connections
from simulators.http_sources.http_server import HttpReply, HttpRequest
from simulators.rtsp_farm.rtp_packets import PacketLoop, packetize
from simulators.rtsp_farm.rtsp_messages import (
    BadRequest,
    RequestReader,
    RtspRequest,
    format_response,
    format_sdp,
)
from simulators.rtsp_farm.vendors import VENDORS
from simulators.scenes.catalogue import SceneLight, catalogue
from simulators.scenes.encode import EncodedLoop
from simulators.scenes.library import DEFAULT_CACHE, LoopLibrary, LoopSpec

SESSION: Final = "12345678"
VENDOR: Final = VENDORS[0]
CLOCK_HZ: Final = 90_000
SEGMENTS: Final = 3  # in a playlist
_MUXERS: Final = {".live.flv": "flv", ".live.ts": "mpegts", ".live.mp4": "mp4"}
_FRAGMENTED: Final = {"movflags": "frag_every_frame+empty_moov+default_base_moof"}
_CONTENT_TYPES: Final = {"flv": "video/x-flv", "mpegts": "video/mp2t", "mp4": "video/mp4"}

Admit = Callable[[str, str], int]  # path and query → HTTP status


def admit_all(_path: str, _query: str) -> int:
    """Let everybody in."""
    return 200


def load_loop(cache: Path = DEFAULT_CACHE, profile: str = "tiny") -> EncodedLoop:
    """The first H.264 scene of a profile in the morning."""
    scene = next(s for s in catalogue(profile) if s.main.codec == "h264")
    spec = LoopSpec(
        profile=profile, scene=scene.name, light=SceneLight.MORNING, fault=CameraFault.NONE
    )
    return LoopLibrary(cache).load(spec).main


@dataclass(slots=True)
class LiveMedia:
    """One live stream for any path that `admit` lets open."""

    loop: EncodedLoop
    admit: Admit = admit_all
    silent: bool = False  # RTSP plays, and nothing comes
    stale_playlist_s: float = 0.0  # HLS: so old, and never renewed
    openings: Counter[str] = field(default_factory=Counter)
    viewers: int = 0
    rtsp_port: int = 0
    _packets: PacketLoop = field(init=False)
    _began: datetime = field(default_factory=lambda: datetime.now(UTC))  # noqa: TID251  its own clock

    def __post_init__(self) -> None:
        self._packets = packetize(self.loop, VENDOR)

    @property
    def frames_per_s(self) -> int:
        """The pace of the stream."""
        return self.loop.format.frames_per_s

    @contextlib.asynccontextmanager
    async def serving_rtsp(self, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[int]:
        """Listen for RTSP; the port."""
        async with serving_connections(self._connected, host, port) as self.rtsp_port:
            yield self.rtsp_port

    # -- RTSP ----------------------------------------------------------------------------------

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests, playing = RequestReader(), None
        try:
            while data := await reader.read(65_536):
                for request in requests.feed(data):
                    if request is None:
                        continue
                    writer.write(self._rtsp_answer(request))
                    if request.method == "PLAY" and playing is None:
                        playing = asyncio.create_task(self._play(writer), name="play")
                    if request.method == "TEARDOWN" and playing is not None:
                        playing.cancel()
        except BadRequest:
            return
        finally:
            if playing is not None:
                playing.cancel()

    def _rtsp_answer(self, request: RtspRequest) -> bytes:
        cseq = request.header("cseq") or "0"
        parts = urlsplit(request.url)
        if request.method == "DESCRIBE":
            self.openings["rtsp"] += 1
            status = self.admit(parts.path, parts.query)
            if status != 200:  # noqa: PLR2004
                return format_response(status, cseq)
            sdp = format_sdp(
                VENDOR, self.loop.format, self._packets.sets, base=request.url, session=1
            )
            headers = [("Content-Base", f"{request.url}/"), ("Content-Type", "application/sdp")]
            return format_response(200, cseq, headers, sdp)
        if request.method == "SETUP":
            transport = "RTP/AVP/TCP;unicast;interleaved=0-1"
            return format_response(200, cseq, [("Transport", transport), ("Session", SESSION)])
        return format_response(200, cseq, [("Session", SESSION)])

    async def _play(self, writer: asyncio.StreamWriter) -> None:
        self.viewers += 1
        try:
            sequence = 1
            async for number in self._frame_numbers():
                if self.silent:
                    continue
                frame = self._packets.frames[number % len(self._packets.frames)]
                stamp = number * CLOCK_HZ // self.frames_per_s
                writer.write(frame.stamped(sequence, stamp, 7).tobytes())
                sequence += frame.count
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            self.viewers -= 1

    async def _frame_numbers(self) -> AsyncIterator[int]:
        """The frames of the stream from the next key frame on, each when it is due."""
        loop = asyncio.get_running_loop()
        gop = self.loop.format.gop_frames
        now = datetime.now(UTC)  # noqa: TID251  its own clock
        first = int((now - self._began).total_seconds() * self.frames_per_s)
        first += -first % gop
        began_s = loop.time()
        for number in itertools.count(first):
            due_s = began_s + (number - first) / self.frames_per_s
            await asyncio.sleep(max(0.0, due_s - loop.time()))
            yield number

    # -- HTTP ----------------------------------------------------------------------------------

    async def http(self, request: HttpRequest) -> HttpReply | None:
        """The answer to a live URL; None for any other path."""
        ending = next((end for end in _MUXERS if request.path.endswith(end)), None)
        if ending is not None:
            self.openings[ending.rpartition(".")[2]] += 1
            status = self._admitted(request)
            if status != 200:  # noqa: PLR2004
                return HttpReply(status=status)
            name = _MUXERS[ending]
            return HttpReply(content_type=_CONTENT_TYPES[name], stream=self._muxed(name))
        if request.path.endswith(".m3u8"):
            self.openings["hls"] += 1
            status = self._admitted(request)
            return HttpReply(status=status) if status != 200 else self._playlist()  # noqa: PLR2004
        if "/segment-" in request.path:
            number = int(request.path.rpartition("-")[2].removesuffix(".ts"))
            return HttpReply(body=self._segment(number), content_type="video/mp2t")
        return None

    def _admitted(self, request: HttpRequest) -> int:
        return self.admit(request.path, request.raw_target.partition("?")[2])

    async def _muxed(self, name: str) -> AsyncGenerator[bytes, None]:
        """The stream in a container, frame by frame as they are due."""
        out = _Pipe()
        self.viewers += 1
        try:
            with av.open(out, "w", format=name, options=_options(name)) as container:
                stream = self._add_stream(container)
                first = None
                async for number in self._frame_numbers():
                    first = number if first is None else first
                    container.mux(self._packet(stream, number, number - first))
                    if piece := out.drain():
                        yield piece
        finally:
            self.viewers -= 1

    def _add_stream(self, container: "av.container.OutputContainer") -> VideoStream:
        stream = container.add_stream("libx264", rate=self.frames_per_s)
        stream.width, stream.height = self.loop.format.width, self.loop.format.height
        stream.pix_fmt = "yuv420p"
        stream.codec_context.extradata = b"".join(
            b"\x00\x00\x00\x01" + unit for unit in self._packets.sets
        )
        return stream

    def _packet(self, stream: VideoStream, number: int, at: int) -> "Packet[Stream]":
        packet = Packet(self.loop.units[number % len(self.loop.units)])
        packet.stream = stream
        packet.time_base = Fraction(1, self.frames_per_s)
        packet.pts = packet.dts = at
        packet.is_keyframe = self.loop.is_key(number % len(self.loop.units))
        return packet

    def _playlist(self) -> HttpReply:
        """A live playlist, each segment one group of pictures; its dates stand still when stale."""
        gop_s = self.loop.format.gop_s
        now = datetime.now(UTC)  # noqa: TID251  its own clock
        newest = int((now - self._began).total_seconds() // gop_s) + SEGMENTS
        began = self._began - timedelta(seconds=SEGMENTS * gop_s)
        if self.stale_playlist_s:
            newest = SEGMENTS
            began -= timedelta(seconds=self.stale_playlist_s)
        first = newest - SEGMENTS
        lines = [
            "#EXTM3U", "#EXT-X-VERSION:3", f"#EXT-X-TARGETDURATION:{gop_s}",
            f"#EXT-X-MEDIA-SEQUENCE:{first}",
            "#EXT-X-PROGRAM-DATE-TIME:" + (began + timedelta(seconds=first * gop_s)).isoformat(),
        ]  # fmt: skip
        for number in range(first, newest):
            lines += [f"#EXTINF:{gop_s:.3f},", f"segment-{number}.ts"]
        body = ("\n".join(lines) + "\n").encode()
        return HttpReply(body=body, content_type="application/vnd.apple.mpegurl")

    def _segment(self, number: int) -> bytes:
        gop = self.loop.format.gop_frames
        out = _Pipe()
        with av.open(out, "w", format="mpegts") as container:
            stream = self._add_stream(container)
            for frame in range(number * gop, (number + 1) * gop):
                container.mux(self._packet(stream, frame, frame))
        return out.drain()


def _options(name: str) -> dict[str, str]:
    return dict(_FRAGMENTED) if name == "mp4" else {}


class _Pipe:
    """What a muxer writes, given out piece by piece."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        """Keep a piece."""
        piece = bytes(data)
        self._pieces.append(piece)
        return len(piece)

    def drain(self) -> bytes:
        """All that was written since the last time."""
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)
