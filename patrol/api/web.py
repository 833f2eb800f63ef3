"""The application around the routes: OpenAPI, and every failure as one small document."""

from typing import Any, Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from patrol import __version__
from patrol.api.doors import ApiDoors
from patrol.api.keys import NoKey, NoScope
from patrol.api.models import Problem
from patrol.api.routes import CannotBe, NotFound, router
from patrol.domain.api_key import SCOPES
from patrol.domain.finding import AlreadyDecided
from patrol.store import StoreFull, StoreUnavailable

_FAILURES: Final = (
    (NoKey, 401, "需要有效的密钥 a valid key is needed"),
    (NoScope, 403, "密钥无此权限 the key has not the scope"),
    (NotFound, 404, "没有找到 not found"),
    (AlreadyDecided, 409, "已有人判定 somebody decided before"),
    (CannotBe, 422, "填写有误 cannot be so"),
    (StoreUnavailable, 503, "数据库暂不可用 the database is away"),
    (StoreFull, 503, "磁盘已满 the disk is full"),
)
_SAID: Final = {status: {"model": Problem, "description": words} for _, status, words in _FAILURES}
_SILENT: Final = (401, 503)  # nothing of ours is anybody's business there


def create_api(doors: ApiDoors) -> FastAPI:
    """The application; mount it (`/api/v1`), or serve it alone."""
    scopes = "\n".join(f"- `{scope}`: {words}" for scope, words in SCOPES.items())
    api = FastAPI(
        title=f"视频巡查 patrol · {doors.facts.name}",
        version=__version__,
        summary="Rounds, findings, cases, cameras, reports. A patrol, not an alarm.",
        description=f"`Authorization: Bearer patrol_…`, with these scopes:\n{scopes}",
        docs_url=None,
        redoc_url=None,
        responses={status: dict(said) for status, said in _SAID.items()},
    )
    api.state.doors = doors
    api.include_router(router)
    for kind, status, words in _FAILURES:
        api.add_exception_handler(kind, _say(status, words))
    api.add_exception_handler(RequestValidationError, _invalid)
    api.add_exception_handler(HTTPException, _http)
    return api


def _say(status: int, words: str) -> Any:
    def answer(_request: Request, exc: Exception) -> Response:
        return _problem(status, words, "" if status in _SILENT else str(exc))

    return answer


def _invalid(_request: Request, exc: Exception) -> Response:
    assert isinstance(exc, RequestValidationError)  # noqa: S101  registered for it
    first = exc.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return _problem(422, "填写有误 cannot be so", f"{where}: {first['msg']}")


def _http(_request: Request, exc: Exception) -> Response:
    assert isinstance(exc, HTTPException)  # noqa: S101  registered for it
    return _problem(exc.status_code, str(exc.detail), "")


def _problem(status: int, words: str, detail: str) -> Response:
    headers = {"Cache-Control": "no-store"}
    if status == 401:  # noqa: PLR2004  RFC 9110 wants to know how
        headers["WWW-Authenticate"] = "Bearer"
    body = {"error": status, "words": words, "detail": detail}
    return JSONResponse(body, status, headers=headers)
