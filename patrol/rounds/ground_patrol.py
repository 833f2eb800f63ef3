"""Plan, follow and end patrols on the ground, check in; each action in the caller's unit of work.

`plan_day` writes the patrols that the rosters ask for on a local day. `take_check_in` judges one
check-in (domain/ground_patrol.py) and writes it with its point; `decide` is a person's word on one
that waited. Whenever what a walker's phone should show has changed, the patrol is published anew
to each of its people (ground_messages.py). Each action is an access log entry.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, tzinfo

from patrol.domain.ground_patrol import (
    CheckIn,
    CheckInClaim,
    CheckInRefused,
    CheckInState,
    GroundPatrol,
    GroundState,
    GroundStop,
    StopState,
    checked_stop,
    decide_check_in,
    ended_stop,
    judge_check_in,
    late_stops,
)
from patrol.domain.ids import FindingId, PersonId
from patrol.domain.registry import Registry
from patrol.domain.roster import (
    GroundPatrolPlan,
    GroundPolicy,
    RosterEntry,
    RosterIndex,
    parts_of_day,
    roster_of,
)
from patrol.rounds.ground_messages import GroundMessages
from patrol.store import UnitOfWork


@dataclass(frozen=True, slots=True, kw_only=True)
class GroundContext:
    """What actions on patrols need beside the store: the registry of now, rules, messages."""

    registry: Registry
    policy: GroundPolicy
    messages: GroundMessages


def patrol_id(entry: RosterEntry, day: date) -> str:
    """20261122-railway-1-620902104203001-g."""
    return f"{day:%Y%m%d}-{entry.plan.name}-{entry.number.number}-{entry.grid}-g"


def planned_patrol(
    entry: RosterEntry, day: date, zone: tzinfo
) -> tuple[GroundPatrol, list[GroundStop]]:
    """The patrol of a roster's entry on a local day, with its points. Pure."""
    plan, ident = entry.plan, patrol_id(entry, day)
    start, end = (moment.astimezone(UTC) for moment in plan.window(day, zone))
    patrol = GroundPatrol(
        id=ident, plan=plan.name, number=entry.number.number, title=plan.title, day=day,
        grid=entry.grid, people=entry.people, open_from=start - plan.early, planned_at=start,
        finish_by=end, remind_at=start - plan.remind, last_call_at=max(start, end - plan.last_call),
        needs_location=plan.needs_location, key_area=plan.key_area,
    )  # fmt: skip
    dues = parts_of_day(start, end, len(entry.points))
    stops = [
        GroundStop(
            patrol=ident, place=place, point=point.id, name=point.name, kind=str(point.kind),
            due_at=due,
        )
        for place, (point, due) in enumerate(zip(entry.points, dues, strict=True))
    ]  # fmt: skip
    return patrol, stops


def plan_day(
    uow: UnitOfWork,
    plans: Iterable[GroundPatrolPlan],
    day: date,
    *,
    context: GroundContext,
    zone: tzinfo,
    now: datetime,
    absent: frozenset[PersonId] = frozenset(),
) -> list[GroundPatrol]:
    """Write the patrols of a local day that are not written yet, and publish them."""
    known, added = uow.ground_patrols.known(day), []
    index = RosterIndex.of(context.registry)
    for plan in plans:
        for entry in roster_of(plan, day, index, absent):
            if patrol_id(entry, day) in known:
                _replace_absent(uow, entry, patrol_id(entry, day), absent, context=context, now=now)
                continue
            patrol, stops = planned_patrol(entry, day, zone)
            if patrol.finish_by > now and uow.ground_patrols.add(patrol, stops):
                context.messages.publish(uow, patrol, stops, now)
                added.append(patrol)
    return added


def _replace_absent(
    uow: UnitOfWork,
    entry: RosterEntry,
    ident: str,
    absent: frozenset[PersonId],
    *,
    context: GroundContext,
    now: datetime,
) -> None:
    """Give a patrol that nobody has begun to others, where one of its people went on leave."""
    patrol = uow.ground_patrols.get(ident) if absent else None
    if patrol is None or patrol.state is not GroundState.PLANNED:
        return
    away = [person for person in patrol.people if person in absent]
    if not away:
        return
    given = replace(patrol, people=entry.people, revision=patrol.revision + 1)
    uow.ground_patrols.put(given)
    context.messages.clear(uow, given, away, now)
    context.messages.publish(uow, given, uow.ground_patrols.stops(ident), now)
    why = f"ground:{ident} {' '.join(away)} on leave"
    uow.access.append(at=now, who="patrol", what="replace_patroller", camera=None, why=why)


