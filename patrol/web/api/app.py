"""Make the JSON API: rounds, findings, cases, cameras, reports for programs, with OpenAPI.

An ASGI application of its own, mounted by the console under /api/v1. Every request carries an API
key (`patrol key add`) with the scopes that its route needs. No picture leaves here, no household,
no stream's address. There are no interactive pages, which would load scripts from the internet;
`openapi.json` can be read by any tool. Every failure is one small document (documents.Problem).
"""

from typing import Any, Final

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError, ResponseValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from patrol import __version__
from patrol.administration.registry_files import ChangedMeanwhile
from patrol.administration.work_queue import Busy
from patrol.app import Application
from patrol.app.town_service import BadReply, BadSignature
from patrol.domain.approval import ApprovalImpossible
from patrol.domain.broadcast import IllegalBroadcastMove
from patrol.domain.case import IllegalCaseTransition
from patrol.domain.finding import AlreadyDecided, IllegalUndo
from patrol.domain.ground_patrol import IllegalCheckIn, NotOnRoster
from patrol.domain.hand_off import IllegalHandOffMove
from patrol.domain.health import TroubleAlreadyTaken
from patrol.domain.helping import NotOpenToHelpers
from patrol.domain.human_patrol import IllegalPatrolMove, NotAssigned
from patrol.domain.labels import API_SCOPES
from patrol.domain.problem_texts import problem_text
from patrol.domain.round_duty import NotRoundOwner
from patrol.files import ProcessBusy
from patrol.review.claims import FindingClaimed
from patrol.review.undo import NotOwnDecision
from patrol.rounds.planner import RoundsPaused
from patrol.web.api import (
    case_routes,
    county_routes,
    finding_routes,
    ground_routes,
    operator_routes,
    patrol_routes,
    people_routes,
    town_routes,
)
from patrol.web.api.documents import Problem
from patrol.web.api.routes import NoKey, NoScope, router
from patrol.web.api.table_bodies import TableBodies
from patrol.web.errors import (
    INVALID_REQUEST,
    OWN_FAILURE,
    SHARED_FAILURES,
    error_document,
    error_headers,
    validation_problem,
)
from patrol.web.printable_requests import NOT_PRINTABLE, PrintableRequests

TITLE: Final = "patrol API"  # ASCII, as generators make file and class names of it
log = structlog.get_logger(__name__)

_FAILURES: Final = (
    (NoKey, 401, ("需要有效的密钥", "a valid key is needed")),
    (NoScope, 403, ("密钥无此权限", "the key has not the scope")),
    (FindingClaimed, 409, ("他人正在研判", "somebody is judging it just now")),
    (AlreadyDecided, 409, ("已有人判定", "somebody decided before")),
    (IllegalUndo, 409, ("不能再撤销", "too late to undo")),
    (NotOwnDecision, 409, ("不是本人的判定", "decided by somebody else")),
    (ChangedMeanwhile, 409, ("其间有人改过", "changed meanwhile: compare it again")),
    (BadSignature, 401, ("签名无效", "the signature is not valid")),
    (BadReply, 422, INVALID_REQUEST),
    (IllegalCaseTransition, 409, ("当前状态不能这样操作", "not possible now")),
    (ApprovalImpossible, 409, ("现在不能这样操作", "not possible now")),
    (IllegalHandOffMove, 409, ("已经登记过", "entered before")),
    (IllegalBroadcastMove, 409, ("现在不能播报", "it cannot be played now")),
    (IllegalPatrolMove, 409, ("现在不能这样操作", "not possible now")),
    (NotAssigned, 403, ("未指派给该账号", "assigned to somebody else")),
    (NotOpenToHelpers, 409, ("已不需要协助", "not open to helpers any more")),
    (IllegalCheckIn, 409, ("已签到或已复核", "walked or decided before")),
    (NotOnRoster, 403, ("不是该人员的巡防", "somebody else's patrol")),
    (RoundsPaused, 409, ("巡查已暂停", "rounds are paused")),
    (ProcessBusy, 409, ("已有一轮巡查在进行", "a round is under way")),
    (TroubleAlreadyTaken, 409, ("已有人认领", "somebody took it before")),
    (NotRoundOwner, 409, ("不是本轮巡查员", "the round is somebody else's")),
    (Busy, 503, ("正忙，请稍后再试", "busy just now, try again")),
    *SHARED_FAILURES,
)
# What every route can answer without a line of its own: by the server, or by the path alone.
_STATUS_MESSAGES: Final = {
    405: ("不支持的操作：可用的方法见响应头 Allow", "not supported: the header Allow says what is"),
    413: ("内容过大", "too large"),
    500: OWN_FAILURE,
}
_ERROR_RESPONSES: Final = {
    status: {"model": Problem, "description": " ".join(message)}
    for status, message in (
        *((status, message) for _, status, message in _FAILURES),
        *_STATUS_MESSAGES.items(),
    )
}
TOWN_ROUTERS: Final = (
    county_routes.router, finding_routes.router, patrol_routes.router, ground_routes.router,
    people_routes.router, case_routes.router, operator_routes.router,
    town_routes.router, town_routes.inbound,
)  # fmt: skip
_NO_ROUTE: Final = ("没有这个地址", "no such address")
_Message = tuple[str, str]  # the message and its detail
_WITHOUT_DETAIL: Final = (401, 503)  # the reason is not for programs without a key
_NAME_SCHEME: Final = {"WWW-Authenticate": "Bearer"}  # RFC 9110 wants it beside a 401


