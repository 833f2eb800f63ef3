"""The application: every router behind the gate, every failure with a face."""

from collections.abc import Mapping
from functools import partial
from typing import Any, Final
from urllib.parse import quote

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp
from typing_extensions import override

from patrol.console.assets import PATH as ASSETS_PATH
from patrol.console.desk import Desk
from patrol.console.doors import ConsoleDoors, ConsoleOptions
from patrol.console.gate import LANGUAGE_COOKIE, Forbidden, NotLoggedIn
from patrol.console.pages import ALL
from patrol.console.pages.common import CannotBe, NotFound
from patrol.console.shell import STATIC, WithHeaders, wants_html
from patrol.domain.approval import NotPossible
from patrol.domain.case import IllegalMove
from patrol.domain.finding import AlreadyDecided
from patrol.domain.handover import NotYours
from patrol.domain.trouble import AlreadyTaken
from patrol.ports import Busy
from patrol.store import StoreFull, StoreUnavailable

log = structlog.get_logger(__name__)

SMALLEST_ZIPPED_BYTES = 1000


class _Kept(StaticFiles):
    """Files whose address changes with their content may be kept for ever."""

    @override
    async def get_response(self, path: str, scope: Any) -> Response:
        response = await super().get_response(path, scope)
        versioned = b"v=" in scope.get("query_string", b"")
        keep = "public, max-age=31536000, immutable" if versioned else "no-cache"
        response.headers["Cache-Control"] = keep
        return response


def origin_of(tiles: str) -> str:
    """`https://tiles.example`: what the policy must allow; `{s}` is any host there."""
    scheme, separator, rest = tiles.partition("://")
    return f"{scheme}://{rest.split('/')[0].replace('{s}', '*')}" if separator else ""


class Console:
    """The application and the threads beside it."""

    def __init__(
        self,
        doors: ConsoleDoors,
        options: ConsoleOptions,
        mounts: Mapping[str, ASGIApp] | None = None,
    ) -> None:
        self.desk = Desk.of(doors, options)
        self.app = FastAPI(title=f"patrol {doors.facts.id}", docs_url=None, redoc_url=None,
                           openapi_url=None)  # fmt: skip
        self.app.state.desk = self.desk
        self.app.add_middleware(GZipMiddleware, minimum_size=SMALLEST_ZIPPED_BYTES)
        self.app.add_middleware(
            WithHeaders, secure=options.secure, pictures_from=origin_of(options.tiles)
        )
        for router in ALL:
            self.app.include_router(router)
        for path, other in (mounts or {}).items():
            self.app.mount(path, other)
        self.app.mount(ASSETS_PATH, self.desk.assets, name="assets")
        self.app.mount("/static", _Kept(directory=STATIC), name="static")
        _say_failures(self.app, self.desk)

    def start(self) -> None:
        """Begin to witness and to watch."""
        self.desk.witness.start()
        self.desk.pulse.start()

    def stop(self) -> None:
        """End both."""
        self.desk.pulse.stop()
        self.desk.witness.stop()


def _say_failures(app: FastAPI, desk: Desk) -> None:
    app.add_exception_handler(NotLoggedIn, partial(_not_logged_in, desk))
    app.add_exception_handler(Forbidden, partial(_said, desk, 403, _STATUS[403]))
    app.add_exception_handler(AlreadyDecided, partial(_decided, desk))
    app.add_exception_handler(HTTPException, partial(_http, desk))
    for kind, status, pair in _FAILURES:
        app.add_exception_handler(kind, partial(_said, desk, status, pair))


def _not_logged_in(desk: Desk, request: Request, _: Exception) -> Response:
    if wants_html(request) and request.method == "GET":
        return RedirectResponse(f"/login?next={quote(request.url.path)}", 303)
    return _problem(desk, request, 401, ("请重新登录", "log in again"))


def _decided(desk: Desk, request: Request, exc: Exception) -> Response:
    assert isinstance(exc, AlreadyDecided)  # noqa: S101  registered for it
    finding, say = exc.finding, desk.gate.words(request.cookies.get(LANGUAGE_COOKIE))
    by, at = finding.decided_by, say.exactly(finding.decided_at)
    pair = (f"已由 {by} 于 {at} 判定", f"decided by {by} at {at}")
    return _problem(desk, request, 409, pair)


def _http(desk: Desk, request: Request, exc: Exception) -> Response:
    assert isinstance(exc, HTTPException)  # noqa: S101  registered for it
    pair = _STATUS.get(exc.status_code, ("请求有误", "bad request"))
    return _problem(desk, request, exc.status_code, pair)


def _said(
    desk: Desk, status: int, pair: tuple[str, str], request: Request, exc: Exception
) -> Response:
    note = log.warning if status == 403 else log.info  # noqa: PLR2004  forbidden
    note("not done", path=request.url.path, status=status, reason=str(exc))
    detail = str(exc) if status in (409, 422) else ""
    return _problem(desk, request, status, pair, detail=detail)


_FAILURES: Final = (
    (IllegalMove, 409, ("当前状态不能这样操作", "not possible now")),
    (NotPossible, 409, ("现在不能这样操作", "not possible now")),
    (NotYours, 409, ("现在不能签字", "not yours to sign")),
    (AlreadyTaken, 409, ("已有人认领", "somebody was first")),
    (Busy, 409, ("正忙,请稍后", "busy just now")),
    (NotFound, 404, ("没有找到", "not found")),
    (CannotBe, 422, ("填写有误", "cannot be so")),
    (RequestValidationError, 422, ("填写有误", "cannot be so")),
    (StoreUnavailable, 503, ("数据库暂不可用", "the database is away")),
    (StoreFull, 503, ("磁盘已满", "the disk is full")),
)
_STATUS: Final = {
    403: ("无权查看或操作", "not yours to see or do"),
    404: ("没有这个页面", "no such page"),
    405: ("不支持的操作", "not supported"),
    410: ("照片已按期删除", "deleted on schedule"),
    413: ("文件太大", "too large"),
    429: ("请求过多,请稍后", "too many requests"),
}


def _problem(
    desk: Desk, request: Request, status: int, pair: tuple[str, str], *, detail: str = ""
) -> Response:
    say = desk.gate.words(request.cookies.get(LANGUAGE_COOKIE))
    if wants_html(request):
        return desk.shell.html(
            "problem.html", say, status=status, code=status, words=say.pair(pair), detail=detail
        )
    body = {"error": status, "words": say.pair(pair), "detail": detail}
    return JSONResponse(body, status, headers={"Cache-Control": "no-store"})
