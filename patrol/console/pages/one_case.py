"""One case, as its page shows it: everything that happened, who was told, what may be done now."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from patrol.console.desk import Desk
from patrol.console.gate import Caller, Forbidden
from patrol.console.pages.common import (
    LAMPS,
    NotFound,
    camera_name,
    category_words,
    grid_name,
    lamp_of,
    level_words,
    person_name,
    state_words,
)
from patrol.console.words import Words
from patrol.domain.account import Right, may_see_case
from patrol.domain.case import Case, CaseEvent, CaseState
from patrol.domain.escalation import grids_told
from patrol.domain.ids import CaseId, PersonId, Sha256
from patrol.domain.levels import Lamp
from patrol.domain.message import DeliveryState, OutboxMessage
from patrol.domain.registry import Registry
from patrol.domain.round import StoredPicture
from patrol.report import words

DELIVERY: Final = {
    DeliveryState.QUEUED: ("待发", "queued"),
    DeliveryState.PUBLISHED: ("已发出", "published"),
    DeliveryState.RECEIVED: ("已送达", "received"),
    DeliveryState.OPENED: ("已打开", "opened"),
    DeliveryState.ACKNOWLEDGED: ("已签收", "acknowledged"),
    DeliveryState.OVERDUE: ("超时未答", "no answer"),
    DeliveryState.EXPIRED: ("已失效", "expired"),
}


def visible(desk: Desk, caller: Caller, ident: CaseId) -> Case:
    """The case, if it is for this account. Raises NotFound, Forbidden."""
    with desk.doors.store.begin_read() as uow:
        try:
            case = uow.cases.get(ident)
        except KeyError:
            raise NotFound(ident) from None
    if not may_see_case(caller.account, case, desk.doors.registry.tree):
        raise Forbidden(f"{ident} lies outside the scope of {caller.account.name}")
    return case


def card(case: Case, caller: Caller, registry: Registry) -> dict[str, Any]:
    """What the board and the page say of it in a few words."""
    say, lamp = caller.say, lamp_of(case, caller.now)
    last = case.entries[-1] if case.entries else None
    return {
        "id": case.id,
        "open": case.is_open,
        "lamp": lamp.value,
        "lamp_words": say.pair(LAMPS[lamp]),
        "what": category_words(case.category, say),
        "where": grid_name(registry, case.grid),
        "place": case.place,
        "level": level_words(case.level, say),
        "urgent": case.level.value in ("I", "II"),
        "state": state_words(case.state, say),
        "left": say.left(case.due_at, caller.now),
        "rung": case.rung,
        "count": case.count,
        "ended": say.moment(last.at) if last else "—",
    }


def one_case(desk: Desk, caller: Caller, ident: CaseId) -> dict[str, Any]:
    """Everything on the page, from one picture of the books."""
    case = visible(desk, caller, ident)
    registry, say = desk.doors.registry, caller.say
    with desk.doors.store.begin_read() as uow:
        messages = uow.outbox.of_case(ident)
        photos = uow.case_photos.of_case(ident)
        stored = {sha: uow.pictures.get(sha) for sha in (case.before, case.after) if sha}
        names = {account.name: account.shown_as for account in uow.accounts.all()}
    context = f"case:{case.id}"
    camera = registry.cameras.get(case.camera) if case.camera else None
    return {
        "case": case,
        "card": card(case, caller, registry),
        "camera": camera_name(registry, case.camera),
        "position": (camera.longitude, camera.latitude) if camera and camera.longitude else None,
        "limits": _limits(case, caller),
        "ladder": _ladder(case, registry),
        "timeline": _timeline(case, names, registry, say),
        "receipts": [_receipt(message, case, registry, say) for message in messages],
        "before": _picture(caller, case.before, stored, context),
        "after": _picture(caller, case.after, stored, context),
        "photos": [
            (caller.picture(photo.sha256, "full", context),
             person_name(registry, photo.by, names), photo.at)
            for photo in photos
        ],
        "allowed": _allowed(case, caller),
        "grids": sorted((g.name, g.code) for g in registry.tree.grids.values()),
    }  # fmt: skip


def _picture(
    caller: Caller,
    sha256: Sha256 | None,
    stored: Mapping[Sha256, StoredPicture | None],
    context: str,
) -> tuple[str, datetime] | None:
    known = stored.get(sha256) if sha256 else None
    return (caller.picture(known.sha256, "full", context), known.taken_at) if known else None


def _limits(case: Case, caller: Caller) -> list[tuple[str, datetime, str]]:
    """(what, when, lamp) of each clock that its policy set."""
    clocks, say = case.policy.clocks, caller.say
    named = (
        (say("签收", "acknowledge"), clocks.acknowledge, CaseEvent.ACKNOWLEDGE),
        (say("到场", "arrive"), clocks.arrive, CaseEvent.ARRIVE),
        (say("反馈", "feed back"), clocks.feedback, CaseEvent.FEED_BACK),
        (say("办结", "close"), clocks.close, CaseEvent.CLOSE),
    )
    return [
        (what, case.dispatched_at + limit, _kept(case, event, case.dispatched_at + limit, caller))
        for what, limit, event in named
        if limit is not None
    ]


def _kept(case: Case, event: CaseEvent, due: datetime, caller: Caller) -> str:
    """Green: done in time; red: done late, or not done and past; yellow: still to do."""
    done = next((entry.at for entry in case.entries if entry.what is event), None)
    if (done or caller.now) > due:
        return Lamp.RED.value
    return Lamp.GREEN.value if done else Lamp.YELLOW.value


def _ladder(case: Case, registry: Registry) -> list[dict[str, Any]]:
    return [
        {
            "grid": grid_name(registry, step.grid),
            "person": person_name(registry, step.person) if step.person else "—",
            "phone": _phone(registry, step.person),
            "told": number <= case.rung,
            "now": number == case.rung,
        }
        for number, step in enumerate(case.policy.ladder)
    ]


def _phone(registry: Registry, who: PersonId) -> str:
    person = registry.people.get(who)
    return person.phone if person else ""


def _timeline(
    case: Case, names: Mapping[str, str], registry: Registry, say: Words
) -> list[dict[str, Any]]:
    return [
        {
            "at": entry.at,
            "who": person_name(registry, entry.by, names),
            "what": say.pair(words.CASE_EVENTS[entry.what]),
            "kind": entry.what.value,
            "note": entry.note,
            "state": state_words(entry.state, say),
        }
        for entry in case.entries
    ]


def _receipt(message: OutboxMessage, case: Case, registry: Registry, say: Words) -> dict[str, Any]:
    grid = next((grid for grid in grids_told(case) if f"/{grid}/" in message.topic), None)
    return {
        "to": grid_name(registry, grid) if grid else message.topic.split("/")[4],
        "state": say.pair(DELIVERY[message.state]),
        "kind": message.state.value,
        "queued": message.queued_at,
        "published": message.published_at,
        "clears": not message.payload,
    }


def _allowed(case: Case, caller: Caller) -> set[str]:
    """Which buttons stand on the page; the server asks again when one is pressed."""
    allowed: set[str] = set()
    if caller.may(Right.MOVE_CASES):
        if case.state is CaseState.FED_BACK:
            allowed |= {"gone", "still_there"}
        if case.state in (
            CaseState.DISPATCHED, CaseState.ACKNOWLEDGED, CaseState.ARRIVED, CaseState.RETURNED,
        ):  # fmt: skip
            allowed.add("reassign")
    if caller.may(Right.SETTLE):
        if case.state is CaseState.CLOSED:
            allowed.add("reopen")
        if case.is_open and case.state not in (CaseState.FED_BACK, CaseState.VERIFIED):
            allowed.add("void")
        if case.state in (CaseState.RETURNED, CaseState.VERIFIED):
            allowed.add("close")
    return allowed
