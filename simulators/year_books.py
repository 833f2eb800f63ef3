"""Do the books of a simulated year balance? Reads the store as it stands; no memory of the run.

Every finding is decided, aged or young enough to wait; every case is at an end or on somebody's
desk; every message was delivered, and whoever stayed silent was followed by somebody else.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from patrol.domain.case import Case, CaseEvent, CaseState
from patrol.domain.escalation import grids_told
from patrol.domain.finding import Finding, FindingState
from patrol.domain.ids import FindingId
from patrol.domain.message import DeliveryState
from patrol.ports import Store
from patrol.review.ageing import is_too_old

LATEST: Final = timedelta(hours=1)  # after the moment at which something fell due
A_DAY: Final = timedelta(days=1)  # ageing is a nightly work
MANY: Final = 1_000_000
BY_HAND: Final = frozenset({CaseState.ACKNOWLEDGED, CaseState.ARRIVED, CaseState.HANDLED})


@dataclass
class Books:
    """What was counted, and every line that does not balance."""

    findings: Counter[str] = field(default_factory=Counter)
    cases: Counter[str] = field(default_factory=Counter)
    desks: Counter[str] = field(default_factory=Counter)
    messages: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What `main` prints."""

    seed: int
    days: int
    rounds: int
    findings: dict[str, int]
    cases: dict[str, int]
    desks: dict[str, int]
    messages: dict[str, int]
    inbox: dict[str, int]
    heard: dict[str, int]
    wall_s: float
    problems: list[str]

    @property
    def total_cases(self) -> int:
        """Of all states."""
        return sum(self.cases.values())


def balance(
    store: Store, found: Sequence[FindingId], retained: Mapping[str, bytes], now: datetime
) -> Books:
    """The whole year's; `found`: every finding that ever was, `retained`: the broker's memory."""
    books = Books()
    with store.begin_read() as uow:
        findings = [uow.findings.get(finding) for finding in found]
        cases = list(uow.cases.list(limit=MANY))
        books.problems.extend(_findings(books, findings, cases, now))
        kept = {topic for topic in retained if "/case/" in topic}
        for case in cases:
            books.cases[case.state] += 1
            desk = desk_of(case)
            books.desks[desk or "end"] += 1
            if desk == "nobody":
                books.problems.append(f"case {case.id} is {case.state} on nobody's desk")
            due = [at for at in (case.ladder_due_at, case.look_due_at) if at is not None]
            if due and min(due) < now - LATEST:
                books.problems.append(f"case {case.id}: due at {min(due)}, and nobody moved it")
            states = [message.state for message in uow.outbox.of_case(case.id)]
            books.messages.update(states)
            books.problems.extend(_told(case, states, kept))
    books.problems.extend(f"{topic} is shown, and no case stands behind it" for topic in kept)
    return books


def desk_of(case: Case) -> str | None:
    """Who has to do something next; None at an end, `nobody` where the product forgot it."""
    if not case.is_open:
        return None
    if case.request is not None or case.suspension is not None:
        return "duty lead"
    if case.state is CaseState.RETURNED:
        return "operator"
    if case.ladder_due_at is not None:
        return "ladder"
    if case.look_due_at is not None:
        return "second look"
    return _waiting_for_people(case)


def _waiting_for_people(case: Case) -> str:
    if case.state in BY_HAND:
        return "leader"
    supervised = any(entry.what is CaseEvent.SUPERVISE for entry in case.entries)
    if supervised or (case.state is CaseState.FED_BACK and case.camera is None):
        return "operator"
    if case.state is CaseState.FED_BACK:
        return "nobody"  # a look was due, and nobody planned it
    answered = {CaseEvent.ACKNOWLEDGE, CaseEvent.PROGRESS, CaseEvent.EXTEND}
    spoke = any(entry.what in answered for entry in case.entries)
    return "leader" if spoke else "nobody"


def _findings(
    books: Books, findings: Sequence[Finding], cases: Sequence[Case], now: datetime
) -> Iterator[str]:
    books.findings.update(finding.state for finding in findings)
    for finding in findings:
        if is_too_old(finding, now - A_DAY):
            yield f"finding {finding.id} waits since {finding.found_at}, neither decided nor aged"
        if not finding.is_open and (not finding.decided_by or finding.decided_at is None):
            yield f"finding {finding.id} is {finding.state}, and nobody knows by whom"
    of_findings = [case for case in cases if case.finding is not None]
    confirmed, merged = books.findings[FindingState.CONFIRMED], books.findings[FindingState.MERGED]
    if len(of_findings) != confirmed:
        yield f"{confirmed} findings confirmed, {len(of_findings)} cases made of them"
    counted = sum(case.count - 1 for case in cases)
    if counted != merged:
        yield f"{merged} findings merged, {counted} counted into cases"


def _told(case: Case, states: Sequence[DeliveryState], kept: set[str]) -> Iterator[str]:
    """Takes what it explains out of `kept`."""
    if not states or DeliveryState.QUEUED in states:
        yield f"case {case.id}: {states.count(DeliveryState.QUEUED)} of {len(states)} unsent"
    steps = {CaseEvent.ESCALATE, CaseEvent.SUPERVISE}
    if DeliveryState.OVERDUE in states and not any(e.what in steps for e in case.entries):
        yield f"case {case.id}: nobody answered, and nobody else was told"
    mine = {topic for topic in kept if topic.endswith(f"/case/{case.id}")}
    kept -= mine
    shown = {topic.split("/grid/")[1].split("/")[0] for topic in mine}
    due = set(grids_told(case)) if case.is_open else set()
    if shown != due:
        yield f"case {case.id} is {case.state}: shown to {sorted(shown)}, told to {sorted(due)}"
