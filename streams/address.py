"""Stream addresses: parse a URL once; user, password, query and secret parameters never print.

Credentials inside a URL are what cameras' vendors print on their labels, so they are accepted,
percent-decoded once here, and kept apart from everything that can reach a log. `patrol.settings`
parses the addresses of cameras.csv; everybody else gets a StreamAddress.

Secrets in any other text that may quote a URL: url_secrets.py.
"""

import dataclasses
import ipaddress
import re
import unicodedata
from dataclasses import dataclass, field
from enum import StrEnum, auto
from functools import lru_cache
from sys import intern
from typing import Final, NamedTuple, Self
from urllib.parse import quote, unquote

from typing_extensions import override

from streams.errors import BadAddress
from streams.source_schemes import SOURCE_SCHEMES, check_source_address
from streams.url_secrets import HIDDEN, mask_parameters

DEFAULT_PORTS: Final = {
    "rtsp": 554,
    "rtsps": 322,
    "rtspu": 554,
    "rtmp": 1935,
    "rtmps": 443,
    "http": 80,
    "https": 443,
    "rtsp+http": 80,  # RTSP inside HTTP and WebSockets: rtsp_tunnel.py
    "rtsp+https": 443,
    "rtsp+ws": 80,
    "rtsp+wss": 443,
    **{scheme: rules.default_port for scheme, rules in SOURCE_SCHEMES.items()},
}
# Stands for a password that lies sealed elsewhere; no server has it, as NUL is in no password.
SEALED_PASSWORD: Final = "\0sealed"  # noqa: S105  a mark, no password
LOCAL_SCHEMES: Final = frozenset({"file"})
TLS_SCHEMES: Final = frozenset({"rtsps", "rtmps", "https", "rtsp+https", "rtsp+wss"})


def host_text(host: str) -> str:
    """A host as it stands in a URI: IPv6 in brackets."""
    return f"[{host}]" if ":" in host else host


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
        """Read a URL or a file's path. Raises BadAddress, which never quotes a password.

        A password that is not percent-encoded may make its own rest the host. So what is not
        certain is refused, and the error shows how to write it.
        """
        scheme, mark, rest = text.strip().partition("://")
        scheme = scheme.lower()
        if not mark:
            return cls(scheme="file", host="", port=0, path=_checked_path(text))
        if scheme in LOCAL_SCHEMES:
            path = rest[rest.find("/") :] if "/" in rest else ""
            return cls(scheme="file", host="", port=0, path=unquote(path.partition("?")[0]))
        if scheme not in DEFAULT_PORTS:
            known = ", ".join(sorted(DEFAULT_PORTS))
            raise BadAddress(f"scheme {scheme[:20]!r} is not one of {known}, file")
        parts = _split(rest, scheme)
        if scheme in SOURCE_SCHEMES:
            check_source_address(
                scheme,
                host=parts.host.lower(),
                port=parts.port,
                path=parts.path or "/",
                query=parts.query,
                login=bool(parts.user or parts.password),
            )
        return cls(  # main and sub stream share what they have in common; a county has 30,000
            scheme=intern(scheme),
            host=intern(parts.host.lower()),
            port=DEFAULT_PORTS[scheme] if parts.port is None else parts.port,
            path=intern(parts.path or "/"),
            query=intern(parts.query),
            user=intern(unquote(parts.user)),
            password=intern(unquote(parts.password)),
        )

    @property
    def is_source(self) -> bool:
        """Whether a platform or gateway is asked for the stream (source_schemes.py)."""
        return self.scheme in SOURCE_SCHEMES

    @property
    def source_path(self) -> tuple[str, ...]:
        """The codes behind the host of a source's address, percent-decoded."""
        return tuple(unquote(part) for part in self.path.split("/")[1:])

    @property
    def is_sealed(self) -> bool:
        """Whether its password is still sealed, so that it cannot be visited."""
        return self.password == SEALED_PASSWORD

    @property
    def has_plain_password(self) -> bool:
        """Whether a password stands in it that is not sealed."""
        return bool(self.password) and not self.is_sealed

    @property
    def authority(self) -> str:
        """`host[:port]`, IPv6 in brackets, the scheme's own port left out."""
        host = host_text(self.host)
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

    def login_may_go_to(self, target: "StreamAddress") -> bool:
        """Whether user and password of this address may be sent to a redirect's target.

        To the same host alone, whatever its port: recorders redirect to their own media server.
        Never from TLS to a connection without it, where everybody on the way reads along.
        """
        same_host = self.host.rstrip(".") == target.host.rstrip(".")
        return same_host and (self.scheme not in TLS_SCHEMES or target.scheme in TLS_SCHEMES)

    def with_login_for(self, target: "StreamAddress") -> "StreamAddress":
        """The redirect's target with this address's login where it may go there, else without."""
        if not self.login_may_go_to(target):
            return dataclasses.replace(target, user="", password="")  # nosec B106
        return dataclasses.replace(target, user=self.user, password=self.password)

    @override
    def __str__(self) -> str:
        path = mask_parameters(self.path)
        if self.scheme == "file":
            return path
        return f"{self.scheme}://{self.authority}{path}{f'?{HIDDEN}' if self.query else ''}"


