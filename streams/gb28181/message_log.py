"""A log of SIP messages that may leave the site: what names people, places and secrets is replaced.

The same thing is replaced by the same thing throughout one log, so that it still makes sense, and
can be replayed as a test: addresses, 20-digit codes (their type stays), names, positions, digest
answers. Pure.
"""

import re
from dataclasses import dataclass, field
from typing import Any, Final

from streams.gb28181.text import decode_with_charset
from streams.gb28181.transactions import Flow

_CODE: Final = re.compile(r"(?<!\d)\d{20}(?!\d)")
_AREA: Final = re.compile(r"(<(?:CivilCode|GrassrootsCode|Block)>)[^<]*")
_IPV4: Final = re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])")
_SECRET: Final = re.compile(r'((?:response|nonce|cnonce|opaque)\s*=\s*"?)[^",\s]+', re.IGNORECASE)
_NAMED: Final = re.compile(
    r"(<(Name|Address|Owner|Manufacturer|AlarmDescription|Host|IPAddress|SecurityLevelCode)>)([^<]+)"
)
_POSITION: Final = re.compile(r"(<(?:Longitude|Latitude)>)[^<]*")
_LENGTH: Final = re.compile(r"(?im)^((?:Content-Length|l)\s*:\s*)(\d+)")
MAX_LOGGED: Final = 65_536  # bytes of a message; what is longer is cut, and the entry says so


@dataclass(slots=True)
class Redactor:
    """Replaces what a message says of people and places; one for each log."""

    _codes: dict[str, str] = field(default_factory=dict)
    _hosts: dict[str, str] = field(default_factory=dict)
    _names: dict[str, str] = field(default_factory=dict)

    def host(self, address: str) -> str:
        """The replacement of an address (RFC 5737)."""
        number = len(self._hosts)
        block = ("192.0.2", "198.51.100", "203.0.113")[number // 250 % 3]
        return self._hosts.setdefault(address, f"{block}.{number % 250 + 1}")

    def code(self, code: str) -> str:
        """The replacement of a code: its type and network digits stay."""
        number = len(self._codes) + 1
        return self._codes.setdefault(code, f"34020000{code[8:14]}{number:06d}")

    def text(self, text: str) -> str:
        """The text with codes, addresses, names and positions replaced."""
        text = _CODE.sub(lambda match: self.code(match[0]), text)
        text = _IPV4.sub(lambda match: self.host(match[0]), text)
        text = _SECRET.sub(r"\1redacted", text)
        text = _NAMED.sub(self._name, text)
        text = _AREA.sub(r"\g<1>34020000", text)
        return _POSITION.sub(r"\g<1>0", text)

    def _name(self, match: re.Match[str]) -> str:
        if match[2] == "Manufacturer":  # what the fixture is about
            return match[0]
        new = self._names.setdefault(match[3], f"名称{len(self._names) + 1}")
        return f"{match[1]}{new}"


def log_entry(
    redactor: Redactor, direction: str, flow: Flow, data: bytes, at_s: float
) -> dict[str, Any]:
    """One message as a JSON object; `text` in `charset` is what went over the wire, redacted.

    A Content-Length that was right is right again; one that was wrong stays as it was.
    """
    whole, data = len(data), _cut(data)
    text, charset = decode_with_charset(data)
    head, end, body = _split(text)
    new_body = redactor.text(body)
    length, new_length = len(body.encode(charset)), len(new_body.encode(charset))

    def corrected(match: re.Match[str]) -> str:
        return f"{match[1]}{new_length}" if int(match[2]) == length else match[0]

    new_head = _LENGTH.sub(corrected, redactor.text(head))
    return {
        "at_s": round(at_s, 3),
        "direction": direction,
        "transport": flow.transport,
        "peer": f"{redactor.host(flow.host)}:{flow.port}",
        "charset": charset,
        "text": f"{new_head}{end}{new_body}",
        **({"cut_bytes": whole - len(data)} if len(data) < whole else {}),
    }


def _cut(data: bytes) -> bytes:
    """The message, or what is logged of a long one: up to the end of a tag."""
    if len(data) <= MAX_LOGGED:
        return data
    return data[: data.rfind(b">", 0, MAX_LOGGED) + 1 or MAX_LOGGED]


def _split(text: str) -> tuple[str, str, str]:
    for end in ("\r\n\r\n", "\n\n"):
        head, found, body = text.partition(end)
        if found:
            return head, end, body
    return text, "", ""
