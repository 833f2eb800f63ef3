"""Cases (案件): the board by state, and the page of one case.

That page has the history with messages and receipts, pictures, limits and a map. `time_left` is
also used by Today and by the leader's page.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import Response

from patrol.app.town_service import TownService
from patrol.domain import labels
from patrol.domain.answering import may_see_case
from patrol.domain.approval import span_texts
from patrol.domain.case import Case, CaseEvent, CaseState
from patrol.domain.ids import CaseId, GridCode, PersonId, PictureId
from patrol.domain.legal_hold import HoldScope
from patrol.domain.priority import DueLight
from patrol.domain.registry import Registry
from patrol.domain.round import StoredPicture
from patrol.domain.verification import MachineOpinion, awaits_person, machine_opinion
from patrol.web.auth import CurrentUser
from patrol.web.context import ContextDep, MayViewCases, WebContext
from patrol.web.i18n import (
    Translator,
    author_name,
    camera_name,
    case_state_label,
    category_label,
    grid_name,
    level_label,
    person_name,
    stored_texts,
    village_of,
)
from patrol.web.pages.case_actions import allowed_buttons, shown_revision, visible_case
from patrol.web.pages.case_helpers import helpers_content
from patrol.web.pages.case_timeline import TimelineNames, case_timeline
from patrol.web.pages.extension import default_extension_hours, granting_text
from patrol.web.pages.hand_offs import outside_content, outside_names

AWAITED: Final = {  # the answer that the ground owes in each state
    CaseState.DISPATCHED: CaseEvent.ACKNOWLEDGE,
    CaseState.REWORK: CaseEvent.ACKNOWLEDGE,
    CaseState.ACKNOWLEDGED: CaseEvent.ARRIVE,
    CaseState.ARRIVED: CaseEvent.FEED_BACK,
}


def case_card(case: Case, user: CurrentUser, registry: Registry) -> dict[str, Any]:
    """The short form of a case, for the board and for the head of its page."""
    t, due_light = user.t, case.due_light(user.now)
    last = case.entries[-1] if case.entries else None
    return {
        "id": case.id,
        "open": case.is_open,
        "due_light": due_light.value,
        "due_light_label": t.pair(labels.DUE_LIGHTS[due_light]),
        "what": category_label(case.category, t),
        "where": grid_name(registry, case.grid),
        "place": case.place,
        "level": level_label(case.level, t),
        "urgent": case.level.value in ("I", "II"),
        "state": case_state_label(case.state, t),
        "left": time_left(case, user),
        "request": t.pair(labels.APPROVAL_KINDS[case.request.kind]) if case.request else "",
        "suspended": case.suspension is not None,
        "to_verify": awaits_person(case),
        "rung": case.rung,
        "count": case.count,
        "ended": t.short_datetime(last.at) if last else "—",
    }


def time_left(case: Case, user: CurrentUser) -> str:
    """The time to its next limit, or why none runs."""
    if case.suspension is not None:
        return user.t("挂起（暂停计时）", "suspended")
    if case.is_unannounced:
        return user.t("待下发", "not sent yet")
    name = _next_limit_label(case, user.t)
    span = user.t.duration(case.due_at - user.now)
    if case.due_at >= user.now:
        return user.t(f"{name}剩 {span}", f"{span} left to {name}")
    return user.t(f"{name}已超 {span}", f"{span} late to {name}")


def _next_limit_label(case: Case, t: Translator) -> str:
    """The name of the limit that `due_at` is, also where it counts anew after a rework."""
    event = AWAITED.get(case.state)
    named = {answer: label for label, limit, answer in _named_limits(case, t) if limit is not None}
    return named.get(event, t("办结", "close")) if event else t("办结", "close")


def case_detail(context: WebContext, user: CurrentUser, ident: CaseId) -> dict[str, Any]:
    """The content of the page's template, read in one transaction. Raises as `visible_case`."""
    case = visible_case(context, user, ident)
    registry, t = context.app.registry, user.t
    with context.app.store.begin_read() as uow:
        messages = uow.outbox.of_case(ident)
        photos = uow.case_photos.of_case(ident)
        stored = {one: uow.pictures.get(one) for one in (case.before, case.after) if one}
        accounts = {account.name: account.shown_as for account in uow.accounts.all()}
        holds = uow.holds.of(HoldScope.CASE, case.id)
        holds = [*holds, *(uow.holds.of(HoldScope.CAMERA, case.camera) if case.camera else ())]
        gauge = uow.findings.gauge_of(case.finding)
    names = {**accounts, **outside_names(TownService(context.app).contacts)}
    viewed_for = f"case:{case.id}"
    shown = context.app.payloads.scrub if user.is_outside_centre else str
    read = stored_texts(registry, t, names)
    known_as = TimelineNames(registry=registry, accounts=names, t=t, read=read)
    return {
        "case": case,
        "card": case_card(case, user, registry),
        "seen": shown_revision(case),
        "camera": camera_name(registry, case.camera),
        "spot": map_spot(case, registry),
        "limits": _limits(case, user),
        "ladder": _ladder(case, registry),
        "note": shown(read(case.note)),
        "gauge": gauge,
        "timeline": case_timeline(case, messages, known_as),
        "shown": shown,
        "before": _picture_of(user, case.before, stored, viewed_for),
        "after": _picture_of(user, case.after, stored, viewed_for),
        "photos": [
            (user.picture_url(photo.picture or photo.sha256, "full", viewed_for),
             person_name(registry, photo.by, names), photo.at)
            for photo in photos
        ],
        "request": _pending_request(case, user, names, registry),
        "holds": holds,
        "grids": [
            (g.name, g.code)
            for g in sorted(registry.tree.grids.values(), key=lambda one: one.code)
        ],
        "extension_hours": default_extension_hours(case),
    }  # fmt: skip


