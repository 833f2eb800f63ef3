"""Ladder: polls the cases whose silence has run out and tells the next person up.

The due time is a column; no timer in memory is the only one who knows, so a restart loses nothing.
The next telling is another outbox row: there is one way out of the house.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from patrol.dispatch.wire import Wire
from patrol.domain.case import Case
from patrol.domain.escalation import Climb, climb, step_now
from patrol.domain.ids import CaseId
from patrol.domain.message import DeliveryEvent, DeliveryState
from patrol.store import Store, UnitOfWork

log = structlog.get_logger(__name__)


@dataclass
class Ladder:
    """Ticked by the bell; each case moves in a transaction of its own."""

    store: Store
    announcer: Wire
    on_news: Callable[[], None] = lambda: None  # wakes the relay
    counters: Counter[str] = field(default_factory=Counter)

    def tick(self, now: datetime) -> Sequence[Climb]:
        """Move every due case one rung. Raises StoreUnavailable, StoreFull: try next tick."""
        with self.store.begin_read() as uow:
            due = [case.id for case in uow.cases.ladder_due(now)]
        climbs = [self._one(case_id, now) for case_id in due]
        moved = [step for step in climbs if step.moved]
        for step in moved:
            self.counters[step.why] += 1
            log.info("silence moved a case up", case=step.case.id, why=str(step.why))
        if moved:
            self.on_news()
        return moved

    def _one(self, case_id: CaseId, now: datetime) -> Climb:
        with self.store.begin() as uow:
            case = uow.cases.get(case_id)
            step = climb(case, now)  # decided again under the lock: an answer may have come
            if step.moved:
                self._unanswered(uow, case, now)
                uow.cases.put(step.case)
                for message in self.announcer.case(step.case, now):
                    uow.outbox.add(message)
                uow.commit()
        return step

    def _unanswered(self, uow: UnitOfWork, case: Case, now: datetime) -> None:
        silent = f"/grid/{step_now(case).grid}/"
        went_out = [
            message.key
            for message in uow.outbox.of_case(case.id)
            if silent in message.topic and message.state is not DeliveryState.QUEUED
        ]
        if went_out:
            uow.outbox.mark(went_out, DeliveryEvent.NO_ANSWER, now)
