"""Routing: which people are notified about a camera or a grid, and in which order.

The local custom: the group spots the first sign, the village settles it, the town solves what is
left. Camera faults go to a maintainer, never to the people responsible for the yards. A gap in the
chain is an answer too: `Route.problems` names what is missing. Somebody on leave is told nothing:
who stands in takes the place (`Registry.acting`), else the route goes on as if it were empty;
`unstaffed_within` tells which grids have nobody then. `staffing_problems` checks what
stands in the way although nobody is missing: a leader without an account, one account or telephone
for two roles that exclude each other, substitutes who substitute one another in a cycle. Pure.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import combinations
from typing import Final

from patrol.domain.ids import CameraId, GridCode, PersonId
from patrol.domain.leave import changes_between
from patrol.domain.observation import Subject
from patrol.domain.registry import Grid, GridLevel, Person, Registry, Role

LEAVE_AHEAD: Final = timedelta(days=14)  # a grid that will have nobody is said so long before


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """One person of a route, and the grid whose topic that person subscribes to."""

    grid: GridCode
    person: Person


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingGap:
    """A gap between a camera and the town's duty officer: where it is and what is missing."""

    grid: GridCode
    what: str
    camera: CameraId | None = None
    person: PersonId | None = None

    @property
    def message(self) -> str:
        """The gap in one line, for a person."""
        of_camera = f"camera {self.camera}: " if self.camera else ""
        of_person = f"person {self.person}: " if self.person else ""
        return f"{of_camera}{of_person}grid {self.grid}: {self.what}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The people responsible for one grid, nearest first; `problems` names every gap."""

    grid: GridCode
    subject: Subject
    path: tuple[GridCode, ...]  # the grid itself, then its parents
    recipients: tuple[Recipient, ...]
    problems: tuple[RoutingGap, ...] = ()


def route(registry: Registry, grid: GridCode, subject: Subject) -> Route:
    """The route of a finding of `subject` in `grid`. Raises KeyError for an unknown grid."""
    path = tuple(registry.tree.path_up(grid))
    if subject is Subject.EQUIPMENT:
        return _maintainer_route(registry, path)
    recipients: list[Recipient] = []
    problems: list[RoutingGap] = []
    for node in path:
        here = _answering_for(registry, node, path)
        problems.extend(_grid_gaps(registry, node, here))
        recipients.extend(Recipient(grid=node.code, person=person) for person in here.people)
    return Route(
        grid=grid,
        subject=subject,
        path=tuple(node.code for node in path),
        recipients=_unique_recipients(recipients),
        problems=tuple(problems),
    )


def routing_gaps(registry: Registry) -> list[RoutingGap]:
    """Every gap of every route, each once: of grids, then of cameras, then of people."""
    found: dict[str, RoutingGap] = {}
    for code in registry.tree.grids:
        for subject in Subject:
            for problem in route(registry, code, subject).problems:
                found.setdefault(problem.message, problem)
    for problem in (*_camera_gaps(registry), *_people_gaps(registry)):
        found.setdefault(problem.message, problem)
    return list(found.values())


def person_with_role(registry: Registry, grid: GridCode, role: Role) -> Person | None:
    """The first person of `role` in `grid`, in the order of the registry."""
    return next(
        (who for who in registry.people.values() if who.grid == grid and who.role is role), None
    )


def acting_in_role(registry: Registry, grid: GridCode, role: Role) -> Person | None:
    """Who acts as the first person of `role` in `grid` now; the next one where nobody does."""
    in_role = (w for w in registry.people.values() if w.grid == grid and w.role is role)
    return next((one for who in in_role if (one := registry.acting(who))), None)


def substitute_of(registry: Registry, leader: Person) -> Person | None:
    """Who is present with `leader` in substitute_for, else the grid's party-group leader."""
    named = (who for who in registry.people.values() if who.substitute_for == leader.id)
    present = (one for who in named if (one := registry.acting(who)))
    return next(present, None) or acting_in_role(registry, leader.grid, Role.PARTY_GROUP_LEADER)


