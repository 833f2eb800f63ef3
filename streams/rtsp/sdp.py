"""Read a session description (SDP, RFC 8866) as far as one video track needs it.

Cameras' descriptions are wrong in many ways that do not matter; only what matters is read, and
only what matters can fail. Attributes are sought where they belong first, then where careless
firmware puts them. Every list has a bound: the work grows with the bytes, never with their square.
What URLs the control attributes mean: control_url.py.
"""

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from streams.errors import Unreadable
from streams.model import Codec

MAX_LINES: Final = 2000  # a dozen tracks with everything have about 200
MAX_SECTIONS: Final = 64  # m= lines
MAX_FORMATS: Final = 32  # payload types of one m= line
MAX_ATTRIBUTES: Final = 256  # a= lines of one section; more are left out
MAX_FMTP_PARAMETERS: Final = 64
MAX_VALUE_CHARS: Final = 8192  # of an attribute; an fmtp with eight parameter sets is below 2,000
MAX_PARAMETER_SETS: Final = 32  # per track; a real one has two to five

_RTPMAP: Final = re.compile(r"([^/\s]++)\s*+/\s*+(\d{1,9})", re.ASCII)
# Video payload types that need no rtpmap (RFC 3551 table 5).
_STATIC: Final = {
    25: ("CELB", 90_000),
    26: ("JPEG", 90_000),
    28: ("NV", 90_000),
    31: ("H261", 90_000),
    32: ("MPV", 90_000),
    33: ("MP2T", 90_000),
    34: ("H263", 90_000),
}
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
    """One m= line with what follows it; the first of a description is the session itself."""

    kind: str = ""
    protocol: str = ""
    formats: tuple[int, ...] = ()  # payload types
    attributes: int = 0  # how many were read
    values: dict[str, str] = field(default_factory=dict)  # the first value of each attribute
    # The first rtpmap and fmtp line of each payload type.
    by_payload: dict[tuple[str, int], str] = field(default_factory=dict)

    def add(self, name: str, value: str) -> None:
        """Keep an attribute; a name's later values are left out, but for rtpmap and fmtp."""
        self.attributes += 1
        if self.attributes > MAX_ATTRIBUTES:
            return
        value = value[:MAX_VALUE_CHARS]
        self.values.setdefault(name, value)
        if name in {"rtpmap", "fmtp"}:
            number, _, rest = value.replace("\t", " ").partition(" ")
            payload_type = _payload_type(number)
            if payload_type is not None:
                self.by_payload.setdefault((name, payload_type), rest.strip())


class _PayloadLookup:
    """rtpmap and fmtp of each section's payload types, also where they stand in the wrong place.

    Behind a section's own lines come those above the first m= line, then those of other sections,
    as far as these do not have the payload type themselves.
    """

    def __init__(self, sections: Sequence[_Section]) -> None:
        self._named = {number for section in sections for number in section.formats}
        self._misplaced: dict[tuple[str, int], str] = {}
        for section in sections:
            for key, value in section.by_payload.items():
                if key[1] not in section.formats:
                    self._misplaced.setdefault(key, value)

    def line(self, section: _Section, name: str, payload_type: int) -> str:
        """The rest of the line for one payload type; empty where there is none."""
        key = (name, payload_type)
        return section.by_payload.get(key) or self._misplaced.get(key, "")

    def fmtp(self, section: _Section, payload_type: int) -> Mapping[str, str]:
        """The parameters of one payload type.

        Where it has none with parameter sets, those of an fmtp line whose number no m= line names.
        """
        parameters = _parameters(self.line(section, "fmtp", payload_type))
        if any(name in parameters for name in _SPROPS):
            return parameters
        strays = (
            value
            for (name, number), value in section.by_payload.items()
            if name == "fmtp" and number not in self._named and "sprop-" in value
        )
        return {**_parameters(next(strays, "")), **parameters}


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
    lookup = _PayloadLookup(sections)
    tracks = [track for section in videos if (track := _track(section, lookup)) is not None]
    if not tracks:
        raise Unreadable(f"the description (SDP) has a video track that {_unnamed(videos[0])}")
    known = [t for t in tracks if t.codec in {Codec.H264, Codec.H265}]
    return SessionDescription(
        video=(known or tracks)[0],
        control=sections[0].values.get("control", ""),
        tracks=len(sections) - 1,
    )


