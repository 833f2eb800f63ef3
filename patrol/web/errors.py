"""Errors of pages and API: exceptions, their statuses and sentences, and the JSON error document.

Used by the error handlers of both applications (app.py, api/app.py) and by routes that answer a
refusal themselves.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPMethod
from typing import Any, Final

from fastapi.exceptions import ValidationException
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Match

from patrol.store import StoreFull, StoreUnavailable, ValueNotStorable
from patrol.web.rate_limit import RateExceeded

NO_STORE: Final[Mapping[str, str]] = {"Cache-Control": "no-store"}


class ResourceNotFound(Exception):
    """No such thing, or it is not for this user: both get the same answer."""


class InvalidRequest(Exception):
    """The form or the query cannot be accepted; the text says why."""


METHOD_NOT_ALLOWED: Final = 405
INVALID_REQUEST: Final = ("填写有误", "cannot be so")
OWN_FAILURE: Final = ("系统出错，请告知管理员", "our mistake, please tell the administrator")
# An exception, its status and its sentence (zh, en), as app.py and api/app.py extend them.
SHARED_FAILURES: Final = (
    (ResourceNotFound, 404, ("没有找到", "not found")),
    (InvalidRequest, 422, INVALID_REQUEST),
    (ValueNotStorable, 422, INVALID_REQUEST),
    (StoreUnavailable, 503, ("数据库暂不可用", "the database is away")),
    (StoreFull, 503, ("磁盘已满", "the disk is full")),
)


def error_document(
    status: int, message: str, *, headers: Mapping[str, str] | None = None, **more: Any
) -> JSONResponse:
    """The JSON answer to a script: `error`, `words` (the message), `detail` or `problems`."""
    body = {"error": status, "words": message, **more}
    return JSONResponse(body, status, headers={**NO_STORE, **(headers or {})})


MAX_FIELDS_NAMED: Final = 10
_FIELD_NAME: Final = re.compile(r"[A-Za-z_][\w.-]{0,40}", re.ASCII)
_UNKNOWN_FIELD: Final = "extra_forbidden"
# Errors whose text pydantic makes of the rule alone; others may quote what was given.
_RULE_ERRORS: Final = re.compile(
    r"missing|enum|literal_error|too_(?:short|long)|(?:[a-z]+_)?(?:type|parsing|too_short|too_long)"
    r"|(?:greater|less)_than(?:_equal)?|string_pattern_mismatch|extra_forbidden"
)


def validation_problem(exc: ValidationException) -> str:
    """The fields that are wrong and the rule that each breaks; nothing of what was given.

    A body may be a password, and a name that no field has is the client's text as well. The
    exception's own text (body, file, line) is for nobody: neither for an answer nor for a log.
    """
    errors = exc.errors()
    named = dict.fromkeys(map(_field_and_rule, errors[:MAX_FIELDS_NAMED]))
    more = len(errors) - MAX_FIELDS_NAMED
    return "; ".join(named) + (f"; +{more}" if more > 0 else "")


def _field_and_rule(error: Mapping[str, Any]) -> str:
    kind, where = str(error["type"]), list(error["loc"])
    if kind == _UNKNOWN_FIELD:
        where = where[:-1]
    parts = (str(part) for part in where)
    shown = ".".join(part for part in parts if part.isdecimal() or _FIELD_NAME.fullmatch(part))
    return f"{shown}: {error['msg']}" if _RULE_ERRORS.fullmatch(kind) else f"{shown}: {kind}"


def error_headers(request: Request, exc: HTTPException) -> Mapping[str, str]:
    """The headers of an error's answer: its own, and beside 405 every method of the path.

    RFC 9110, section 15.5.6. A path may have several routes; Starlette names those of the first.
    """
    headers = dict(exc.headers or {})
    if exc.status_code == METHOD_NOT_ALLOWED:
        taken = [method for method in HTTPMethod if _is_taken(request, method)]
        headers["Allow"] = ", ".join(sorted(taken))
    return headers


def _is_taken(request: Request, method: HTTPMethod) -> bool:
    """Whether a route of the request's application takes its path with this method."""
    scope = {**request.scope, "method": str(method)}
    return any(route.matches(scope)[0] is Match.FULL for route in request.app.routes)


MAX_REASON_CHARS: Final = 600  # the longest reason of ours lists what may be given, in 400


@contextmanager
def translate_errors(what: str = "") -> Iterator[None]:
    """Raise KeyError as ResourceNotFound (of `what`) and ValueError as InvalidRequest."""
    try:
        yield
    except KeyError as exc:
        raise ResourceNotFound(what or _short(str(exc))) from exc
    except ValidationError as exc:  # a ValueError whose text quotes what was given
        raise InvalidRequest(validation_problem(ValidationException(exc.errors()))) from None
    except ValueError as exc:
        raise InvalidRequest(_short(str(exc))) from exc


@contextmanager
def translate_rate() -> Iterator[None]:
    """Raise RateExceeded as 429, which a phone's queue keeps and tries again."""
    try:
        yield
    except RateExceeded as exc:
        raise HTTPException(429, str(exc)) from exc


def _short(text: str) -> str:
    """The reason as an answer may have it: what was given is quoted in it, at whatever length."""
    return text if len(text) <= MAX_REASON_CHARS else f"{text[:MAX_REASON_CHARS]}…"
