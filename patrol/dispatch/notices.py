"""Notices for second channels (a text message, WeCom, DingTalk, mail): who has not been reached.

A notice goes out when the acknowledgement clock of a case ran out and not even the device of the
one who was told has said that it has the message: silence of a person is the ladder's affair,
silence of a telephone is ours. And when the canary dies. Words only: no picture, no household.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog

from patrol.domain.case import Case
from patrol.domain.delivery import Delivery
from patrol.domain.escalation import step_now
from patrol.domain.ids import CaseId
from patrol.domain.message import DeliveryState, OutboxMessage
from patrol.domain.registry import Registry
from patrol.store import Store, UnitOfWork

log = structlog.get_logger(__name__)

UNHEARD, ALARM = "unheard", "alarm"
EVENTS: Final = (UNHEARD, ALARM)
TIME: Final = timedelta(hours=24)
_NOT_RECEIVED: Final = (DeliveryState.QUEUED, DeliveryState.PUBLISHED, DeliveryState.EXPIRED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What is said, and about whom: a channel may need the telephone number."""

    key: str
    event: str
    title: str
    body: str
    person: str = ""
    phone: str = ""
    case: CaseId | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """A channel among the deliveries, and what it wants to hear."""

    name: str
    events: frozenset[str]


def queue(uow: UnitOfWork, notice: Notice, targets: Sequence[Target], now: datetime) -> int:
    """Add it for everybody who wants it, within the caller's transaction; for how many."""
    body = {
        "title": notice.title,
        "body": notice.body,
        "person": notice.person,
        "phone": notice.phone,
    }
    payload = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
    wanted = [target for target in targets if notice.event in target.events]
    for target in wanted:
        uow.deliveries.add(
            Delivery(
                key=notice.key,
                target=target.name,
                event=notice.event,
                payload=payload,
                queued_at=now,
                due_at=now,
                expires_at=now + TIME,
                case=notice.case,
            )
        )
    return len(wanted)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unheard:
    """Rung right before the ladder, which then moves the same cases up."""

    store: Store
    registry: Registry
    targets: Sequence[Target]

    def tick(self, now: datetime) -> int:
        """Queue a notice for every case nobody's device has; how many. Raises StoreUnavailable."""
        with self.store.begin_read() as uow:
            due = [case.id for case in uow.cases.ladder_due(now)] if self.targets else []
        return sum(self._one(case_id, now) for case_id in due)

    def _one(self, case_id: CaseId, now: datetime) -> bool:
        with self.store.begin() as uow:
            case = uow.cases.get(case_id)
            if case.ladder_due_at is None or now < case.ladder_due_at:
                return False  # an answer came meanwhile
            here = f"/grid/{step_now(case).grid}/"
            told = [m for m in uow.outbox.of_case(case.id) if here in m.topic and m.payload]
            if not told or told[-1].state not in _NOT_RECEIVED:
                return False
            queue(uow, self._notice(case, told[-1]), self.targets, now)
            uow.commit()
        log.warning("not received within its clock", case=case.id, rung=case.rung)
        return True

    def _notice(self, case: Case, told: OutboxMessage) -> Notice:
        step = step_now(case)
        person = self.registry.people.get(step.person)
        who = f"{person.name}({person.id})" if person else f"网格 {step.grid}"
        state = "代理尚未收到" if told.state is not DeliveryState.PUBLISHED else "手机尚未收到"
        summary = str(json.loads(told.payload).get("summary", case.id))
        return Notice(
            key=f"{case.id}-rung{case.rung}-r{case.revision}-unheard",
            event=UNHEARD,
            title=f"【巡查推送未送达】{case.id}",
            body=f"{summary}\n{who}:{state},请电话联系。 Not received, please phone.",
            person=str(step.person),
            phone=person.phone if person else "",
            case=case.id,
        )
