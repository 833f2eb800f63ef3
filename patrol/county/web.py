"""The county's page and API: the towns side by side, one town, the month. Reads only.

Pages are in the language of the reader (a link changes it), Chinese first. The API's documents are
those of the command line's `--json`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from functools import partial
from typing import Any, Final, Literal

from fastapi import Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles

from patrol import __version__
from patrol.county.month import month_document
from patrol.county.month_files import FORMATS
from patrol.county.overview import CountyReader, JsonObject, overview_document, town_document
from patrol.county.pages import page_content, town_content
from patrol.county.readers import CHALLENGE, NoReaderKey, Readers
from patrol.county.settings import CountySettings
from patrol.domain.timestamps import parse_month
from patrol.settings.site_settings import ConsoleSettings
from patrol.store.engine import StoreUnavailable
from patrol.web.errors import INVALID_REQUEST, NO_STORE, error_document, validation_problem
from patrol.web.i18n import LANGUAGES, Translator
from patrol.web.printable_requests import NOT_PRINTABLE, PrintableRequests
from patrol.web.rendering import STATIC, SecurityHeaders, static_url
from patrol.web.server import ConsoleAddress, serve_app

Read = Callable[[], CountyReader]
LANGUAGE_COOKIE: Final = "patrol_county_lang"
SMALLEST_ZIPPED_BYTES: Final = 1000
MEDIA_TYPES: Final = {
    "html": "text/html; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "json": "application/json; charset=utf-8",
}
_MESSAGES: Final = {
    401: ("需要有效的密钥", "a valid key is needed"),
    404: ("没有找到", "not found"),
    405: ("不支持的操作", "not supported"),
    422: INVALID_REQUEST,
    503: ("数据库暂不可用", "the database is away"),
}


@contextmanager
def serve_county(settings: CountySettings, read: Read) -> Iterator[ConsoleAddress]:
    """Serve page and API until the block is left. Raises ConsoleFailed."""
    serve = settings.serve
    listen = ConsoleSettings(
        host=serve.host,
        port=serve.port,
        tls_certificate=serve.tls_certificate,
        tls_key=serve.tls_key,
    )
    with serve_app(create_county_app(settings, read), listen) as address:
        yield address


def create_county_app(settings: CountySettings, read: Read) -> FastAPI:
    """The ASGI application; `read` gives what documents are made of, at each request."""
    readers = Readers(settings.serve.keys_file)

    def require_key(request: Request) -> None:
        readers.check(request)

    app = FastAPI(
        title="patrol county API",
        version=__version__,
        summary="Towns side by side, one town, the month. Reads only.",
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
        dependencies=[Depends(require_key)],
    )
    app.add_middleware(PrintableRequests, refused=_unprintable)
    app.add_middleware(GZipMiddleware, minimum_size=SMALLEST_ZIPPED_BYTES)
    app.add_middleware(SecurityHeaders, secure=settings.serve.tls_certificate is not None)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    _add_api(app, read)
    _add_pages(app, settings, read)
    _add_errors(app)
    return app


def _add_api(app: FastAPI, read: Read) -> None:
    @app.get("/api/v1/towns")
    def towns() -> JSONResponse:
        """All towns side by side, in the order of county.yaml, and the county's sums."""
        return _document(overview_document(read()))

    @app.get("/api/v1/towns/{town}")
    def one_town(town: str) -> JSONResponse:
        """One town with its rounds of the last week."""
        return _document(town_document(read(), _known_town(read, town)))

    @app.get("/api/v1/months/{month}")
    def month(month: str) -> JSONResponse:
        """The county's month, as `patrol county month --format json`."""
        return _document(month_document(read(), _month(month)))


def _add_pages(app: FastAPI, settings: CountySettings, read: Read) -> None:
    translator, page = partial(_translator, settings), _PageRenderer(settings)

    @app.get("/", include_in_schema=False)
    def side_by_side(request: Request) -> HTMLResponse:
        reader, t = read(), translator(request)
        return page("county.html", t, **page_content(overview_document(reader), reader, t))

    @app.get("/towns/{town}", include_in_schema=False)
    def town_page(request: Request, town: str) -> HTMLResponse:
        t = translator(request)
        document = town_document(read(), _known_town(read, town))
        return page("county_town.html", t, **town_content(document, t))

    @app.get("/months/{month}.{kind}", include_in_schema=False)
    def month_file(request: Request, month: str, kind: Literal["html", "xlsx", "json"]) -> Response:
        made = FORMATS[kind](month_document(read(), _month(month)), translator(request))
        headers = dict(NO_STORE)
        if kind != "html":
            name = f"{settings.county.id}-{month}.{kind}"
            headers["Content-Disposition"] = f'attachment; filename="{name}"'
        return Response(made, media_type=MEDIA_TYPES[kind], headers=headers)

    @app.get("/language/{language}", include_in_schema=False)
    def language(language: Literal["zh", "en"]) -> Response:
        answer = RedirectResponse("/", 303)
        answer.set_cookie(
            LANGUAGE_COOKIE, language, max_age=31_536_000, httponly=True, samesite="lax",
            secure=settings.serve.tls_certificate is not None,
        )  # fmt: skip
        return answer


class _PageRenderer:
    """Renders the county's templates; escaping is always on."""

    def __init__(self, settings: CountySettings) -> None:
        self._settings = settings
        self._jinja = Environment(
            loader=PackageLoader("patrol.county"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def __call__(self, template: str, t: Translator, **content: Any) -> HTMLResponse:
        """The page in the reader's language."""
        text = self._jinja.get_template(template).render(
            t=t,
            lang="zh-CN" if t.language == "zh" else "en",
            county=self._settings.county,
            refresh_s=max(30, round(self._settings.pull.every_min * 60)),
            static=static_url,
            **content,
        )
        return HTMLResponse(text, headers=dict(NO_STORE))


def _translator(settings: CountySettings, request: Request) -> Translator:
    chosen = request.cookies.get(LANGUAGE_COOKIE, settings.county.language)
    language = chosen if chosen in LANGUAGES else settings.county.language
    return Translator(language, settings.county.tz)


def _document(document: JsonObject) -> JSONResponse:
    return JSONResponse(document, headers=dict(NO_STORE))


def _known_town(read: Read, town: str) -> str:
    if all(one.id != town for one in read().settings.towns):
        raise HTTPException(404)
    return town


def _month(text: str) -> date:
    try:
        return parse_month(text)
    except ValueError:
        raise HTTPException(422, "month: write 2026-11") from None


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(NoReaderKey)
    def no_key(_request: Request, _exc: NoReaderKey) -> Response:
        return _error(401, headers={"WWW-Authenticate": CHALLENGE})

    @app.exception_handler(StoreUnavailable)
    def away(_request: Request, _exc: StoreUnavailable) -> Response:
        return _error(503)

    @app.exception_handler(RequestValidationError)
    def invalid(_request: Request, exc: RequestValidationError) -> Response:
        return _error(422, detail=validation_problem(exc))

    @app.exception_handler(HTTPException)
    def http_error(_request: Request, exc: HTTPException) -> Response:
        detail = str(exc.detail) if exc.status_code == 422 else ""  # noqa: PLR2004  our own text
        return _error(exc.status_code, headers=dict(exc.headers or {}), detail=detail)


def _error(status: int, *, headers: dict[str, str] | None = None, detail: str = "") -> Response:
    message = " ".join(_MESSAGES.get(status, ("请求有误", "bad request")))
    return error_document(status, message, headers=headers, detail=detail)


def _unprintable(_request: Request, place: str) -> Response:
    return error_document(422, " ".join(NOT_PRINTABLE), detail=place)
