"""Carry out the alarm of unreviewed findings: notify the duty lead, then the town's duty.

A job of the service polls it, so that a restart loses nothing: what was carried out lies in
`finding_alarms`. Whom a step reaches: the shift's owner if a duty lead, else every duty lead with
an account; then the town's duty of people.csv. Without a second channel the step is recorded with
nobody reached, and the log says so.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from patrol.domain.account import AccountRole
from patrol.domain.finding import Finding, category_named
from patrol.domain.ids import FindingId
from patrol.domain.registry import Person, Registry, Role
from patrol.domain.review_alarm import NOTIFIED_STEPS, AlarmStep, ReviewAlarmPolicy
from patrol.domain.shift_handover import shift_owner
from patrol.store import Store, UnitOfWork

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmRecipient:
    """A person whom a step reaches; without a telephone number only a fixed channel can."""

    name: str
    person: str = ""
    phone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewAlarm:
    """One step of one finding's alarm, to be queued."""

    finding: Finding
    step: AlarmStep
    title: str
    body: str
    recipient: AlarmRecipient
    key: str


QueueAlarm = Callable[[UnitOfWork, ReviewAlarm, datetime], int]  # → channels that got it


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewAlarmWorker:
    """Finds due steps and queues them; one transaction a step."""

    store: Store
    registry: Registry
    policy: ReviewAlarmPolicy
    queue_alarm: QueueAlarm
    counters: Counter[str] = field(default_factory=Counter)

    def run_due(self, now: datetime) -> int:
        """Carry out every due step that was not yet; how many. Raises StoreUnavailable."""
        with self.store.begin_read() as uow:
            waiting = [one for one in uow.findings.queue() if one.level in self.policy.levels]
            done = uow.finding_alarms.of_findings(one.id for one in waiting)
        due = [
            (finding.id, step)
            for finding in waiting
            for step in self.policy.due_steps(finding, now)
            if step in NOTIFIED_STEPS and step not in done.get(finding.id, ())
        ]
        return sum(self._run_step(ident, step, now) for ident, step in due)

    def _run_step(self, ident: FindingId, step: AlarmStep, now: datetime) -> bool:
        with self.store.begin() as uow:
            finding = uow.findings.get(ident)
            if step not in self.policy.due_steps(finding, now):
                return False  # decided meanwhile
            recipients = self._recipients(uow, step)
            reached = sum(
                self.queue_alarm(uow, self._alarm(finding, step, one, now), now)
                for one in recipients
            )
            if not uow.finding_alarms.record(ident, step, now, reached=reached):
                return False
            names = ", ".join(one.name for one in recipients)
            note = f"{step}: {names}" if reached else f"{step}: no second channel reaches anybody"
            uow.finding_history.append(ident, at=now, by="patrol", what="alarm", note=note)
            uow.commit()
        self.counters[f"{step}"] += 1
        log.warning("finding not reviewed", finding=ident, step=str(step), reached=reached)
        return True

    def _recipients(self, uow: UnitOfWork, step: AlarmStep) -> Sequence[AlarmRecipient]:
        people = self.registry.people
        if step is AlarmStep.TOWN_DUTY:
            town = [_as_recipient(one) for one in people.values() if one.role is Role.TOWN_DUTY]
            return town or [AlarmRecipient(name="镇值班")]
        leaders = [
            account
            for account in uow.accounts.all()
            if account.duty is AccountRole.SHIFT_SUPERVISOR and account.disabled_at is None
        ]
        owner = shift_owner(uow.handovers.entries(limit=50))
        on_duty = [account for account in leaders if account.name == owner] or leaders
        found = []
        for account in on_duty:
            person = people.get(account.person) if account.person else None
            fallback = AlarmRecipient(name=account.shown_as)
            found.append(_as_recipient(person) if person else fallback)
        return found or [AlarmRecipient(name="值班长")]

    def _alarm(
        self, finding: Finding, step: AlarmStep, recipient: AlarmRecipient, now: datetime
    ) -> ReviewAlarm:
        camera = self.registry.cameras.get(finding.camera)
        grid = self.registry.tree.grids.get(finding.grid)
        place = camera.name if camera else finding.place or (grid.name if grid else "")
        minutes = int((now - finding.found_at).total_seconds() // 60)
        category = category_named(finding.category)
        return ReviewAlarm(
            finding=finding,
            step=step,
            title=f"【线索未研判】{finding.id}",
            body=f"{place}：{category.zh}，{finding.level} 级，"
            f"已 {minutes} 分钟无人研判，请立即处理。",
            recipient=recipient,
            key=f"{finding.id}-{step}-{recipient.person or recipient.name}-{finding.revision}",
        )


def _as_recipient(person: Person) -> AlarmRecipient:
    return AlarmRecipient(name=person.name, person=str(person.id), phone=person.phone)


def alarming(
    findings: Iterable[Finding], policy: ReviewAlarmPolicy, now: datetime
) -> list[Finding]:
    """Those that alarm in the console now, the most urgent and oldest first."""
    due = [one for one in findings if AlarmStep.CONSOLE in policy.due_steps(one, now)]
    return sorted(due, key=lambda one: (one.level, one.found_at, one.id))
