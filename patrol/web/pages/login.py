"""Login, logout, invitations, language, and the event stream that says which topics changed."""

import re
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Form
from pydantic import AwareDatetime, BaseModel, Field
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

from patrol.domain.account import FIRST_ACCOUNT_COMMAND, LoginSession
from patrol.domain.display_link import DISPLAY_PATH
from patrol.web.auth import LANGUAGE_COOKIE, BadLogin, Forbidden, NotLoggedIn
from patrol.web.change_feed import TooManySubscribers
from patrol.web.context import AnyUser, ContextDep, WebContext, public
from patrol.web.errors import NO_STORE, InvalidRequest, translate_errors
from patrol.web.i18n import LANGUAGES
from patrol.web.login_limits import TooManyAttempts
from patrol.web.rendering import home_url
from patrol.web.signed_links import InvitationInvalid, display_cookie

YEAR_S: Final = 365 * 86400
_LOCAL_PATH: Final = re.compile(r"/[A-Za-z0-9][A-Za-z0-9/_.-]*|/", re.ASCII)  # never //elsewhere


router = APIRouter()


@router.get("/login", dependencies=public("the form of a login"))
def login_page(
    context: ContextDep, request: Request, next: str = "/", person: int = 0  # noqa: A002  the query's name
) -> Response:  # fmt: skip
    """The form; a user who is logged in is sent to the home page, a display to its own.

    `person`: somebody wants to log in at a display.
    """
    try:
        return RedirectResponse(home_url(context.auth.current_user(request)), 303)
    except NotLoggedIn:
        if not person and display_cookie(request, secure=context.console.is_https):
            return RedirectResponse(DISPLAY_PATH, 303)
        return _login_form(context, request, next)


@router.post("/login", dependencies=public("a login itself; refused across sites"))
def log_in(  # nosec B107
    context: ContextDep,
    request: Request,
    name: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
    next: Annotated[str, Form()] = "/",  # noqa: A002  the form's name
) -> Response:
    """Check name and password, start a session, set its cookie."""
    refuse_cross_site(request)
    origin = request.client.host if request.client else "?"
    device = request.headers.get("user-agent", "")
    try:
        secret, session = context.auth.log_in(name.strip(), password, device=device, origin=origin)
    except BadLogin:
        return _login_form(context, request, next, wrong="password", status=401)
    except TooManyAttempts as exc:
        left = context.auth.translator(None).duration(exc.until - context.app.clock.now())
        return _login_form(context, request, next, wrong="resting", left=left, status=429)
    target = next if _LOCAL_PATH.fullmatch(next) and next != "/" else "/home"
    return with_session_cookie(context, RedirectResponse(target, 303), secret, session)


class AcceptInvitationForm(BaseModel):
    """The token of an invitation (`ticket`), and the password that its owner chose."""

    ticket: str = Field(max_length=200)
    password: str = Field(max_length=256)


@router.get("/welcome", dependencies=public("the form of an invitation"))
def invitation_page(context: ContextDep, request: Request) -> Response:
    """The page of an invitation's QR code; its script reads the token behind the `#`."""
    t = context.translator(request)
    return context.renderer.render("invitation.html", t)


@router.post(
    "/api/welcome", dependencies=public("an invitation's token is the right; refused across sites")
)
def accept_invitation(
    context: ContextDep, request: Request, form: AcceptInvitationForm
) -> Response:
    """Set the invited account's first password, which ends the invitation, and log in."""
    refuse_cross_site(request)
    origin = request.client.host if request.client else "?"
    device = request.headers.get("user-agent", "")
    t = context.translator(request)
    try:
        with translate_errors():
            secret, session = context.auth.accept_invitation(
                form.ticket, form.password, device=device, origin=origin
            )
    except InvitationInvalid as exc:
        message = ("二维码已用过或已过期，请联系管理员", "used or too old: ask for a new one")
        raise InvalidRequest(t.pair(message)) from exc
    except TooManyAttempts as exc:
        raise HTTPException(429) from exc
    return with_session_cookie(context, JSONResponse({"home": "/home"}), secret, session)


