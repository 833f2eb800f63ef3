"""The house as the console sees it: fulfils patrol.web's doors, and serves it.

The application: every router behind the gate, every failure with a face.

A uvicorn server in a thread: up when the block is entered, gone when it is left.
"""

import asyncio
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from urllib.parse import quote

import structlog
import uvicorn
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp
from typing_extensions import override

from patrol.domain.approval import ApprovalImpossible
from patrol.domain.case import IllegalCaseTransition
from patrol.domain.errors import Failed
from patrol.domain.finding import AlreadyDecided
from patrol.domain.health import TroubleAlreadyTaken
from patrol.domain.shift_handover import NotShiftOwner
from patrol.files import ProcessBusy
from patrol.store import StoreFull, StoreUnavailable
from patrol.web.auth import LANGUAGE_COOKIE, Forbidden, NotLoggedIn
from patrol.web.context import WebContext
from patrol.web.i18n import InvalidForm, PageNotFound
from patrol.web.options import ConsoleOptions, WebDeps
from patrol.web.pages import ALL
from patrol.web.rendering import ASSETS_PATH, STATIC, SecurityHeaders, wants_html

log = structlog.get_logger(__name__)

SMALLEST_ZIPPED_BYTES = 1000
API_PATH = "/api/v1"


class _CachedStaticFiles(StaticFiles):
    """Files whose address changes with their content may be kept for ever."""

    @override
    async def get_response(self, path: str, scope: Any) -> Response:
        response = await super().get_response(path, scope)
        versioned = b"v=" in scope.get("query_string", b"")
        keep = "public, max-age=31536000, immutable" if versioned else "no-cache"
        response.headers["Cache-Control"] = keep
        return response


def tile_origin(tiles: str) -> str:
    """`https://tiles.example`: what the policy must allow; `{s}` is any host there."""
    scheme, separator, rest = tiles.partition("://")
    return f"{scheme}://{rest.split('/')[0].replace('{s}', '*')}" if separator else ""


class Console:
    """The application and the threads beside it."""

    def __init__(
        self,
        deps: WebDeps,
        options: ConsoleOptions,
        mounts: Mapping[str, ASGIApp] | None = None,
    ) -> None:
        self.context = WebContext.build(deps, options)
        self.app = FastAPI(title=f"patrol {deps.site_profile.id}", docs_url=None, redoc_url=None,
                           openapi_url=None)  # fmt: skip
        self.app.state.context = self.context
        self.app.add_middleware(GZipMiddleware, minimum_size=SMALLEST_ZIPPED_BYTES)
        self.app.add_middleware(
            SecurityHeaders, secure=options.secure, pictures_from=tile_origin(options.tiles)
        )
        for router in ALL:
            self.app.include_router(router)
        for path, other in (mounts or {}).items():
            self.app.mount(path, other)
        self.app.mount(ASSETS_PATH, self.context.assets, name="assets")
        self.app.mount("/static", _CachedStaticFiles(directory=STATIC), name="static")
        _add_error_handlers(self.app, self.context)

    def start(self) -> None:
        """Begin to witness and to watch."""
        self.context.access_logger.start()
        self.context.change_feed.start()

    def stop(self) -> None:
        """End both."""
        self.context.change_feed.stop()
        self.context.access_logger.stop()


def _add_error_handlers(app: FastAPI, context: WebContext) -> None:
    app.add_exception_handler(NotLoggedIn, partial(_not_logged_in_response, context))
    app.add_exception_handler(
        Forbidden, partial(_failure_response, context, 403, _STATUS_LABELS[403])
    )
    app.add_exception_handler(AlreadyDecided, partial(_already_decided_response, context))
    app.add_exception_handler(HTTPException, partial(_http_error_response, context))
    for kind, status, pair in _FAILURES:
        app.add_exception_handler(kind, partial(_failure_response, context, status, pair))


def _not_logged_in_response(context: WebContext, request: Request, _: Exception) -> Response:
    if wants_html(request) and request.method == "GET":
        return RedirectResponse(f"/login?next={quote(request.url.path)}", 303)
    return _error_response(context, request, 401, ("请重新登录", "log in again"))


def _already_decided_response(context: WebContext, request: Request, exc: Exception) -> Response:
    assert isinstance(exc, AlreadyDecided)  # noqa: S101  registered for it
    finding, t = exc.finding, context.auth.translator(request.cookies.get(LANGUAGE_COOKIE))
    by, at = finding.decided_by, t.full_datetime(finding.decided_at)
    pair = (f"已由 {by} 于 {at} 判定", f"decided by {by} at {at}")
    return _error_response(context, request, 409, pair)


def _http_error_response(context: WebContext, request: Request, exc: Exception) -> Response:
    assert isinstance(exc, HTTPException)  # noqa: S101  registered for it
    pair = _STATUS_LABELS.get(exc.status_code, ("请求有误", "bad request"))
    return _error_response(context, request, exc.status_code, pair)


