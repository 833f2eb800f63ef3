"""Audit of a simulated year: reads the store as it stands, remembers nothing of the run.

Every round has an end and every planned camera an outcome; every finding is decided, expired or
young enough to wait; every case is closed or has somebody responsible; every message was
delivered, and silence was escalated; a camera that is ill is in the maintenance queue; a picture
is deleted when its time came; the months' reports add up to all that.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final

from patrol.cases.reply_handler import REPORTED_AGAIN
from patrol.domain.case import Case, CaseEvent, CaseState
from patrol.domain.escalation import announced_grids
from patrol.domain.finding import Finding, FindingState
from patrol.domain.health import NO_ANSWER_FAILURES, CameraCondition, TroubleKind
from patrol.domain.ids import FindingId
from patrol.domain.outbox import DeliveryState
from patrol.review.queue import is_expired
from patrol.rounds.recorder import ACTOR
from patrol.store import Store, UnitOfWork
from tests.long.year.leave import LeaveCalendar
from tests.long.year.town import ReportArchive
from tests.support.rounds import is_balanced

LATEST: Final = timedelta(hours=1)  # after the moment at which something fell due
A_DAY: Final = timedelta(days=1)  # expiry runs at night
MANY: Final = 1_000_000
LEADER_STATES: Final = frozenset({CaseState.ACKNOWLEDGED, CaseState.ARRIVED, CaseState.HANDLED})


@dataclass
class YearAudit:
    """Counts of everything in the store, and every problem found."""

    rounds: Counter[str] = field(default_factory=Counter)
    visits: Counter[str] = field(default_factory=Counter)
    findings: Counter[str] = field(default_factory=Counter)
    cases: Counter[str] = field(default_factory=Counter)
    responsible: Counter[str] = field(default_factory=Counter)
    messages: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class YearOutcome:
    """The result of a run, as `main` prints it."""

    seed: int
    days: int
    rounds: dict[str, int]
    visits: dict[str, int]
    findings: dict[str, int]
    cases: dict[str, int]
    responsible: dict[str, int]
    messages: dict[str, int]
    inbox: dict[str, int]
    leader_counts: dict[str, int]
    ground: dict[str, int]  # patrols on the ground, their points and check-ins
    wall_s: float
    cpu_s: float
    problems: list[str]

    @property
    def total_cases(self) -> int:
        """The number of cases in all states."""
        return sum(self.cases.values())


def audit_year(
    store: Store,
    retained: Mapping[str, bytes],
    reports: ReportArchive,
    now: datetime,
    leave: LeaveCalendar,
) -> YearAudit:
    """Audit the store; `retained` are the broker's messages, `reports` the months' reports."""
    audit, last = YearAudit(), _last_finding(store)
    with store.begin_read() as uow:
        numbers = range(1, last + 1)
        findings = [uow.findings.get(FindingId(f"F{number:06d}")) for number in numbers]
        cases = list(uow.cases.list(limit=MANY))
        audit.problems.extend(_rounds(audit, uow))
        audit.problems.extend(_findings(audit, findings, cases, now))
        audit.problems.extend(_health(uow))
        audit.problems.extend(_pictures(uow, now))
        audit.problems.extend(_cases(audit, uow, cases, retained, now))
        audit.problems.extend(leave.problems(cases, now))
    audit.problems.extend(_reported(audit, reports))
    return audit


def _rounds(audit: YearAudit, uow: UnitOfWork) -> Iterator[str]:
    """Rounds without an end, and totals that do not balance."""
    for a_round in uow.rounds.of_days(date.min, date.max):
        sums = uow.rounds.totals(a_round.id)
        audit.rounds[a_round.state] += 1
        audit.visits.update(
            planned=sums.planned, seen=sums.seen, not_viewable=sums.not_viewable,
            missed=sums.missed,
        )  # fmt: skip
        if a_round.is_open:
            yield f"round {a_round.id} is {a_round.state}, and nobody will end it"
        if not is_balanced(sums) or sums.pending:
            yield f"round {a_round.id} does not balance: {sums}"
        if sums.missed and not a_round.reason:
            yield f"round {a_round.id}: {sums.missed} missed, and nobody knows why"


def _last_finding(store: Store) -> int:
    with store.begin() as uow:  # never committed
        return uow.next_number("finding") - 1


def _health(uow: UnitOfWork) -> Iterator[str]:
    """Cameras that are silent or ill and in nobody's queue, and the other way round."""
    open_troubles = uow.troubles.list_open()
    listed = {camera for trouble in open_troubles for camera in trouble.cameras}
    alone = {trouble.subject for trouble in open_troubles if trouble.kind is TroubleKind.CAMERA}
    camera_healths = uow.health.current_by_camera()
    for camera, health in camera_healths.items():
        outage = (
            health.state == CameraCondition.OFFLINE
            and health.why in NO_ANSWER_FAILURES
            and len(listed) > 1
        )
        if health.state != CameraCondition.ONLINE and camera not in listed and not outage:
            yield f"camera {camera} is {health.state}, and in nobody's queue"
        if health.state == CameraCondition.ONLINE and camera in alone:
            yield f"camera {camera} is online, and still in the maintainer's queue"


