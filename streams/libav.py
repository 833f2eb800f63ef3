"""Capture through libavformat what is not RTSP over TCP: HLS, FLV, RTMP, RTSP over UDP, files.

`capture_with_libav` makes one visit on a thread of its own: it opens the stream, turns libav's
packets into key frames in Annex B with their parameter sets, and decodes nothing. libav limits each
of its calls, not their sum: at the visit's limit the thread is left behind, with what it had until
then, and ends with the call that it is in. libav's messages
are never quoted, as they may hold the URL with its password: errors carry the text of its error
*code* alone, and libav's own log stays off (PyAV's default).
"""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

import av
import av.error
from av.bitstream import BitStreamFilterContext
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from streams.address import StreamAddress
from streams.annexb import is_key_picture, slices_sha256, split_nals, with_parameter_sets
from streams.bounded_http import BoundedHttp
from streams.clocks import SEGMENT_BURST_S, media_clock_of
from streams.errors import (
    LOGIN_REFUSED,
    BadAddress,
    RefusedUs,
    StreamError,
    Unreachable,
    Unreadable,
    WentSilent,
)
from streams.model import (
    Codec,
    Freshness,
    KeyFrame,
    MediaClock,
    Sample,
    StreamFacts,
    VisitOptions,
)
from streams.picture_limits import DECODE_GATE
from streams.rtsp.session import CODEC_FORMATS
from streams.sampling import FrameSampler, freshness_of, key_frame_interval_s, total_bytes
from streams.target_policy import TargetPolicy, resolve
from streams.tls import CAMERA_TLS
from streams.worker_thread import run_in_thread

_TO_ANNEX_B: Final = {Codec.H264: "h264_mp4toannexb", Codec.H265: "hevc_mp4toannexb"}
_RTSP: Final = frozenset({"rtsp", "rtsps", "rtspu"})
# What cameras and platforms send. libav guesses from the bytes, and would find a picture in noise.
_FORMATS: Final = (
    "hls,flv,live_flv,mpegts,mpeg,mov,mp4,matroska,webm,avi,asf,h264,hevc,mjpeg,mpjpeg,aac"
)
_CODECS: Final = {"h264": Codec.H264, "hevc": Codec.H265, "mjpeg": Codec.MJPEG}
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
_SEEKABLE_ENDINGS: Final = (".mp4", ".mov", ".mkv", ".webm", ".avi")


async def capture_with_libav(
    address: StreamAddress,
    options: VisitOptions,
    now: Callable[[], datetime],
    *,
    over_udp: bool = False,
) -> Sample:
    """Make one visit; `now` is the UTC clock. Raises StreamError, and only StreamError."""
    await _check_target(address, options)
    stop = threading.Event()
    capture = LibavCapture(
        address, options, now, stop, over_udp=over_udp or address.scheme == "rtspu"
    )
    limit = asyncio.timeout(options.visit_timeout_s)
    try:
        async with limit:
            return await run_in_thread(capture.run, f"libav {address.host}")
    except TimeoutError:
        stop.set()
        return capture.sample()
    finally:
        stop.set()


async def _check_target(address: StreamAddress, options: VisitOptions) -> None:
    """Refuse where a URL that was handed out may not lead, for what libav connects to itself.

    What goes through bounded_http.py is checked there, redirects and playlists included.
    Raises TargetRefused, Unreachable.
    """
    if options.targets is None or address.scheme in {"http", "https"}:
        return
    options.targets.check_address(address)
    try:
        found = await asyncio.to_thread(resolve, address.host, address.port)
    except (OSError, UnicodeError):
        raise Unreachable(f"{address.authority}: the name does not resolve") from None
    options.targets.check_all(address.host, found)


class LibavEnded(Exception):
    """libav ended with an error; not chained to its own, which may quote the password."""

    def __init__(self, code: type[Exception], message: str) -> None:
        super().__init__(message)
        self.code = code


class AnnexBWriter:
    """Turns libav's packets of one stream into pictures as KeyFrame wants them."""

    def __init__(self, codec: Codec, stream: VideoStream) -> None:
        self.extradata = stream.codec_context.extradata or b""
        self._format = CODEC_FORMATS.get(codec)
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
        nals = [nal for packet in packets for nal in split_nals(bytes(packet))]
        if not is_key_picture(nals, a_format):
            return None
        data = with_parameter_sets(nals, self.extradata, a_format)
        return data, slices_sha256(nals, a_format)

    def size_px(self, data: bytes) -> tuple[int, int] | None:
        """Width and height, from the sequence parameter set."""
        if self._format is None:
            return None
        kind, a_format = self._format.size_kind, self._format
        sets = (nal for nal in split_nals(data) if a_format.parameter_kind(nal) == kind)
        return next((a_format.size_px(nal) for nal in sets), None)


