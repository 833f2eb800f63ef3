"""The JSON API: rounds, findings, cases, cameras, reports for programs, with OpenAPI.

An ASGI application of its own, to be mounted or served alone (`create_api`). Every request carries
an API key (`patrol key add`), every key the scopes that it needs and no more. No picture leaves
here, no household, no stream's address. Interactive pages are not served: they load their scripts
from the internet; `openapi.json` can be read by any tool.

The application around the routes: OpenAPI, and every failure as one small document.
"""

from typing import Any, Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from patrol import __version__
from patrol.domain.finding import AlreadyDecided
from patrol.domain.labels import API_SCOPES
from patrol.review.claims import FindingClaimed
from patrol.store import StoreFull, StoreUnavailable
from patrol.web.api.auth import NoKey, NoScope
from patrol.web.api.documents import Problem
from patrol.web.api.routes import InvalidRequest, ResourceNotFound, router
from patrol.web.options import ApiDeps

_FAILURES: Final = (
    (NoKey, 401, "需要有效的密钥 a valid key is needed"),
    (NoScope, 403, "密钥无此权限 the key has not the scope"),
    (ResourceNotFound, 404, "没有找到 not found"),
    (FindingClaimed, 409, "他人正在研判 somebody is judging it just now"),
    (AlreadyDecided, 409, "已有人判定 somebody decided before"),
    (InvalidRequest, 422, "填写有误 cannot be so"),
    (StoreUnavailable, 503, "数据库暂不可用 the database is away"),
    (StoreFull, 503, "磁盘已满 the disk is full"),
)
_ERROR_RESPONSES: Final = {
    status: {"model": Problem, "description": text} for _, status, text in _FAILURES
}
_SILENT: Final = (401, 503)  # nothing of ours is anybody's business there


def create_api(deps: ApiDeps) -> FastAPI:
    """The application; mount it (`/api/v1`), or serve it alone."""
    scopes = "\n".join(f"- `{scope}`: {text}" for scope, (_, text) in API_SCOPES.items())
    api = FastAPI(
        title=f"视频巡查 patrol · {deps.site_profile.name}",
        version=__version__,
        summary="Rounds, findings, cases, cameras, reports. A patrol, not an alarm.",
        description=f"`Authorization: Bearer patrol_…`, with these scopes:\n{scopes}",
        docs_url=None,
        redoc_url=None,
        responses={status: dict(response) for status, response in _ERROR_RESPONSES.items()},
    )
    api.state.deps = deps
    api.include_router(router)
    for kind, status, text in _FAILURES:
        api.add_exception_handler(kind, _error_handler(status, text))
    api.add_exception_handler(RequestValidationError, _invalid_request_response)
    api.add_exception_handler(HTTPException, _http_error_response)
    return api


def _error_handler(status: int, text: str) -> Any:
    def answer(_request: Request, exc: Exception) -> Response:
        return _problem_response(status, text, "" if status in _SILENT else str(exc))

    return answer


def _invalid_request_response(_request: Request, exc: Exception) -> Response:
    assert isinstance(exc, RequestValidationError)  # noqa: S101  registered for it
    first = exc.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return _problem_response(422, "填写有误 cannot be so", f"{where}: {first['msg']}")


def _http_error_response(_request: Request, exc: Exception) -> Response:
    assert isinstance(exc, HTTPException)  # noqa: S101  registered for it
    return _problem_response(exc.status_code, str(exc.detail), "")


def _problem_response(status: int, text: str, detail: str) -> Response:
    headers = {"Cache-Control": "no-store"}
    if status == 401:  # noqa: PLR2004  RFC 9110 wants to know how
        headers["WWW-Authenticate"] = "Bearer"
    body = {"error": status, "words": text, "detail": detail}
    return JSONResponse(body, status, headers=headers)


__all__ = ["ApiDeps", "create_api"]
