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

from patrol.console.asking import AtDesk
from patrol.console.desk import Desk
from patrol.console.gate import LANGUAGE_COOKIE, Forbidden, NotLoggedIn
from patrol.console.pages.common import NotFound, grid_name
from patrol.console.pages.picture import as_agreed_now, mark_for, refuse_withdrawn
from patrol.console.shell import wants_html
from patrol.console.witness import Gone
from patrol.domain.account import may_see_case
from patrol.domain.case import Case
from patrol.domain.picture_link import (
    AGAIN_WITHIN,
    PATH,
    Opening,
    PictureLink,
    Verdict,
    holder_of,
    judge,
    read_token,
)
from patrol.store import UnitOfWork

log = structlog.get_logger(__name__)

COOKIE: Final = "patrol_picture"
NEW_ONE: Final = (
    "需再看:在案件中回复后,新消息带新链接;或致电中心。",
    "To look again: answer the case, the next message has a new link; or call the centre.",
)
CALL: Final = ("有疑问请致电中心。", "Questions: call the centre.")
WHY_NOT: Final = {
    Verdict.SPENT: ("此链接只能打开一次,已经用过", "this link opens once, and was opened"),
    Verdict.EXPIRED: ("此链接已过期", "this link has expired"),
    Verdict.ENDED: ("案件已结束,画面不再提供", "the case has ended, its picture is not shown"),
    Verdict.WITHDRAWN: ("案件已转其他网格", "the case went to another grid"),
}
WITHDREW: Final = ("农户已撤回同意,画面不再提供", "the household withdrew its consent")
DELETED: Final = ("照片已按期删除", "deleted on schedule")
router = APIRouter()


class _Over(Exception):
    """The link is ours and opens nothing (any more)."""

    def __init__(self, words: tuple[str, str]) -> None:
        super().__init__(words[1])
        self.words = words


@router.get(PATH + "{token}")
def open_link(desk: AtDesk, request: Request, token: str) -> Response:
    """The picture, once."""
    links, now = desk.doors.wire.links, desk.doors.clock.now()
    link = read_token(token, links.key if links else secrets.token_bytes(32))
    if link is None or links is None:
        raise NotFound("link")
    given = request.cookies.get(COOKIE, "")
    try:
        case = _readable(desk, link, given, now)
        _refuse_other_grids(desk, request, case)
        jpeg = _redacted(desk, link, case, now)
        secret = _opened(desk, link, given, now)
    except _Over as exc:
        log.info("link not opened", case=link.case, grid=link.grid, why=str(exc))
        return _gone(desk, request, exc.words)
    answer = Response(jpeg, media_type="image/jpeg", headers={"Cache-Control": "no-store"})
    if secret:
        answer.set_cookie(
            COOKIE, secret, max_age=int(AGAIN_WITHIN.total_seconds()), path=PATH, httponly=True,
            samesite="lax", secure=desk.options.secure,
        )  # fmt: skip
    return answer


def _readable(desk: Desk, link: PictureLink, given: str, now: datetime) -> Case:
    with desk.doors.store.begin_read() as uow:
        try:
            case = uow.cases.get(link.case)
        except KeyError:  # ours, and the books are from before it: a backup came back
            raise NotFound("link") from None
        _verdict(uow, link, given, now)
        if case.before is None or uow.pictures.get(case.before) is None:
            raise _Over(DELETED)
    return case


def _verdict(uow: UnitOfWork, link: PictureLink, given: str, now: datetime) -> Verdict:
    """Whether it opens. Raises _Over."""
    case = uow.cases.get(link.case)
    openings = uow.picture_links.openings(link.case, link.grid)
    verdict = judge(link, case, openings, holder_of(given), now)
    if not verdict.opens:
        raise _Over(WHY_NOT[verdict])
    return verdict


def _refuse_other_grids(desk: Desk, request: Request, case: Case) -> None:
    """Whoever is logged in as somebody of another grid does not even spend it."""
    try:
        caller = desk.gate.caller(request)
    except NotLoggedIn:
        return
    if caller.outside and not may_see_case(caller.account, case, desk.doors.registry.tree):
        raise Forbidden(f"{case.id} lies outside the grid of {caller.account.name}")


def _redacted(desk: Desk, link: PictureLink, case: Case, now: datetime) -> bytes:
    told = reversed(case.policy.ladder[: case.rung + 1])
    person = next((step.person for step in told if step.grid == link.grid), "")
    recipient = f"{grid_name(desk.doors.registry, link.grid)} {person}".strip()
    assert case.before is not None  # noqa: S101  just read so
    try:
        if case.camera is not None:
            refuse_withdrawn(desk, case.camera)
        jpeg = as_agreed_now(desk, case.before)
    except Gone:
        raise _Over(WITHDREW) from None
    except KeyError:
        raise _Over(DELETED) from None
    return desk.doors.redact(jpeg, case.box, mark_for(desk, case.id, recipient, now)).jpeg


def _opened(desk: Desk, link: PictureLink, given: str, now: datetime) -> str:
    """Write it down; the cookie's secret where this was the first time. Raises _Over."""
    secret = secrets.token_urlsafe(24)
    with desk.doors.store.begin() as uow:
        verdict = _verdict(uow, link, given, now)
        first = verdict is Verdict.OPENS
        opening = Opening(
            case=link.case, grid=link.grid, revision=link.revision, at=now,
            holder=holder_of(secret),
        )  # fmt: skip
        if first and not uow.picture_links.open(opening):
            raise _Over(WHY_NOT[Verdict.SPENT])  # another telephone was faster, just now
        uow.access.append(
            at=now,
            who=f"link/{link.grid}",
            what="open_link" if first else "reopen_link",
            camera=uow.cases.get(link.case).camera,
            why=f"case:{link.case} r{link.revision}",
        )
        uow.commit()
    return secret if first else ""


def _gone(desk: Desk, request: Request, words: tuple[str, str]) -> Response:
    say = desk.gate.words(request.cookies.get(LANGUAGE_COOKIE))
    phone = desk.doors.facts.phone
    again = words in (WHY_NOT[Verdict.SPENT], WHY_NOT[Verdict.EXPIRED])
    detail = f"{say.pair(NEW_ONE if again else CALL)} {phone}".strip()
    if wants_html(request):
        return desk.shell.html(
            "problem.html", say, status=410, code=410, words=say.pair(words), detail=detail
        )
    body = {"error": 410, "words": say.pair(words), "detail": detail}
    return JSONResponse(body, 410, headers={"Cache-Control": "no-store"})
