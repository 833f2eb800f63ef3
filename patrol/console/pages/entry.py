"""Coming in and going out: login, logout, language, the live line."""

import re
from collections.abc import AsyncIterator
from typing import Annotated, Final

from fastapi import APIRouter, Form
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import (
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)

from patrol.console.asking import Anybody, AtDesk
from patrol.console.desk import Desk
from patrol.console.gate import (
    LANGUAGE_COOKIE,
    BadLogin,
    Forbidden,
    NotLoggedIn,
    TooManyAttempts,
)
from patrol.console.pages.common import CannotBe, said
from patrol.console.pulse import TooMany
from patrol.console.shell import home_of
from patrol.console.welcome import NotWelcome
from patrol.console.words import LANGUAGES
from patrol.domain.account import Session

YEAR_S: Final = 365 * 86400
_INSIDE: Final = re.compile(r"/[A-Za-z0-9][A-Za-z0-9/_.-]*|/", re.ASCII)  # never //elsewhere


router = APIRouter()


@router.get("/login")
def login_page(desk: AtDesk, request: Request, next: str = "/") -> Response:  # noqa: A002  the query's name
    """The form; whoever is logged in goes home."""
    try:
        return RedirectResponse(home_of(desk.gate.caller(request)), 303)
    except NotLoggedIn:
        return _login(desk, request, next)


@router.post("/login")
def log_in(
    desk: AtDesk,
    request: Request,
    name: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
    next: Annotated[str, Form()] = "/",  # noqa: A002  the form's name
) -> Response:
    """Check, begin a session, set its cookie."""
    _refuse_from_elsewhere(request)
    origin = request.client.host if request.client else "?"
    device = request.headers.get("user-agent", "")
    try:
        secret, session = desk.gate.log_in(name.strip(), password, device=device, origin=origin)
    except BadLogin:
        return _login(desk, request, next, wrong="password", status=401)
    except TooManyAttempts as exc:
        left = desk.gate.words(None).lasting(exc.until - desk.doors.clock.now())
        return _login(desk, request, next, wrong="resting", left=left, status=429)
    target = next if _INSIDE.fullmatch(next) and next != "/" else "/home"
    return _let_in(desk, RedirectResponse(target, 303), secret, session)


class Accept(BaseModel):
    """An invitation, and the password that its owner chose."""

    ticket: str = Field(max_length=200)
    password: str = Field(max_length=256)


@router.get("/welcome")
def welcome_page(desk: AtDesk, request: Request) -> Response:
    """Where a QR code leads; whose it is stands behind the #, which only the page reads."""
    say = desk.gate.words(request.cookies.get(LANGUAGE_COOKIE))
    return desk.shell.html("welcome.html", say)


@router.post("/api/welcome")
def welcome(desk: AtDesk, request: Request, asked: Accept) -> Response:
    """One's own password takes the place of the one that signed the invitation."""
    _refuse_from_elsewhere(request)
    origin = request.client.host if request.client else "?"
    device = request.headers.get("user-agent", "")
    say = desk.gate.words(request.cookies.get(LANGUAGE_COOKIE))
    try:
        with said():
            secret, session = desk.gate.welcome(
                asked.ticket, asked.password, device=device, origin=origin
            )
    except NotWelcome as exc:
        words = ("二维码已用过或已过期,请联系管理员", "used or too old: ask for a new one")
        raise CannotBe(say.pair(words)) from exc
    except TooManyAttempts as exc:
        raise HTTPException(429) from exc
    return _let_in(desk, JSONResponse({"home": "/home"}), secret, session)


def _let_in(desk: Desk, answer: Response, secret: str, session: Session) -> Response:
    answer.set_cookie(
        desk.gate.cookie,
        secret,
        max_age=int((session.ends_at - session.begun_at).total_seconds()),
        path="/",
        secure=desk.options.secure,
        httponly=True,
        samesite="strict",
    )
    return answer


@router.get("/home")
def home(caller: Anybody) -> Response:
    """Where this account begins."""
    return RedirectResponse(home_of(caller), 303)


@router.post("/api/logout")
def log_out(desk: AtDesk, caller: Anybody) -> Response:
    """End the session; the browser forgets what it kept."""
    desk.gate.log_out(caller)
    answer = Response(status_code=204, headers={"Clear-Site-Data": '"cache", "storage"'})
    answer.delete_cookie(desk.gate.cookie, path="/", secure=desk.options.secure)
    return answer


@router.get("/language/{language}")
def choose(desk: AtDesk, request: Request, language: str) -> Response:
    """Remember the language, back to where the link was."""
    back = request.headers.get("referer", "/")
    path = "/" + back.split("/", 3)[-1] if back.count("/") > 2 else "/"  # noqa: PLR2004  scheme://host/
    inside = path.partition("?")[0]
    answer = RedirectResponse(path if _INSIDE.fullmatch(inside) else "/", 303)
    if language in LANGUAGES:
        answer.set_cookie(
            LANGUAGE_COOKIE, language, max_age=YEAR_S, path="/", samesite="lax",
            secure=desk.options.secure,
        )  # fmt: skip
    return answer


@router.get("/api/live")
async def live(desk: AtDesk, _caller: Anybody) -> Response:
    """The live line: which topics moved, never what about them."""
    return StreamingResponse(
        _events(desk),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


@router.get("/robots.txt")
def robots() -> Response:
    """Nobody indexes this."""
    return PlainTextResponse("User-agent: *\nDisallow: /\n")


async def _events(desk: Desk) -> AsyncIterator[str]:
    yield "retry: 1500\nevent: hello\ndata: \n\n"
    try:
        async for moved in desk.pulse.listen():
            yield f"event: moved\ndata: {moved}\n\n" if moved else ": still here\n\n"
    except TooMany:
        yield "retry: 30000\n\n"


def _login(
    desk: Desk, request: Request, target: str, *, wrong: str = "", left: str = "", status: int = 200
) -> HTMLResponse:
    say = desk.gate.words(request.cookies.get(LANGUAGE_COOKIE))
    return desk.shell.html("login.html", say, status=status, target=target, wrong=wrong, left=left)


def _refuse_from_elsewhere(request: Request) -> None:
    """Nobody else's page may log a browser in here (browsers say where a form came from)."""
    site = request.headers.get("sec-fetch-site", "same-origin")
    origin = request.headers.get("origin", "")
    host = request.headers.get("host", "")
    ours = not origin or origin == "null" or origin.partition("://")[2] == host
    if site not in ("same-origin", "none") or not ours:
        raise Forbidden(f"a login from {origin or site}")
