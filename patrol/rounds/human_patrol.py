"""Plan, remind, work and end human patrols (人工巡查); each action in the caller's unit of work.

The worker plans the tasks of the local day, reminds the assigned, and ends tasks whose time is
over. The actions are what the console, the API and the command line do: start, pause, resume, say
something of a camera, tick the checklist, finish. Each is an access log entry.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from patrol.domain.camera import Camera, Priority
from patrol.domain.consent import visit_refusal
from patrol.domain.finding import FindingState
from patrol.domain.human_patrol import (
    CameraCheck,
    CheckOutcome,
    Checkpoint,
    CheckpointKind,
    HumanPatrol,
    HumanPatrolEvent,
    HumanPatrolPlan,
    HumanPatrolState,
    PlannedStop,
    check_camera,
    route_of,
)
from patrol.domain.ids import CameraId, FindingId, PictureId
from patrol.domain.ranking import MACHINE_ACTORS
from patrol.domain.registry import Registry
from patrol.lazy_imports import lazy_logger
from patrol.store import Store, UnitOfWork
from patrol.store.findings import DecidedFilter

log = lazy_logger(__name__)

NEVER: Final = datetime.min.replace(tzinfo=UTC)
LOOK_BACK: Final = timedelta(days=365)
MAX_DECIDED_A_DAY: Final = 10_000


def plan_patrol(
    uow: UnitOfWork, plan: HumanPatrolPlan, day: date, *, registry: Registry, zone: ZoneInfo,
    now: datetime,
) -> HumanPatrol | None:  # fmt: skip
    """Add the plan's task of that local day; None when there is one already."""
    start = datetime.combine(day, plan.start, zone).astimezone(UTC)
    last_day = day if plan.finish_by > plan.start else day + timedelta(days=1)
    finish_by = datetime.combine(last_day, plan.finish_by, zone).astimezone(UTC)
    ident = plan.task_id(day)
    terms = uow.consents.terms(now)
    allowed = {
        camera.id
        for camera in registry.cameras.values()
        if visit_refusal(camera, start.astimezone(zone), terms) is None
    }
    views = person_views(uow, now)
    chosen = [_cameras_of(one, registry, views) for one in plan.checkpoints]
    by_checkpoint = [[camera for camera in cameras if camera in allowed] for cameras in chosen]
    for number, checkpoint in enumerate(plan.checkpoints):
        if checkpoint.kind is CheckpointKind.LONGEST_UNSEEN:
            by_checkpoint[number] = by_checkpoint[number][: checkpoint.count]
    seen = _seen_on(uow, day, zone, now)
    checks = route_of(plan, by_checkpoint, seen, ident)
    refused = {camera for cameras in chosen for camera in cameras} - allowed
    patrol = HumanPatrol(
        id=ident, plan=plan.name, title=plan.title, day=day, open_from=start - plan.early,
        planned_at=start, finish_by=finish_by, remind_at=start - plan.remind,
        assigned=plan.assigned, pace_s=plan.pace_s, live=plan.live,
        look_twice=plan.look_twice, refused=len(refused),
        checklist=plan.checklist_on(day),
        stops=tuple(
            PlannedStop(
                title=one.title, size=one.size,
                cameras=sum(check.checkpoint == number for check in checks),
            )
            for number, one in enumerate(plan.checkpoints)
        ),
    )  # fmt: skip
    return patrol if uow.human_patrols.add(patrol, checks) else None


def person_views(uow: UnitOfWork, now: datetime) -> Mapping[CameraId, datetime]:
    """When a person last looked at each camera, or decided a finding of it."""
    newest = dict(uow.access.last_viewed(now))
    for camera, at in uow.findings.last_decided(now - LOOK_BACK, now).items():
        newest[camera] = max(at, newest.get(camera, at))
    return newest


def _cameras_of(
    checkpoint: Checkpoint, registry: Registry, views: Mapping[CameraId, datetime]
) -> list[CameraId]:
    cameras = registry.cameras
    if checkpoint.kind is CheckpointKind.CAMERAS:
        return [camera for camera in checkpoint.cameras if camera in cameras]
    if checkpoint.kind is CheckpointKind.VILLAGE:
        return _sorted_by_grid(
            one
            for one in cameras.values()
            if registry.tree.is_within(one.grid, checkpoint.grid or "")
        )
    if checkpoint.kind is CheckpointKind.KEY_SITES:
        return _sorted_by_grid(one for one in cameras.values() if one.priority is Priority.KEY)
    return sorted(cameras, key=lambda camera: (views.get(camera, NEVER), camera))


