"""The household's own page (/h/…): one camera's consent, by a signed link, without a login.

The link is on the slip that `patrol household` and the console print, as an address and as a QR
code. It withdraws, pauses and sets hours; to give consent again the household signs anew at the
centre. Opening the page changes nothing, so that a preview spends nothing; every opening and every
change is in the access log, under the link's id. Requests are limited by address, changes also by
link. Plain forms: it works without any script.
"""

import re
from typing import Annotated, Final

import structlog
from fastapi import APIRouter, Form
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from patrol.domain import labels
from patrol.domain.access_labels import TERMS_DONE
from patrol.domain.consent import (
    HOUSEHOLD_ACTIONS,
    BadTerms,
    TermsAction,
    TermsChange,
    hours_text,
    parse_hours,
    parse_until,
)
from patrol.domain.household_link import HOUSEHOLD_PATH
from patrol.households.slip import CameraSlip, camera_slip
from patrol.store.consents import HouseholdLinkRow
from patrol.web.context import ContextDep, WebContext, public
from patrol.web.errors import ResourceNotFound
from patrol.web.i18n import Translator
from patrol.web.pages.login import refuse_cross_site
from patrol.web.rate_limit import RateExceeded

log = structlog.get_logger(__name__)

MANY_REQUESTS: Final = (
    "操作太频繁，请稍后再试，或致电中心",
    "too often: try later, or call the centre",
)
REVOKED: Final = (
    "此链接已作废，请致电中心换新",
    "this link was revoked: call the centre for another",
)
_DONE: Final = re.compile("|".join(HOUSEHOLD_ACTIONS))
router = APIRouter()


@router.get(HOUSEHOLD_PATH + "{token}", dependencies=public("the token is the right: one camera"))
def household_page(context: ContextDep, request: Request, token: str, done: str = "") -> Response:
    """The state of the camera's consent, and the forms that change it."""
    try:
        _count_address(context, request)
        link = _standing_link(context, token)
    except RateExceeded:
        return context.error_response(request, 429, MANY_REQUESTS)
    if link.revoked_at is not None:
        return context.error_response(request, 410, REVOKED)
    with context.app.store.begin() as uow:
        camera, now = context.app.registry.cameras.get(link.camera), context.app.clock.now()
        days = context.app.site.settings.retention.days
        exchanged = context.app.households.exchanged(link.camera)
        slip = camera_slip(uow, link.camera, camera, now=now, days=days, exchanged=exchanged)
        uow.access.append(
            at=now, who=_who(link), what="open_household_page", camera=link.camera,
            why="household link",
        )  # fmt: skip
        uow.commit()
    return _page(context, request, token, slip, done=done if _DONE.fullmatch(done) else "")


@router.post(
    HOUSEHOLD_PATH + "{token}",
    dependencies=public("the token is the right: one camera; refused across sites"),
)
def change_by_household(  # noqa: PLR0917  a form's fields
    context: ContextDep,
    request: Request,
    token: str,
    action: Annotated[str, Form(max_length=16)] = "",
    until: Annotated[str, Form(max_length=25)] = "",
    start: Annotated[str, Form(max_length=5)] = "",
    end: Annotated[str, Form(max_length=5)] = "",
) -> Response:
    """Withdraw, pause, resume or set hours; then the page shows what stands."""
    refuse_cross_site(request)
    now = context.app.clock.now()
    try:
        _count_address(context, request)
        link = _standing_link(context, token)
        context.household_limits.by_link.count(link.id, now)
    except RateExceeded:
        return context.error_response(request, 429, MANY_REQUESTS)
    if link.revoked_at is not None:
        return context.error_response(request, 410, REVOKED)
    t = context.translator(request)
    try:
        change = _change(context, action, until, (start, end))
        context.app.households.change_consent(
            link.camera, change, by=_who(link), channel="household link"
        )
    except BadTerms as exc:
        log.info("not done", path=f"{HOUSEHOLD_PATH}…", status=422, reason=str(exc))
        message = ("填写有误：请检查日期和时间", "cannot be so: check the date and the hours")
        return context.error_response(request, 422, message, detail=_bad_terms_text(exc, t))
    return RedirectResponse(f"{HOUSEHOLD_PATH}{token}?done={change.action}", 303)


def _change(context: WebContext, action: str, until: str, window: tuple[str, str]) -> TermsChange:
    """The change that the form asks for. Raises BadTerms."""
    if action not in HOUSEHOLD_ACTIONS:
        raise BadTerms(f"action: {action!r}, give one of {', '.join(sorted(HOUSEHOLD_ACTIONS))}")
    wanted = TermsAction(action)
    if wanted is TermsAction.PAUSE:
        return TermsChange(action=wanted, until=parse_until(until, context.site.tz))
    if wanted is TermsAction.HOURS and any(window):
        return TermsChange(action=wanted, hours=parse_hours("-".join(window)))
    return TermsChange(action=wanted)


def _bad_terms_text(problem: BadTerms, t: Translator) -> str:
    """The reason in the reader's language; Chinese readers get the field alone."""
    field = str(problem).partition(":")[0]
    zh = {"until": "截止时间应晚于现在、在一年以内", "hours": "时段应如 08:00 至 18:00"}
    return t(zh.get(field, "请重新选择"), str(problem))


def _count_address(context: WebContext, request: Request) -> None:
    """Raises RateExceeded; before anything is looked up, so that guesses are slow."""
    origin = request.client.host if request.client else "?"
    context.household_limits.by_address.count(origin, context.app.clock.now())


def _standing_link(context: WebContext, token: str) -> HouseholdLinkRow:
    """The link of a token that we signed. Raises ResourceNotFound; nothing is read for a guess."""
    ident = context.household_links.read(token)
    if ident is None:
        raise ResourceNotFound("link")
    with context.app.store.begin_read() as uow:
        link = uow.household_links.get(ident)
    if link is None:  # a restored backup is older than the link
        raise ResourceNotFound("link")
    return link


def _who(link: HouseholdLinkRow) -> str:
    return f"household/{link.id}"


def _page(
    context: WebContext, request: Request, token: str, slip: CameraSlip, *, done: str
) -> Response:
    t, terms = context.translator(request), slip.terms
    camera = slip.camera
    return context.renderer.render(
        "household.html",
        t,
        at=f"{HOUSEHOLD_PATH}{token}",
        last6=slip.id[-6:],
        place=camera.place if camera else "",
        registered=camera is not None,
        consent=t.pair(labels.CONSENT_STATES[camera.consent.state]) if camera else "",
        consent_until=camera.consent.until if camera else None,
        withdrawn_at=t.short_datetime(terms.withdrawn_at) if terms.withdrawn_at else "",
        paused_until=t.short_datetime(terms.paused_until) if terms.paused_until else "",
        hours=hours_text(terms.hours),
        held=[
            (
                t(one.place.zh, one.place.en),
                t.pair(one.purpose),
                one.count,
                t.short_datetime(one.until),
            )
            for one in slip.held
            if one.count
        ],
        looked=slip.accesses_in_all,
        visits=slip.machine_visits,
        last_visit=t.short_datetime(slip.last_machine_visit),
        phone=context.app.site.settings.centre_phone,
        done=t.pair(TERMS_DONE[done]) if done else "",
    )
