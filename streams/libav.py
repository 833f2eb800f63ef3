"""Whatever is not plain RTSP over TCP, through libavformat: HLS, FLV, RTMP, RTSP over UDP, files.

Each visit has a thread of its own; nothing is decoded in it. libav's words are never quoted, as
they may hold the URL with its password: errors carry its error *code's* text alone, and libav's own
log stays off (PyAV's default).
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Final

import av
import av.error
from av.bitstream import BitStreamFilterContext
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from streams import annexb
from streams.address import StreamAddress
from streams.errors import (
    BadAddress,
    RefusedUs,
    StreamError,
    Unreachable,
    Unreadable,
    WentSilent,
)
from streams.model import Codec, Freshness, KeyFrame, Sample, StreamFacts, VisitOptions
from streams.sampling import SEGMENT_BURST_S, Sampler, judge, key_frame_interval_s
from streams.threads import in_thread

_RTSP: Final = frozenset({"rtsp", "rtsps", "rtspu"})
_CODECS: Final = {"h264": Codec.H264, "hevc": Codec.H265, "mjpeg": Codec.MJPEG}
_TO_ANNEX_B: Final = {Codec.H264: "h264_mp4toannexb", Codec.H265: "hevc_mp4toannexb"}
# The first kind that fits; each for the time before and after the stream was opened.
_KINDS: Final[tuple[tuple[type[Exception], type[StreamError], type[StreamError]], ...]] = (
    (av.error.HTTPClientError, RefusedUs, RefusedUs),
    (av.error.HTTPServerError, RefusedUs, WentSilent),
    (av.error.PermissionError, RefusedUs, RefusedUs),
    (av.error.FileNotFoundError, BadAddress, WentSilent),
    (av.error.IsADirectoryError, BadAddress, BadAddress),
    (av.error.InvalidDataError, Unreadable, Unreadable),
    (av.error.ProtocolNotFoundError, Unreadable, Unreadable),
    (av.error.EOFError, Unreadable, WentSilent),
    (OSError, Unreachable, WentSilent),
    (av.error.ExitError, Unreachable, WentSilent),  # the time limit of PyAV
)


async def visit(
    address: StreamAddress,
    options: VisitOptions,
    now: Callable[[], datetime],
    *,
    over_udp: bool = False,
) -> Sample:
    """One visit. Raises StreamError, and only StreamError."""
    stop = threading.Event()
    watch = _Watch(address, options, now, stop, over_udp=over_udp or address.scheme == "rtspu")
    try:
        return await in_thread(watch.run, f"libav {address.host}")
    finally:
        stop.set()


class _Gone(Exception):
    """libav gave up. Its own exception is not kept as the cause: it may quote the password."""

    def __init__(self, code: type[Exception], words: str) -> None:
        super().__init__(words)
        self.code = code


@dataclass(slots=True)
class _Watch:
    """One visit on its thread."""

    address: StreamAddress
    options: VisitOptions
    now: Callable[[], datetime]
    stop: threading.Event
    over_udp: bool
    sampler: Sampler = field(init=False)
    start_s: float = field(default_factory=time.monotonic)
    opened_after_s: float = 0.0
    first_after_s: float = 0.0
    bytes_received: int = 0
    packets: int = 0
    live: bool = True
    format_name: str = ""
    codec: Codec = Codec.OTHER
    codec_name: str = ""
    size_px: tuple[int, int] | None = None
    frames_per_s: float | None = None

    def __post_init__(self) -> None:
        self.sampler = Sampler(self.options.pictures, self.options.spacing_s)

    def run(self) -> Sample:
        """Blocks. Raises StreamError."""
        gone: _Gone | None = None
        try:
            self._watch()
        except _Gone as exc:
            gone = exc
        if not self.sampler.kept:
            raise self._error(gone)
        frames = tuple(self.sampler.kept)
        freshness = Freshness.STILL if not self.live else judge(frames, SEGMENT_BURST_S)
        return Sample(key_frames=frames, facts=self._facts(), freshness=freshness)

    @property
    def _passed_s(self) -> float:
        return time.monotonic() - self.start_s

    # -- looking ------------------------------------------------------------------------------

    def _watch(self) -> None:
        with closing(self._open()) as container:
            streams = container.streams.video
            if not streams:
                raise Unreadable(f"no video in this {container.format.name}")
            self._note(container, streams[0])
            shape = _Shape(self.codec, streams[0])
            picture: list[Packet[VideoStream]] = []  # packets of one key picture
            for packet in _packets(container, streams[0]):
                self.packets += 1
                self.bytes_received += packet.size
                # libav may cut a picture where its parameter sets are repeated between slices.
                if picture and packet.pts != picture[0].pts:
                    self._take(picture, shape)
                    picture = []
                if picture or self._may_begin(packet):
                    picture.append(packet)
                if self._over():
                    return
            if picture:
                self._take(picture, shape)

    def _may_begin(self, packet: "Packet[VideoStream]") -> bool:
        # Before its timeline is known, a live stream is joined in the middle of a picture.
        timed = packet.pts is not None or not self.live or self.codec is Codec.MJPEG
        return packet.is_keyframe and not packet.is_corrupt and timed

    def _over(self) -> bool:
        late = self._passed_s >= self.options.visit_timeout_s
        return late or self.sampler.done or self.stop.is_set()

    def _open(self) -> InputContainer:
        wait_s = self.options.connect_timeout_s + self.options.answer_timeout_s
        limits_s = (
            min(wait_s, self.options.visit_timeout_s),
            min(self.options.silence_timeout_s, self.options.visit_timeout_s),
        )
        try:
            return av.open(
                _libav_url(self.address),
                container_options=_demuxer_options(self.address, over_udp=self.over_udp),
                metadata_errors="replace",
                timeout=limits_s,
            )
        except (av.error.FFmpegError, OSError, ValueError) as exc:
            gone = _gone(exc)
        raise gone

    def _note(self, container: InputContainer, stream: VideoStream) -> None:
        self.opened_after_s = self._passed_s
        self.format_name = container.format.name
        self.live = container.duration is None and self.address.scheme != "file"
        context = stream.codec_context
        name = context.codec.name
        self.codec_name = name
        self.codec = _CODECS.get(name, Codec.OTHER)
        if context.width and context.height:
            self.size_px = (context.width, context.height)
        rate = stream.average_rate
        self.frames_per_s = float(rate) if rate else None

    def _take(self, packets: "list[Packet[VideoStream]]", shape: "_Shape") -> None:
        pts, base = packets[0].pts, packets[0].time_base
        media_time_s = float(pts * base) if pts is not None else None
        made = shape.picture(packets)
        if made is None:
            return
        data, digest = made
        frame = KeyFrame(
            codec=self.codec,
            data=data,
            taken_at=self.now(),
            media_time_s=media_time_s,
            sha256=digest,
            codec_name=self.codec_name,
            extradata=shape.extradata if self.codec is Codec.OTHER else b"",
            size_px=self.size_px,
        )
        if len(data) > self.options.max_key_frame_bytes:
            raise Unreadable(f"a key frame of {len(data)} bytes")
        # A file runs as fast as it can be read: its own time spaces the pictures.
        at_s = self._passed_s if self.live or media_time_s is None else media_time_s
        if self.sampler.offer(frame, at_s):
            self.first_after_s = self.first_after_s or self._passed_s
            self.size_px = self.size_px or shape.size_px(data)

    # -- telling ------------------------------------------------------------------------------

    def _error(self, gone: _Gone | None) -> StreamError:
        """The kind of a failure, with what was seen and without libav's own words."""
        if not self.opened_after_s:
            if gone is None:
                return WentSilent("given up before the stream was open")
            kind = next((k for code, k, _ in _KINDS if issubclass(gone.code, code)), Unreadable)
            return kind(f"{gone} ({self._passed_s:.1f} s)")
        seen = f"{self.bytes_received} bytes, {self.packets} packets, {self._passed_s:.1f} s"
        if gone is None:
            return WentSilent(f"no key frame: {seen}")
        kind = next((k for code, _, k in _KINDS if issubclass(gone.code, code)), Unreadable)
        return kind(f"{gone}: {seen}")

    def _facts(self) -> StreamFacts:
        width_px, height_px = self.size_px or (None, None)
        return StreamFacts(
            transport=_transport(self.address.scheme, self.format_name, over_udp=self.over_udp),
            codec=self.codec_name,
            width_px=width_px,
            height_px=height_px,
            key_frame_interval_s=key_frame_interval_s(self.sampler.kept),
            frames_per_s=self.frames_per_s,
            connect_s=self.opened_after_s,  # libav tells no smaller steps
            describe_s=self.opened_after_s,
            first_key_frame_s=self.first_after_s,
            visit_s=self._passed_s,
            bytes_received=self.bytes_received,
        )


