"""Sending: the gate that new cases and repeats pass, and letting go what was held there.

The policy is patrol.domain.sending; here are the facts that it asks for, from the books, and the
bell that polls the column `hold_until`: no timer in memory is the only one who knows.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from patrol.dispatch.topics import case_filter
from patrol.dispatch.verification import tell
from patrol.dispatch.wire import Wire
from patrol.domain import sending
from patrol.domain.case import Case
from patrol.domain.escalation import step_now
from patrol.domain.ids import CaseId
from patrol.domain.levels import IN_OFFICE_HOURS
from patrol.domain.observation import Subject
from patrol.domain.registry import Registry
from patrol.domain.sending import WINDOW, Facts, SendLimits
from patrol.domain.stoppage import Stoppage, upkeep_of
from patrol.store import Store, UnitOfWork

log = structlog.get_logger(__name__)


@dataclass(kw_only=True)
class SendGate:
    """Decides whether a word goes now or waits (domain.sending); the caller writes the case."""

    site: str
    registry: Registry
    limits: SendLimits = field(default_factory=SendLimits)
    windows: Sequence[Stoppage] = ()  # maintenance that site.yaml knows of
    counters: Counter[str] = field(default_factory=Counter)

    def first_word(self, uow: UnitOfWork, case: Case, now: datetime) -> Case:
        """A new case as it is to be written: told at once, or held with the reason."""
        facts = self.facts(uow, case, now)
        return self._counted(case, sending.first_word(case, facts, self.limits, now))

    def repeat(self, case: Case, now: datetime) -> Case:
        """A case into which something was counted: its next revision, or held."""
        return self._counted(case, sending.repeat(case, self.limits, now))

    def facts(self, uow: UnitOfWork, case: Case, now: datetime) -> Facts:
        """What the stages ask for; nothing is read for a case that never waits."""
        if case.level not in IN_OFFICE_HOURS:
            return Facts()
        told = self._told(uow, case, now) if self.limits.new_per_hour else ()
        return Facts(told=told, upkeep=self._upkeep(uow, case, now))

    def _upkeep(self, uow: UnitOfWork, case: Case, now: datetime) -> Stoppage | None:
        """Asked for a camera's own fault alone: what it saw does not wait for its repair."""
        camera = self.registry.cameras.get(case.camera) if case.camera else None
        if camera is None or case.subject is not Subject.EQUIPMENT:
            return None
        said = [*self.windows, *uow.stoppages.standing(now)]
        return upkeep_of(camera, said, self.registry.tree, now)

    def _told(self, uow: UnitOfWork, case: Case, now: datetime) -> Sequence[datetime]:
        under = case_filter(self.site, step_now(case).grid).removesuffix("+")
        return uow.outbox.new_cases(under, now - WINDOW)

    def _counted(self, before: Case, after: Case) -> Case:
        if after.hold is not None and after.hold != before.hold:
            self.counters[f"held:{after.hold.why}"] += 1
            log.info("held", case=after.id, why=after.hold.why, until=str(after.hold.until))
        return after


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """Ticked by the bell; each case in a transaction of its own."""

    store: Store
    gate: SendGate
    announcer: Wire
    on_news: Callable[[], None] = lambda: None  # wakes the relay

    def tick(self, now: datetime) -> int:
        """Let go whatever is due; how many went. Raises StoreUnavailable, StoreFull."""
        with self.store.begin_read() as uow:
            due = [case.id for case in uow.cases.hold_due(now)]
        went = sum(self._one(case_id, now) for case_id in due)
        if went:
            self.gate.counters["released"] += went
            self.on_news()
        return went

    def _one(self, case_id: CaseId, now: datetime) -> bool:
        with self.store.begin() as uow:
            case = uow.cases.get(case_id)
            if case.hold is None:
                return False  # the desk was faster
            facts = self.gate.facts(uow, case, now)
            after = sending.let_go(case, facts, self.gate.limits, now)
            uow.cases.put(after)
            tell(uow, after, self.announcer, now)
            uow.commit()
        if after.hold is None:
            log.info("released", case=case_id, why=case.hold.why)
        return after.hold is None