def _answering_for(registry: Registry, node: Grid, path: tuple[Grid, ...]) -> "_Answering":
    """Who acts for the post that the grid has, and in a group who follows on silence."""
    if node.level is GridLevel.TOWN:
        return _Answering(first=acting_in_role(registry, node.code, Role.TOWN_DUTY))
    if node.level is GridLevel.VILLAGE:
        team = path[0].code  # a group's own team counts one cadre of its village among its members
        cadre = acting_in_role(registry, node.code, Role.VILLAGE_CADRE)
        return _Answering(first=cadre or acting_in_role(registry, team, Role.VILLAGE_CADRE))
    leader = person_with_role(registry, node.code, Role.GRID_LEADER)
    return _Answering(
        first=acting_in_role(registry, node.code, Role.GRID_LEADER),
        then=substitute_of(registry, leader)
        if leader
        else acting_in_role(registry, node.code, Role.PARTY_GROUP_LEADER),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answering:
    """The people who answer for one grid, in the order in which they are told."""

    first: Person | None
    then: Person | None = None

    @property
    def people(self) -> list[Person]:
        return [who for who in (self.first, self.then) if who is not None]


def _grid_gaps(registry: Registry, node: Grid, here: _Answering) -> Iterator[RoutingGap]:
    if node.level is GridLevel.TOWN and here.first is None:
        away = _away(registry, node, Role.TOWN_DUTY)
        yield RoutingGap(grid=node.code, what=f"no town_duty{away}: the last step of the ladder")
    if node.level is GridLevel.VILLAGE and here.first is None:
        away = _away(registry, node, Role.VILLAGE_CADRE)
        what = f"no village_cadre{away} to settle what a group cannot"
        yield RoutingGap(grid=node.code, what=what)
    if node.level is not GridLevel.GROUP:
        return
    away = _away(registry, node, Role.GRID_LEADER)
    # A leader on leave has a substitute: then somebody is told, and nothing is amiss.
    if here.first is None and not (away and here.then):
        yield RoutingGap(grid=node.code, what=f"no grid_leader{away}: nobody is told first")
    if here.then is None:
        yield RoutingGap(
            grid=node.code,
            what="no substitute: nobody has substitute_for = the leader, no party_group_leader",
        )


def _away(registry: Registry, node: Grid, role: Role) -> str:
    """` (P-1 is on leave)`, where that is why nobody has the role."""
    there = (w for w in registry.people.values() if w.grid == node.code and w.role is role)
    away = ", ".join(who.id for who in there if who.id in registry.absent)
    return f" ({away} on leave, nobody stands in)" if away else ""


def _maintainer_route(registry: Registry, path: tuple[Grid, ...]) -> Route:
    recipients = [
        Recipient(grid=node.code, person=who)
        for node in path
        if (who := acting_in_role(registry, node.code, Role.MAINTAINER))
    ]
    problems = () if recipients else (_no_maintainer_gap(path),)
    top = path[-1].code
    duty = acting_in_role(registry, top, Role.TOWN_DUTY)
    recipients.extend(Recipient(grid=top, person=who) for who in _if_present(duty))
    return Route(
        grid=path[0].code,
        subject=Subject.EQUIPMENT,
        path=tuple(node.code for node in path),
        recipients=_unique_recipients(recipients),
        problems=problems,
    )


def _no_maintainer_gap(path: tuple[Grid, ...]) -> RoutingGap:
    # Reported for the town, not for each of its grids: one cause, one notice.
    return RoutingGap(
        grid=path[-1].code, what="no maintainer here or in a grid below: camera faults stay unheard"
    )


def _camera_gaps(registry: Registry) -> Iterator[RoutingGap]:
    for camera in registry.cameras.values():
        if camera.grid not in registry.tree.grids:
            yield RoutingGap(grid=camera.grid, camera=camera.id, what="no such grid")
        elif not route(registry, camera.grid, Subject.SCENE).recipients:
            yield RoutingGap(
                grid=camera.grid,
                camera=camera.id,
                what="nobody between it and the town is told",
            )


def _people_gaps(registry: Registry) -> Iterator[RoutingGap]:
    for who in registry.people.values():
        if who.grid not in registry.tree.grids:
            yield RoutingGap(grid=who.grid, person=who.id, what="no such grid")
        if who.substitute_for and who.substitute_for not in registry.people:
            yield RoutingGap(
                grid=who.grid,
                person=who.id,
                what=f"substitute_for {who.substitute_for}: no such person",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class UnstaffedGrid:
    """A grid in which nobody is told, now or from a day on that is already known."""

    grid: GridCode
    since: datetime | None  # None: it is so already
    until: datetime | None  # None: no end is known
    away: tuple[PersonId, ...] = ()  # the grid's people on leave then; empty: there is nobody


def is_unstaffed(registry: Registry, grid: GridCode) -> bool:
    """Whether the grid itself has nobody who is told of a finding, though there may be people."""
    path = tuple(registry.tree.path_up(grid))
    return not _answering_for(registry, path[0], path).people


def unstaffed_within(registry: Registry, now: datetime, ahead: timedelta) -> list[UnstaffedGrid]:
    """The grids that have nobody now, or will have nobody within `ahead`: the first time of each.

    Only leave makes a difference between two moments, and only in the grids of those concerned.
    """
    present = registry.at(now)
    found = {
        code: _unstaffed_grid(registry, code, now, None)
        for code in registry.tree.grids
        if is_unstaffed(present, code)
    }
    touched = _grids_with_leave(registry)
    for at in changes_between(registry.leaves, now, now + ahead):
        then = registry.at(at)
        for code in touched - found.keys():
            if is_unstaffed(then, code):
                found[code] = _unstaffed_grid(registry, code, at, at)
    return sorted(found.values(), key=lambda one: (one.since or now, one.grid))


def _grids_with_leave(registry: Registry) -> frozenset[GridCode]:
    """The grids of everybody who goes on leave, or whose substitute does."""
    away = {leave.person for leave in registry.leaves}
    return frozenset(
        who.grid
        for who in registry.people.values()
        if (who.id in away or who.substitute_for in away) and who.grid in registry.tree.grids
    )


def _unstaffed_grid(
    registry: Registry, code: GridCode, at: datetime, since: datetime | None
) -> UnstaffedGrid:
    moments = changes_between(registry.leaves, at, datetime.max.replace(tzinfo=at.tzinfo))
    until = next((end for end in moments if not is_unstaffed(registry.at(end), code)), None)
    people = registry.people
    away = (who for who in registry.at(at).absent if who in people and people[who].grid == code)
    return UnstaffedGrid(grid=code, since=since, until=until, away=tuple(away))


def _if_present(person: Person | None) -> Iterator[Person]:
    if person is not None:
        yield person


def _unique_recipients(recipients: list[Recipient]) -> tuple[Recipient, ...]:
    first: dict[PersonId, Recipient] = {}
    for recipient in recipients:
        first.setdefault(recipient.person.id, recipient)
    return tuple(first.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class StaffingProblem:
    """A fault of a row of people.csv; `grave` where a case would not reach the person in charge."""

    person: PersonId
    column: str
    what: str
    grave: bool = True


def staffing_problems(registry: Registry) -> list[StaffingProblem]:
    """Every staffing problem of the registry, each once."""
    found = (
        *_missing_accounts(registry),
        *_role_conflicts(registry),
        *_substitute_cycles(registry),
    )
    return list(dict.fromkeys(found))


def _missing_accounts(registry: Registry) -> Iterator[StaffingProblem]:
    """People of a route without an account; grave for the first one of a grid with cameras."""
    grids_with_cameras = {camera.grid for camera in registry.cameras.values()}
    first_in_line: dict[PersonId, bool] = {}
    for code in registry.tree.grids:
        for stop in route(registry, code, Subject.SCENE).recipients:
            first = code in grids_with_cameras and stop.person.role is Role.GRID_LEADER
            first_in_line[stop.person.id] = first_in_line.get(stop.person.id, False) or first
    for ident, grave in first_in_line.items():
        if not registry.people[ident].mqtt_user:
            what = "is empty: a rung of the ladder that cannot be told, give an account"
            yield StaffingProblem(person=ident, column="mqtt_user", what=what, grave=grave)


def _role_conflicts(registry: Registry) -> Iterator[StaffingProblem]:
    """People who share an account, or a telephone, in roles that exclude each other."""
    rungs = _pairs_on_one_ladder(registry)
    for column, key, grave in (
        ("mqtt_user", lambda who: who.mqtt_user, True),
        ("phone", lambda who: _digits(who.phone), False),
    ):
        for first, second in _people_sharing(registry, key):
            conflict = _conflict_between(first, second, rungs)
            if conflict is None and not grave:
                continue  # one person may lead two groups by one telephone
            reason = conflict or "one account, one person"
            what = f"is also that of {first.id} ({first.role}): {reason}"
            yield StaffingProblem(person=second.id, column=column, what=what, grave=grave)


def _conflict_between(
    first: Person, second: Person, rungs: frozenset[frozenset[PersonId]]
) -> str | None:
    if (first.role is Role.MAINTAINER) != (second.role is Role.MAINTAINER):
        return "a maintainer never sees what was found in people's yards"
    if frozenset((first.id, second.id)) in rungs:
        return "silence would go up to the very person who is silent"
    return None


def _pairs_on_one_ladder(registry: Registry) -> frozenset[frozenset[PersonId]]:
    """Pairs of people who are on the same escalation ladder."""
    return frozenset(
        frozenset((one.person.id, other.person.id))
        for code in registry.tree.grids
        for one, other in combinations(route(registry, code, Subject.SCENE).recipients, 2)
    )


def _people_sharing(
    registry: Registry, key: Callable[[Person], str]
) -> Iterator[tuple[Person, Person]]:
    same: defaultdict[str, list[Person]] = defaultdict(list)
    for who in registry.people.values():
        if key(who):
            same[key(who)].append(who)
    for people in same.values():
        yield from combinations(people, 2)


def _digits(phone: str) -> str:
    return "".join(c for c in phone if c.isdigit())


def _substitute_cycles(registry: Registry) -> Iterator[StaffingProblem]:
    """Cycles of three and more substitutes; pairs are found when people.csv is read."""
    done: set[PersonId] = set()
    for start in registry.people:
        path: list[PersonId] = []
        who: PersonId | None = start
        while who is not None and who in registry.people and who not in done:
            if who in path:
                cycle = " → ".join([*path[path.index(who) :], who])
                what = f"substitutes go round in a circle, cut it: {cycle}"
                yield StaffingProblem(person=who, column="substitute_for", what=what)
                break
            path.append(who)
            who = registry.people[who].substitute_for
        done.update(path)
