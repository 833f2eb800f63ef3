"""`review.alarm:` and the other sections of the town's own work in site.yaml.

Each section is checked by pydantic and gives the small policy that the domain takes. Names end in
the unit that the file writes.
"""

from datetime import timedelta

from pydantic import Field

from patrol.domain.priority import Level
from patrol.domain.review_alarm import AlarmStep, ReviewAlarmPolicy
from patrol.settings.yaml_types import SettingsSection


class AlarmWaitSection(SettingsSection):
    """How long after it was found an unreviewed finding of one level reaches whom."""

    duty_lead_min: float = Field(gt=0, le=1440)
    town_duty_min: float = Field(gt=0, le=1440)

    @property
    def waits(self) -> dict[AlarmStep, timedelta]:
        """The waits by step; the console alarms at once."""
        return {
            AlarmStep.CONSOLE: timedelta(),
            AlarmStep.DUTY_LEAD: timedelta(minutes=self.duty_lead_min),
            AlarmStep.TOWN_DUTY: timedelta(minutes=self.town_duty_min),
        }


class ReviewAlarmSection(SettingsSection):
    """The alarm of unreviewed findings of levels I and II; a level that is null never alarms."""

    urgent: AlarmWaitSection | None = AlarmWaitSection(duty_lead_min=3, town_duty_min=6)
    pressing: AlarmWaitSection | None = AlarmWaitSection(duty_lead_min=10, town_duty_min=20)
    sound: bool = True  # in the console, beside the title

    @property
    def policy(self) -> ReviewAlarmPolicy:
        """The domain's policy. Raises ValueError: the town before the duty lead."""
        levels = {Level.URGENT: self.urgent, Level.PRESSING: self.pressing}
        return ReviewAlarmPolicy(
            waits={level: section.waits for level, section in levels.items() if section}
        )
