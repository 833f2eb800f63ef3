"""Read a session description (SDP, RFC 8866) as far as one video track needs it, and its URLs.

Cameras' descriptions are wrong in many ways that do not matter; only what matters is read, and
only what matters can fail.

RFC 2326 C.1.1 and RFC 7826 D.1.1 resolve a control attribute against Content-Base, else
Content-Location, else the request URL. Servers were tested with live555 and ffmpeg, which *append*
a relative control to the base instead of replacing its last segment, query or not. So every rule
here answers with candidates: the common reading first, the strict one next, and the session tries
the following one when a server does not know the URL.
"""

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urljoin, urlsplit, urlunsplit

from streams.errors import Unreadable
from streams.model import Codec
from streams.rtsp.message import RtspHeaders


def base_url(headers: RtspHeaders, request_uri: str) -> str:
    """The URL that relative control attributes are resolved against."""
    for name in ("content-base", "content-location"):
        value = headers.get(name).strip().strip('"<>')
        if value:
            return _absolute(value, request_uri)
    return request_uri


def control_url_candidates(control: str, base: str, request_uri: str) -> Iterator[str]:
    """The URLs that a control attribute may mean, the likeliest first, computed lazily."""
    given: set[str] = set()
    for make in (_common_reading, _strict_reading, _before_query, _at_our_host):
        url = make(control.strip(), base, request_uri)
        if url not in given:
            given.add(url)
            yield url


def _common_reading(control: str, base: str, _: str) -> str:
    if control in {"", "*"}:
        return base
    if _is_absolute(control):
        return control
    return _absolute(control, base) if control.startswith("/") else _append(base, control)


def _strict_reading(control: str, base: str, _: str) -> str:
    """The strict reading; for a path from the root, the usual one of live555."""
    if control in {"", "*"}:
        return base
    return _append(base, control) if control.startswith("/") else _absolute(control, base)


def _before_query(control: str, base: str, request_uri: str) -> str:
    if control in {"", "*"} or _is_absolute(control):
        return _common_reading(control, base, request_uri)
    parts = urlsplit(base)
    return urlunsplit(parts._replace(path=_append(parts.path, control)))


def _at_our_host(control: str, base: str, request_uri: str) -> str:
    """The usual reading at the host that we talk to: some cameras print 0.0.0.0 or an inner one."""
    ours = urlsplit(request_uri)
    theirs = urlsplit(_common_reading(control, base, request_uri))
    return urlunsplit(theirs._replace(scheme=ours.scheme, netloc=ours.netloc))


def _is_absolute(url: str) -> bool:
    return url.lower().startswith(("rtsp://", "rtsps://", "rtspu://"))


def _append(base: str, control: str) -> str:
    return base + control if base.endswith("/") else f"{base}/{control}"


def _absolute(reference: str, base: str) -> str:
    if _is_absolute(reference):
        return reference
    # urljoin knows rtsp as hierarchical only by name; http resolves alike and is always known.
    scheme, _, rest = base.partition("://")
    joined = urljoin(f"http://{rest}", reference)
    return f"{scheme}://{joined.partition('://')[2]}"


MAX_PARAMETER_SETS: Final = 32  # per track; a real one has two to five

_RTPMAP: Final = re.compile(r"(\d{1,3})\s+([^/\s]+)/(\d{1,9})")
_STATIC: Final = {26: ("JPEG", 90_000), 31: ("H261", 90_000), 32: ("MPV", 90_000)}
_CODECS: Final = {"H264": Codec.H264, "H265": Codec.H265, "HEVC": Codec.H265, "JPEG": Codec.MJPEG}
_SPROPS: Final = ("sprop-parameter-sets", "sprop-vps", "sprop-sps", "sprop-pps")


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoTrack:
    """The video track of a description."""

    codec: Codec
    encoding: str  # as the description names it
    payload_type: int
    clock_rate_hz: int
    control: str  # empty where the track names none
    parameter_sets: tuple[bytes, ...] = ()  # NAL units, no start codes
    uses_don: bool = False  # RFC 7798 sprop-max-don-diff > 0
    frames_per_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionDescription:
    """The video track of a session description, with the control URL of the whole."""

    video: VideoTrack
    control: str  # of the session; empty where it names none
    tracks: int  # all of them, audio included


@dataclass(slots=True)
class _Section:
    """One m= line with what follows it."""

    kind: str = ""
    protocol: str = ""
    formats: tuple[str, ...] = ()
    attributes: list[tuple[str, str]] = field(default_factory=list)

    def first(self, name: str) -> str:
        return next((value for key, value in self.attributes if key == name), "")

    def of_payload(self, name: str, payload_type: int) -> str:
        """The rest of an rtpmap or fmtp line for one payload type."""
        for key, value in self.attributes:
            number, _, rest = value.partition(" ")
            if key == name and number == str(payload_type):
                return rest.strip()
        return ""


