"""A way for httpx's blocking client into an ASGI application, without a socket, that can be cut.

Used where a client of ours asks a server of ours many times: no port, no thread of a server.
"""

import asyncio
from collections.abc import Callable

import httpx
from starlette.types import ASGIApp
from typing_extensions import override


class AsgiBridge(httpx.BaseTransport):
    """Passes each request to the application; `cut` and `tamper` stand for the network."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.cut: Callable[[httpx.Request], bool] = lambda _request: False
        self.cut_behind: Callable[[httpx.Request], bool] = lambda _request: False
        self.tamper: Callable[[httpx.Response], httpx.Response] = lambda answer: answer
        self.answers: list[bytes] = []  # everything that left the application

    @override
    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if self.cut(request):
            raise httpx.ConnectError("network is unreachable", request=request)
        answer = asyncio.run(self._pass(request))
        self.answers.append(answer.content)
        if self.cut_behind(request):  # the application has answered; nobody hears it
            raise httpx.ReadError("connection reset", request=request)
        return self.tamper(answer)

    async def _pass(self, request: httpx.Request) -> httpx.Response:
        answer = await httpx.ASGITransport(app=self.app).handle_async_request(request)
        body = await answer.aread()
        headers = {k: v for k, v in answer.headers.items() if k != "content-encoding"}
        return httpx.Response(answer.status_code, headers=headers, content=body)