def _pictures(uow: UnitOfWork, now: datetime) -> Iterator[str]:
    overdue = uow.pictures.expired(now - A_DAY)
    if overdue:
        yield f"picture {overdue[0].sha256} and {len(overdue) - 1} more should be deleted"


def _reported(audit: YearAudit, reports: ReportArchive) -> Iterator[str]:
    """Differences between the months' reports and the year."""
    for name, of_report in (
        ("planned", sum(report.totals.planned for report in reports.reports)),
        ("seen", sum(report.totals.seen for report in reports.reports)),
    ):
        if of_report != audit.visits[name]:
            yield f"{audit.visits[name]} visits {name}, {of_report} reported"
    if reports.accepted != sum(audit.cases.values()):
        yield f"{sum(audit.cases.values())} cases, {reports.accepted} reported as accepted"


def _cases(
    audit: YearAudit,
    uow: UnitOfWork,
    cases: Sequence[Case],
    retained: Mapping[str, bytes],
    now: datetime,
) -> Iterator[str]:
    """Cases with nobody responsible, overdue ones, and messages that do not fit."""
    kept = {topic for topic in retained if "/case/" in topic}
    for case in cases:
        audit.cases[case.state] += 1
        responsible = responsible_for(case)
        audit.responsible[responsible or "end"] += 1
        if responsible == "nobody":
            yield f"case {case.id} is {case.state} with nobody responsible"
        due = [at for at in (case.ladder_due_at, case.recheck_due_at) if at is not None]
        if due and min(due) < now - LATEST:
            yield f"case {case.id}: due at {min(due)}, and nobody moved it"
        states = [message.state for message in uow.outbox.of_case(case.id)]
        audit.messages.update(states)
        yield from _delivery_problems(case, states, kept)
    yield from (f"{topic} is shown, and no case stands behind it" for topic in kept)


def responsible_for(case: Case) -> str | None:
    """Who has to act next; None for a closed case, `nobody` where that is a fault."""
    if not case.is_open:
        return None
    if case.request is not None or case.suspension is not None:
        return "duty lead"
    if case.state is CaseState.RETURNED:
        return "operator"
    if case.ladder_due_at is not None:
        return "escalator"
    if case.recheck_due_at is not None:
        return "recheck"
    return _responsible_person(case)


def _responsible_person(case: Case) -> str:
    if case.state in LEADER_STATES:
        return "leader"
    supervised = any(entry.what is CaseEvent.SUPERVISE for entry in case.entries)
    if supervised or (case.state is CaseState.FED_BACK and case.camera is None):
        return "operator"
    if case.state is CaseState.FED_BACK:
        return "nobody"  # a recheck was due, and nobody planned it
    answered = {CaseEvent.ACKNOWLEDGE, CaseEvent.PROGRESS, CaseEvent.EXTEND}
    spoke = any(entry.what in answered for entry in case.entries)
    return "leader" if spoke else "nobody"


def _findings(
    audit: YearAudit, findings: Sequence[Finding], cases: Sequence[Case], now: datetime
) -> Iterator[str]:
    audit.findings.update(finding.state for finding in findings)
    for finding in findings:
        if is_expired(finding, now - A_DAY):
            yield f"finding {finding.id} is neither decided nor expired since {finding.found_at}"
        if not finding.is_open and (not finding.decided_by or finding.decided_at is None):
            yield f"finding {finding.id} is {finding.state}, and nobody knows by whom"
    of_findings = [case for case in cases if case.finding is not None]
    confirmed, merged = audit.findings[FindingState.CONFIRMED], audit.findings[FindingState.MERGED]
    if len(of_findings) != confirmed:
        yield f"{confirmed} findings confirmed, {len(of_findings)} cases made of them"
    seen_again = sum(_seen_again(case) for case in cases)
    counted = sum(case.count - 1 for case in cases)
    reported = sum(_reported_again(case) for case in cases)
    if counted != merged + seen_again + reported:
        yield (
            f"{merged} findings merged, {seen_again} seen again, {reported} reported again,"
            f" {counted} counted into cases"
        )


def _seen_again(case: Case) -> int:
    """How many rounds saw the problem again while the case was open."""
    return sum(e.what is CaseEvent.MERGE and e.by == ACTOR for e in case.entries)


def _reported_again(case: Case) -> int:
    """How often people on the ground reported it anew while the case was open."""
    return sum(e.what is CaseEvent.MERGE and e.note == REPORTED_AGAIN for e in case.entries)


def _delivery_problems(
    case: Case, states: Sequence[DeliveryState], kept: set[str]
) -> Iterator[str]:
    """Problems of one case's messages; removes its topics from `kept`."""
    if not states or DeliveryState.QUEUED in states:
        yield f"case {case.id}: {states.count(DeliveryState.QUEUED)} of {len(states)} unsent"
    escalations = {CaseEvent.ESCALATE, CaseEvent.SUPERVISE}
    if DeliveryState.OVERDUE in states and not any(e.what in escalations for e in case.entries):
        yield f"case {case.id}: nobody answered, and nobody else got a message"
    mine = {topic for topic in kept if topic.endswith(f"/case/{case.id}")}
    kept -= mine
    shown = {topic.split("/grid/")[1].split("/")[0] for topic in mine}
    due = set(announced_grids(case)) if case.is_open else set()
    if shown != due:
        yield f"case {case.id} is {case.state}: shown to {sorted(shown)}, due {sorted(due)}"