def demux_packets(
    container: InputContainer, stream: VideoStream
) -> "Iterator[Packet[VideoStream]]":
    """The packets of one stream, until it ends. Raises LibavEnded."""
    demuxed = container.demux(stream)
    ended: LibavEnded | None = None
    while ended is None:
        try:
            packet = next(demuxed)
        except StopIteration:
            return
        except (av.error.FFmpegError, OSError, ValueError) as exc:
            ended = as_libav_ended(exc)
        else:
            if packet.size:
                yield packet
    raise ended


def as_libav_ended(exc: Exception) -> LibavEnded:
    """The text of an error's code; never its own message, which quotes the URL."""
    if isinstance(exc, av.error.ExitError):
        return LibavEnded(type(exc), "no answer in time")
    message = getattr(exc, "strerror", None) or type(exc).__name__
    return LibavEnded(type(exc), str(message).lower())


@dataclass(slots=True)
class LibavCapture:
    """One visit through libavformat, on its thread: open, keep key frames, name the failure."""

    address: StreamAddress
    options: VisitOptions
    now: Callable[[], datetime]
    stop: threading.Event
    over_udp: bool
    sampler: FrameSampler = field(init=False)
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
    http: BoundedHttp | None = None

    def __post_init__(self) -> None:
        options = self.options
        self.sampler = FrameSampler(options.pictures, options.spacing_s, self._report_kept)

    def run(self) -> Sample:
        """Capture until there are enough key frames; blocks. Raises StreamError."""
        ended: LibavEnded | None = None
        try:
            self._capture()
        except LibavEnded as exc:
            ended = exc
        return self.sample(ended)

    def sample(self, ended: LibavEnded | None = None) -> Sample:
        """What was captured until now, also from another thread. Raises StreamError."""
        frames = tuple(self.sampler.kept)
        if self.http is not None and self.http.refusal is not None:
            raise self.http.refusal
        if not frames:
            raise self._error(ended)
        clock = media_clock_of(frames, SEGMENT_BURST_S) if self.live else MediaClock.UNKNOWN
        freshness = Freshness.STILL if not self.live else freshness_of(frames, SEGMENT_BURST_S)
        facts = self._stream_facts(frames, clock)
        return Sample(key_frames=frames, facts=facts, freshness=freshness)

    def _report_kept(self, frame: KeyFrame) -> None:
        report = self.options.on_key_frame
        if report is not None and not self.stop.is_set():
            report(frame)

    @property
    def _passed_s(self) -> float:
        return time.monotonic() - self.start_s

    def _capture(self) -> None:
        with closing(self._open()) as container:
            streams = container.streams.video
            if not streams:
                raise Unreadable(f"no video in this {container.format.name}")
            self._read_stream_info(container, streams[0])
            writer = AnnexBWriter(self.codec, streams[0])
            picture: list[Packet[VideoStream]] = []  # packets of one key picture
            for packet in demux_packets(container, streams[0]):
                self.packets += 1
                self.bytes_received += packet.size
                # libav may cut a picture where its parameter sets are repeated between slices.
                if picture and packet.pts != picture[0].pts:
                    self._keep_picture(picture, writer)
                    picture = []
                if picture or self._may_begin_picture(packet):
                    picture.append(packet)
                if self._is_over():
                    return
            if picture:
                self._keep_picture(picture, writer)

    def _may_begin_picture(self, packet: "Packet[VideoStream]") -> bool:
        # Before its timeline is known, a live stream is joined in the middle of a picture.
        timed = packet.pts is not None or not self.live or self.codec is Codec.MJPEG
        return packet.is_keyframe and not packet.is_corrupt and timed

    def _is_over(self) -> bool:
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
                _libav_url(self.address, self.options.targets),
                # For libav's own decoders, too, which look into the first packets.
                options={"max_pixels": str(DECODE_GATE.max_px)},
                container_options=_demuxer_options(
                    self.address, self.options.targets, over_udp=self.over_udp
                ),
                metadata_errors="replace",
                timeout=limits_s,
                io_open=self._bounded_open(limits_s[1]),
            )
        except (av.error.FFmpegError, OSError, ValueError) as exc:
            ended = as_libav_ended(exc)
        raise ended

    def _bounded_open(self, wait_s: float) -> "Callable[..., Any] | None":
        """What opens every URL of an HTTP stream; None: libav itself, which then reads no HLS."""
        if not _reads_bounded(self.address, self.options.targets):
            return None
        self.http = BoundedHttp(
            address=self.address,
            deadline_s=self.start_s + self.options.visit_timeout_s,
            wait_s=wait_s,
            policy=self.options.targets,
            now=self.now,
        )
        return self.http.open

    def _read_stream_info(self, container: InputContainer, stream: VideoStream) -> None:
        self.opened_after_s = self._passed_s
        self.options.reach("described", container.format.name)
        self.format_name = container.format.name
        # What a service or a gateway hands out is live, whatever length its container names.
        endless = container.duration is None or self.options.targets is not None
        self.live = endless and self.address.scheme != "file"
        context = stream.codec_context
        if context is None:  # PyAV has none where libav has no decoder, whatever its types say
            raise Unreadable(f"no decoder for the video in this {self.format_name}")
        name = context.codec.name
        self.codec_name = name
        self.codec = _CODECS.get(name, Codec.OTHER)
        if context.width and context.height:
            self.size_px = (context.width, context.height)
        rate = stream.average_rate
        self.frames_per_s = float(rate) if rate else None

    def _keep_picture(self, packets: "list[Packet[VideoStream]]", writer: AnnexBWriter) -> None:
        pts, base = packets[0].pts, packets[0].time_base
        media_time_s = float(pts * base) if pts is not None else None
        made = writer.picture(packets)
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
            extradata=writer.extradata if self.codec is Codec.OTHER else b"",
            size_px=self.size_px,
        )
        if len(data) > self.options.max_key_frame_bytes:
            raise Unreadable(f"a key frame of {len(data)} bytes")
        # A file runs as fast as it can be read: its own time spaces the pictures.
        at_s = self._passed_s if self.live or media_time_s is None else media_time_s
        if self.sampler.accept(frame, at_s):
            self.first_after_s = self.first_after_s or self._passed_s
            self.size_px = self.size_px or writer.size_px(data)

    def _error(self, ended: LibavEnded | None) -> StreamError:
        """The StreamError for how libav ended, with what was received until then."""
        if not self.opened_after_s:
            if ended is None:
                return WentSilent(f"the stream did not open in {self._passed_s:.1f} s")
            seen = f"{ended} ({self._passed_s:.1f} s)"
            if issubclass(ended.code, av.error.HTTPUnauthorizedError):
                return RefusedUs(seen, reason=LOGIN_REFUSED)
            kind = next((k for code, k, _ in _KINDS if issubclass(ended.code, code)), Unreadable)
            return kind(seen)
        seen = f"{self.bytes_received} bytes, {self.packets} packets, {self._passed_s:.1f} s"
        if ended is None:
            return WentSilent(f"no key frame: {seen}")
        kind = next((k for code, _, k in _KINDS if issubclass(ended.code, code)), Unreadable)
        return kind(f"{ended}: {seen}")

    def _stream_facts(self, frames: tuple[KeyFrame, ...], clock: MediaClock) -> StreamFacts:
        width_px, height_px = self.size_px or (None, None)
        # A file's own time is right, at whatever pace it was read.
        paced = clock if self.live else MediaClock.AS_DECLARED
        return StreamFacts(
            transport=_transport(self.address.scheme, self.format_name, over_udp=self.over_udp),
            codec=self.codec_name,
            width_px=width_px,
            height_px=height_px,
            key_frame_interval_s=key_frame_interval_s(frames, paced),
            frames_per_s=self.frames_per_s,
            connect_s=self.opened_after_s,  # libav reports no smaller steps
            describe_s=self.opened_after_s,
            first_key_frame_s=self.first_after_s,
            visit_s=self._passed_s,
            bytes_received=self.bytes_received,
            key_frame_bytes=total_bytes(frames),
            media_clock=clock,
        )


