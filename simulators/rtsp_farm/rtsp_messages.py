"""RTSP requests out of a byte stream, and responses into one (RFC 2326). Pure.

The session description of a camera (RFC 4566), one video and one PCMA audio track.

The Transport header of SETUP (RFC 2326 §12.39). Pure.
"""

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from simulators.rtsp_farm.rtp_packets import AUDIO_TYPE, VIDEO_TYPE, nal_type
from simulators.rtsp_farm.vendors import Vendor
from simulators.scenes.catalogue import StreamFormat

REASONS: Final = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
    453: "Not Enough Bandwidth",
    454: "Session Not Found",
    455: "Method Not Valid in This State",
    459: "Aggregate Operation Not Allowed",
    461: "Unsupported Transport",
    500: "Internal Server Error",
    501: "Not Implemented",
    503: "Service Unavailable",
}
METHODS: Final = "OPTIONS, DESCRIBE, SETUP, PLAY, PAUSE, TEARDOWN, GET_PARAMETER, SET_PARAMETER"
_MOST_BYTES: Final = 65_536  # of one request; nobody sends more and means well
_PORTS: Final = re.compile(r"(interleaved|client_port)=(\d+)(?:-(\d+))?")


class BadRequest(Exception):
    """The bytes are no RTSP; the connection is of no more use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RtspRequest:
    """One request; header names in lower case."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def header(self, name: str) -> str | None:
        """A header's value."""
        return self.headers.get(name.lower())


@dataclass(slots=True)
class RequestReader:
    """Fed the bytes of a connection; gives requests, skips interleaved data (receiver reports)."""

    _buffer: bytearray = field(default_factory=bytearray)

    def feed(self, data: bytes) -> Iterator[RtspRequest | None]:
        """Each whole request, and None for each interleaved packet. Raises BadRequest."""
        self._buffer += data
        while self._buffer:
            taken, request = self._interleaved() if self._buffer[0] == ord("$") else self._text()
            if not taken:
                return
            del self._buffer[:taken]
            yield request

    def _interleaved(self) -> tuple[int, None]:
        size = 4 + int.from_bytes(self._buffer[2:4], "big")
        return (size if len(self._buffer) >= max(size, 4) else 0), None

    def _text(self) -> tuple[int, RtspRequest | None]:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > _MOST_BYTES:
                raise BadRequest("no end of headers in sight")
            return 0, None
        request = _parse(self._buffer[:end].decode("utf-8", "replace"))
        size = end + 4 + _content_length(request)
        return (size, request) if len(self._buffer) >= size else (0, None)


def _content_length(request: RtspRequest) -> int:
    text = request.header("content-length") or "0"
    if not text.isdecimal() or int(text) > _MOST_BYTES:
        raise BadRequest(f"content length {text!r}")
    return int(text)


def _parse(text: str) -> RtspRequest:
    first, *rest = text.lstrip("\r\n").split("\r\n")
    fields = first.split(" ")
    if len(fields) != 3 or not fields[2].startswith("RTSP/"):  # noqa: PLR2004 method, URL, version
        raise BadRequest(f"not a request line: {first[:40]!r}")
    pairs = (line.partition(":") for line in rest)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    return RtspRequest(method=fields[0], url=fields[1], headers=headers)


def format_response(
    status: int, cseq: str, headers: Sequence[tuple[str, str]] = (), body: str = ""
) -> bytes:
    """One response, with its length where there is a body."""
    content = body.encode()
    lines = [
        f"RTSP/1.0 {status} {REASONS[status]}",
        f"CSeq: {cseq}",
        *(f"{name}: {value}" for name, value in headers),
        *([f"Content-Length: {len(content)}"] if content else []),
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


def format_sdp(
    vendor: Vendor, stream: StreamFormat, sets: Sequence[bytes], *, base: str, session: int
) -> str:
    """The SDP; `base` is the stream's URL, for makers that write control URLs out in full."""
    prefix = f"{base}/" if vendor.absolute_control else ""
    video = _video(vendor, stream, sets, f"{prefix}{vendor.video_control}")
    audio = _audio(f"{prefix}{vendor.audio_control}")
    media = [*audio, *video] if vendor.audio_first else [*video, *audio]
    lines = [
        "v=0",
        f"o=- {session} 1 IN IP4 127.0.0.1",
        "s=Media Presentation",
        "c=IN IP4 0.0.0.0",
        "t=0 0",
        f"a=control:{base if vendor.absolute_control else '*'}",
        "a=range:npt=now-",
        *media,
    ]
    return "\r\n".join(lines) + "\r\n"


def _video(vendor: Vendor, stream: StreamFormat, sets: Sequence[bytes], control: str) -> list[str]:
    name = "H264" if stream.codec == "h264" else "H265"
    parameters = _fmtp(stream.codec, sets, written=vendor.sets_in_sdp)
    return [
        f"m=video 0 RTP/AVP {VIDEO_TYPE}",
        f"b=AS:{stream.kbit_s}",
        f"a=rtpmap:{VIDEO_TYPE} {name}/90000",
        *([f"a=fmtp:{VIDEO_TYPE} {parameters}"] if parameters else []),
        f"a=framerate:{stream.frames_per_s}",
        f"a=control:{control}",
    ]


def _fmtp(codec: str, sets: Sequence[bytes], *, written: bool) -> str:
    texts = {nal_type(codec, unit): b64encode(unit).decode() for unit in sets}
    if codec == "h264":
        sps = next(unit for unit in sets if nal_type(codec, unit) == 7)  # noqa: PLR2004 SPS
        profile = f"packetization-mode=1;profile-level-id={sps[1:4].hex().upper()}"
        return f"{profile};sprop-parameter-sets={texts[7]},{texts[8]}" if written else profile
    if not written:
        return ""
    return f"sprop-vps={texts[32]};sprop-sps={texts[33]};sprop-pps={texts[34]}"


def _audio(control: str) -> list[str]:
    return [
        f"m=audio 0 RTP/AVP {AUDIO_TYPE}",
        "b=AS:64",
        f"a=rtpmap:{AUDIO_TYPE} PCMA/8000",
        f"a=control:{control}",
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestedTransport:
    """One transport that the client would take."""

    tcp: bool
    first: int | None  # channel or port; None: the server chooses


def choose_transport(header: str) -> RequestedTransport | None:
    """The first that a camera can do: unicast, over TCP interleaved or over UDP."""
    for spec in header.split(","):
        transport = spec.strip()
        upper = transport.upper()
        if not upper.startswith("RTP/AVP") or ";MULTICAST" in upper:
            continue
        found = _PORTS.search(transport)
        first = int(found[2]) if found else None
        if upper.startswith("RTP/AVP/TCP"):
            return RequestedTransport(tcp=True, first=first)
        if first is not None:
            return RequestedTransport(tcp=False, first=first)
    return None
