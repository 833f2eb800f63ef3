"""Escalator: the service's task that moves cases up their ladder when a silence has run out.

The due time is a column of the store, not a timer in memory, so that a restart loses nothing. The
next person is notified through the outbox like everybody before (domain/escalation.py decides).
A person who left, is on leave, whose account was disabled or who has no contact is not waited for:
whether the people of waiting cases can be told is asked at each tick, and answered anew when that
changed.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

import structlog

from patrol.cases.save_and_send import save_case
from patrol.domain.case import Case
from patrol.domain.contacts import Contacts, contacts_of
from patrol.domain.escalation import (
    EscalationResult,
    current_rung,
    escalate_if_due,
    skip_out_of_reach,
)
from patrol.domain.ids import CaseId, PersonId
from patrol.domain.outbox import DeliveryEvent, DeliveryState
from patrol.messaging.payloads import PayloadBuilder
from patrol.store import Store, UnitOfWork

log = structlog.get_logger(__name__)

AT_A_TICK: Final = 100  # cases; the rest moves at the next one
MAX_OPEN_CASES: Final = 10_000  # far more than a town can have open


@dataclass
class Escalator:
    """Runs the due escalations at each tick of the service; one transaction a case."""

    store: Store
    payloads: PayloadBuilder
    on_queued: Callable[[], None] = lambda: None  # wakes the relay
    # While nobody confirms the clock, no silence that is counted in office hours ends.
    clock_unconfirmed: Callable[[], bool] = lambda: False
    counters: Counter[str] = field(default_factory=Counter)
    _reachable: frozenset[PersonId] = frozenset()
    _waiting_rightly: Mapping[CaseId, int] = field(default_factory=dict)  # and at which rung

    def run_due(self, now: datetime) -> Sequence[EscalationResult]:
        """Move every due case one rung, and past people who cannot be told; those that moved.

        Raises StoreUnavailable, StoreFull: the rest moves at the next tick.
        """
        waits = self.clock_unconfirmed()
        limit = MAX_OPEN_CASES if waits else AT_A_TICK
        with self.store.begin_read() as uow:
            due = [
                case.id
                for case in uow.cases.escalation_due(now, limit=limit)
                if not (waits and case.policy.office is not None)
            ]
            registry = self.payloads.registry
            contacts = contacts_of(registry.people, uow.accounts.all(), registry.absent)
            waiting = {} if waits else uow.cases.escalation_waiting()
        results = [self._escalate(case_id, contacts, now) for case_id in due]
        others = {case_id: rung for case_id, rung in waiting.items() if case_id not in due}
        results += [self._skip(id_, contacts, now) for id_ in self._to_ask(contacts, others)]
        self._reachable, self._waiting_rightly = contacts.reachable(), others
        moved = [result for result in results if result.moved]
        for result in moved:
            self.counters[result.reason] += 1
            log.info("a case moved up its ladder", case=result.case.id, why=str(result.reason))
        if moved:
            self.on_queued()
        return moved

    def _to_ask(self, contacts: Contacts, waiting: Mapping[CaseId, int]) -> Sequence[CaseId]:
        """Waiting cases of which it is not known that their rung's person can be told."""
        known = self._waiting_rightly if contacts.reachable() == self._reachable else {}
        return [case_id for case_id, rung in waiting.items() if known.get(case_id) != rung]

    def _escalate(self, case_id: CaseId, contacts: Contacts, now: datetime) -> EscalationResult:
        with self.store.begin() as uow:
            case = uow.cases.get(case_id)
            # Decided again inside the transaction: an answer may have come meanwhile.
            result = escalate_if_due(case, now)
            if result.moved:
                self._record_no_answer(uow, case, now)
                further = self._skipped(result.case, contacts, now)
                result = replace(result, case=further.case)
                save_case(uow, case, result.case, self.payloads, now)
                uow.commit()
        return result

    def _skip(self, case_id: CaseId, contacts: Contacts, now: datetime) -> EscalationResult:
        with self.store.begin() as uow:
            case = uow.cases.get(case_id)
            result = self._skipped(case, contacts, now)
            if result.moved:
                save_case(uow, case, result.case, self.payloads, now)
                uow.commit()
        return result

    def _skipped(self, case: Case, contacts: Contacts, now: datetime) -> EscalationResult:
        absent = self.payloads.registry.absent
        return skip_out_of_reach(case, contacts.problem_of, now, stand_in=absent.get)

    def _record_no_answer(self, uow: UnitOfWork, case: Case, now: datetime) -> None:
        topic_part = f"/grid/{current_rung(case).grid}/"
        sent = [
            message.key
            for message in uow.outbox.of_case(case.id)
            if topic_part in message.topic and message.state is not DeliveryState.QUEUED
        ]
        if sent:
            uow.outbox.apply_event(sent, DeliveryEvent.NO_ANSWER, now)
