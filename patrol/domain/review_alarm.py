"""Alarm of unreviewed findings (未研判告警): its own clock, for levels I and II. Pure.

A finding of these levels that waits for a person alarms in steps, each counted from when it was
found: in the console at once (sound and title), then the duty lead by the second channel, then the
town's duty. "Unsure" is no decision: the clock runs on. review/alarms.py queues what is due.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum, auto
from typing import Final

from patrol.domain.finding import Finding
from patrol.domain.priority import Level


class AlarmStep(StrEnum):
    """Whom the alarm reaches; the values are public."""

    CONSOLE = auto()
    DUTY_LEAD = auto()
    TOWN_DUTY = auto()


NOTIFIED_STEPS: Final = (AlarmStep.DUTY_LEAD, AlarmStep.TOWN_DUTY)  # by the second channel
Waits = Mapping[AlarmStep, timedelta]


def _minutes(duty_lead: float, town_duty: float) -> Waits:
    return {
        AlarmStep.CONSOLE: timedelta(),
        AlarmStep.DUTY_LEAD: timedelta(minutes=duty_lead),
        AlarmStep.TOWN_DUTY: timedelta(minutes=town_duty),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewAlarmPolicy:
    """How long after it was found a finding of a level alarms whom; other levels never do.

    The defaults are the acknowledgement limits of a case of the level, and twice them: who would be
    late as a leader is late as a reviewer.
    """

    waits: Mapping[Level, Waits] = field(
        default_factory=lambda: {Level.URGENT: _minutes(3, 6), Level.PRESSING: _minutes(10, 20)}
    )

    def __post_init__(self) -> None:
        for level, waits in self.waits.items():
            if waits[AlarmStep.TOWN_DUTY] < waits[AlarmStep.DUTY_LEAD]:
                raise ValueError(f"alarm {level}: the town is told before the duty lead")

    @property
    def levels(self) -> Collection[Level]:
        """The levels that alarm."""
        return self.waits.keys()

    def due_at(self, finding: Finding, step: AlarmStep) -> datetime | None:
        """When the step is due; None for a finding that does not alarm."""
        waits = self.waits.get(finding.level)
        if waits is None or not finding.is_open:
            return None
        return finding.found_at + waits[step]

    def due_steps(self, finding: Finding, now: datetime) -> tuple[AlarmStep, ...]:
        """The steps that are due, in their order; none for a decided finding."""
        due = ((step, self.due_at(finding, step)) for step in AlarmStep)
        return tuple(step for step, at in due if at is not None and at <= now)
