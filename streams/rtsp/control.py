"""Which URL to use for a track, and which for the whole presentation.

RFC 2326 C.1.1 and RFC 7826 D.1.1 resolve a control attribute against Content-Base, else
Content-Location, else the request URL. Servers were tested with live555 and ffmpeg, which *append*
a relative control to the base instead of replacing its last segment, query or not. So every rule
here answers with candidates: the common reading first, the strict one next, and the session tries
the following one when a server does not know the URL.
"""

from collections.abc import Iterator
from urllib.parse import urljoin, urlsplit, urlunsplit

from streams.rtsp.message import Headers


def base_url(headers: Headers, request_uri: str) -> str:
    """What relative control URLs are relative to."""
    for name in ("content-base", "content-location"):
        value = headers.get(name).strip().strip('"<>')
        if value:
            return _absolute(value, request_uri)
    return request_uri


def candidates(control: str, base: str, request_uri: str) -> Iterator[str]:
    """The URLs that a control attribute may mean, the likeliest first; worked out as asked for."""
    given: set[str] = set()
    for make in (_as_usual, _as_written, _before_query, _at_our_host):
        url = make(control.strip(), base, request_uri)
        if url not in given:
            given.add(url)
            yield url


def _as_usual(control: str, base: str, _: str) -> str:
    if control in {"", "*"}:
        return base
    if _is_absolute(control):
        return control
    return _absolute(control, base) if control.startswith("/") else _append(base, control)


def _as_written(control: str, base: str, _: str) -> str:
    """The strict reading; for a path from the root, the usual one of live555."""
    if control in {"", "*"}:
        return base
    return _append(base, control) if control.startswith("/") else _absolute(control, base)


def _before_query(control: str, base: str, request_uri: str) -> str:
    if control in {"", "*"} or _is_absolute(control):
        return _as_usual(control, base, request_uri)
    parts = urlsplit(base)
    return urlunsplit(parts._replace(path=_append(parts.path, control)))


def _at_our_host(control: str, base: str, request_uri: str) -> str:
    """The usual reading at the host that we talk to: some cameras print 0.0.0.0 or an inner one."""
    ours = urlsplit(request_uri)
    theirs = urlsplit(_as_usual(control, base, request_uri))
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
