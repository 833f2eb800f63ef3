"""`review.alarm:` and the other sections of the town's own work in site.yaml.

Each section is checked by pydantic and gives the small policy that the domain takes. Names end in
the unit that the file writes.
"""

from collections.abc import Iterator, Mapping
from datetime import time, timedelta
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from patrol.domain.attention import AttentionChoice, AttentionKind
from patrol.domain.broadcast import QuietHours, Speaker, template_problem
from patrol.domain.hand_off import HandOffChannel, HandOffRecipient
from patrol.domain.human_patrol import HumanPatrolPlan
from patrol.domain.ids import GridCode
from patrol.domain.priority import Level
from patrol.domain.registry import Centre
from patrol.domain.review_alarm import AlarmStep, ReviewAlarmPolicy
from patrol.settings.site_calendar import ShortText
from patrol.settings.site_ground import GroundPatrolSettings
from patrol.settings.site_integrations import FileProblem, missing_text, webhook_url
from patrol.settings.site_patrols import HumanPatrolSection
from patrol.settings.yaml_types import ClockTime, GridText, PlainId, SettingsSection


def _template(value: str) -> str:
    if problem := template_problem(value):
        raise ValueError(problem)
    return value


class AlarmWaitSection(SettingsSection):
    """How long after it was found an unreviewed finding of one level reaches whom."""

    supervisor_min: float = Field(gt=0, le=1440)
    town_duty_min: float = Field(gt=0, le=1440)

    @property
    def waits(self) -> dict[AlarmStep, timedelta]:
        """The waits by step; the console alarms at once."""
        return {
            AlarmStep.CONSOLE: timedelta(),
            AlarmStep.DUTY_LEAD: timedelta(minutes=self.supervisor_min),
            AlarmStep.TOWN_DUTY: timedelta(minutes=self.town_duty_min),
        }


class ReviewAlarmSection(SettingsSection):
    """The alarm of unreviewed findings of levels I and II; a level that is null never alarms."""

    urgent: AlarmWaitSection | None = AlarmWaitSection(supervisor_min=3, town_duty_min=6)
    pressing: AlarmWaitSection | None = AlarmWaitSection(supervisor_min=10, town_duty_min=20)
    sound: bool = True  # in the console, beside the title

    @model_validator(mode="after")
    def _duty_comes_before_the_town(self) -> Self:
        self.policy  # noqa: B018  its ValueError says what is wrong
        return self

    @property
    def policy(self) -> ReviewAlarmPolicy:
        """The domain's policy. Raises ValueError: the town before the duty lead."""
        levels = {Level.URGENT: self.urgent, Level.PRESSING: self.pressing}
        return ReviewAlarmPolicy(
            waits={level: section.waits for level, section in levels.items() if section}
        )


class AttentionSection(SettingsSection):
    """How accounts that said nothing are called: `console.attention`."""

    sound: bool = True
    desktop: bool = True  # notifications, where the browser was allowed to
    kinds: tuple[AttentionKind, ...] = tuple(AttentionKind)

    @property
    def policy(self) -> AttentionChoice:
        """The section as the domain's choice."""
        return AttentionChoice(sound=self.sound, desktop=self.desktop, kinds=self.kinds)


class CentreSection(SettingsSection):
    """A centre (综治中心) and the grids that it owns, with all below them."""

    name: ShortText
    grids: Annotated[tuple[GridText, ...], Field(min_length=1)]

    def policy(self, ident: str) -> Centre:
        """The section as the domain's centre."""
        return Centre(id=ident, name=self.name, grids=tuple(map(GridCode, self.grids)))


class _OutsideSection(SettingsSection):
    """Where something outside is reached: a signed webhook needs its address and secret."""

    url: Annotated[str, AfterValidator(lambda v: webhook_url(v) if v else v)] = Field(
        default="", repr=False
    )
    secret_file: Path | None = None  # of the webhook, and of what comes back over HTTP

    def _check_webhook(self, *, wanted: bool) -> None:
        if wanted and not (self.url and self.secret_file):
            raise ValueError("a webhook needs url and secret_file")

    def file_problems(self, where: tuple[str, ...]) -> Iterator[FileProblem]:
        """What is wrong with the secret's file."""
        if self.secret_file is not None:
            yield from missing_text((*where, "secret_file"), self.secret_file)