def _pending_request(
    case: Case, user: CurrentUser, names: Mapping[str, str], registry: Registry
) -> dict[str, Any] | None:
    """The request that waits for another person's approval, and what granting it now leads to."""
    request, t = case.request, user.t
    if request is None:
        return None
    return {
        "kind": t.pair(labels.APPROVAL_KINDS[request.kind]),
        "by": author_name(registry, request, names, t),
        "at": request.at,
        "why": stored_texts(registry, t, names)(request.why),
        "span": t.pair(span_texts(request, case.policy.office)) if request.span_s else "",
        "if_granted": granting_text(case, request, user),
    }


def _picture_of(
    user: CurrentUser,
    picture: PictureId | None,
    stored: Mapping[PictureId, StoredPicture | None],
    viewed_for: str,
) -> tuple[str, datetime] | None:
    known = stored.get(picture) if picture else None
    return (user.picture_url(known.id, "full", viewed_for), known.taken_at) if known else None


def _limits(case: Case, user: CurrentUser) -> list[tuple[str, datetime, str]]:
    """(label, due at, light) of each limit that the case's policy sets."""
    return [
        (
            what,
            case.dispatched_at + limit,
            _limit_light(case, event, case.dispatched_at + limit, user),
        )
        for what, limit, event in _named_limits(case, user.t)
        if limit is not None
    ]


def _named_limits(case: Case, t: Translator) -> tuple[tuple[str, timedelta | None, CaseEvent], ...]:
    clocks = case.policy.limits
    return (
        (t("签收", "acknowledge"), clocks.acknowledge, CaseEvent.ACKNOWLEDGE),
        (t("到场", "arrive"), clocks.arrive, CaseEvent.ARRIVE),
        (t("反馈", "feed back"), clocks.feedback, CaseEvent.FEED_BACK),
        (t("办结", "close"), clocks.close, CaseEvent.CLOSE),
    )


def _limit_light(case: Case, event: CaseEvent, due: datetime, user: CurrentUser) -> str:
    """Green: done in time; red: done late, or not done and past; yellow: still to do."""
    done = next((entry.at for entry in case.entries if entry.what is event), None)
    if (done or user.now) > due:
        return DueLight.RED.value
    return DueLight.GREEN.value if done else DueLight.YELLOW.value


def _ladder(case: Case, registry: Registry) -> list[dict[str, Any]]:
    return [
        {
            "grid": grid_name(registry, step.grid),
            "person": person_name(registry, step.person) if step.person else "—",
            "phone": _phone_of(registry, step.person),
            "notified": number <= case.rung,
            "now": number == case.rung,
        }
        for number, step in enumerate(case.policy.ladder)
    ]


def _phone_of(registry: Registry, who: PersonId) -> str:
    person = registry.people.get(who)
    return person.phone if person else ""


def map_spot(case: Case, registry: Registry) -> dict[str, Any] | None:
    """The positions of the village's cameras and of this one, as fractions of a square map."""
    camera = registry.cameras.get(case.camera) if case.camera else None
    if camera is None or camera.longitude is None or camera.latitude is None:
        return None
    village = village_of(registry, camera.grid)
    known = [
        (c.longitude, c.latitude)
        for c in registry.cameras.values()
        if c.longitude is not None
        and c.latitude is not None
        and village_of(registry, c.grid) == village
    ]
    middle = (camera.longitude, camera.latitude)
    shrink = math.cos(math.radians(middle[1]))  # a degree of longitude is the shorter one
    west, east = (pick(x for x, _ in known) * shrink for pick in (min, max))
    south, north = (pick(y for _, y in known) for pick in (min, max))
    span = max(east - west, north - south) or 1.0

    def at(x: float, y: float) -> tuple[float, float]:
        return round((x * shrink - west) / span, 4), round((north - y) / span, 4)

    return {
        "near": [at(*one) for one in known],
        "here": at(*middle),
        "degrees": middle,
        "village": grid_name(registry, GridCode(village)),
    }


