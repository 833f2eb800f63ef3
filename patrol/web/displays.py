"""The cookie by which a wall screen gets a session whenever it has none (domain/display_link.py).

After a restart of the browser, an expiry, an upgrade: the browser keeps the link's token in a
cookie that no script reads. A person's browser has none.
"""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

DISPLAY_COOKIE: Final = "patrol_display"
COOKIE_LIFE_S: Final = 400 * 86400  # the longest that browsers keep one; renewed with each session


def cookie_name(*, secure: bool) -> str:
    """The cookie's name; the prefix makes browsers refuse one set by another host."""
    return f"__Host-{DISPLAY_COOKIE}" if secure else DISPLAY_COOKIE


def display_cookie(request: Request, *, secure: bool) -> str:
    """The token that this browser keeps; empty in a person's browser."""
    return request.cookies.get(cookie_name(secure=secure), "")


def keep_display_cookie(answer: Response, token: str, *, secure: bool) -> None:
    """Let the browser keep the token."""
    answer.set_cookie(
        cookie_name(secure=secure), token, max_age=COOKIE_LIFE_S, path="/", secure=secure,
        httponly=True, samesite="strict",
    )  # fmt: skip
