"""Ladder: polls the cases whose silence has run out and tells the next person up.

The due time is a column; no timer in memory is the only one who knows, so a restart loses nothing.
The next telling is another outbox row: there is one way out of the house.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from patrol.domain.case import Case
from patrol.domain.escalation import EscalationResult, current_rung, escalate_if_due
from patrol.domain.ids import CaseId
from patrol.domain.outbox import DeliveryEvent, DeliveryState
from patrol.messaging.payloads import PayloadBuilder
from patrol.store import Store, UnitOfWork

log = structlog.get_logger(__name__)


@dataclass
class Escalator:
    """Ticked by the bell; each case moves in a transaction of its own."""

    store: Store
    payloads: PayloadBuilder
    on_queued: Callable[[], None] = lambda: None  # wakes the relay
    counters: Counter[str] = field(default_factory=Counter)

    def run_due(self, now: datetime) -> Sequence[EscalationResult]:
        """Move every due case one rung. Raises StoreUnavailable, StoreFull: try next tick."""
        with self.store.begin_read() as uow:
            due = [case.id for case in uow.cases.escalation_due(now)]
        steps = [self._escalate(case_id, now) for case_id in due]
        moved = [step for step in steps if step.moved]
        for step in moved:
            self.counters[step.reason] += 1
            log.info("silence moved a case up", case=step.case.id, why=str(step.reason))
        if moved:
            self.on_queued()
        return moved

    def _escalate(self, case_id: CaseId, now: datetime) -> EscalationResult:
        with self.store.begin() as uow:
            case = uow.cases.get(case_id)
            step = escalate_if_due(
                case, now
            )  # decided again under the lock: an answer may have come
            if step.moved:
                self._record_no_answer(uow, case, now)
                uow.cases.put(step.case)
                for message in self.payloads.case_messages(step.case, now):
                    uow.outbox.add(message)
                uow.commit()
        return step

    def _record_no_answer(self, uow: UnitOfWork, case: Case, now: datetime) -> None:
        topic_part = f"/grid/{current_rung(case).grid}/"
        sent = [
            message.key
            for message in uow.outbox.of_case(case.id)
            if topic_part in message.topic and message.state is not DeliveryState.QUEUED
        ]
        if sent:
            uow.outbox.apply_event(sent, DeliveryEvent.NO_ANSWER, now)