def _sorted_by_grid(cameras: Iterable[Camera]) -> list[CameraId]:
    return [one.id for one in sorted(cameras, key=lambda one: (one.grid, one.id))]


def _seen_on(
    uow: UnitOfWork, day: date, zone: ZoneInfo, now: datetime
) -> dict[CameraId, tuple[str, datetime]]:
    """Cameras of which a person decided a finding that local day: who, and when."""
    since = datetime.combine(day, time(), zone).astimezone(UTC)
    return _people_decided(uow, DecidedFilter(since=since, until=now), now)


def _people_decided(
    uow: UnitOfWork, wanted: DecidedFilter, now: datetime
) -> dict[CameraId, tuple[str, datetime]]:
    found: dict[CameraId, tuple[str, datetime]] = {}
    for finding in uow.findings.decided(wanted, limit=MAX_DECIDED_A_DAY):
        is_person = finding.decided_by not in MACHINE_ACTORS
        if finding.camera and is_person and finding.state is not FindingState.UNSURE:
            found.setdefault(finding.camera, (finding.decided_by, finding.decided_at or now))
    return found


def move_patrol(
    uow: UnitOfWork,
    patrol_id: str,
    event: HumanPatrolEvent,
    *,
    by: str,
    now: datetime,
    is_supervisor: bool,
    remark: str = "",
) -> HumanPatrol:
    """Start, pause, resume or finish a task.

    Raises KeyError, IllegalPatrolMove, NotAssigned.
    """
    patrol = uow.human_patrols.get(patrol_id)
    patrol.check_assigned(by, is_supervisor=is_supervisor)
    if event is HumanPatrolEvent.START:
        _mark_seen_meanwhile(uow, patrol, now)
    pending = [
        one for one in uow.human_patrols.checks(patrol.id) if one.outcome is CheckOutcome.PENDING
    ]
    moved = patrol.apply_event(event, at=now, by=by, pending=len(pending), remark=remark)
    uow.human_patrols.put(moved)
    if event is HumanPatrolEvent.FINISH:
        uow.human_patrols.miss_pending(patrol.id, now)
    uow.access.append(
        at=now, who=by, what=f"patrol_{event}", camera=None, why=f"patrol:{patrol.id}"
    )
    return moved


