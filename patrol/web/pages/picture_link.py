"""One-time links (/p/…): a case's picture for a telephone that has no login here.

A link opens once. The browser that opened it gets a cookie and may open it again for a minute (a
reload, a lost connection). Everybody else gets 410 with the reason; a token that we did not sign
gets 404 after the same work. A HEAD request, as previews send, uses nothing up. The picture is made
first; then the opening and its access log entry are one transaction; then it is sent.
"""

import secrets
from datetime import datetime
from typing import Final

import structlog
from fastapi import APIRouter, Request
from starlette.responses import Response

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
from patrol.domain.round import StoredPicture
from patrol.store import UnitOfWork
from patrol.web.access_logger import PictureDeleted
from patrol.web.auth import Forbidden, NotLoggedIn
from patrol.web.context import ContextDep, WebContext
from patrol.web.errors import NO_STORE, ResourceNotFound
from patrol.web.i18n import grid_name
from patrol.web.pages.pictures import masked_to_consent, refuse_withdrawn, watermark_for

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
    """The link is signed by us and may not be opened now; `text` is the (zh, en) reason."""

    def __init__(self, text: tuple[str, str]) -> None:
        super().__init__(text[1])
        self.text = text


@router.get(PICTURE_LINK_PATH + "{token}")
def open_picture_link(context: ContextDep, request: Request, token: str) -> Response:
    """Send the redacted picture, once."""
    links, now = context.app.payloads.link_signer, context.app.clock.now()
    link = read_token(token, links.key if links else secrets.token_bytes(32))
    if link is None or links is None:
        raise ResourceNotFound("link")
    given = request.cookies.get(PICTURE_LINK_COOKIE, "")
    try:
        case, stored = _readable_case(context, link, given, now)
        _refuse_other_grids(context, request, case)
        jpeg = _redacted_picture(context, link, case, stored, now)
        secret = _record_opening(context, link, given, now)
    except _LinkRefused as exc:
        log.info("link not opened", case=link.case, grid=link.grid, why=str(exc))
        return _refusal_response(context, request, exc.text)
    answer = Response(jpeg, media_type="image/jpeg", headers=NO_STORE)
    if secret:
        answer.set_cookie(
            PICTURE_LINK_COOKIE,
            secret,
            max_age=int(REOPEN_WITHIN.total_seconds()),
            path=PICTURE_LINK_PATH,
            httponly=True,
            samesite="lax",
            secure=context.console.is_https,
        )
    return answer


def _readable_case(
    context: WebContext, link: PictureLink, given: str, now: datetime
) -> tuple[Case, StoredPicture]:
    with context.app.store.begin_read() as uow:
        try:
            case = uow.cases.get(link.case)
        except KeyError:  # a restored backup is older than the link
            raise ResourceNotFound("link") from None
        _link_state(uow, link, given, now)
        stored = uow.pictures.get(case.before) if case.before is not None else None
    if stored is None:
        raise _LinkRefused(PICTURE_DELETED)
    return case, stored


def _link_state(uow: UnitOfWork, link: PictureLink, given: str, now: datetime) -> LinkState:
    """The state of a link that may be opened. Raises _LinkRefused."""
    case = uow.cases.get(link.case)
    openings = uow.picture_links.uses(link.case, link.grid)
    state = link_state(link, case, openings, holder_hash(given), now)
    if not state.opens:
        raise _LinkRefused(LINK_REFUSALS[state])
    return state


def _refuse_other_grids(context: WebContext, request: Request, case: Case) -> None:
    """Refuse a logged-in user of another grid, and use nothing up. Raises Forbidden."""
    try:
        user = context.auth.current_user(request)
    except NotLoggedIn:
        return
    if user.is_outside_centre and not may_see_case(user.account, case, context.app.registry.tree):
        raise Forbidden(f"{case.id} lies outside the grid of {user.account.name}")


def _redacted_picture(
    context: WebContext, link: PictureLink, case: Case, stored: StoredPicture, now: datetime
) -> bytes:
    notified = reversed(case.policy.ladder[: case.rung + 1])
    person = next((step.person for step in notified if step.grid == link.grid), "")
    recipient = f"{grid_name(context.app.registry, link.grid)} {person}".strip()
    try:
        if case.camera is not None:
            refuse_withdrawn(context, case.camera)
        jpeg = masked_to_consent(context, stored)
    except PictureDeleted:
        raise _LinkRefused(CONSENT_WITHDRAWN) from None
    except KeyError:
        raise _LinkRefused(PICTURE_DELETED) from None
    return context.app.redact(jpeg, case.box, watermark_for(context, case.id, recipient, now)).jpeg


def _record_opening(context: WebContext, link: PictureLink, given: str, now: datetime) -> str:
    """Record and log the opening; the cookie's secret at the first one. Raises _LinkRefused."""
    secret = secrets.token_urlsafe(24)
    with context.app.store.begin() as uow:
        state = _link_state(uow, link, given, now)
        first = state is LinkState.OPENS
        opening = LinkUse(
            case=link.case, grid=link.grid, revision=link.revision, at=now,
            holder=holder_hash(secret),
        )  # fmt: skip
        if first and not uow.picture_links.record_use(opening):
            raise _LinkRefused(LINK_REFUSALS[LinkState.SPENT])  # another telephone was faster
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
    t, phone = context.translator(request), context.app.site.settings.centre_phone
    again = text in (LINK_REFUSALS[LinkState.SPENT], LINK_REFUSALS[LinkState.EXPIRED])
    detail = f"{t.pair(HINT_NEW_LINK if again else HINT_CALL_CENTRE)} {phone}".strip()
    return context.error_response(request, 410, text, detail=detail)