def _reads_bounded(address: StreamAddress, targets: TargetPolicy | None) -> bool:
    """Whether bounded_http.py opens the URLs: for all of HTTP but files that libav must seek in.

    For those as well where every connection is to be checked; what gateways call .mp4 is a stream.
    """
    seekable = address.path.lower().endswith(_SEEKABLE_ENDINGS)
    return address.scheme in {"http", "https"} and (targets is not None or not seekable)


def _libav_url(address: StreamAddress, targets: TargetPolicy | None) -> str:
    if _reads_bounded(address, targets):
        return address.request_uri  # the login is BoundedHttp's
    url = address.with_credentials
    return "rtsp" + url.removeprefix("rtspu") if address.scheme == "rtspu" else url


def _demuxer_options(
    address: StreamAddress, targets: TargetPolicy | None, *, over_udp: bool
) -> dict[str, str]:
    if address.scheme == "file":
        return {"format_whitelist": _FORMATS}
    if address.scheme not in _RTSP:
        # One second of stream tells what it is; libav's default is five.
        # libav's own connection is of no use to a demuxer that is given files of ours.
        bounded = {"http_persistent": "0"} if _reads_bounded(address, targets) else {}
        if bounded and targets is not None:  # of what was handed out, the newest segment at once
            bounded["live_start_index"] = "-1"
        formats = _FORMATS if bounded else _FORMATS.removeprefix("hls,")
        tls = CAMERA_TLS.libav_options() if address.scheme == "rtmps" else {}
        return {"format_whitelist": formats, "analyzeduration": "1000000", **bounded, **tls}
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