def _mark_seen_meanwhile(uow: UnitOfWork, patrol: HumanPatrol, now: datetime) -> None:
    """Mark cameras of which a person decided a finding between planning and starting."""
    if patrol.look_twice:
        return
    since = min(patrol.open_from, patrol.remind_at)
    seen = _people_decided(uow, DecidedFilter(since=since, until=now), now)
    for check in uow.human_patrols.checks(patrol.id):
        if check.outcome is CheckOutcome.PENDING and check.camera in seen:
            who, at = seen[check.camera]
            uow.human_patrols.put_check(
                replace(check, outcome=CheckOutcome.SEEN_BEFORE, by=who, at=at)
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckForm:
    """What a person says of one camera of a task, at which picture."""

    patrol: str
    camera: CameraId
    outcome: CheckOutcome
    picture: PictureId | None = None
    finding: FindingId | None = None


def record_check(
    uow: UnitOfWork, form: CheckForm, *, by: str, now: datetime, is_supervisor: bool
) -> CameraCheck:
    """Write what a person said of a camera.

    Raises KeyError (no such task or camera), IllegalPatrolMove, NotAssigned, ValueError (a picture
    of another camera, or an outcome that only the task's end sets).
    """
    patrol = uow.human_patrols.get(form.patrol)
    patrol.check_assigned(by, is_supervisor=is_supervisor)
    if form.outcome in (CheckOutcome.PENDING, CheckOutcome.MISSED, CheckOutcome.SEEN_BEFORE):
        raise ValueError(f"outcome: {form.outcome} is not said by a person")
    picture = uow.pictures.get(form.picture) if form.picture else None
    if form.picture and (picture is None or picture.camera != form.camera):
        raise ValueError(f"picture: {form.camera} has no such picture any more, load the page anew")
    check = check_camera(
        patrol, uow.human_patrols.check_of(patrol.id, form.camera), form.outcome, by=by, at=now,
        picture=form.picture, picture_at=picture.taken_at if picture else None,
        finding=form.finding,
    )  # fmt: skip
    uow.human_patrols.put_check(check)
    uow.access.append(
        at=now, who=by, what="check_camera", camera=form.camera,
        why=f"patrol:{patrol.id} {form.outcome}",
    )  # fmt: skip
    return check


def tick_item(
    uow: UnitOfWork, patrol_id: str, number: int, *, checked: bool, by: str, now: datetime,
    is_supervisor: bool,
) -> HumanPatrol:  # fmt: skip
    """Tick an item of the checklist, or take the tick back.

    Raises KeyError, IllegalPatrolMove, NotAssigned.
    """
    patrol = uow.human_patrols.get(patrol_id)
    patrol.check_assigned(by, is_supervisor=is_supervisor)
    ticked = patrol.with_item(number, checked=checked)
    uow.human_patrols.put(ticked)
    uow.access.append(
        at=now, who=by, what="patrol_item", camera=None, why=f"patrol:{patrol_id} {number + 1}"
    )
    return ticked


Remind = Callable[[UnitOfWork, HumanPatrol, datetime], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class HumanPatrolWorker:
    """Plans the day's tasks, reminds, and ends those whose time is over; polled by the service."""

    store: Store
    plans: Mapping[str, HumanPatrolPlan]
    registry: Callable[[], Registry]
    zone: ZoneInfo
    remind: Remind

    def run_due(self, now: datetime) -> int:
        """What is due now; how many tasks were planned, reminded or ended."""
        day = now.astimezone(self.zone).date()
        with self.store.begin_read() as uow:
            open_patrols = uow.human_patrols.open()
            known = {one.id for one in uow.human_patrols.of_days(day, day + timedelta(days=1))}
        due = self._due_plans(day, known, now)
        done = sum(self._plan(plan, day, now) for plan in due)
        done += sum(self._remind(one, now) for one in open_patrols if _reminds(one, now))
        return done + sum(self._end(one, now) for one in open_patrols if one.finish_by <= now)

    def _due_plans(self, day: date, known: set[str], now: datetime) -> Sequence[HumanPatrolPlan]:
        def is_due(plan: HumanPatrolPlan) -> bool:
            start = datetime.combine(day, plan.start, self.zone)
            if day.weekday() not in plan.weekdays or plan.task_id(day) in known:
                return False
            return now >= start - max(plan.early, plan.remind) and now < start + timedelta(hours=12)

        return [plan for plan in self.plans.values() if is_due(plan)]

    def _plan(self, plan: HumanPatrolPlan, day: date, now: datetime) -> bool:
        with self.store.begin() as uow:
            added = plan_patrol(uow, plan, day, registry=self.registry(), zone=self.zone, now=now)
            uow.commit()
        if added is not None:
            log.info("human patrol planned", patrol=added.id, refused=added.refused)
        return added is not None

    def _remind(self, patrol: HumanPatrol, now: datetime) -> bool:
        with self.store.begin() as uow:
            current = uow.human_patrols.get(patrol.id)
            if not _reminds(current, now):
                return False
            self.remind(uow, current, now)
            uow.human_patrols.put(replace(current, reminded_at=now))
            uow.commit()
        return True

    def _end(self, patrol: HumanPatrol, now: datetime) -> bool:
        with self.store.begin() as uow:
            current = uow.human_patrols.get(patrol.id)
            if not current.is_open:
                return False
            ended = move_patrol(
                uow, patrol.id, HumanPatrolEvent.FINISH, by="patrol", now=now, is_supervisor=True,
                remark=current.end_remark,
            )  # fmt: skip
            uow.commit()
        log.info("human patrol ended", patrol=ended.id, state=str(ended.state))
        return True


def _reminds(patrol: HumanPatrol, now: datetime) -> bool:
    return (
        patrol.state is HumanPatrolState.PLANNED
        and patrol.reminded_at is None
        and patrol.remind_at <= now < patrol.finish_by
    )