def with_session_cookie(
    context: WebContext, answer: Response, secret: str, session: LoginSession
) -> Response:
    """The answer with the cookie of a session that was just started."""
    answer.set_cookie(
        context.auth.cookie_name,
        secret,
        max_age=int((session.ends_at - session.begun_at).total_seconds()),
        path="/",
        secure=context.console.is_https,
        httponly=True,
        samesite="strict",
    )
    return answer


@router.get("/home")
def home(user: AnyUser) -> Response:
    """Redirect to the first page of this account."""
    return RedirectResponse(home_url(user), 303)


@router.get("/api/session")
def session_document(user: AnyUser) -> Response:
    """Whose session this is, and its CSRF token: for pages that were opened under another one."""
    document = {"account": user.account.name, "csrf": user.csrf_token}
    return JSONResponse(document, headers=NO_STORE)


@router.post("/api/logout")
def log_out(context: ContextDep, user: AnyUser) -> Response:
    """End the session; the browser clears its cache and storage."""
    context.auth.log_out(user)
    answer = Response(status_code=204, headers={"Clear-Site-Data": '"cache", "storage"'})
    answer.delete_cookie(context.auth.cookie_name, path="/", secure=context.console.is_https)
    return answer


@router.get("/language/{language}", dependencies=public("a cookie with the language of the pages"))
def choose_language(context: ContextDep, request: Request, language: str) -> Response:
    """Set the language's cookie and redirect to the page of the link."""
    back = request.headers.get("referer", "")
    path = "/" + back.split("/", 3)[-1] if back.count("/") > 2 else "/home"  # noqa: PLR2004  scheme://host/
    inside = path.partition("?")[0]
    answer = RedirectResponse(path if _LOCAL_PATH.fullmatch(inside) else "/home", 303)
    if language in LANGUAGES:
        answer.set_cookie(
            LANGUAGE_COOKIE, language, max_age=YEAR_S, path="/", samesite="lax",
            secure=context.console.is_https,
        )  # fmt: skip
    return answer


@router.get("/api/live")
async def change_events(
    context: ContextDep, user: AnyUser, since: AwareDatetime | None = None
) -> Response:
    """Server-sent events: the names of topics that changed, never their content.

    `since`: when the page that asks was rendered; what changed after it is named at once.
    """
    return StreamingResponse(
        _event_stream(context, user.session.id, since),
        media_type="text/event-stream",
        headers={**NO_STORE, "X-Accel-Buffering": "no"},
    )


@router.get("/robots.txt", dependencies=public("nothing is to be indexed"))
def robots() -> Response:
    """Ask search engines to index nothing."""
    return PlainTextResponse("User-agent: *\nDisallow: /\n")


async def _event_stream(
    context: WebContext, session_id: str, since: datetime | None
) -> AsyncIterator[str]:
    yield "retry: 1500\nevent: hello\ndata: \n\n"
    try:
        async for moved in context.change_feed.subscribe(session_id, since):
            yield f"event: moved\ndata: {moved}\n\n" if moved else ": still here\n\n"
    except TooManySubscribers:
        yield "retry: 30000\n\n"


def _login_form(
    context: WebContext,
    request: Request,
    target: str,
    *,
    wrong: str = "",
    left: str = "",
    status: int = 200,
) -> HTMLResponse:
    t = context.translator(request)
    first_account = FIRST_ACCOUNT_COMMAND if context.has_no_account() else ""
    return context.renderer.render(
        "login.html", t, status=status, target=target, wrong=wrong, left=left,
        first_account=first_account,
    )  # fmt: skip


def refuse_cross_site(request: Request) -> None:
    """Refuse a form of another site (browsers send its origin). Raises Forbidden."""
    site = request.headers.get("sec-fetch-site", "same-origin")
    origin = request.headers.get("origin", "")
    host = request.headers.get("host", "")
    ours = not origin or origin == "null" or origin.partition("://")[2] == host
    if site not in ("same-origin", "none") or not ours:
        raise Forbidden(f"a form from {origin or site}")
