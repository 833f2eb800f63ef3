"""Read a session description (RFC 8866) as far as one video track needs it.

Cameras' descriptions are wrong in many ways that do not matter; only what matters is read, and
only what matters can fail.
"""

import base64
import binascii
import re
from dataclasses import dataclass, field
from typing import Final

from streams.errors import Unreadable
from streams.model import Codec

MAX_PARAMETER_SETS: Final = 32  # per track; a real one has two to five

_RTPMAP: Final = re.compile(r"(\d{1,3})\s+([^/\s]+)/(\d{1,9})")
_STATIC: Final = {26: ("JPEG", 90_000), 31: ("H261", 90_000), 32: ("MPV", 90_000)}
_CODECS: Final = {"H264": Codec.H264, "H265": Codec.H265, "HEVC": Codec.H265, "JPEG": Codec.MJPEG}
_SPROPS: Final = ("sprop-parameter-sets", "sprop-vps", "sprop-sps", "sprop-pps")


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
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
class Description:
    """What a session description says that concerns us."""

    video: Track
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


def read_description(body: bytes) -> Description:
    """Raises Unreadable, saying what is missing."""
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
    return Description(
        video=(known or tracks)[0], control=sections[0].first("control"), tracks=len(sections) - 1
    )


def _sections(body: bytes) -> list[_Section]:
    sections = [_Section()]
    for line in body.decode("utf-8", "replace").splitlines():
        kind, equals, value = line.strip().partition("=")
        if not equals:
            continue
        if kind == "m":
            words = value.split()
            if len(words) < 4:  # noqa: PLR2004  m=<media> <port> <proto> <fmt>
                raise Unreadable(f"the description (SDP) has a broken media line: {value[:60]!r}")
            sections.append(_Section(words[0].lower(), words[2].upper(), tuple(words[3:])))
        elif kind == "a":
            name, _, rest = value.partition(":")
            sections[-1].attributes.append((name.strip().lower(), rest.strip()))
    return sections


def _track(section: _Section) -> Track | None:
    if "SAVP" in section.protocol:
        raise Unreadable(f"the video is encrypted ({section.protocol}); SRTP is not supported")
    choices = [c for c in (_payload(section, fmt) for fmt in section.formats) if c is not None]
    if not choices:
        return None
    best = next((c for c in choices if c[1] in {"H264", "H265", "HEVC"}), choices[0])
    payload_type, encoding, clock_rate_hz = best
    parameters = _parameters(section.of_payload("fmtp", payload_type))
    return Track(
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
