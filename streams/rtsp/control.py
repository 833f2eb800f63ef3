"""Which URL to use for a track, and which for the whole presentation.

RFC 2326 C.1.1 and RFC 7826 D.1.1 resolve a control attribute against Content-Base, else
Content-Location, else the request URL. Servers were tested with live555 and ffmpeg, which *append*
a relative control to the base instead of replacing its last segment, query or not. So every rule
here answers with candidates: the common reading first, the strict one next, and the session tries
the following one when a server does not know the URL.
"""

from urllib.parse import urljoin, urlsplit, urlunsplit

from streams.rtsp.message import Headers


def base_url(headers: Headers, request_uri: str) -> str:
    """What relative control URLs are relative to."""
    for name in ("content-base", "content-location"):
        value = headers.get(name).strip().strip('"<>')
        if value:
            return _absolute(value, request_uri)
    return request_uri


def candidates(control: str, base: str, request_uri: str) -> tuple[str, ...]:
    """The URLs that a control attribute may mean, the likeliest first."""
    control = control.strip()
    if control in {"", "*"}:
        return _unique([base, _with_host_of(base, request_uri)])
    if _is_absolute(control):
        return _unique([control, _with_host_of(control, request_uri)])
    appended = _append(base, control)
    strict = _absolute(control, base)
    inside = _append_before_query(base, control)
    found = [strict, appended] if control.startswith("/") else [appended, strict]
    found.append(inside)
    return _unique([*found, *(_with_host_of(url, request_uri) for url in found[:1])])


def _is_absolute(url: str) -> bool:
    return url.lower().startswith(("rtsp://", "rtsps://", "rtspu://"))


def _append(base: str, control: str) -> str:
    return base + control if base.endswith("/") else f"{base}/{control}"


def _append_before_query(base: str, control: str) -> str:
    parts = urlsplit(base)
    return urlunsplit(parts._replace(path=_append(parts.path, control)))


def _absolute(reference: str, base: str) -> str:
    if _is_absolute(reference):
        return reference
    # urljoin knows rtsp as hierarchical only by name; http resolves alike and is always known.
    scheme, _, rest = base.partition("://")
    joined = urljoin(f"http://{rest}", reference)
    return f"{scheme}://{joined.partition('://')[2]}"


def _with_host_of(url: str, request_uri: str) -> str:
    """The same path at the host that we talk to: some cameras print 0.0.0.0 or an inner address."""
    ours = urlsplit(request_uri)
    theirs = urlsplit(url)
    return urlunsplit(theirs._replace(scheme=ours.scheme, netloc=ours.netloc))


def _unique(urls: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(urls))
