"""ASGI middleware that refuses a request whose text cannot be printed, before a route reads it.

Looked at: the path, the query, the strings and keys of a JSON body, the fields of a form. A control
character (NUL among them), half a surrogate pair or bytes that are no UTF-8 fit no database, ledger
or MQTT topic; refused here, every route answers 422 alike, whichever database is behind it. Tab and
line ends may stand in a query and in a body, which can hold a text of several lines.
Not here: files (multipart), which their parsers check line by line; headers, which the server's
HTTP parser checks.
"""

import json
import unicodedata
from collections.abc import Callable, Iterator
from typing import Any, Final
from urllib.parse import parse_qsl, unquote_to_bytes

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

NOT_PRINTABLE: Final = ("含有不可打印的字符", "has a character that cannot be printed")
_UNPRINTABLE: Final = ("Cc", "Cs")  # Unicode's general categories: controls, lone surrogates
_LAYOUT: Final = "\t\n\r"
_UNDECODABLE: Final = "\ufffd"  # what decoders put in the place of bytes that are no text


def is_printable(text: str, *, layout: str = _LAYOUT) -> bool:
    """Whether each character is text, or one of `layout`."""
    if text.isascii() and text.isprintable():
        return True
    refused = (
        one == _UNDECODABLE or (unicodedata.category(one) in _UNPRINTABLE and one not in layout)
        for one in text
    )
    return not any(refused)


class PrintableRequests:
    """ASGI middleware: answers `refused(request, place)` for unprintable text, else passes on."""

    def __init__(
        self, app: ASGIApp, *, refused: Callable[[Request, str], Response], but: str = ""
    ) -> None:
        """`but`: paths below this are somebody else's to check; "": none."""
        self.app, self._refused, self._but = app, refused, but

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 422."""
        if scope["type"] != "http" or (self._but and scope["path"].startswith(f"{self._but}/")):
            await self.app(scope, receive, send)
            return
        request = Request(scope)
        place = _unprintable_place(scope)
        if not place and (strings := _strings_of(request.headers.get("content-type", ""))):
            body = _BufferedBody(receive)
            await body.read()
            receive = body.receive
            if not all(map(is_printable, strings(body.content))):
                place = "body"
        if place:
            await self._refused(request, place)(scope, receive, send)
            return
        await self.app(scope, receive, send)


def _unprintable_place(scope: Scope) -> str:
    """`path` or `query`, whichever cannot be printed; "" for neither."""
    raw = scope.get("raw_path") or scope["path"].encode("utf-8", "surrogatepass")
    if not is_printable(_text(raw), layout=""):
        return "path"
    query = _text(scope.get("query_string", b"").replace(b"+", b" "))
    return "" if is_printable(query) else "query"


def _text(quoted: bytes) -> str:
    return unquote_to_bytes(quoted).decode("utf-8", "replace")


def _strings_of(content_type: str) -> Callable[[bytes], Iterator[str]] | None:
    """How to list the strings of a body of this type; None: it is no text to look at."""
    media = content_type.partition(";")[0].strip().lower()
    if media == "application/json" or media.endswith("+json"):
        return _json_strings
    return _form_strings if media == "application/x-www-form-urlencoded" else None


def _form_strings(body: bytes) -> Iterator[str]:
    for name, value in parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True):
        yield name
        yield value


def _json_strings(body: bytes) -> Iterator[str]:
    """Every string and key; of what is no JSON the text itself, for its route to refuse."""
    text = body.decode("utf-8", "replace")
    try:
        waiting: list[Any] = [json.loads(text)]
    except (ValueError, RecursionError):
        yield text
        return
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, dict):
            waiting += [*one.keys(), *one.values()]
        elif isinstance(one, list):
            waiting += one


class _BufferedBody:
    """A request's body, read once and given to the route again, with the failure that ended it."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._messages: list[Message] = []
        self._failure: HTTPException | None = None

    async def read(self) -> None:
        """Read to the end; RequestLimits ends it early where it is too large."""
        more = True
        while more:
            try:
                message = await self._receive()
            except HTTPException as exc:  # for the route, whose caller makes the answer of it
                self._failure = exc
                return
            self._messages.append(message)
            more = message["type"] == "http.request" and message.get("more_body", False)

    @property
    def content(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self._messages)

    async def receive(self) -> Message:
        """The next message as it came."""
        if self._messages:
            return self._messages.pop(0)
        if self._failure is not None:
            raise self._failure
        return await self._receive()
