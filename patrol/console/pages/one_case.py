"""One case, as its page shows it: everything that happened, who was told, where it is."""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from patrol.console.desk import Desk
from patrol.console.gate import Caller, Forbidden
from patrol.console.pages.common import (
    LAMPS,
    NotFound,
    camera_name,
    category_words,
    grid_name,
    level_words,
    person_name,
    state_words,
    village_of,
)
from patrol.console.words import Words
from patrol.domain.account import may_see_case
from patrol.domain.case import Case, CaseEvent, Wish
from patrol.domain.escalation import grids_told
from patrol.domain.ids import CaseId, GridCode, PersonId, Sha256
from patrol.domain.levels import Lamp
from patrol.domain.message import DeliveryState, OutboxMessage
from patrol.domain.registry import Registry
from patrol.domain.round import StoredPicture
from patrol.domain.verdict import awaits_verdict
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

WISHES: Final = {
    Wish.EXTENSION: ("延期", "more time"),
    Wish.SUSPENSION: ("挂起", "suspension"),
    Wish.VOID: ("作废", "voiding"),
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
    say, lamp = caller.say, case.lamp(caller.now)
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
        "left": time_left(case, caller),
        "asked": say.pair(WISHES[case.request.wish]) if case.request else "",
        "suspended": case.suspension is not None,
        "verdict": awaits_verdict(case),
        "rung": case.rung,
        "count": case.count,
        "ended": say.moment(last.at) if last else "—",
    }


def time_left(case: Case, caller: Caller) -> str:
    """Until its next limit, or why no clock of it runs."""
    if case.suspension is not None:
        return caller.say("已挂起,停表", "suspended")
    if case.is_untold:
        return caller.say("待下发", "not sent yet")
    return caller.say.left(case.due_at, caller.now)


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
    return {
        "case": case,
        "card": card(case, caller, registry),
        "camera": camera_name(registry, case.camera),
        "spot": spot_of(case, registry),
        "limits": _limits(case, caller),
        "ladder": _ladder(case, registry),
        "timeline": _timeline(case, messages, names, registry, say),
        "before": _picture(caller, case.before, stored, context),
        "after": _picture(caller, case.after, stored, context),
        "photos": [
            (caller.picture(photo.sha256, "full", context),
             person_name(registry, photo.by, names), photo.at)
            for photo in photos
        ],
        "asked": _asked(case, names, registry, say),
        "grids": sorted((g.name, g.code) for g in registry.tree.grids.values()),
    }  # fmt: skip


def _asked(
    case: Case, names: Mapping[str, str], registry: Registry, say: Words
) -> dict[str, Any] | None:
    """The wish that waits for somebody else's word."""
    request = case.request
    if request is None:
        return None
    span = timedelta(seconds=request.span_s)
    return {
        "wish": say.pair(WISHES[request.wish]),
        "by": person_name(registry, request.by, names),
        "at": request.at,
        "why": request.why,
        "span": say.lasting(span) if span else "",
    }


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
    case: Case,
    messages: Sequence[OutboxMessage],
    names: Mapping[str, str],
    registry: Registry,
    say: Words,
) -> list[dict[str, Any]]:
    """What people and the house did, and between it every message with its receipts."""
    lines = [
        {
            "at": entry.at,
            "who": person_name(registry, entry.by, names),
            "what": say.pair(words.CASE_EVENTS[entry.what]),
            "kind": entry.what.value,
            "note": entry.note,
            "receipts": (),
        }
        for entry in case.entries
    ]
    lines += [_message(message, case, registry, say) for message in messages]
    return sorted(lines, key=lambda line: line["at"])


def _message(message: OutboxMessage, case: Case, registry: Registry, say: Words) -> dict[str, Any]:
    grid = next((grid for grid in grids_told(case) if f"/{grid}/" in message.topic), None)
    to = grid_name(registry, grid) if grid else message.topic.split("/")[4]
    what = say("消息", "message") if message.payload else say("收回消息", "message cleared")
    good = (DeliveryState.RECEIVED, DeliveryState.OPENED, DeliveryState.ACKNOWLEDGED)
    bad = (DeliveryState.OVERDUE, DeliveryState.EXPIRED)
    return {
        "at": message.queued_at,
        "who": f"→ {to}",
        "what": what,
        "kind": "message",
        "note": "",
        "state": say.pair(DELIVERY[message.state]),
        "lamp": "ok" if message.state in good else "warn" if message.state in bad else "",
        "receipts": [
            (say.pair(DELIVERY[state]), say.time(at))
            for state, at in (
                (DeliveryState.PUBLISHED, message.published_at),
                (DeliveryState.RECEIVED, message.received_at),
                (DeliveryState.OPENED, message.opened_at),
                (DeliveryState.ACKNOWLEDGED, message.answered_at),
            )
            if at is not None
        ],
    }


def spot_of(case: Case, registry: Registry) -> dict[str, Any] | None:
    """Where its camera stands among its village's, as fractions of a square map."""
    camera = registry.cameras.get(case.camera) if case.camera else None
    if camera is None or camera.longitude is None or camera.latitude is None:
        return None
    home = village_of(registry, camera.grid)
    known = [
        (c.longitude, c.latitude)
        for c in registry.cameras.values()
        if c.longitude is not None
        and c.latitude is not None
        and village_of(registry, c.grid) == home
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
        "village": grid_name(registry, GridCode(home)),
    }