def _unnamed(section: _Section) -> str:
    """Why no codec is known of a video track, for a person."""
    if not section.formats:
        return "names no payload format"
    numbers = ", ".join(map(str, section.formats[:4]))
    return f"names no payload format for its type {numbers} (no rtpmap line)"


def _sections(body: bytes) -> tuple[_Section, ...]:
    sections = [_Section()]
    lines = body.decode("utf-8", "replace").splitlines()
    if len(lines) > MAX_LINES:
        raise Unreadable(f"a description (SDP) of more than {MAX_LINES} lines")
    for line in lines:
        kind, equals, value = line.strip().partition("=")
        if not equals:
            continue
        if kind == "m":
            sections.append(_media_section(value))
            if len(sections) > MAX_SECTIONS:
                raise Unreadable(f"a description (SDP) of more than {MAX_SECTIONS - 1} tracks")
        elif kind == "a":
            name, _, rest = value.partition(":")
            sections[-1].add(name.strip().lower(), rest.strip())
    return tuple(sections)


def _media_section(value: str) -> _Section:
    fields = value.split(None, 3 + MAX_FORMATS)
    if len(fields) < 4:  # noqa: PLR2004  m=<media> <port> <proto> <fmt>
        raise Unreadable(f"the description (SDP) has a broken media line: {value[:60]!r}")
    numbers = (_payload_type(text) for text in fields[3 : 3 + MAX_FORMATS])
    formats = tuple(number for number in numbers if number is not None)
    return _Section(fields[0].lower()[:20], fields[2].upper()[:40], formats)


def _payload_type(text: str) -> int | None:
    """A number of 7 bits, else None."""
    if not (text.isascii() and text.isdigit()) or len(text) > 3:  # noqa: PLR2004
        return None
    return int(text) if int(text) < 128 else None  # noqa: PLR2004


def _track(section: _Section, lookup: _PayloadLookup) -> VideoTrack | None:
    if "SAVP" in section.protocol:
        raise Unreadable(f"the video is encrypted ({section.protocol}); SRTP is not supported")
    choices = [c for n in section.formats if (c := _payload(section, lookup, n)) is not None]
    if not choices:
        return None
    best = next((c for c in choices if c[1] in {"H264", "H265", "HEVC"}), choices[0])
    payload_type, encoding, clock_rate_hz = best
    parameters = lookup.fmtp(section, payload_type)
    return VideoTrack(
        codec=_CODECS.get(encoding, Codec.OTHER),
        encoding=encoding,
        payload_type=payload_type,
        clock_rate_hz=clock_rate_hz or 90_000,
        control=section.values.get("control", ""),
        parameter_sets=tuple(_parameter_sets(parameters)),
        uses_don=_number(parameters.get("sprop-max-don-diff", "0")) > 0,
        frames_per_s=_number(section.values.get("framerate", "0")) or None,
    )


def _payload(
    section: _Section, lookup: _PayloadLookup, payload_type: int
) -> tuple[int, str, int] | None:
    """(payload type, encoding, clock rate) of one format of the media line."""
    if match := _RTPMAP.match(lookup.line(section, "rtpmap", payload_type)):
        return payload_type, match[1].upper(), int(match[2])
    if payload_type in _STATIC:
        return payload_type, *_STATIC[payload_type]
    # No rtpmap: the parameter sets still tell what it is.
    parameters = lookup.fmtp(section, payload_type)
    if "sprop-parameter-sets" in parameters:
        return payload_type, "H264", 90_000
    return (payload_type, "H265", 90_000) if "sprop-sps" in parameters else None


def _parameters(text: str) -> dict[str, str]:
    parts = (part.strip().partition("=") for part in text.split(";", MAX_FMTP_PARAMETERS))
    return {name.strip().lower(): value.strip().strip('"') for name, _, value in parts}


def _parameter_sets(parameters: Mapping[str, str]) -> list[bytes]:
    """Every NAL unit that the sprop parameters carry; those that are not base64 are left out."""
    texts = [
        text
        for name in _SPROPS
        for text in parameters.get(name, "").split(",", MAX_PARAMETER_SETS)[:MAX_PARAMETER_SETS]
    ]
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
        value = float(text[:40])
    except ValueError:
        return 0.0
    return value if 0.0 < value < 1e6 else 0.0  # noqa: PLR2004  a frame rate or a count
