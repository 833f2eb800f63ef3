"""Save a case and send its messages: queue them at once, or hold them as the send policy says.

`save_case` is the only writer of cases and case messages of this package. Everything runs inside
the caller's unit of work and leaves the commit to it, so that a case and its messages stand or fall
together. Whether leaders see a change is the domain's (`CASE_EFFECTS`).

The send gate applies the policy (domain/send_policy.py) to new cases and repeats: it reads the
facts that the policy needs from the store, and has the one way by which a finding is merged into an
open case (review and rounds use it). `HeldCaseReleaser`, a task of the service, polls the column
`hold_until`, so that a restart loses nothing.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from patrol.cases.trouble_link import sync_trouble
from patrol.domain import send_policy
from patrol.domain.case import Case, CaseEvent
from patrol.domain.escalation import announced_grids, current_rung
from patrol.domain.ids import CaseId
from patrol.domain.observation import Subject
from patrol.domain.priority import OFFICE_HOURS_LEVELS
from patrol.domain.registry import GridTree, Registry
from patrol.domain.schedule import Stoppage, maintenance_of
from patrol.domain.send_policy import BUSY_WINDOW, NO_LIMITS, SendContext, SendLimits
from patrol.lazy_imports import lazy_logger
from patrol.messaging.payloads import PayloadBuilder
from patrol.messaging.topics import case_filter
from patrol.store import Store, UnitOfWork


def add_case(uow: UnitOfWork, case: Case, payloads: PayloadBuilder, now: datetime) -> None:
    """Write a new case and queue its first messages, unless they are held."""
    uow.cases.add(case)
    sync_trouble(uow, case, now)
    _queue_messages(uow, case, payloads, now)


def save_case(
    uow: UnitOfWork, before: Case, after: Case, payloads: PayloadBuilder, now: datetime
) -> Case:
    """Write a changed case; queue its messages if its revision moved or its first hold ended.

    `before` is the case as the store has it. However many events of one action announce it, its
    revision rises by one; grids that have it no longer get their topic cleared. Returns the case
    as it was written.
    """
    is_new_revision = after.revision != before.revision
    saved = replace(after, revision=before.revision + is_new_revision)
    if saved == before:
        return before
    uow.cases.put(saved)
    sync_trouble(uow, saved, now)
    if is_new_revision or (before.is_unannounced and not saved.is_unannounced):
        _queue_messages(uow, saved, payloads, now)
        gone = [grid for grid in announced_grids(before) if grid not in announced_grids(saved)]
        for message in payloads.clear_messages(saved, gone, now):
            uow.outbox.add(message)
    return saved


def save_step(
    uow: UnitOfWork, before: Case, after: Case, payloads: PayloadBuilder, now: datetime
) -> Case:
    """Write what a person did with a case, as `save_case`, and each of its steps in the access log.

    Those of a reply from the ground and of the machine are in the case's history alone.
    """
    saved = save_case(uow, before, after, payloads, now)
    for entry in saved.entries[len(before.entries) :]:
        uow.access.append(
            at=now, who=entry.by, what=f"case_{entry.what}", camera=None, why=f"case:{saved.id}"
        )
    return saved


def queued_message_count(case: Case) -> int:
    """How many messages the opening of `case`, or a merge into it, has just queued."""
    topics = 2 if case.subject is Subject.EQUIPMENT else 1  # the leaders' and the maintainers'
    return topics * len(announced_grids(case)) if case.hold is None else 0


def _queue_messages(uow: UnitOfWork, case: Case, payloads: PayloadBuilder, now: datetime) -> None:
    received = uow.received_replies.of_case(case.id)
    for message in payloads.case_messages(case, now, received):
        uow.outbox.add(message)


log = lazy_logger(__name__)


@dataclass(kw_only=True)
class SendGate:
    """Holds or sends by the policy of one site; the caller saves the case."""

    site: str
    registry: Registry
    limits: SendLimits = field(default_factory=SendLimits)
    maintenance: Sequence[Stoppage] = ()  # windows of site.yaml; the store has further ones
    counters: Counter[str] = field(default_factory=Counter)

    def hold_or_send_new(self, uow: UnitOfWork, case: Case, now: datetime) -> Case:
        """A new case as it is to be added: sent at once, or held with the reason."""
        facts = self.send_facts(uow, case, now)
        return self._count_hold(case, send_policy.hold_or_send_new(case, facts, self.limits, now))

    def merge_repeat(self, case: Case, *, by: str, now: datetime, note: str) -> Case:
        """The case with one more finding counted: announced again, or held with the reason.

        Raises IllegalCaseTransition.
        """
        merged = send_policy.merge_repeat(case, self.limits, by=by, now=now, note=note)
        return self._count_hold(case, merged)

    def send_facts(self, uow: UnitOfWork, case: Case, now: datetime) -> SendContext:
        """Facts that the policy needs; nothing is read for a level that never waits."""
        if case.level not in OFFICE_HOURS_LEVELS:
            return SendContext()
        recently_sent = self._recently_sent(uow, case, now) if self.limits.new_per_hour else ()
        return SendContext(
            new_cases_at=recently_sent, maintenance=self._maintenance(uow, case, now)
        )

    def _maintenance(self, uow: UnitOfWork, case: Case, now: datetime) -> Stoppage | None:
        """Of the camera, for its own fault alone: what it saw does not wait for its repair."""
        camera = self.registry.cameras.get(case.camera) if case.camera else None
        if camera is None or case.subject is not Subject.EQUIPMENT:
            return None
        stoppages = [*self.maintenance, *uow.stoppages.active(now)]
        return maintenance_of(camera, stoppages, self.registry.tree, now)

    def _recently_sent(self, uow: UnitOfWork, case: Case, now: datetime) -> Sequence[datetime]:
        topic_prefix = case_filter(self.site, current_rung(case).grid).removesuffix("+")
        return uow.outbox.new_case_times(topic_prefix, now - BUSY_WINDOW)

    def _count_hold(self, before: Case, after: Case) -> Case:
        if after.hold is not None and after.hold != before.hold:
            self.counters[f"held:{after.hold.why}"] += 1
            log.info("held", case=after.id, why=after.hold.why, until=str(after.hold.until))
        return after


# The null policy: without a registry no camera is in maintenance, without limits nothing is held.
SEND_AT_ONCE: Final = SendGate(
    site="",
    registry=Registry(cameras={}, tree=GridTree(grids={}), people={}),
    limits=NO_LIMITS,
)


def merge_into_case(
    uow: UnitOfWork,
    case: Case,
    *,
    by: str,
    now: datetime,
    note: str,
    payloads: PayloadBuilder,
    send_gate: SendGate,
) -> Case:
    """Count one more finding in an open case and announce it anew by the repeat rule, or hold it.

    The caller commits. Raises IllegalCaseTransition.
    """
    merged = send_gate.merge_repeat(case, by=by, now=now, note=note)
    return save_case(uow, case, merged, payloads, now)


def void_unsent_case(uow: UnitOfWork, case: Case, *, by: str, now: datetime, note: str) -> bool:
    """Void a case that nobody was told of, and drop its messages; False: it was sent.

    No message goes out: the leaders never had the case. One person may do it, because nothing on
    the ground is taken back.
    """
    opening = (CaseEvent.DISPATCH, CaseEvent.HOLD, CaseEvent.RELEASE)
    if any(entry.what not in opening for entry in case.entries):
        return False
    if not uow.outbox.withdraw_unsent(case.id, case.dispatched_at, now):
        return False
    uow.cases.put(case.apply_event(CaseEvent.VOID, at=now, by=by, note=note))
    return True


def unmerge_unsent(
    uow: UnitOfWork, case: Case, *, since: datetime, by: str, now: datetime, note: str
) -> bool:
    """Count one finding less in an open case; False: its repeat was sent.

    `since`: when it was merged. Raises IllegalCaseTransition: the case has ended.
    """
    less = case.apply_event(CaseEvent.UNMERGE, at=now, by=by, note=note)
    if not uow.outbox.withdraw_unsent(case.id, since, now):
        return False
    uow.cases.put(replace(less, count=max(1, case.count - 1)))
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldCaseReleaser:
    """Releases what is due at each tick of the service; one transaction a case."""

    store: Store
    send_gate: SendGate
    payloads: PayloadBuilder
    on_queued: Callable[[], None] = lambda: None  # wakes the relay

    def run_due(self, now: datetime) -> int:
        """Release or hold on every due case; how many were released.

        Raises StoreUnavailable, StoreFull: the rest is due at the next tick.
        """
        with self.store.begin_read() as uow:
            due = [case.id for case in uow.cases.hold_due(now)]
        released = sum(self._release_if_due(case_id, now) for case_id in due)
        if released:
            self.send_gate.counters["released"] += released
            self.on_queued()
        return released

    def _release_if_due(self, case_id: CaseId, now: datetime) -> bool:
        with self.store.begin() as uow:
            case = uow.cases.get(case_id)
            if case.hold is None:
                return False  # an operator was faster
            facts = self.send_gate.send_facts(uow, case, now)
            after = send_policy.release_if_due(case, facts, self.send_gate.limits, now)
            save_case(uow, case, after, self.payloads, now)
            uow.commit()
        if after.hold is None:
            log.info("released", case=case_id, why=case.hold.why)
        return after.hold is None