class _Shape:
    """Turns libav's packets of one stream into pictures as KeyFrame wants them."""

    def __init__(self, codec: Codec, stream: VideoStream) -> None:
        self.extradata = stream.codec_context.extradata or b""
        self._format = annexb.FORMATS.get(codec)
        self._filter: BitStreamFilterContext | None = None
        # ISO 14496-15 records (MP4, FLV) begin with version 1; Annex B begins with zeros.
        if self._format is not None and self.extradata[:1] == b"\x01":
            self._filter = BitStreamFilterContext(_TO_ANNEX_B[codec], stream)

    def picture(self, packets: "list[Packet[VideoStream]]") -> tuple[bytes, str] | None:
        """(data, sha256 of the slices); None when its beginning is missing."""
        a_format = self._format
        if a_format is None:
            data = b"".join(map(bytes, packets))
            return data, sha256(data).hexdigest()
        if self._filter is not None:
            packets = [part for packet in packets for part in self._filter.filter(packet)]
        nals = [nal for packet in packets for nal in annexb.split(bytes(packet))]
        if not annexb.is_key_picture(nals, a_format):
            return None
        data = annexb.with_parameter_sets(nals, self.extradata, a_format)
        return data, annexb.slices_sha256(nals, a_format)

    def size_px(self, data: bytes) -> tuple[int, int] | None:
        """Width and height, from the sequence parameter set."""
        if self._format is None:
            return None
        kind, a_format = self._format.size_kind, self._format
        sets = (nal for nal in annexb.split(data) if a_format.parameter_kind(nal) == kind)
        return next((a_format.size_px(nal) for nal in sets), None)


