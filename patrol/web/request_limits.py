"""Limits of incoming requests by route: how many bytes a body may have, how long it may take.

`RequestLimits` (ASGI middleware) refuses a body before it is read where its length is announced,
else while it is read; with or without a login, which is asked for behind it. http_protocol.py keeps
the times. A route that takes more than a form has its line in `ROUTE_LIMITS`.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

KIB: Final = 1024
MIB: Final = 1024 * KIB
MAX_PHOTO_BYTES: Final = 12 * MIB
MAX_CSV_BYTES: Final = 8 * MIB  # ten thousand cameras are two
MAX_EXCHANGED_BYTES: Final = 16 * MIB
_MULTIPART_BYTES: Final = 64 * KIB  # the other fields of a form with a file, and its boundaries
CONTENT_TOO_LARGE: Final = 413


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestLimit:
    """The limits of one route's requests."""

    body_bytes: int
    body_s: float  # from the end of the headers to the last byte


# The largest form is an area with a thousand corners, 40 kB. A telephone in the field is slow.
DEFAULT_LIMIT: Final = RequestLimit(body_bytes=256 * KIB, body_s=30.0)
ROUTE_LIMITS: Final = (
    (
        re.compile(r"/leader/api/photo/[^/]+/[^/]+|/ground/api/photo"),
        RequestLimit(body_bytes=MAX_PHOTO_BYTES, body_s=180.0),
    ),
    (
        re.compile(r"/api/(cameras|people/[^/]+)/import(/check)?"),
        RequestLimit(body_bytes=MAX_CSV_BYTES + _MULTIPART_BYTES, body_s=180.0),
    ),
    (  # JSON: a letter of Chinese may be six characters of it, and three bytes of the table
        re.compile(r"/api/v1/registry/[^/]+/import"),
        RequestLimit(body_bytes=2 * MAX_CSV_BYTES + _MULTIPART_BYTES, body_s=180.0),
    ),
    (  # a cluster's worker, perhaps behind a village's uplink
        re.compile(r"/exchange/results/[^/]+"),
        RequestLimit(body_bytes=MAX_EXCHANGED_BYTES, body_s=60.0),
    ),
)


def limit_of(path: str) -> RequestLimit:
    """The limits of requests to this path."""
    return next((limit for route, limit in ROUTE_LIMITS if route.fullmatch(path)), DEFAULT_LIMIT)


def read_upload(file: UploadFile) -> bytes:
    """The bytes of an uploaded table. Raises HTTPException 413 beyond MAX_CSV_BYTES."""
    data = file.file.read(MAX_CSV_BYTES + 1)
    if len(data) > MAX_CSV_BYTES:
        raise HTTPException(CONTENT_TOO_LARGE, "too large")
    return data


class RequestLimits:
    """ASGI middleware that bounds the bytes of every request's body."""

    def __init__(self, app: ASGIApp, *, too_large: Callable[[Request], Response]) -> None:
        self.app = app
        self._too_large = too_large  # the answer in the language and form of the request

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 413."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = Request(scope)
        limit = limit_of(scope["path"]).body_bytes
        announced = request.headers.get("content-length", "0")
        if not announced.isdecimal() or int(announced[:20]) > limit:
            await self._too_large(request)(scope, receive, send)
            return
        await self.app(scope, _bounded(receive, limit), send)


def _bounded(receive: Receive, limit: int) -> Callable[[], Awaitable[Message]]:
    """`receive`, raising HTTPException 413 once more than `limit` bytes of body have come."""
    received = 0

    async def receive_bounded() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > limit:
            raise HTTPException(CONTENT_TOO_LARGE, "too large")
        return message

    return receive_bounded
