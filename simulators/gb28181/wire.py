"""SIP and XML as simulated devices write and read them; shares no code with `streams`."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

Headers = list[tuple[str, str]]


@dataclass(slots=True)
class WireMessage:
    """A message taken apart: first line, headers by lower-case name, body."""

    first: str
    headers: dict[str, str]
    body: str
    all_vias: list[str] = field(default_factory=list)

    @property
    def method(self) -> str:
        """The method of a request; empty for a response."""
        return "" if self.first.startswith("SIP/") else self.first.split(" ", 1)[0]

    @property
    def status(self) -> int:
        """The status of a response; 0 for a request."""
        return int(self.first.split(" ")[1]) if self.first.startswith("SIP/") else 0


def read(data: bytes) -> WireMessage:
    """Take a message of ours apart; what it is read by is exact."""
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode("utf-8").split("\r\n")
    headers: dict[str, str] = {}
    vias: list[str] = []
    for line in lines[1:]:
        name, _, value = line.partition(": ")
        if name.lower() == "via":
            vias.append(value)
        headers.setdefault(name.lower(), value)
    return WireMessage(lines[0], headers, body.decode("gb18030"), vias)


def value_of(xml: str, name: str) -> str:
    """The text of the first element of this name."""
    match = re.search(rf"<{name}>([^<]*)</{name}>", xml)
    return match[1] if match else ""


def write(
    first: str,
    headers: Sequence[tuple[str, str]],
    body: bytes = b"",
    *,
    lf_only: bool = False,
    length_zero: bool = False,
    length_excess: int = 0,
    folded: bool = False,
) -> bytes:
    """A message; the flags are what some devices write."""
    lines = [first]
    for name, value in headers:
        if folded and name == "Contact":
            lines += [f"{name}:", f"  {value}"]
        else:
            lines.append(f"{name}: {value}")
    lines.append(f"Content-Length: {0 if length_zero else len(body) + length_excess}")
    end = "\n" if lf_only else "\r\n"
    return (end.join(lines) + end + end).encode("gb18030") + body


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def is_right_answer(authorization: str, *, method: str, password: str, nonce: str) -> bool:
    """Whether an Authorization answers a challenge with this nonce (RFC 2617 §3.2.2)."""
    given = dict(re.findall(r'(\w+)="?([^",]+)"?', authorization))
    if given.get("nonce") != nonce:
        return False
    secret = _md5(f"{given['username']}:{given['realm']}:{password}")
    middle = nonce
    if "qop" in given:
        middle = f"{nonce}:{given['nc']}:{given['cnonce']}:{given['qop']}"
    return bool(given["response"] == _md5(f"{secret}:{middle}:{_md5(method + ':' + given['uri'])}"))


def digest_answer(
    challenge: str, *, user: str, password: str, method: str, uri: str, with_qop: bool
) -> str:
    """An Authorization for a challenge, as RFC 2617 with qop or RFC 2069 without."""
    given = dict(re.findall(r'(\w+)="?([^",]+)"?', challenge))
    secret, what = _md5(f"{user}:{given['realm']}:{password}"), _md5(f"{method}:{uri}")
    parts = (
        f'Digest username="{user}", realm="{given["realm"]}", nonce="{given["nonce"]}", uri="{uri}"'
    )
    if with_qop and "qop" in given:
        middle = f"{given['nonce']}:00000001:0a4f113b:auth"
        answer = _md5(f"{secret}:{middle}:{what}")
        return f'{parts}, response="{answer}", qop=auth, nc=00000001, cnonce="0a4f113b"'
    answer = _md5(f"{secret}:{given['nonce']}:{what}")
    return f'{parts}, response="{answer}", algorithm=MD5'