def take_check_in(
    uow: UnitOfWork,
    claim: CheckInClaim,
    *,
    context: GroundContext,
    now: datetime,
    entered_by: str = "",
    finding: FindingId | None = None,
) -> CheckIn:
    """Judge and write a check-in; a repeat of its key gives the one that was written.

    `entered_by`: the operator's account, for one that was telephoned. Raises KeyError (no such
    patrol), NotOnRoster, CheckInRefused, IllegalCheckIn (the point was walked before).
    """
    repos = uow.ground_patrols
    patrol = repos.get(claim.patrol)
    patrol.check_walker(claim.by)
    stops = repos.stops(patrol.id)
    earlier = repos.check_ins_of([patrol.id]).get(patrol.id, [])
    if (known := _known(earlier, claim)) is not None:
        return known
    stop = next((one for one in stops if one.point == claim.point), None)
    point = context.registry.points.get(claim.point)
    if stop is None or point is None:
        raise CheckInRefused(f"point {claim.point}: patrol {patrol.id} has no such point")
    before = [
        (one, context.registry.points.get(one.point)) for one in earlier if one.by == claim.by
    ]
    judged = judge_check_in(claim, patrol, point, now=now, before=before, policy=context.policy)
    judged = replace(judged, finding=finding)
    changed = checked_stop(stop, judged)
    if not repos.add_check_in(judged):
        return repos.check_in(judged.id)  # the same one came twice at once
    _save(uow, patrol, _with_stop(stops, changed), [changed], messages=context.messages, now=now)
    problems = " ".join(judged.problems)
    why = f"ground:{patrol.id} {claim.point} {claim.method} {judged.state} {problems}".rstrip()
    uow.access.append(
        at=now, who=entered_by or str(claim.by), what="check_in", camera=None, why=why
    )
    return judged


def _known(earlier: Sequence[CheckIn], claim: CheckInClaim) -> CheckIn | None:
    known = next((one for one in earlier if one.id == claim.id), None)
    if known is not None and known.point != claim.point:
        raise CheckInRefused(f"key {claim.key}: was used for point {known.point}")
    return known


def decide(
    uow: UnitOfWork,
    ident: str,
    *,
    accept: bool,
    by: str,
    now: datetime,
    context: GroundContext,
    person: PersonId | None = None,
    note: str = "",
) -> CheckIn:
    """Believe a check-in that waited, or not; then its point can be walked again.

    `person`: the decider's own. Raises KeyError, IllegalCheckIn, CheckInRefused (no reason).
    """
    repos = uow.ground_patrols
    waiting = repos.check_in(ident)
    decided = decide_check_in(
        waiting, accept=accept, by=str(person) if person == waiting.by else by, now=now, note=note
    )
    patrol = repos.get(decided.patrol)
    stops = repos.stops(patrol.id)
    repos.put_check_in(decided)
    changed = [
        _after_decision(one, decided, patrol, now) for one in stops if one.check_in == decided.id
    ]
    for stop in changed:
        stops = _with_stop(stops, stop)
    _save(uow, patrol, stops, changed, messages=context.messages, now=now)
    why = f"ground:{patrol.id} {decided.point} {decided.state}"
    uow.access.append(at=now, who=by, what="decide_check_in", camera=None, why=why)
    return decided


def _after_decision(
    stop: GroundStop, decided: CheckIn, patrol: GroundPatrol, now: datetime
) -> GroundStop:
    if decided.state is CheckInState.ACCEPTED:
        return checked_stop(stop, decided)
    again = replace(stop, state=StopState.PENDING, check_in="", at=None)
    return ended_stop(again) if now >= patrol.finish_by else again


def end_patrol(
    uow: UnitOfWork, patrol: GroundPatrol, now: datetime, messages: GroundMessages
) -> GroundPatrol:
    """End a patrol whose time is over: what was not walked is missed; the phones are cleared."""
    stops = uow.ground_patrols.stops(patrol.id)
    ended = [ended_stop(stop) for stop in stops]
    changed = [new for old, new in zip(stops, ended, strict=True) if new != old]
    moved = _save(uow, patrol, ended, changed, messages=messages, now=now)
    why = f"ground:{patrol.id} {moved.state}"
    uow.access.append(at=now, who="patrol", what="end_ground_patrol", camera=None, why=why)
    return moved


def notify_late(
    uow: UnitOfWork, patrol: GroundPatrol, now: datetime, messages: GroundMessages
) -> list[GroundStop]:
    """Mark points whose time has passed as notified, and publish the patrol; those points.

    Near the end all that is left is told once more (last call), late or not.
    """
    stops = uow.ground_patrols.stops(patrol.id)
    late = [stop for stop in late_stops(stops, now) if stop.late_notified_at is None]
    left = [stop for stop in stops if stop.state is StopState.PENDING]
    is_last_call = patrol.last_called_at is None and patrol.last_call_at <= now
    notified = left if is_last_call else late
    if not notified and not is_last_call:
        return []
    marked = [replace(stop, late_notified_at=now) for stop in late]
    if is_last_call:
        patrol = replace(patrol, last_called_at=now)
    for stop in marked:
        stops = _with_stop(stops, stop)
    _save(uow, patrol, stops, marked, messages=messages, now=now)
    return notified


def _with_stop(stops: Sequence[GroundStop], changed: GroundStop) -> Sequence[GroundStop]:
    return [changed if stop.place == changed.place else stop for stop in stops]


def _save(
    uow: UnitOfWork,
    patrol: GroundPatrol,
    stops: Sequence[GroundStop],
    changed: Iterable[GroundStop],
    *,
    messages: GroundMessages,
    now: datetime,
) -> GroundPatrol:
    for stop in changed:
        uow.ground_patrols.put_stop(stop)
    moved = replace(patrol.moved_on(stops, now), revision=patrol.revision + 1)
    uow.ground_patrols.put(moved)
    messages.publish(uow, moved, stops, now)
    return moved
