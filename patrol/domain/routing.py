"""Routing: which people are notified about a camera or a grid, and in which order.

The local custom: the group spots the first sign, the village settles it, the town solves what is
left. Camera faults go to a maintainer, never to the people responsible for the yards. A gap in the
chain is an answer too: `Route.problems` names what is missing. `staffing_problems` checks what
stands in the way although nobody is missing: a leader without an account, one account or telephone
for two roles that exclude each other, substitutes who substitute one another in a cycle. Pure.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations

from patrol.domain.ids import CameraId, GridCode, PersonId
from patrol.domain.observation import Subject
from patrol.domain.registry import Grid, GridLevel, Person, Registry, Role


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
        here = list(_answering_for(registry, node, path))
        problems.extend(_grid_gaps(node, here))
        recipients.extend(Recipient(grid=node.code, person=person) for person in here)
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


def substitute_of(registry: Registry, leader: Person) -> Person | None:
    """The person whose substitute_for is `leader`, else the grid's party-group leader."""
    named = (who for who in registry.people.values() if who.substitute_for == leader.id)
    return next(named, None) or person_with_role(registry, leader.grid, Role.PARTY_GROUP_LEADER)


def _answering_for(registry: Registry, node: Grid, path: tuple[Grid, ...]) -> Iterator[Person]:
    if node.level is GridLevel.TOWN:
        yield from _if_present(person_with_role(registry, node.code, Role.TOWN_DUTY))
        return
    if node.level is GridLevel.VILLAGE:
        team = path[0].code  # a group's own team counts one cadre of its village among its members
        cadre = person_with_role(registry, node.code, Role.VILLAGE_CADRE)
        yield from _if_present(cadre or person_with_role(registry, team, Role.VILLAGE_CADRE))
        return
    leader = person_with_role(registry, node.code, Role.GRID_LEADER)
    yield from _if_present(leader)
    yield from _if_present(
        substitute_of(registry, leader)
        if leader
        else person_with_role(registry, node.code, Role.PARTY_GROUP_LEADER)
    )


def _grid_gaps(node: Grid, here: list[Person]) -> Iterator[RoutingGap]:
    if node.level is GridLevel.TOWN and not here:
        yield RoutingGap(grid=node.code, what="no town_duty: the last step of the ladder")
    if node.level is GridLevel.VILLAGE and not here:
        yield RoutingGap(grid=node.code, what="no village_cadre to settle what a group cannot")
    if node.level is not GridLevel.GROUP:
        return
    if not any(who.role is Role.GRID_LEADER for who in here):
        yield RoutingGap(grid=node.code, what="no grid_leader: nobody is told first")
    if not any(who.role is not Role.GRID_LEADER for who in here):
        yield RoutingGap(
            grid=node.code,
            what="no substitute: nobody has substitute_for = the leader, no party_group_leader",
        )


def _maintainer_route(registry: Registry, path: tuple[Grid, ...]) -> Route:
    recipients = [
        Recipient(grid=node.code, person=who)
        for node in path
        if (who := person_with_role(registry, node.code, Role.MAINTAINER))
    ]
    problems = () if recipients else (_no_maintainer_gap(path),)
    top = path[-1].code
    duty = person_with_role(registry, top, Role.TOWN_DUTY)
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