def _packets(container: InputContainer, stream: VideoStream) -> "Iterator[Packet[VideoStream]]":
    """Until the stream ends. Raises _Gone."""
    demuxed = container.demux(stream)
    gone: _Gone | None = None
    while gone is None:
        try:
            packet = next(demuxed)
        except StopIteration:
            return
        except (av.error.FFmpegError, OSError, ValueError) as exc:
            gone = _gone(exc)
        else:
            if packet.size:
                yield packet
    raise gone


def _gone(exc: Exception) -> _Gone:
    """The code of an error in words; never its own words, which quote the URL."""
    if isinstance(exc, av.error.ExitError):
        return _Gone(type(exc), "no answer in time")
    words = getattr(exc, "strerror", None) or type(exc).__name__
    return _Gone(type(exc), str(words).lower())


def _libav_url(address: StreamAddress) -> str:
    url = address.with_credentials
    return "rtsp" + url.removeprefix("rtspu") if address.scheme == "rtspu" else url


def _demuxer_options(address: StreamAddress, *, over_udp: bool) -> dict[str, str]:
    if address.scheme not in _RTSP:
        # One second of stream tells what it is; libav's default is five.
        return {"analyzeduration": "1000000"} if address.scheme != "file" else {}
    return {
        "rtsp_transport": "udp" if over_udp else "tcp",
        "allowed_media_types": "video",
        # The description says all: no packets are read to guess.
        "probesize": "32",
        "analyzeduration": "0",
        "user_agent": "patrol-streams",
    }


def _transport(scheme: str, format_name: str, *, over_udp: bool) -> str:
    if scheme in _RTSP:
        return "rtsp+udp" if over_udp else "rtsp+tcp"
    if scheme == "file" or scheme.startswith("rtmp"):
        return scheme.removesuffix("s")
    return format_name if format_name in {"hls", "flv"} else "http"