class _SplitUrl(NamedTuple):
    """What stands behind the scheme, still percent-encoded."""

    user: str
    password: str
    host: str
    port: int | None
    path: str
    query: str


_NOT_IN_A_URL: Final = re.compile(r"[\s\x00-\x20\x7f]")
_END_OF_AUTHORITY: Final = re.compile(r"[/?#]")
_HOST: Final = re.compile(r"[\w.-]+")
_HOST_AND_PORT: Final = re.compile(
    r"(?:\[(?P<v6>[0-9A-Fa-f:.]+(?:%[\w.-]+)?)\]|(?P<name>[^:\[\]]*))(?::(?P<port>[0-9]{0,5}))?"
)
_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
# What must be percent-encoded in a user or a password; what stands between.
_DELIMITERS: Final = "/?#[]@"
_HIDDEN_RUN: Final = re.compile(r"(%25|[/?#\[\]@])|(?:(?!%25)[^/?#\[\]@])++")
_NOT_A_URL: Final = "not a URL: the host or the port cannot be read"


def _checked_path(text: str) -> str:
    """The path of a file. Raises BadAddress for an empty one, and for a URL without its scheme."""
    if not text.strip():
        raise BadAddress("the address is empty; give rtsp://host[:port]/path")
    if re.match(r"[^@/]*:[^@]*@", text):
        raise BadAddress("no scheme before user and password, give rtsp://user:password@host/path")
    return text


def _split(rest: str, scheme: str) -> _SplitUrl:
    """Split what stands behind `scheme://`. Raises BadAddress where it is not certain."""
    if _NOT_IN_A_URL.search(rest) or not rest.isprintable():
        raise BadAddress("there is a space or a control character in it, write %20 or delete it")
    match = _END_OF_AUTHORITY.search(rest)
    end = match.start() if match else len(rest)
    userinfo, _, host_and_port = rest[:end].rpartition("@")
    user, _, password = userinfo.partition(":")
    host, port = _host_and_port(host_and_port)
    if "@" in rest[end:] and not _is_ip_address(host):
        raise BadAddress(_escape_hint(rest[: rest.rindex("@")]))
    if any(character in userinfo for character in "[]") or _BAD_ESCAPE.search(userinfo):
        raise BadAddress(_escape_hint(userinfo))
    if "#" in rest:
        raise BadAddress("'#' ends the address here; in a user, a password or a path write %23")
    if not host and port != _UNREADABLE:
        raise BadAddress(f"no host in the {scheme} address; give {scheme}://host[:port]/path")
    if port == _UNREADABLE:
        raise BadAddress(_NOT_A_URL + _full_width_hint(rest[:end]))
    if password and not user:
        raise BadAddress("there is a password without a user, give user:password@host")
    path, _, query = rest[end:].partition("?")
    return _SplitUrl(user, password, host, port, path, query)


_UNREADABLE: Final = -1


def _host_and_port(text: str) -> tuple[str, int | None]:
    """The host, empty where there is none, and the port; _UNREADABLE where they cannot be."""
    match = _HOST_AND_PORT.fullmatch(text)
    if match is None:
        return "", _UNREADABLE
    host, port = match["v6"] or match["name"] or "", match["port"]
    readable = not host or (_is_ip_address(host) if match["v6"] else _HOST.fullmatch(host))
    if not readable or (port and not 0 < int(port) < 65_536):  # noqa: PLR2004
        return host if readable else "", _UNREADABLE
    return host, _port_number(port) if port else None


@lru_cache(maxsize=1024)
def _port_number(text: str) -> int:
    return int(text)


def _is_ip_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _escape_hint(userinfo: str) -> str:
    """How to write a user and a password that were not percent-encoded; shows neither."""
    _, _, secret = userinfo.partition(":")
    text = _BAD_ESCAPE.sub("%25", secret or userinfo)
    found = sorted({c for c in text if c in _DELIMITERS} | ({"%"} if "%25" in text else set()))
    names = ", ".join(f"{character!r}" for character in found)
    codes = ", ".join(quote(character, safe="") for character in found)
    shown = _HIDDEN_RUN.sub(lambda match: quote(match[1], safe="%") if match[1] else "***", text)
    where = f"rtsp://USER:{shown[:80]}@HOST/…"
    return f"the user or the password seems to hold {names}, write {codes}: {where}"


def _full_width_hint(text: str) -> str:
    """Chinese input methods write `：` and `＃`, which are other characters."""
    wide = sorted(
        {c for c in text if not c.isascii() and unicodedata.normalize("NFKC", c) in ":/?#@[]."}
    )
    names = ", ".join(wide)
    return f"; there is a full-width {names} in it, write the plain character" if wide else ""
