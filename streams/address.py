"""Stream addresses: parse a URL once; user, password and query never print.

Credentials inside a URL are what cameras' vendors print on their labels, so they are accepted,
percent-decoded once here, and kept apart from everything that can reach a log. `patrol.settings`
parses the addresses of cameras.csv; everybody else gets a StreamAddress.

`hide_credentials` takes them out of any text that may quote a URL: log lines (patrol/logs.py) and
what is stored (patrol/store). Addresses that people edit are masked otherwise, so that the mask can
be undone (patrol/settings/cameras_csv.py).
"""

import re
from dataclasses import dataclass, field
from enum import StrEnum, auto
from typing import Final, Self
from urllib.parse import SplitResult, quote, unquote, urlsplit

from typing_extensions import override

from streams.errors import BadAddress

HIDDEN: Final = "…"  # stands for user and password
# To the last @ of the word: a password written without its percent signs may hold any of @ : /
_CREDENTIALS: Final = re.compile(r"(?<=://)[^\s\"']*@")
DEFAULT_PORTS: Final = {
    "rtsp": 554,
    "rtsps": 322,
    "rtspu": 554,
    "rtmp": 1935,
    "rtmps": 443,
    "http": 80,
    "https": 443,
}
LOCAL_SCHEMES: Final = frozenset({"file"})


class StreamChoice(StrEnum):
    """Which of a camera's two streams to visit."""

    MAIN = auto()
    SUB = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamAddress:
    """Where a camera's stream is; prints without user, password and query.

    The query is hidden too: platforms put their tickets and tokens there.
    """

    scheme: str
    host: str
    port: int
    path: str
    query: str = field(default="", repr=False)
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a URL or a file's path. Raises BadAddress, which never quotes a password."""
        if "://" not in text:
            if not text.strip():
                raise BadAddress("the address is empty; give rtsp://host[:port]/path")
            return cls(scheme="file", host="", port=0, path=text)
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError:
            raise BadAddress("not a URL: the host or the port cannot be read") from None
        scheme = parts.scheme.lower()
        if scheme in LOCAL_SCHEMES:
            return cls(scheme="file", host="", port=0, path=unquote(parts.path))
        return cls(
            scheme=scheme,
            host=_checked_host(parts, scheme),
            port=DEFAULT_PORTS[scheme] if port is None else port,
            path=parts.path or "/",
            query=parts.query,
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
        )

    @property
    def authority(self) -> str:
        """`host[:port]`, IPv6 in brackets, the scheme's own port left out."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS.get(self.scheme) else f"{host}:{self.port}"

    @property
    def request_uri(self) -> str:
        """The URL of requests: with the query, without credentials (RFC 7826 §10.2)."""
        if self.scheme == "file":
            return self.path
        query = f"?{self.query}" if self.query else ""
        return f"{self.scheme}://{self.authority}{self.path}{query}"

    @property
    def with_credentials(self) -> str:
        """The whole URL, password included: for libavformat alone, never for a log."""
        if not self.user:
            return self.request_uri
        secret = f"{quote(self.user, safe='')}:{quote(self.password, safe='')}@"
        return self.request_uri.replace("://", f"://{secret}", 1)

    @override
    def __str__(self) -> str:
        if self.scheme == "file":
            return self.path
        return f"{self.scheme}://{self.authority}{self.path}{'?…' if self.query else ''}"


def _checked_host(parts: SplitResult, scheme: str) -> str:
    if scheme not in DEFAULT_PORTS:
        known = ", ".join(sorted(DEFAULT_PORTS))
        raise BadAddress(f"scheme {scheme!r} is not one of {known}, file")
    if not parts.hostname:
        raise BadAddress(f"no host in the {scheme} address; give {scheme}://host[:port]/path")
    return parts.hostname


def hide_credentials(text: str) -> str:
    """The text with `…@` in place of user and password in every URL."""
    return _CREDENTIALS.sub(f"{HIDDEN}@", text) if "://" in text else text


def has_credentials(text: str) -> bool:
    """Whether a URL in the text names a user (and perhaps a password)."""
    return any(match.group() != f"{HIDDEN}@" for match in _CREDENTIALS.finditer(text))