def _failure_response(
    context: WebContext, status: int, pair: tuple[str, str], request: Request, exc: Exception
) -> Response:
    note = log.warning if status == 403 else log.info  # noqa: PLR2004  forbidden
    note("not done", path=request.url.path, status=status, reason=str(exc))
    detail = str(exc) if status in (409, 422) else ""
    return _error_response(context, request, status, pair, detail=detail)


_FAILURES: Final = (
    (IllegalCaseTransition, 409, ("当前状态不能这样操作", "not possible now")),
    (ApprovalImpossible, 409, ("现在不能这样操作", "not possible now")),
    (NotShiftOwner, 409, ("现在不能签字", "not yours to sign")),
    (TroubleAlreadyTaken, 409, ("已有人认领", "somebody was first")),
    (ProcessBusy, 409, ("正忙,请稍后", "busy just now")),
    (PageNotFound, 404, ("没有找到", "not found")),
    (InvalidForm, 422, ("填写有误", "cannot be so")),
    (RequestValidationError, 422, ("填写有误", "cannot be so")),
    (StoreUnavailable, 503, ("数据库暂不可用", "the database is away")),
    (StoreFull, 503, ("磁盘已满", "the disk is full")),
)
_STATUS_LABELS: Final = {
    403: ("无权查看或操作", "not yours to see or do"),
    404: ("没有这个页面", "no such page"),
    405: ("不支持的操作", "not supported"),
    410: ("照片已按期删除", "deleted on schedule"),
    413: ("文件太大", "too large"),
    429: ("请求过多,请稍后", "too many requests"),
}


def _error_response(
    context: WebContext, request: Request, status: int, pair: tuple[str, str], *, detail: str = ""
) -> Response:
    t = context.auth.translator(request.cookies.get(LANGUAGE_COOKIE))
    if wants_html(request):
        return context.renderer.render(
            "problem.html", t, status=status, code=status, message=t.pair(pair), detail=detail
        )
    body = {"error": status, "words": t.pair(pair), "detail": detail}
    return JSONResponse(body, status, headers={"Cache-Control": "no-store"})


START_WITHIN_S: Final = 20.0
GRACEFUL_STOP_S: Final = 2  # whoever is still answered when we stop


class ConsoleFailed(Failed):
    """It cannot be served; says why in one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleAddress:
    """Where it can be opened."""

    url: str
    port: int


@contextmanager
def serve(
    deps: WebDeps,
    options: ConsoleOptions | None = None,
    mounts: Mapping[str, ASGIApp] | None = None,
) -> Iterator[ConsoleAddress]:
    """Serve the console until the block is left. Raises ConsoleFailed (port, certificate).

    `mounts`: other applications, by path.
    """
    options = options or ConsoleOptions()
    listening = _listen(options)
    port = int(listening.getsockname()[1])
    console = Console(deps, options, mounts)
    try:
        server = uvicorn.Server(_config(console, options))
    except ConsoleFailed:
        listening.close()
        raise
    console.start()
    thread = threading.Thread(
        target=lambda: asyncio.run(server.serve(sockets=[listening])), name="console", daemon=True
    )
    thread.start()
    try:
        _wait_until_up(server, thread)
        shown = f"[{options.host}]" if ":" in options.host else options.host
        scheme = "https" if options.tls_certificate else "http"
        yield ConsoleAddress(url=f"{scheme}://{shown}:{port}", port=port)
    finally:
        console.stop()  # ends the live lines first: they would keep the server waiting
        server.should_exit = True
        thread.join(GRACEFUL_STOP_S + 5)
        listening.close()


def _listen(options: ConsoleOptions) -> socket.socket:
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((options.host, options.port))
        listening.listen(256)
    except OSError as exc:
        listening.close()
        where = f"console {options.host}:{options.port}"
        raise ConsoleFailed(f"{where}: {exc.strerror}, give it another address or port") from exc
    listening.setblocking(False)  # noqa: FBT003  the socket module's own
    return listening


def _config(console: Console, options: ConsoleOptions) -> uvicorn.Config:
    """Raises ConsoleFailed: the certificate cannot be read."""
    proxies = options.trusted_proxies
    config = uvicorn.Config(
        console.app,
        log_config=None,
        access_log=False,  # addresses of pictures are nobody's business
        server_header=False,
        ssl_certfile=str(options.tls_certificate) if options.tls_certificate else None,
        ssl_keyfile=str(options.tls_key) if options.tls_key else None,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=list(proxies) or None,
        timeout_graceful_shutdown=GRACEFUL_STOP_S,
        ws="none",
        lifespan="off",
    )
    try:
        config.load()  # here, and not in the server's thread, where nobody would hear of it
    except (ssl.SSLError, OSError) as exc:
        files = f"{options.tls_certificate} with {options.tls_key}"
        raise ConsoleFailed(f"console: certificate {files} cannot be read: {exc}") from exc
    return config


def _wait_until_up(server: uvicorn.Server, thread: threading.Thread) -> None:
    """The socket already listens; this only makes sure that the server did not fall over."""
    waited = threading.Event()
    for _ in range(int(START_WITHIN_S / 0.02)):
        if server.started:
            return
        if not thread.is_alive():
            break
        waited.wait(0.02)
    raise ConsoleFailed("the console's server did not start; its log says why")
