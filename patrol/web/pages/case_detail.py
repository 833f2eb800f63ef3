"""The content of one case's page: its history with messages and receipts, pictures, limits, map.

Also used by the board, by Today and by the leader's page: `visible_case`, `case_card`, `time_left`.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from patrol.domain import labels
from patrol.domain.account import may_see_case
from patrol.domain.case import Case, CaseEvent
from patrol.domain.escalation import announced_grids
from patrol.domain.ids import CaseId, GridCode, PersonId, Sha256
from patrol.domain.outbox import DeliveryState, OutboxMessage
from patrol.domain.priority import DueLight
from patrol.domain.registry import Registry
from patrol.domain.round import StoredPicture
from patrol.domain.verification import awaits_person
from patrol.web.auth import CurrentUser, Forbidden
from patrol.web.context import WebContext
from patrol.web.errors import ResourceNotFound
from patrol.web.i18n import (
    Translator,
    camera_name,
    case_state_label,
    category_label,
    grid_name,
    level_label,
    person_name,
    village_of,
)


def visible_case(context: WebContext, user: CurrentUser, ident: CaseId) -> Case:
    """The case, if this account may see it. Raises ResourceNotFound, Forbidden."""
    with context.app.store.begin_read() as uow:
        try:
            case = uow.cases.get(ident)
        except KeyError:
            raise ResourceNotFound(ident) from None
    if not may_see_case(user.account, case, context.app.registry.tree):
        raise Forbidden(f"{ident} lies outside the scope of {user.account.name}")
    return case


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
        return user.t("已挂起,停表", "suspended")
    if case.is_unannounced:
        return user.t("待下发", "not sent yet")
    return user.t.time_left(case.due_at, user.now)


def case_detail(context: WebContext, user: CurrentUser, ident: CaseId) -> dict[str, Any]:
    """The content of the page's template, read in one transaction. Raises as `visible_case`."""
    case = visible_case(context, user, ident)
    registry, t = context.app.registry, user.t
    with context.app.store.begin_read() as uow:
        messages = uow.outbox.of_case(ident)
        photos = uow.case_photos.of_case(ident)
        stored = {sha: uow.pictures.get(sha) for sha in (case.before, case.after) if sha}
        names = {account.name: account.shown_as for account in uow.accounts.all()}
    viewed_for = f"case:{case.id}"
    return {
        "case": case,
        "card": case_card(case, user, registry),
        "camera": camera_name(registry, case.camera),
        "spot": map_spot(case, registry),
        "limits": _limits(case, user),
        "ladder": _ladder(case, registry),
        "timeline": _timeline(case, messages, names, registry, t),
        "before": _picture_of(user, case.before, stored, viewed_for),
        "after": _picture_of(user, case.after, stored, viewed_for),
        "photos": [
            (user.picture_url(photo.sha256, "full", viewed_for),
             person_name(registry, photo.by, names), photo.at)
            for photo in photos
        ],
        "request": _pending_request(case, names, registry, t),
        "grids": sorted((g.name, g.code) for g in registry.tree.grids.values()),
    }  # fmt: skip


def _pending_request(
    case: Case, names: Mapping[str, str], registry: Registry, t: Translator
) -> dict[str, Any] | None:
    """The request that waits for another person's approval."""
    request = case.request
    if request is None:
        return None
    span = timedelta(seconds=request.span_s)
    return {
        "kind": t.pair(labels.APPROVAL_KINDS[request.kind]),
        "by": person_name(registry, request.by, names),
        "at": request.at,
        "why": request.why,
        "span": t.duration(span) if span else "",
    }


def _picture_of(
    user: CurrentUser,
    sha256: Sha256 | None,
    stored: Mapping[Sha256, StoredPicture | None],
    viewed_for: str,
) -> tuple[str, datetime] | None:
    known = stored.get(sha256) if sha256 else None
    return (user.picture_url(known.sha256, "full", viewed_for), known.taken_at) if known else None


def _limits(case: Case, user: CurrentUser) -> list[tuple[str, datetime, str]]:
    """(label, due at, light) of each limit that the case's policy sets."""
    clocks, t = case.policy.limits, user.t
    named = (
        (t("签收", "acknowledge"), clocks.acknowledge, CaseEvent.ACKNOWLEDGE),
        (t("到场", "arrive"), clocks.arrive, CaseEvent.ARRIVE),
        (t("反馈", "feed back"), clocks.feedback, CaseEvent.FEED_BACK),
        (t("办结", "close"), clocks.close, CaseEvent.CLOSE),
    )
    return [
        (
            what,
            case.dispatched_at + limit,
            _limit_light(case, event, case.dispatched_at + limit, user),
        )
        for what, limit, event in named
        if limit is not None
    ]


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


def _timeline(
    case: Case,
    messages: Sequence[OutboxMessage],
    names: Mapping[str, str],
    registry: Registry,
    t: Translator,
) -> list[dict[str, Any]]:
    """The history entries and, among them, every message with its receipts."""
    lines = [
        {
            "at": entry.at,
            "who": person_name(registry, entry.by, names),
            "what": t.pair(labels.CASE_EVENTS[entry.what]),
            "kind": entry.what.value,
            "note": entry.note,
            "receipts": (),
        }
        for entry in case.entries
    ]
    lines += [_message_row(message, case, registry, t) for message in messages]
    return sorted(lines, key=lambda line: line["at"])


def _message_row(
    message: OutboxMessage, case: Case, registry: Registry, t: Translator
) -> dict[str, Any]:
    grid = next((grid for grid in announced_grids(case) if f"/{grid}/" in message.topic), None)
    to = grid_name(registry, grid) if grid else message.topic.split("/")[4]
    what = t("消息", "message") if message.payload else t("收回消息", "message cleared")
    good = (DeliveryState.RECEIVED, DeliveryState.OPENED, DeliveryState.ACKNOWLEDGED)
    bad = (DeliveryState.OVERDUE, DeliveryState.EXPIRED, DeliveryState.QUARANTINED)
    return {
        "at": message.queued_at,
        "who": f"→ {to}",
        "what": what,
        "kind": "message",
        "note": message.problem if message.published_at is None else "",
        "state": t.pair(labels.DELIVERY_STATES[message.state]),
        "pill": "ok" if message.state in good else "warn" if message.state in bad else "",
        "receipts": [
            (t.pair(labels.DELIVERY_STATES[state]), t.time(at))
            for state, at in (
                (DeliveryState.PUBLISHED, message.published_at),
                (DeliveryState.RECEIVED, message.received_at),
                (DeliveryState.OPENED, message.opened_at),
                (DeliveryState.ACKNOWLEDGED, message.answered_at),
            )
            if at is not None
        ],
    }


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