MAX_OPEN_CASES: Final = 2000
RECENTLY_ENDED: Final = 300  # newest cases that are read for the last column
PER_COLUMN: Final = 50
COLUMNS: Final = (
    # zh, en, states
    ("待签收", "to acknowledge", (CaseState.DISPATCHED, CaseState.REWORK)),
    ("已签收", "acknowledged", (CaseState.ACKNOWLEDGED,)),
    ("处置中", "on site", (CaseState.ARRIVED, CaseState.HANDLED)),
    ("待核查", "to verify", (CaseState.FED_BACK, CaseState.VERIFIED)),
    ("已退回", "returned", (CaseState.RETURNED,)),
    ("已办结", "ended", (CaseState.CLOSED, CaseState.VOIDED)),
)
router = APIRouter()


@router.get("/cases")
def cases_page(
    context: ContextDep, user: MayViewCases, level: str = "", text: str = "", page: int = 1
) -> Response:
    """The board, filtered by level and text."""
    content = _board_content(context, user, level, text, max(1, page))
    return context.renderer.render_page("cases.html", user, level=level, text=text, **content)


@router.get("/cases/part")
def cases_fragment(
    context: ContextDep, user: MayViewCases, level: str = "", text: str = "", page: int = 1
) -> Response:
    """The columns of the board, fetched again as cases change."""
    content = _board_content(context, user, level, text, max(1, page))
    return context.renderer.fragment_response(
        "cases_part.html", user, level=level, text=text, **content
    )


@router.get("/cases/{case_id}")
def case_page(context: ContextDep, user: MayViewCases, case_id: str) -> Response:
    """The page of one case."""
    return context.renderer.render_page("case.html", user, **_case_content(context, user, case_id))


@router.get("/cases/{case_id}/part")
def case_fragment(context: ContextDep, user: MayViewCases, case_id: str) -> Response:
    """The content of one case, fetched again as it changes."""
    return context.renderer.fragment_response(
        "case_part.html", user, **_case_content(context, user, case_id)
    )


def _case_content(context: WebContext, user: CurrentUser, case_id: str) -> dict[str, Any]:
    content = case_detail(context, user, CaseId(case_id))
    contacts, tree = TownService(context.app).contacts, context.app.registry.tree
    case = content["case"]
    with context.app.store.begin_read() as uow:
        outside = outside_content(uow, case, contacts, user)
    buttons = allowed_buttons(case, user, tree, contacts)
    still = machine_opinion(case) is MachineOpinion.STILL_THERE
    helpers = helpers_content(context, case)
    return {
        **content, **outside, "buttons": buttons, "machine_still_sees": still, "helpers": helpers
    }  # fmt: skip


def _board_content(
    context: WebContext, user: CurrentUser, level: str, text: str, page: int
) -> dict[str, Any]:
    with context.app.store.begin_read() as uow:
        running = uow.cases.list(open_only=True, limit=MAX_OPEN_CASES)
        recent = uow.cases.list(limit=RECENTLY_ENDED)
    registry = context.app.registry
    ended = [case for case in recent if not case.is_open]
    cases = [
        case
        for case in (*running, *ended)
        if may_see_case(user.account, case, registry)
        and (not level or case.level.value == level)
        and (not text or text.strip() in _searchable_text(case, registry, user.t))
    ]
    columns = [
        _board_column(user.t(zh, en), states, cases, user, registry, page)
        for zh, en, states in COLUMNS
    ]
    longest = max((column["count"] for column in columns), default=0)
    return {"columns": columns, "page": page, "pages": max(1, -(-longest // PER_COLUMN))}


def _searchable_text(case: Case, registry: Registry, t: Translator) -> str:
    grid = grid_name(registry, case.grid)
    return f"{case.id} {category_label(case.category, t)} {grid} {case.place}"


def _board_column(  # noqa: PLR0917  a column is what it is made of
    title: str,
    states: Sequence[CaseState],
    cases: Iterable[Case],
    user: CurrentUser,
    registry: Registry,
    page: int,
) -> dict[str, Any]:
    mine = [case for case in cases if case.state in states]
    if CaseState.CLOSED not in states:
        mine.sort(key=lambda case: (case.due_at, case.id))
    shown = mine[(page - 1) * PER_COLUMN : page * PER_COLUMN]
    return {
        "title": title,
        "count": len(mine),
        "cards": [case_card(case, user, registry) for case in shown],
    }