def read_description(body: bytes) -> SessionDescription:
    """Parse a session description. Raises Unreadable, which names what is missing."""
    sections = _sections(body)
    if not body.strip():
        raise Unreadable("the description (SDP) is empty")
    if len(sections) == 1:
        raise Unreadable("the description (SDP) has no media line")
    videos = [s for s in sections[1:] if s.kind == "video"]
    if not videos:
        kinds = ", ".join(sorted({s.kind for s in sections[1:]}))
        raise Unreadable(f"the description (SDP) has no video track, only {kinds[:60]!r}")
    tracks = [track for track in map(_track, videos) if track is not None]
    if not tracks:
        raise Unreadable("the description (SDP) has a video track that names no payload format")
    known = [t for t in tracks if t.codec in {Codec.H264, Codec.H265}]
    return SessionDescription(
        video=(known or tracks)[0], control=sections[0].first("control"), tracks=len(sections) - 1
    )


def _sections(body: bytes) -> list[_Section]:
    sections = [_Section()]
    for line in body.decode("utf-8", "replace").splitlines():
        kind, equals, value = line.strip().partition("=")
        if not equals:
            continue
        if kind == "m":
            fields = value.split()
            if len(fields) < 4:  # noqa: PLR2004  m=<media> <port> <proto> <fmt>
                raise Unreadable(f"the description (SDP) has a broken media line: {value[:60]!r}")
            sections.append(_Section(fields[0].lower(), fields[2].upper(), tuple(fields[3:])))
        elif kind == "a":
            name, _, rest = value.partition(":")
            sections[-1].attributes.append((name.strip().lower(), rest.strip()))
    return sections


def _track(section: _Section) -> VideoTrack | None:
    if "SAVP" in section.protocol:
        raise Unreadable(f"the video is encrypted ({section.protocol}); SRTP is not supported")
    choices = [c for c in (_payload(section, fmt) for fmt in section.formats) if c is not None]
    if not choices:
        return None
    best = next((c for c in choices if c[1] in {"H264", "H265", "HEVC"}), choices[0])
    payload_type, encoding, clock_rate_hz = best
    parameters = _parameters(section.of_payload("fmtp", payload_type))
    return VideoTrack(
        codec=_CODECS.get(encoding, Codec.OTHER),
        encoding=encoding,
        payload_type=payload_type,
        clock_rate_hz=clock_rate_hz or 90_000,
        control=section.first("control"),
        parameter_sets=tuple(_parameter_sets(parameters)),
        uses_don=_number(parameters.get("sprop-max-don-diff", "0")) > 0,
        frames_per_s=_number(section.first("framerate") or "0") or None,
    )


def _payload(section: _Section, text: str) -> tuple[int, str, int] | None:
    """(payload type, encoding, clock rate) of one format of the media line."""
    if not (text.isascii() and text.isdigit()) or int(text) > 127:  # noqa: PLR2004  7 bits
        return None
    payload_type = int(text)
    if match := _RTPMAP.match(f"{payload_type} {section.of_payload('rtpmap', payload_type)}"):
        return payload_type, match[2].upper(), int(match[3])
    if payload_type in _STATIC:
        return payload_type, *_STATIC[payload_type]
    # No rtpmap: the parameter sets still tell what it is.
    parameters = _parameters(section.of_payload("fmtp", payload_type))
    if "sprop-parameter-sets" in parameters:
        return payload_type, "H264", 90_000
    return (payload_type, "H265", 90_000) if "sprop-sps" in parameters else None


def _parameters(text: str) -> dict[str, str]:
    parts = (part.strip().partition("=") for part in text.split(";"))
    return {name.strip().lower(): value.strip().strip('"') for name, _, value in parts}


def _parameter_sets(parameters: dict[str, str]) -> list[bytes]:
    """Every NAL unit that the sprop parameters carry; those that are not base64 are left out."""
    texts = [text for name in _SPROPS for text in parameters.get(name, "").split(",")]
    found = [_nal(text.strip()) for text in texts[:MAX_PARAMETER_SETS] if text.strip()]
    return [nal for nal in found if nal]


def _nal(text: str) -> bytes:
    bare = text.rstrip("=")
    try:
        data = base64.b64decode(bare + "=" * (-len(bare) % 4))
    except (binascii.Error, ValueError):
        return b""
    for start_code in (b"\x00\x00\x00\x01", b"\x00\x00\x01"):
        data = data.removeprefix(start_code)
    return data


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return value if 0.0 < value < 1e6 else 0.0  # noqa: PLR2004  a frame rate or a count
