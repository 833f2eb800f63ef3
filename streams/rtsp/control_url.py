"""The URLs that a description's control attributes may mean, for SETUP and PLAY.

RFC 2326 C.1.1 and RFC 7826 D.1.1 resolve a control attribute against Content-Base, else
Content-Location, else the request URL. Servers were tested with live555, ffmpeg and gortsplib,
which *append* a relative control to the base instead of replacing its last segment, query or not,
and take the session's own control as the base where it is absolute. Cameras name themselves wrongly
besides: an inner address, no scheme, the scheme twice. So every rule here gives candidates: the
common reading first, the strict one next, the URL that was asked for at last, and the session tries
the following one when a server does not know the URL.

Pure; whatever a server writes, nothing here raises.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import Final
from urllib.parse import quote, urljoin, urlsplit, urlunsplit

from streams.rtsp.message import RtspHeaders

MAX_URL_CHARS: Final = 4096  # a control or a base that is longer is none
MAX_CANDIDATES: Final = 8  # requests to one camera that may be refused, one after the other
_ABSOLUTE: Final = re.compile(r"rtsp[su]?://", re.IGNORECASE)
_REPEATED_SCHEME: Final = re.compile(r"^(?:rtsp[su]?:/{1,2})+(?=rtsp[su]?:/)", re.IGNORECASE)
_ONE_SLASH: Final = re.compile(r"^(rtsp[su]?:)/(?!/)", re.IGNORECASE)
# `192.168.1.10:554/stream0/`, `[::1]:554/`, `camera.local:554/`: an authority without a scheme.
_BARE_AUTHORITY: Final = re.compile(
    r"(?:\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](?::\d{1,5})?)(?=/|$)"
    r"|(?:[\w-]++\.)++[\w-]++:\d{1,5}/",
    re.ASCII,
)
# What would end the URL or the line of a request.
_NOT_IN_A_REQUEST: Final = re.compile(r"[\x00-\x20\x7f-\x9f\u2028\u2029]")


def base_urls(headers: RtspHeaders, session_control: str, request_uri: str) -> list[str]:
    """The URLs that relative controls are resolved against, the likeliest first.

    The session's control where it is absolute, Content-Base, Content-Location, the request URL.
    A malformed one (no scheme, the scheme twice) is mended and stands behind the request URL, one
    that is beyond that is left out.
    """
    given = [session_control] if _is_absolute(session_control.strip()) else []
    given += [headers.get(name) for name in ("content-base", "content-location")]
    good: list[str] = []
    mended: list[str] = []
    for text in given:
        url = _safe(text.strip().strip('"<> '))
        whole = _without_faults(url)
        if whole != url:
            mended.append(whole)
        elif url and (base := _joined(request_uri, url)) is not None:
            good.append(base)
    good, mended = ([url for url in urls if _is_usable(url)] for urls in (good, mended))
    return list(dict.fromkeys([*good, request_uri, *mended]))


def control_url_candidates(
    control: str, bases: Sequence[str], request_uri: str, limit: int = MAX_CANDIDATES
) -> Iterator[str]:
    """The URLs that a control attribute may mean, the likeliest first, computed lazily."""
    url = _safe(control.strip().strip('"<> '))
    whole = _without_faults(url)
    if _is_absolute(whole) and _is_usable(whole):
        found = iter([url if _is_absolute(url) else None, whole, _at_our_host(whole, request_uri)])
    else:
        url = "" if url == "*" or _is_absolute(whole) else url
        usual = [_common_reading(url, base) for base in bases]
        found = chain(
            usual,
            (_at_our_host(candidate, request_uri) for candidate in usual),
            (read(url, base) for base in bases for read in (_strict_reading, _before_query)),
        )
    return islice(_distinct(candidate for candidate in found if candidate), limit)


def _distinct(urls: Iterator[str]) -> Iterator[str]:
    given: set[str] = set()
    for url in urls:
        if url not in given:
            given.add(url)
            yield url


def _common_reading(control: str, base: str) -> str | None:
    if not control:
        return base
    return _joined(base, control) if control.startswith("/") else _append(base, control)


def _strict_reading(control: str, base: str) -> str | None:
    """The strict reading; for a path from the root, the usual one of live555."""
    if not control:
        return base
    return _append(base, control) if control.startswith("/") else _joined(base, control)


def _before_query(control: str, base: str) -> str | None:
    if not control:
        return None
    head, mark, query = base.partition("?")
    return f"{_append(head, control)}{mark}{query}"


def _at_our_host(url: str | None, request_uri: str) -> str | None:
    """The same at the host that we talk to: some cameras print 0.0.0.0 or an inner address."""
    if url is None:
        return None
    try:
        ours, theirs = urlsplit(request_uri), urlsplit(url)
    except ValueError:
        return None
    return urlunsplit(theirs._replace(scheme=ours.scheme, netloc=ours.netloc))


def _append(base: str, control: str) -> str:
    return base + control if base.endswith("/") else f"{base}/{control}"


def _joined(base: str, reference: str) -> str | None:
    """RFC 3986 §5.2; None where one of them is no URL."""
    if _is_absolute(reference):
        return reference
    # urljoin knows rtsp as hierarchical only by name; http resolves alike and is always known.
    scheme, _, rest = base.partition("://")
    try:
        joined = urljoin(f"http://{rest}", reference)
    except ValueError:
        return None
    other, mark, rest = joined.partition("://")
    return f"{scheme}{mark}{rest}" if other == "http" else None


def _is_absolute(url: str) -> bool:
    return _ABSOLUTE.match(url) is not None


def _is_usable(url: str) -> bool:
    """Whether it is an RTSP URL with a host and a port that can be."""
    if not _is_absolute(url):
        return False
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _without_faults(url: str) -> str:
    """The URL with its scheme once: `rtsp://rtsp://h/` and `h:554/` are rtsp://h/."""
    url = _ONE_SLASH.sub(r"\1//", _REPEATED_SCHEME.sub("", url, count=1), count=1)
    return f"rtsp://{url}" if _BARE_AUTHORITY.match(url) else url


def _safe(text: str) -> str:
    """The text as it may stand in a request's first line; empty where it is too long."""
    if len(text) > MAX_URL_CHARS:
        return ""
    return _NOT_IN_A_REQUEST.sub(lambda match: quote(match[0]), text)
