"""The Transport and Session headers of a SETUP answer (RFC 2326 §12.37, §12.39)."""

import re
from dataclasses import dataclass
from typing import Final

from streams.rtsp.message import Headers

DEFAULT_TIMEOUT_S: Final = 60.0  # of a session, where the server names none

_CHANNELS: Final = re.compile(r"(\d{1,3})(?:\s*-\s*(\d{1,3}))?")


@dataclass(frozen=True, slots=True)
class Granted:
    """What the server set up for us."""

    over_tcp: bool
    media_channel: int
    control_channel: int
    session: str  # empty where the server gave none
    timeout_s: float


def read_granted(headers: Headers) -> Granted:
    """What a 200 to SETUP says; silence about the channels means those that we asked for: 0-1."""
    transport = headers.get("transport").split(",")[0]
    words = [word.strip() for word in transport.split(";")]
    media, control = _channels(words)
    session, timeout_s = _session(headers.get("session"))
    over_tcp = not transport.strip() or _is_tcp(words)
    return Granted(over_tcp, media, control, session, timeout_s)


def _is_tcp(words: list[str]) -> bool:
    # Some servers answer plain "RTP/AVP;interleaved=0-1".
    return words[0].upper().endswith("/TCP") or any(
        word.lower().startswith("interleaved") for word in words
    )


def _channels(words: list[str]) -> tuple[int, int]:
    for word in words:
        name, _, value = word.partition("=")
        match = _CHANNELS.match(value.strip())
        if name.strip().lower() == "interleaved" and match:
            media = min(int(match[1]), 255)
            return media, min(int(match[2] or media + 1), 255)
    return 0, 1


def _session(value: str) -> tuple[str, float]:
    name, *rest = [part.strip() for part in value.split(";")]
    for part in rest:
        key, _, number = part.partition("=")
        if key.strip().lower() == "timeout" and number.strip().isdigit():
            return name, float(min(max(int(number.strip()[:9]), 1), 86_400))
    return name, DEFAULT_TIMEOUT_S
