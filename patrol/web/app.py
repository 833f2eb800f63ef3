"""Make the web application: every page's router, the JSON API under /api/v1, static files, errors.

A request that fails gets the same sentence as a page (browsers) or as a JSON document (scripts).
"""

from functools import partial
from typing import Any, Final
from urllib.parse import quote

import structlog
from fastapi import FastAPI
from fastapi.exceptions import (
    RequestValidationError,
    ResponseValidationError,
    ValidationException,
)
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles
from typing_extensions import override

from patrol.administration.work_queue import Busy
from patrol.cases.request_keys import RequestKeyReused, RequestRepeated
from patrol.domain.approval import ApprovalImpossible
from patrol.domain.broadcast import IllegalBroadcastMove
from patrol.domain.case import IllegalCaseTransition
from patrol.domain.display_link import DISPLAY_PATH
from patrol.domain.finding import AlreadyDecided, FindingNotAsShown, IllegalUndo
from patrol.domain.ground_patrol import IllegalCheckIn, NotOnRoster
from patrol.domain.hand_off import IllegalHandOffMove
from patrol.domain.health import TroubleAlreadyTaken
from patrol.domain.helping import NotOpenToHelpers
from patrol.domain.household_link import HOUSEHOLD_PATH
from patrol.domain.human_patrol import IllegalPatrolMove, NotAssigned
from patrol.domain.picture_link import PICTURE_LINK_PATH
from patrol.domain.round_duty import NotRoundOwner
from patrol.domain.shift_handover import NotShiftOwner
from patrol.files import ProcessBusy
from patrol.review.undo import NotOwnDecision
from patrol.web.api.app import create_api
from patrol.web.assets import ASSETS_PATH
from patrol.web.auth import Forbidden, NotLoggedIn, StaleCsrfToken
from patrol.web.context import WebContext
from patrol.web.errors import (
    INVALID_REQUEST,
    OWN_FAILURE,
    SHARED_FAILURES,
    error_document,
    error_headers,
    validation_problem,
)
from patrol.web.pages import ROUTERS
from patrol.web.pages.case_actions import CaseNotAsShown
from patrol.web.printable_requests import NOT_PRINTABLE, PrintableRequests
from patrol.web.rendering import STATIC, SecurityHeaders, wants_html
from patrol.web.request_limits import RequestLimits
from patrol.web.signed_links import display_cookie

log = structlog.get_logger(__name__)

API_PATH: Final = "/api/v1"
SMALLEST_ZIPPED_BYTES: Final = 1000
_FAILURES: Final = (
    (IllegalCaseTransition, 409, ("当前状态不能这样操作", "not possible now")),
    (ApprovalImpossible, 409, ("现在不能这样操作", "not possible now")),
    (
        FindingNotAsShown,
        409,
        ("线索有了变化，请看过再判", "it changed meanwhile: look at it again"),
    ),
    (
        RequestKeyReused,
        409,
        ("这次操作的编号已用于别的操作", "its key was used for something else"),
    ),
    (CaseNotAsShown, 409, ("案件有了变化，请看过再办", "it changed meanwhile: look at it again")),
    (IllegalUndo, 409, ("不能再撤销", "it cannot be undone any more")),
    (NotOwnDecision, 409, ("不是本人的判定", "decided by somebody else")),
    (IllegalPatrolMove, 409, ("现在不能这样操作", "not possible now")),
    (IllegalHandOffMove, 409, ("已经登记过", "entered before")),
    (IllegalBroadcastMove, 409, ("现在不能播报", "it cannot be played now")),
    (NotAssigned, 403, ("未指派给您", "assigned to somebody else")),
    (IllegalCheckIn, 409, ("已签到或已复核", "walked or decided before")),
    (NotOnRoster, 403, ("不是您的巡防", "somebody else's patrol")),
    (NotOpenToHelpers, 409, ("已不需要协助", "not open to helpers any more")),
    (NotRoundOwner, 409, ("不是本轮巡查员", "the round is somebody else's")),
    (NotShiftOwner, 409, ("现在不能签字", "not yours to sign")),
    (TroubleAlreadyTaken, 409, ("已有人认领", "somebody was first")),
    (ProcessBusy, 409, ("正忙，请稍后", "busy just now")),
    (RequestValidationError, 422, INVALID_REQUEST),
    (ResponseValidationError, 500, OWN_FAILURE),
    (Busy, 503, ("正忙，请稍后再试", "busy just now, try again")),
    *SHARED_FAILURES,
)
_TOKEN_PATHS: Final = (HOUSEHOLD_PATH, PICTURE_LINK_PATH)
_STATUS_LABELS: Final = {
    403: ("无权查看或操作", "not yours to see or do"),
    404: ("没有这个页面", "no such page"),
    405: ("不支持的操作", "not supported"),
    410: ("照片已按期删除", "deleted on schedule"),
    413: ("文件太大", "too large"),
    429: ("请求过多，请稍后", "too many requests"),
}