class HandOffSection(_OutsideSection):
    """A department that cases are handed to (警格联动)."""

    title: ShortText
    channel: Literal["webhook", "mqtt", "print"] = "print"
    answer_h: float = Field(default=24, gt=0, le=720)

    @model_validator(mode="after")
    def _webhook_is_complete(self) -> Self:
        self._check_webhook(wanted=self.channel == "webhook")
        return self

    def policy(self, name: str) -> HandOffRecipient:
        """The section as the domain's recipient."""
        return HandOffRecipient(
            name=name, title=self.title, channel=HandOffChannel(self.channel),
            answer_within=timedelta(hours=self.answer_h),
        )  # fmt: skip


class SpeakerSection(_OutsideSection):
    """A village's loudspeaker (大喇叭)."""

    title: ShortText
    grid: GridText
    driver: Literal["webhook", "mqtt"] = "mqtt"

    @model_validator(mode="after")
    def _webhook_is_complete(self) -> Self:
        self._check_webhook(wanted=self.driver == "webhook")
        return self

    def policy(self, name: str) -> Speaker:
        """The section as the domain's loudspeaker."""
        return Speaker(name=name, title=self.title, grid=GridCode(self.grid), driver=self.driver)


class BroadcastSection(SettingsSection):
    """Loudspeakers, templates, and the night in which only level I is played."""

    speakers: dict[PlainId, SpeakerSection] = Field(default_factory=dict)
    templates: dict[PlainId, Annotated[str, AfterValidator(_template)]] = Field(
        default_factory=lambda: {
            "warn": "各位村民请注意：{grid}{place}发现{category}，请立即撤离并注意安全。",
            "tidy": "各位村民请注意：{place}有{category}，请当事人尽快处理。",
        }
    )
    quiet_from: ClockTime = time(21)
    quiet_until: ClockTime = time(7)

    @property
    def quiet(self) -> QuietHours:
        """The quiet hours."""
        return QuietHours(start=self.quiet_from, end=self.quiet_until)


class SupervisionSection(SettingsSection):
    """The daily overdue list to the cadres."""

    overdue_at: ClockTime | None = time(9)  # null: only when somebody sends it


class TeamsSection(SettingsSection):
    """网格组团: whether the team of a grid is told together; off, the ladder alone tells people."""

    notified_together: bool = False


class TownSettings(SettingsSection):
    """The town's own work in site.yaml: `patrols:`, `centres:`, `hand_off:`, `teams:` and so on."""

    patrol_sections: dict[PlainId, HumanPatrolSection] = Field(
        default_factory=dict, alias="patrols"
    )
    centre_sections: dict[PlainId, CentreSection] = Field(default_factory=dict, alias="centres")
    hand_off: dict[PlainId, HandOffSection] = Field(default_factory=dict)
    broadcast: BroadcastSection = BroadcastSection()
    supervision: SupervisionSection = SupervisionSection()
    ground_patrols: GroundPatrolSettings = GroundPatrolSettings()
    teams: TeamsSection = TeamsSection()

    @model_validator(mode="after")
    def _a_grid_has_one_centre(self) -> Self:
        owners: dict[str, str] = {}
        for name, section in self.centre_sections.items():
            for grid in section.grids:
                if grid in owners:
                    raise ValueError(f"centres: {grid} is {owners[grid]}'s and {name}'s, keep one")
                owners[grid] = name
        return self

    @property
    def human_patrols(self) -> Mapping[str, HumanPatrolPlan]:
        """The plans of human patrols, by name."""
        return {name: one.policy(name) for name, one in self.patrol_sections.items()}

    @property
    def centres(self) -> tuple[Centre, ...]:
        """The centres in the order of the file."""
        return tuple(section.policy(name) for name, section in self.centre_sections.items())

    def town_file_problems(self) -> Iterator[FileProblem]:
        """What is wrong with the secrets of departments and loudspeakers."""
        for name, department in self.hand_off.items():
            yield from department.file_problems(("hand_off", name))
        for name, speaker in self.broadcast.speakers.items():
            yield from speaker.file_problems(("broadcast", "speakers", name))
