"""Inbox: what the ground says moves the case by its table. One transaction per message.

A repeat (same key on the same topic) changes nothing. A message that cannot be accepted goes to
the dead letters with its reason and is counted; it never stops the inbox. The caller acknowledges
to the broker after `handle` has returned; when it raises (the store is away), it must not.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, tzinfo
from enum import StrEnum, auto

from patrol.dispatch.answers import after_answer, receipt_of
from patrol.dispatch.replies import Reason, Refused, Reply, Report, parse
from patrol.dispatch.wire import Wire
from patrol.domain import category as categories
from patrol.domain.case import Case, IllegalMove
from patrol.domain.escalation import grids_told
from patrol.domain.ids import CaseId, MessageKey
from patrol.domain.levels import Level
from patrol.domain.message import DeadLetter, DeliveryState
from patrol.domain.opening import case_id, case_sequence, open_from_ground
from patrol.domain.registry import Registry
from patrol.store import Store, UnitOfWork

KEPT_BYTES = 4096  # of a dead letter's payload


class Outcome(StrEnum):
    """What became of a message."""

    MOVED = auto()  # the case looks different now; it was told again
    NOTED = auto()  # written down; nothing that a leader sees has changed
    REPORTED = auto()  # a new case from the ground
    REPEATED = auto()  # the key was seen before
    REFUSED = auto()  # a dead letter


@dataclass(frozen=True, slots=True, kw_only=True)
class Handled:
    """The answer of the inbox, with its reason."""

    outcome: Outcome
    case: CaseId | None = None
    reason: str = ""


@dataclass
class Inbox:
    """Reads one message after another; any thread, one at a time."""

    store: Store
    announcer: Wire
    registry: Registry
    site: str
    zone: tzinfo
    on_news: Callable[[], None] = lambda: None  # wakes the relay
    counters: Counter[str] = field(default_factory=Counter)

    def handle(self, topic: str, payload: bytes, received_at: datetime) -> Handled:
        """One message, one transaction. Raises StoreUnavailable, StoreFull: do not acknowledge."""
        said = parse(self.site, topic, payload, received_at)
        try:
            handled = self._accept(said, received_at)
        except Rejected as exc:
            refused = exc.refused
            self._bury(topic, payload, refused, received_at)
            handled = Handled(outcome=Outcome.REFUSED, reason=refused.reason)
        self.counters[handled.outcome] += 1
        if handled.outcome is Outcome.REFUSED:
            self.counters[f"refused:{handled.reason}"] += 1
        if handled.outcome in (Outcome.MOVED, Outcome.REPORTED):
            self.on_news()
        return handled

    def _accept(self, said: Reply | Report | Refused, now: datetime) -> Handled:
        if isinstance(said, Refused):
            raise Rejected(said)
        with self.store.begin() as uow:
            if isinstance(said, Report):
                handled = self._report(uow, said, now)
            else:
                handled = self._reply(uow, said, now)
            uow.commit()
        return handled

    def _reply(self, uow: UnitOfWork, reply: Reply, now: datetime) -> Handled:
        try:
            case = uow.cases.get(reply.case)
        except KeyError:
            raise Rejected(Refused(Reason.UNKNOWN_CASE)) from None
        if reply.grid not in grids_told(case):
            raise Rejected(Refused(Reason.ANOTHER_GRID, f"told to {', '.join(grids_told(case))}"))
        if not uow.inbox.first_time(reply.key, now):
            return Handled(outcome=Outcome.REPEATED, case=case.id)
        self._mark_deliveries(uow, case, reply, now)
        try:
            after = after_answer(case, reply, by=self._by(reply.person, reply.grid), now=now)
        except IllegalMove as exc:
            raise Rejected(Refused(Reason.NOT_POSSIBLE, str(exc))) from None
        seen_anew = _looks_different(case, after)
        if seen_anew and after.revision == case.revision:
            after = replace(after, revision=case.revision + 1)
        if after is not case:
            uow.cases.put(after)
        if seen_anew:
            self._tell(uow, after, now)
        return Handled(outcome=Outcome.MOVED if seen_anew else Outcome.NOTED, case=case.id)

    def _report(self, uow: UnitOfWork, report: Report, now: datetime) -> Handled:
        if report.grid not in self.registry.tree.grids:
            raise Rejected(Refused(Reason.UNKNOWN_GRID))
        if not uow.inbox.first_time(report.key, now):
            return Handled(outcome=Outcome.REPEATED)
        day = now.astimezone(self.zone).date()
        category = report.category if report.category in categories.BY_ID else "other"
        unknown = f"[{report.category}] " if category != report.category else ""
        case = open_from_ground(
            case_id(day, uow.next_number(case_sequence(day))),
            self.registry,
            grid=report.grid,
            by=self._by(report.person, report.grid),
            now=now,
            category=category,
            level=Level(report.level) if report.level in set(Level) else Level.ORDINARY,
            place=report.place,
            words=f"{unknown if report.category else ''}{report.text}".strip(),
        )
        uow.cases.add(case)
        self._tell(uow, case, now)
        return Handled(outcome=Outcome.REPORTED, case=case.id)

    def _mark_deliveries(self, uow: UnitOfWork, case: Case, reply: Reply, now: datetime) -> None:
        keys = self._answered(uow, case, reply)
        if keys:
            uow.outbox.mark(keys, receipt_of(reply), now)

    def _answered(self, uow: UnitOfWork, case: Case, reply: Reply) -> Sequence[MessageKey]:
        """Which messages the sender has in hand: the one it names, else all that went out.

        A message that still waits must not be marked, or it would never be sent.
        """
        ours = [m for m in uow.outbox.of_case(case.id) if f"/grid/{reply.grid}/" in m.topic]
        named = [m.key for m in ours if m.key == reply.about]
        return named or [m.key for m in ours if m.state is not DeliveryState.QUEUED]

    def _by(self, person: str, grid: str) -> str:
        return person if person in self.registry.people else f"{person or 'somebody'}@{grid}"

    def _tell(self, uow: UnitOfWork, case: Case, now: datetime) -> None:
        for message in self.announcer.case(case, now):
            uow.outbox.add(message)

    def _bury(self, topic: str, payload: bytes, refused: Refused, now: datetime) -> None:
        letter = DeadLetter(
            at=now,
            topic=topic.encode("utf-8", "replace").decode()[:512],
            reason=refused.words,
            payload=payload[:KEPT_BYTES],
            size_bytes=len(payload),
        )
        with self.store.begin() as uow:
            uow.inbox.bury(letter)
            uow.commit()


class Rejected(Exception):
    """Leaves the transaction, so that a refused message changes nothing but the dead letters."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(refused.words)
        self.refused = refused


def _looks_different(before: Case, after: Case) -> bool:
    seen = (before.state, before.rung, before.revision)
    return seen != (after.state, after.rung, after.revision)
