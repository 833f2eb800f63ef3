"""`patrols:` of site.yaml: plans of human patrols (人工巡查) with routes, checklists, assignment.

```yaml
patrols:
  evening:
    title: 晚间人工巡查
    start: "19:00"
    finish_by: "20:30"
    assigned: [wang, li]        # accounts; left out: every operator
    early_min: 30               # may be started so long before
    remind_min: 10              # the assigned are reminded so long before
    days: [mon, wed, fri]       # left out: every day
    pace_s: 10
    live: true
    checkpoints:
      - {title: 上坝村, village: "620902104203000", size: 9}
      - {title: 重点部位, key_sites: true}
      - {title: 久未看过, longest_unseen: 16, size: 16}
      - {title: 渠口, cameras: ["62090204011327000001"], size: 1}
    checklist: [门窗是否关好]
    dated: [{text: 烟花爆竹, from: 2026-12-31, until: 2027-02-20}]
```
"""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from patrol.domain.human_patrol import (
    DEFAULT_PACE_S,
    EVERY_DAY,
    ChecklistItem,
    Checkpoint,
    CheckpointKind,
    HumanPatrolPlan,
)
from patrol.domain.ids import CameraId, GridCode, camera_id_problem, grid_code_problem
from patrol.domain.registry import Registry
from patrol.settings.config_file import ProblemLog
from patrol.settings.site_calendar import WEEKDAY_NAMES, LocalDay, ShortText
from patrol.settings.yaml_file import read_yaml
from patrol.settings.yaml_types import ClockTime, SettingsSection

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


def _grid_size(value: object) -> int:
    if isinstance(value, bool) or value not in (1, 4, 9, 16):
        raise ValueError(f"{value!r} cameras at once are no grid, give 1, 4, 9 or 16")
    return int(str(value))


class CheckpointSection(SettingsSection):
    """One checkpoint: cameras by list, by village, key sites, or the longest unseen."""

    title: ShortText
    cameras: tuple[str, ...] = ()
    village: str = ""
    key_sites: bool = False
    longest_unseen: int = Field(default=0, ge=0, le=1000)
    size: Annotated[int, BeforeValidator(_grid_size)] = 4

    @model_validator(mode="after")
    def _chooses_one_way(self) -> Self:
        ways = (bool(self.cameras), bool(self.village), self.key_sites, self.longest_unseen > 0)
        if sum(ways) != 1:
            raise ValueError("give one of cameras, village, key_sites, longest_unseen")
        problems = [camera_id_problem(camera) for camera in self.cameras]
        problems.append(grid_code_problem(self.village) if self.village else None)
        if wrong := next(filter(None, problems), None):
            raise ValueError(wrong)
        return self

    def policy(self) -> Checkpoint:
        """The section as the domain's checkpoint."""
        kind = CheckpointKind.LONGEST_UNSEEN
        if self.cameras:
            kind = CheckpointKind.CAMERAS
        elif self.village:
            kind = CheckpointKind.VILLAGE
        elif self.key_sites:
            kind = CheckpointKind.KEY_SITES
        return Checkpoint(
            title=self.title, kind=kind, cameras=tuple(map(CameraId, self.cameras)),
            grid=GridCode(self.village) if self.village else None, count=self.longest_unseen,
            size=self.size,
        )  # fmt: skip


class DatedItemSection(SettingsSection):
    """A checklist item of some days, both included."""

    text: ShortText
    first: LocalDay = Field(alias="from")
    until: LocalDay

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Self:
        if self.until < self.first:
            raise ValueError(f"until {self.until} is before from {self.first}")
        return self


class HumanPatrolSection(SettingsSection):
    """One plan of a human patrol."""

    title: ShortText
    start: ClockTime
    finish_by: ClockTime
    checkpoints: Annotated[tuple[CheckpointSection, ...], Field(min_length=1, max_length=100)]
    early_min: float = Field(default=30, ge=0, le=720)
    remind_min: float = Field(default=10, ge=0, le=720)
    days: tuple[Weekday, ...] = ()
    assigned: tuple[str, ...] = ()
    pace_s: float = Field(default=DEFAULT_PACE_S, ge=1, le=600)
    live: bool = False
    look_twice: bool = False  # also at cameras that were put before a person earlier that day
    checklist: tuple[ShortText, ...] = ()
    dated: tuple[DatedItemSection, ...] = ()

    @model_validator(mode="after")
    def _has_a_window(self) -> Self:
        if self.finish_by == self.start:
            raise ValueError("finish_by is start: a patrol takes its time")
        return self

    def policy(self, name: str) -> HumanPatrolPlan:
        """The section as the domain's plan; one that ends before it starts ends the next day."""
        general = [ChecklistItem(text=text) for text in self.checklist]
        dated = [ChecklistItem(text=d.text, first=d.first, last=d.until) for d in self.dated]
        days = frozenset(WEEKDAY_NAMES.index(day) for day in self.days)
        return HumanPatrolPlan(
            name=name, title=self.title, start=self.start, finish_by=self.finish_by,
            checkpoints=tuple(one.policy() for one in self.checkpoints),
            early=timedelta(minutes=self.early_min), remind=timedelta(minutes=self.remind_min),
            weekdays=days or EVERY_DAY, assigned=self.assigned, pace_s=self.pace_s,
            live=self.live, look_twice=self.look_twice, checklist=(*general, *dated),
        )  # fmt: skip


def note_unknown_checkpoints(
    sections: dict[str, HumanPatrolSection], registry: Registry, path: Path, notes: ProblemLog
) -> None:
    """Note checkpoints that name what is in no file: legal, as it may have been removed."""
    unknown = []
    for name, section in sections.items():
        for number, one in enumerate(section.checkpoints):
            gone = [camera for camera in one.cameras if camera not in registry.cameras]
            gone += [one.village] if one.village and one.village not in registry.tree.grids else []
            unknown += [(name, number, subject) for subject in gone]
    document = read_yaml(path, ProblemLog().for_file(path)) if unknown else None
    for name, number, subject in unknown:
        where = ("patrols", name, "checkpoints", number)
        line = document.line(where) if document else 1
        text = f"{subject!r} is in no file: nothing of it is shown"
        notes.for_file(path).add_notice(line, f"patrols.{name}.checkpoints[{number}]", text)