def create_app(context: WebContext) -> FastAPI:
    """The console's ASGI application with the API mounted; `context.start()` runs its threads."""
    site, console = context.site, context.console
    web_app = FastAPI(title=f"patrol {site.id}", docs_url=None, redoc_url=None, openapi_url=None)
    web_app.state.context = context
    too_large = partial(context.error_response, status=413, message=_STATUS_LABELS[413])
    unprintable = partial(_unprintable_response, context)
    web_app.add_middleware(PrintableRequests, refused=unprintable, but=API_PATH)
    web_app.add_middleware(RequestLimits, too_large=too_large)
    web_app.add_middleware(GZipMiddleware, minimum_size=SMALLEST_ZIPPED_BYTES)
    web_app.add_middleware(
        SecurityHeaders, secure=console.is_https, pictures_from=tile_origin(console.tiles)
    )
    for router in ROUTERS:
        web_app.include_router(router)
    web_app.mount(API_PATH, create_api(context.app))
    _mount_exchange(web_app, context)
    web_app.mount(ASSETS_PATH, context.assets, name="assets")
    web_app.mount("/static", _CachedStaticFiles(directory=STATIC), name="static")
    _add_error_handlers(web_app, context)
    return web_app


def _mount_exchange(web_app: FastAPI, context: WebContext) -> None:
    """Serve the directory in which a cluster's pictures are exchanged, where there is one."""
    cluster = context.app.cluster
    if cluster is None or cluster.served_exchange is None:
        return
    from patrol.web.exchange import EXCHANGE_PATH, create_exchange_app  # noqa: PLC0415  of a cluster

    web_app.mount(EXCHANGE_PATH, create_exchange_app(cluster, cluster.served_exchange))


def tile_origin(tiles: str) -> str:
    """The origin of the map's tiles for the security policy; `{s}` in the host becomes `*`."""
    scheme, separator, rest = tiles.partition("://")
    return f"{scheme}://{rest.split('/')[0].replace('{s}', '*')}" if separator else ""


class _CachedStaticFiles(StaticFiles):
    """Static files; one whose address carries its version (`v=`) may be cached for ever."""

    @override
    async def get_response(self, path: str, scope: Any) -> Response:
        response = await super().get_response(path, scope)
        versioned = b"v=" in scope.get("query_string", b"")
        keep = "public, max-age=31536000, immutable" if versioned else "no-cache"
        response.headers["Cache-Control"] = keep
        return response


def _add_error_handlers(web_app: FastAPI, context: WebContext) -> None:
    web_app.add_exception_handler(NotLoggedIn, partial(_not_logged_in_response, context))
    web_app.add_exception_handler(
        Forbidden, partial(_failure_response, context, 403, _STATUS_LABELS[403])
    )
    web_app.add_exception_handler(StaleCsrfToken, partial(_stale_csrf_response, context))
    web_app.add_exception_handler(RequestRepeated, _repeated_response)
    web_app.add_exception_handler(AlreadyDecided, partial(_already_decided_response, context))
    web_app.add_exception_handler(HTTPException, partial(_http_error_response, context))
    for kind, status, message in _FAILURES:
        web_app.add_exception_handler(kind, partial(_failure_response, context, status, message))


def _loggable_path(request: Request) -> str:
    """The path without the token of a link: who reads logs must not be able to open it."""
    path = request.url.path
    return next((f"{start}…" for start in _TOKEN_PATHS if path.startswith(start)), path)


def _not_logged_in_response(context: WebContext, request: Request, _: Exception) -> Response:
    if wants_html(request) and request.method == "GET":
        if display_cookie(request, secure=context.console.is_https):
            return RedirectResponse(DISPLAY_PATH, 303)
        return RedirectResponse(f"/login?next={quote(request.url.path)}", 303)
    return context.error_response(request, 401, ("请重新登录", "log in again"))


def _stale_csrf_response(context: WebContext, request: Request, exc: Exception) -> Response:
    """403 of a kind of its own: scripts fetch a new token (`/api/session`) and try once more."""
    log.warning("not done", path=_loggable_path(request), status=403, reason=str(exc))
    message = ("页面已过期，请刷新后再试", "the page is out of date: reload it")
    return error_document(403, context.translator(request).pair(message), kind="csrf", detail="")


def _repeated_response(_request: Request, _exc: Exception) -> Response:
    return JSONResponse({"repeated": True})


def _already_decided_response(context: WebContext, request: Request, exc: Exception) -> Response:
    assert isinstance(exc, AlreadyDecided)  # noqa: S101  registered for it  # nosec B101
    finding, t = exc.finding, context.translator(request)
    by, at = finding.decided_by, t.full_datetime(finding.decided_at)
    message = (f"已由 {by} 于 {at} 判定", f"decided by {by} at {at}")
    return context.error_response(request, 409, message)


def _http_error_response(context: WebContext, request: Request, exc: Exception) -> Response:
    assert isinstance(exc, HTTPException)  # noqa: S101  registered for it  # nosec B101
    message = _STATUS_LABELS.get(exc.status_code, ("请求有误", "bad request"))
    answer = context.error_response(request, exc.status_code, message)
    answer.headers.update(error_headers(request, exc))
    return answer


def _unprintable_response(context: WebContext, request: Request, place: str) -> Response:
    log.info("not done", path=_loggable_path(request), status=422, reason=place)
    return context.error_response(request, 422, NOT_PRINTABLE, detail=place)


def _failure_response(
    context: WebContext, status: int, message: tuple[str, str], request: Request, exc: Exception
) -> Response:
    note = {403: log.warning, 500: log.error}.get(status, log.info)
    reason = validation_problem(exc) if isinstance(exc, ValidationException) else str(exc)
    note("not done", path=_loggable_path(request), status=status, reason=reason)
    detail = context.translator(request).problem(reason) if status in (409, 422) else ""
    answer = context.error_response(request, status, message, detail=detail)
    if isinstance(exc, Busy):
        answer.headers["Retry-After"] = str(exc.retry_after_s)
    return answer