def create_api(app: Application) -> FastAPI:
    """The API of one application; mount it, or serve it alone."""
    scopes = "\n".join(f"- `{scope}`: {text}" for scope, (_, text) in API_SCOPES.items())
    key = f"`Authorization: Bearer patrol_…`, with these scopes:\n{scopes}"
    api = FastAPI(
        title=TITLE,
        version=__version__,
        summary="Rounds, findings, cases, cameras, reports. A patrol, not an alarm.",
        description=f"{app.site.settings.site.name}\n\n{key}",
        docs_url=None,
        redoc_url=None,
        responses={status: dict(response) for status, response in _ERROR_RESPONSES.items()},
    )
    api.add_middleware(PrintableRequests, refused=_unprintable_response)
    api.add_middleware(TableBodies, refused=_failure_response)  # the later one stands before
    api.state.application = app
    for each in (*TOWN_ROUTERS, router):  # the former's fixed paths come first
        api.include_router(each)
    for kind, status, message in _FAILURES:
        api.add_exception_handler(kind, _error_handler(status, message))
    api.add_exception_handler(RequestValidationError, _invalid_request_response)
    api.add_exception_handler(ResponseValidationError, _own_failure_response)
    api.add_exception_handler(HTTPException, _http_error_response)
    return api


def _in_callers_language(request: Request, message: tuple[str, str], detail: str = "") -> _Message:
    """The message and its detail in Chinese where Accept-Language asks for it first, else English.

    RFC 9110, 12.5.4. What was raised is English, and its Chinese is in the catalogue.
    """
    first = request.headers.get("accept-language", "").partition(",")[0].strip().lower()
    if first.partition(";")[0].partition("-")[0] != "zh":
        return message[1], detail
    return message[0], problem_text(detail, "zh")


def _error_handler(status: int, message: tuple[str, str]) -> Any:
    headers = _NAME_SCHEME if status == 401 else {}  # noqa: PLR2004  no key

    def answer(request: Request, exc: Exception) -> Response:
        detail = "" if status in _WITHOUT_DETAIL else str(exc)
        again = {"Retry-After": str(exc.retry_after_s)} if isinstance(exc, Busy) else {}
        text, detail = _in_callers_language(request, message, detail)
        return error_document(status, text, headers={**headers, **again}, detail=detail)

    return answer


def _failure_response(request: Request, exc: Exception) -> Response:
    """What a route would answer to this exception of `_FAILURES`."""
    status, message = next((s, m) for kind, s, m in _FAILURES if isinstance(exc, kind))
    answer: Response = _error_handler(status, message)(request, exc)
    return answer


def _invalid_request_response(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, RequestValidationError)  # noqa: S101  registered for it  # nosec B101
    text, detail = _in_callers_language(request, INVALID_REQUEST, validation_problem(exc))
    return error_document(422, text, detail=detail)


def _own_failure_response(request: Request, exc: Exception) -> Response:
    """A document of ours that is not as promised; its text would hold the whole document."""
    assert isinstance(exc, ResponseValidationError)  # noqa: S101  registered for it  # nosec B101
    log.error("not done", path=request.url.path, status=500, reason=validation_problem(exc))
    text, _ = _in_callers_language(request, OWN_FAILURE)
    return error_document(500, text, detail="")


def _http_error_response(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, HTTPException)  # noqa: S101  registered for it  # nosec B101
    message = {404: _NO_ROUTE, **_STATUS_MESSAGES}.get(exc.status_code, (str(exc.detail),) * 2)
    headers, (text, _) = error_headers(request, exc), _in_callers_language(request, message)
    return error_document(exc.status_code, text, headers=headers, detail="")


def _unprintable_response(request: Request, place: str) -> Response:
    text, _ = _in_callers_language(request, NOT_PRINTABLE)
    return error_document(422, text, detail=place)
