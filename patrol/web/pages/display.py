"""Displays (大屏): a link opens Today on a wall screen, and keeps it there without a login.

The screen's browser opens `/display#TOKEN` once, or at each start. A display whose link was revoked
says so here and asks again by itself; it is never sent to the login page.
"""

from typing import Final

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from patrol.domain.account import LoginSession
from patrol.domain.display_link import (
    DISPLAY_PATH,
    MAX_DISPLAY_TOKEN_CHARS,
    DisplayLinkInvalid,
)
from patrol.web.auth import NotLoggedIn
from patrol.web.context import ContextDep, WebContext, public
from patrol.web.errors import InvalidRequest
from patrol.web.login_limits import TooManyAttempts
from patrol.web.pages.login import refuse_cross_site, with_session_cookie
from patrol.web.rendering import home_url
from patrol.web.signed_links import display_cookie, keep_display_cookie

ASK_AGAIN_S: Final = 30  # a display that is not let in tries again
router = APIRouter()


class DisplayForm(BaseModel):
    """The token of a display's link."""

    token: str = Field(max_length=MAX_DISPLAY_TOKEN_CHARS)


@router.get(DISPLAY_PATH, dependencies=public("the page of a display's link, without any content"))
def display_page(context: ContextDep, request: Request) -> Response:
    """Back to Today with a new session; without a link in force, a page that asks again."""
    try:
        return RedirectResponse(home_url(context.auth.current_user(request)), 303)
    except NotLoggedIn:
        pass
    token = display_cookie(request, secure=context.console.is_https)
    reason = ""
    if token:
        try:
            opened = _open(context, request, token)
        except DisplayLinkInvalid:
            reason = "revoked"
        except TooManyAttempts:
            reason = "resting"
        else:
            return _let_in(context, RedirectResponse("/", 303), token, *opened)
    return context.renderer.render(
        "display.html", context.translator(request), reason=reason, again_s=ASK_AGAIN_S
    )


@router.post(
    "/api/display", dependencies=public("a display's token is the right; refused across sites")
)
def open_display(context: ContextDep, request: Request, form: DisplayForm) -> Response:
    """Let the display in, and its browser keep the token. Raises InvalidRequest: not in force."""
    refuse_cross_site(request)
    try:
        opened = _open(context, request, form.token)
    except DisplayLinkInvalid as exc:
        text = ("大屏链接无效或已停用", "revoked, or not a display's link")
        raise InvalidRequest(context.translator(request).pair(text)) from exc
    except TooManyAttempts as exc:
        raise HTTPException(429) from exc
    return _let_in(context, JSONResponse({"home": "/"}), form.token, *opened)


def _open(context: WebContext, request: Request, token: str) -> tuple[str, LoginSession]:
    origin = request.client.host if request.client else "?"
    device = request.headers.get("user-agent", "")
    return context.auth.open_display(token, device=device, origin=origin)


def _let_in(
    context: WebContext, answer: Response, token: str, secret: str, session: LoginSession
) -> Response:
    keep_display_cookie(answer, token, secure=context.console.is_https)
    return with_session_cookie(context, answer, secret, session)
