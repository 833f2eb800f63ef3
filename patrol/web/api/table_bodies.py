"""ASGI middleware of the API's largest body, a whole table as JSON.

Nothing of it is read without a key of the scope and a place: a client without them could hold 16 MB
of this process with each connection. It stands before whatever reads bodies, so it answers itself.
"""

import re
from collections.abc import Callable
from typing import Final

from fastapi.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from patrol.administration.work_queue import Busy, TableImportsBusy
from patrol.web.api.routes import NoKey, NoScope, RequireScope

TABLES_AT_ONCE: Final = 4  # bodies in memory; one of them is judged at a time
_PATH: Final = re.compile(r".*/registry/[^/]+/import")
_WRITE: Final = RequireScope("people:write")


class TableBodies:
    """Asks for the key of a request that brings a table, and for one of few places."""

    def __init__(self, app: ASGIApp, *, refused: Callable[[Request, Exception], Response]) -> None:
        """`refused`: the API's own answer to NoKey, NoScope and Busy."""
        self.app, self._refused = app, refused
        self._taken = 0  # of the event loop's one thread

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 401, 403, 503."""
        if scope["type"] != "http" or _PATH.fullmatch(scope["path"]) is None:
            await self.app(scope, receive, send)
            return
        request = Request(scope)
        try:
            await run_in_threadpool(_WRITE, request)
            if self._taken >= TABLES_AT_ONCE:
                raise TableImportsBusy
        except (NoKey, NoScope, Busy) as exc:
            await self._refused(request, exc)(scope, receive, send)
            return
        self._taken += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self._taken -= 1
