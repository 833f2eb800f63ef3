"""One-time links (/p/…): a case's picture for a telephone that has no login here.

A link opens once. The browser that opened it gets a cookie and may open it again for a minute: a
reload, a connection lost half-way. Everybody else reads why not, in words, as 410; what we never
sealed is 404 after the same work, whatever it looks like. Asking with HEAD, as previews do, spends
nothing. The picture is made first; then the opening and its line in the access log are one
transaction; then it is sent.
"""

import secrets
from datetime import datetime
from typing import Final

import structlog
from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from patrol.domain.account import may_see_case
from patrol.domain.case import Case
from patrol.domain.labels import LINK_REFUSALS
from patrol.domain.picture_link import (
    PICTURE_LINK_PATH,
    REOPEN_WITHIN,
    LinkState,
    LinkUse,
    PictureLink,
    holder_hash,
    link_state,
    read_token,
)
from patrol.store import UnitOfWork
from patrol.web.access_logger import PictureDeleted
from patrol.web.auth import LANGUAGE_COOKIE, Forbidden, NotLoggedIn
from patrol.web.context import ContextDep, WebContext
from patrol.web.i18n import PageNotFound, grid_name
from patrol.web.pages.pictures import masked_to_consent, refuse_withdrawn, watermark_for
from patrol.web.rendering import wants_html

log = structlog.get_logger(__name__)

PICTURE_LINK_COOKIE: Final = "patrol_picture"
HINT_NEW_LINK: Final = (
    "需再看:在案件中回复后,新消息带新链接;或致电中心。",
    "To look again: answer the case, the next message has a new link; or call the centre.",
)
HINT_CALL_CENTRE: Final = ("有疑问请致电中心。", "Questions: call the centre.")
CONSENT_WITHDRAWN: Final = ("农户已撤回同意,画面不再提供", "the household withdrew its consent")
PICTURE_DELETED: Final = ("照片已按期删除", "deleted on schedule")
router = APIRouter()


class _LinkRefused(Exception):
    """The link is ours and opens nothing (any more)."""

    def __init__(self, text: tuple[str, str]) -> None:
        super().__init__(text[1])
        self.text = text


@router.get(PICTURE_LINK_PATH + "{token}")
def open_picture_link(context: ContextDep, request: Request, token: str) -> Response:
    """The picture, once."""
    links, now = context.deps.payloads.link_signer, context.deps.clock.now()
    link = read_token(token, links.key if links else secrets.token_bytes(32))
    if link is None or links is None:
        raise PageNotFound("link")
    given = request.cookies.get(PICTURE_LINK_COOKIE, "")
    try:
        case = _readable_case(context, link, given, now)
        _refuse_other_grids(context, request, case)
        jpeg = _redacted_picture(context, link, case, now)
        secret = _record_opening(context, link, given, now)
    except _LinkRefused as exc:
        log.info("link not opened", case=link.case, grid=link.grid, why=str(exc))
        return _refusal_response(context, request, exc.text)
    answer = Response(jpeg, media_type="image/jpeg", headers={"Cache-Control": "no-store"})
    if secret:
        answer.set_cookie(
            PICTURE_LINK_COOKIE,
            secret,
            max_age=int(REOPEN_WITHIN.total_seconds()),
            path=PICTURE_LINK_PATH,
            httponly=True,
            samesite="lax",
            secure=context.options.secure,
        )
    return answer


def _readable_case(context: WebContext, link: PictureLink, given: str, now: datetime) -> Case:
    with context.deps.store.begin_read() as uow:
        try:
            case = uow.cases.get(link.case)
        except KeyError:  # ours, and the books are from before it: a backup came back
            raise PageNotFound("link") from None
        _link_state(uow, link, given, now)
        if case.before is None or uow.pictures.get(case.before) is None:
            raise _LinkRefused(PICTURE_DELETED)
    return case


def _link_state(uow: UnitOfWork, link: PictureLink, given: str, now: datetime) -> LinkState:
    """Whether it opens. Raises _Over."""
    case = uow.cases.get(link.case)
    openings = uow.picture_links.uses(link.case, link.grid)
    state = link_state(link, case, openings, holder_hash(given), now)
    if not state.opens:
        raise _LinkRefused(LINK_REFUSALS[state])
    return state


def _refuse_other_grids(context: WebContext, request: Request, case: Case) -> None:
    """Whoever is logged in as somebody of another grid does not even spend it."""
    try:
        user = context.auth.current_user(request)
    except NotLoggedIn:
        return
    if user.is_outside_centre and not may_see_case(user.account, case, context.deps.registry.tree):
        raise Forbidden(f"{case.id} lies outside the grid of {user.account.name}")


def _redacted_picture(context: WebContext, link: PictureLink, case: Case, now: datetime) -> bytes:
    notified = reversed(case.policy.ladder[: case.rung + 1])
    person = next((step.person for step in notified if step.grid == link.grid), "")
    recipient = f"{grid_name(context.deps.registry, link.grid)} {person}".strip()
    assert case.before is not None  # noqa: S101  just read so
    try:
        if case.camera is not None:
            refuse_withdrawn(context, case.camera)
        jpeg = masked_to_consent(context, case.before)
    except PictureDeleted:
        raise _LinkRefused(CONSENT_WITHDRAWN) from None
    except KeyError:
        raise _LinkRefused(PICTURE_DELETED) from None
    return context.deps.redact(jpeg, case.box, watermark_for(context, case.id, recipient, now)).jpeg


def _record_opening(context: WebContext, link: PictureLink, given: str, now: datetime) -> str:
    """Write it down; the cookie's secret where this was the first time. Raises _Over."""
    secret = secrets.token_urlsafe(24)
    with context.deps.store.begin() as uow:
        state = _link_state(uow, link, given, now)
        first = state is LinkState.OPENS
        opening = LinkUse(
            case=link.case, grid=link.grid, revision=link.revision, at=now,
            holder=holder_hash(secret),
        )  # fmt: skip
        if first and not uow.picture_links.record_use(opening):
            raise _LinkRefused(
                LINK_REFUSALS[LinkState.SPENT]
            )  # another telephone was faster, just now
        uow.access.append(
            at=now,
            who=f"link/{link.grid}",
            what="open_link" if first else "reopen_link",
            camera=uow.cases.get(link.case).camera,
            why=f"case:{link.case} r{link.revision}",
        )
        uow.commit()
    return secret if first else ""


def _refusal_response(context: WebContext, request: Request, text: tuple[str, str]) -> Response:
    t = context.auth.translator(request.cookies.get(LANGUAGE_COOKIE))
    phone = context.deps.site_profile.phone
    again = text in (LINK_REFUSALS[LinkState.SPENT], LINK_REFUSALS[LinkState.EXPIRED])
    detail = f"{t.pair(HINT_NEW_LINK if again else HINT_CALL_CENTRE)} {phone}".strip()
    if wants_html(request):
        return context.renderer.render(
            "problem.html", t, status=410, code=410, message=t.pair(text), detail=detail
        )
    body = {"error": 410, "words": t.pair(text), "detail": detail}
    return JSONResponse(body, 410, headers={"Cache-Control": "no-store"})
