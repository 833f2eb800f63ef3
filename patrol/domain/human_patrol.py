"""The human patrol (人工巡查): routes of checkpoints that a person looks through, camera by camera.

A plan has checkpoints, each with some cameras (a list, a village, key sites, or those that no
person has looked at for longest), shown 1, 4, 9 or 16 at a time at a pace; a checklist, general and
dated; who is assigned, reminded when, from when it may start. A task is one day's run of a plan. Of
each planned camera a person says that it was seen, at which picture, or files a finding, or that it
cannot be viewed; what was put before a person earlier that day need not be looked at twice. A task
ends completed, incomplete or missed, and every camera says which. Pure; times are UTC.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from enum import StrEnum, auto
from typing import Final, Literal

from patrol.domain.errors import BadInput, Failed
from patrol.domain.ids import CameraId, FindingId, GridCode, PictureId

GRID_SIZES: Final = (1, 4, 9, 16)
DEFAULT_PACE_S: Final = 10.0
EVERY_DAY: Final = frozenset(range(7))
GridSize = Literal[1, 4, 9, 16]


class CheckpointKind(StrEnum):
    """How a checkpoint's cameras are chosen."""

    CAMERAS = auto()  # by list
    VILLAGE = auto()  # a grid and all below it
    KEY_SITES = auto()
    LONGEST_UNSEEN = auto()  # by a person


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """One stop of a route."""

    title: str
    kind: CheckpointKind
    cameras: tuple[CameraId, ...] = ()  # of CAMERAS
    grid: GridCode | None = None  # of VILLAGE
    count: int = 0  # of LONGEST_UNSEEN: how many
    size: int = 4  # cameras shown at once

    def __post_init__(self) -> None:
        if self.size not in GRID_SIZES:
            raise ValueError(
                f"checkpoint {self.title!r}: {self.size} cameras at once, give 1|4|9|16"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class ChecklistItem:
    """What to look at; a dated one on its days alone (both included)."""

    text: str
    first: date | None = None
    last: date | None = None

    def applies_on(self, day: date) -> bool:
        """Whether it stands on the checklist of that local day."""
        return (self.first is None or self.first <= day) and (self.last is None or day <= self.last)


@dataclass(frozen=True, slots=True, kw_only=True)
class HumanPatrolPlan:
    """A plan of site.yaml; clock times are the site's."""

    name: str
    title: str
    start: time
    finish_by: time
    checkpoints: tuple[Checkpoint, ...]
    early: timedelta = timedelta(minutes=30)  # it may be started so long before
    remind: timedelta = timedelta(minutes=10)  # the assigned are reminded so long before
    weekdays: frozenset[int] = EVERY_DAY  # Monday is 0
    assigned: tuple[str, ...] = ()  # accounts; empty: whoever may work patrols
    pace_s: float = DEFAULT_PACE_S
    live: bool = False  # live pictures on demand beside the reference
    look_twice: bool = False  # also at what was put before a person earlier that day
    checklist: tuple[ChecklistItem, ...] = ()

    def task_id(self, day: date) -> str:
        """The id of its task of a local day."""
        return f"{day:%Y%m%d}-{self.name}-h"

    def checklist_on(self, day: date) -> tuple[str, ...]:
        """The checklist of a local day, general items first."""
        items = [item for item in self.checklist if item.applies_on(day)]
        return tuple(item.text for item in sorted(items, key=lambda one: one.first is not None))


class HumanPatrolState(StrEnum):
    """States of a task; the values are public."""

    PLANNED = auto()
    RUNNING = auto()
    PAUSED = auto()
    COMPLETED = auto()  # every camera seen, or found not viewable, or seen earlier
    INCOMPLETE = auto()  # begun, and cameras are left
    MISSED = auto()  # never begun


class HumanPatrolEvent(StrEnum):
    """What moves a task."""

    START = auto()
    PAUSE = auto()
    RESUME = auto()
    FINISH = auto()  # by the person, or by its time


_S, _E = HumanPatrolState, HumanPatrolEvent
ENDED_PATROLS: Final = (_S.COMPLETED, _S.INCOMPLETE, _S.MISSED)
HUMAN_PATROL_TRANSITIONS: Mapping[tuple[HumanPatrolState, HumanPatrolEvent], HumanPatrolState] = {
    (_S.PLANNED, _E.START): _S.RUNNING,
    (_S.RUNNING, _E.PAUSE): _S.PAUSED,
    (_S.PAUSED, _E.RESUME): _S.RUNNING,
    # FINISH leads to COMPLETED where every camera was looked at (HumanPatrol.apply_event).
    (_S.PLANNED, _E.FINISH): _S.MISSED,
    (_S.RUNNING, _E.FINISH): _S.INCOMPLETE,
    (_S.PAUSED, _E.FINISH): _S.INCOMPLETE,
}


class IllegalPatrolMove(Failed):
    """The task is not in a state for this; the text names the state."""


class NotAssigned(BadInput):
    """The task is assigned to somebody else; the text says to whom."""


class CheckOutcome(StrEnum):
    """What a person said of one camera; the values are public."""

    PENDING = auto()
    ACKNOWLEDGED = auto()
    FINDING = auto()
    NOT_VIEWABLE = auto()
    SEEN_BEFORE = auto()  # put before a person earlier that day
    MISSED = auto()


DONE_OUTCOMES: Final = (
    CheckOutcome.ACKNOWLEDGED, CheckOutcome.FINDING, CheckOutcome.SEEN_BEFORE,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraCheck:
    """One camera of a task: its place in the route, and what a person said of it."""

    patrol: str
    place: int  # from 0, in the order of the route
    checkpoint: int
    camera: CameraId
    outcome: CheckOutcome = CheckOutcome.PENDING
    by: str = ""
    at: datetime | None = None
    picture: PictureId | None = None
    picture_at: datetime | None = None
    finding: FindingId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedStop:
    """A checkpoint as it was planned for one task."""

    title: str
    size: int
    cameras: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HumanPatrol:
    """One task: a plan's run on one local day."""

    id: str  # 20261122-evening-h
    plan: str
    title: str
    day: date
    open_from: datetime
    planned_at: datetime
    finish_by: datetime
    remind_at: datetime
    assigned: tuple[str, ...]
    pace_s: float
    live: bool
    look_twice: bool
    stops: tuple[PlannedStop, ...]
    checklist: tuple[str, ...]
    refused: int = 0  # cameras without consent or indoors: never planned
    state: HumanPatrolState = HumanPatrolState.PLANNED
    reminded_at: datetime | None = None
    started_at: datetime | None = None
    started_by: str = ""
    finished_at: datetime | None = None
    start_remark: str = ""
    end_remark: str = ""
    checked_items: tuple[int, ...] = ()  # of the checklist, by number from 0

    @property
    def is_open(self) -> bool:
        """Whether it has not ended."""
        return self.state not in ENDED_PATROLS

    def check_assigned(self, who: str, *, is_supervisor: bool) -> None:
        """Raise NotAssigned unless `who` may work it; a duty lead may work every one."""
        if self.assigned and who not in self.assigned and not is_supervisor:
            raise NotAssigned(f"patrol {self.id} is assigned to {', '.join(self.assigned)}")

    def apply_event(
        self,
        event: HumanPatrolEvent,
        *,
        at: datetime,
        by: str,
        pending: int = 0,
        remark: str = "",
    ) -> "HumanPatrol":
        """The task after `event`; `pending`: cameras of which nothing was said.

        Raises IllegalPatrolMove: also before it may be started, and after its time.
        """
        target = HUMAN_PATROL_TRANSITIONS.get((self.state, event))
        if target is None:
            raise IllegalPatrolMove(f"patrol {self.id} is {self.state}: {event} is not possible")
        if event is _E.START:
            return self._started(at, by, remark)
        if event is not _E.FINISH:
            return replace(self, state=target)
        if not pending:
            target = _S.COMPLETED
        return replace(self, state=target, finished_at=at, end_remark=remark.strip())

    def _started(self, at: datetime, by: str, remark: str) -> "HumanPatrol":
        if not self.open_from <= at < self.finish_by:
            raise IllegalPatrolMove(
                f"patrol {self.id} may be started from {self.open_from:%m-%d %H:%M} until"
                f" {self.finish_by:%m-%d %H:%M} UTC"
            )
        return replace(
            self, state=_S.RUNNING, started_at=at, started_by=by, start_remark=remark.strip()
        )

    def with_item(self, number: int, *, checked: bool) -> "HumanPatrol":
        """The task with one item of its checklist ticked or not. Raises IllegalPatrolMove."""
        if not 0 <= number < len(self.checklist) or not self.is_open:
            raise IllegalPatrolMove(f"patrol {self.id}: no item {number + 1} to tick")
        others = set(self.checked_items) - {number}
        return replace(self, checked_items=tuple(sorted(others | ({number} if checked else set()))))


def check_camera(
    patrol: HumanPatrol,
    check: CameraCheck,
    outcome: CheckOutcome,
    *,
    by: str,
    at: datetime,
    picture: PictureId | None = None,
    picture_at: datetime | None = None,
    finding: FindingId | None = None,
) -> CameraCheck:
    """The check after a person said something of its camera. Raises IllegalPatrolMove.

    A camera that was seen may still become a finding; nothing else is said twice.
    """
    if patrol.state is not HumanPatrolState.RUNNING:
        raise IllegalPatrolMove(f"patrol {patrol.id} is {patrol.state}: start or resume it first")
    becomes_finding = outcome is CheckOutcome.FINDING and check.outcome in DONE_OUTCOMES
    if check.outcome is not CheckOutcome.PENDING and not becomes_finding:
        raise IllegalPatrolMove(f"camera {check.camera}: was {check.outcome} by {check.by} already")
    return replace(
        check, outcome=outcome, by=by, at=at, picture=picture, picture_at=picture_at,
        finding=finding,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class PatrolCounts:
    """How many cameras of a task ended how."""

    planned: int
    done: int  # acknowledged, found, or seen earlier
    not_viewable: int
    missed: int
    pending: int

    @property
    def coverage(self) -> float | None:
        """Done ÷ planned; None where nothing was planned."""
        return self.done / self.planned if self.planned else None


def count_checks(checks: Iterable[CameraCheck]) -> PatrolCounts:
    """The counts; planned = done + not viewable + missed + pending."""
    counted = Counter(check.outcome for check in checks)
    return PatrolCounts(
        planned=counted.total(),
        done=sum(counted[outcome] for outcome in DONE_OUTCOMES),
        not_viewable=counted[CheckOutcome.NOT_VIEWABLE],
        missed=counted[CheckOutcome.MISSED],
        pending=counted[CheckOutcome.PENDING],
    )


def route_of(
    plan: HumanPatrolPlan,
    by_checkpoint: Sequence[Sequence[CameraId]],
    seen_earlier: Mapping[CameraId, tuple[str, datetime]],
    patrol_id: str,
) -> list[CameraCheck]:
    """The checks of a task: each camera once, at its first checkpoint, in the order of the route.

    `seen_earlier`: who was shown which camera that day, and when.
    """
    checks: list[CameraCheck] = []
    known: set[CameraId] = set()
    for number, cameras in enumerate(by_checkpoint):
        for camera in cameras:
            if camera in known:
                continue
            known.add(camera)
            before = None if plan.look_twice else seen_earlier.get(camera)
            check = CameraCheck(
                patrol=patrol_id, place=len(checks), checkpoint=number, camera=camera
            )
            if before is not None:
                who, at = before
                check = replace(check, outcome=CheckOutcome.SEEN_BEFORE, by=who, at=at)
            checks.append(check)
    return checks
