"""Errors of pages and API: exceptions, their statuses and sentences, and the JSON error document.

Used by the error handlers of both applications (app.py, api/app.py) and by routes that answer a
refusal themselves.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from fastapi.exceptions import RequestValidationError
from starlette.responses import JSONResponse

from patrol.store import StoreFull, StoreUnavailable, ValueNotStorable

NO_STORE: Final[Mapping[str, str]] = {"Cache-Control": "no-store"}


class ResourceNotFound(Exception):
    """No such thing, or it is not for this user: both get the same answer."""


class InvalidRequest(Exception):
    """The form or the query cannot be accepted; the text says why."""


INVALID_REQUEST: Final = ("填写有误", "cannot be so")
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


def validation_problem(exc: RequestValidationError) -> str:
    """The first field that is wrong and why; never what was given, which may be a password."""
    first = exc.errors()[0]
    where = ".".join(str(name) for name in first["loc"])
    return f"{where}: {first['msg']}"


@contextmanager
def translate_errors(what: str = "") -> Iterator[None]:
    """Raise KeyError as ResourceNotFound (of `what`) and ValueError as InvalidRequest."""
    try:
        yield
    except KeyError as exc:
        raise ResourceNotFound(what or str(exc)) from exc
    except ValueError as exc:
        raise InvalidRequest(str(exc)) from exc
