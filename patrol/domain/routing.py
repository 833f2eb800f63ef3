"""Routing: who is told about a camera or a grid, and who is next when nobody answers.

The rule of the house: the group spots the first sign, the village settles it, the town solves
what is left. Camera faults go to a maintainer, never to the people who answer for the yards.
A gap in the chain is an answer too: `Route.problems` says what is missing, in words.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from patrol.domain.grid import Grid, GridLevel, Person, Role
from patrol.domain.ids import CameraId, GridCode, PersonId
from patrol.domain.observation import Subject
from patrol.domain.registry import Registry


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """One person on the way up, and the grid under whose topic that person listens."""

    grid: GridCode
    person: Person


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainProblem:
    """A gap between a camera and the town's duty desk: where it is and what is missing."""

    grid: GridCode
    what: str
    camera: CameraId | None = None
    person: PersonId | None = None

    @property
    def words(self) -> str:
        """One line for a person."""
        of_camera = f"camera {self.camera}: " if self.camera else ""
        of_person = f"person {self.person}: " if self.person else ""
        return f"{of_camera}{of_person}grid {self.grid}: {self.what}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The people of one grid's chain, nearest first; `problems` names every gap in it."""

    grid: GridCode
    subject: Subject
    path: tuple[GridCode, ...]  # the grid itself, then its parents
    stops: tuple[Stop, ...]
    problems: tuple[ChainProblem, ...] = ()


def route(registry: Registry, grid: GridCode, subject: Subject) -> Route:
    """Whom to tell about something in `grid`, nearest first. Raises KeyError: unknown grid."""
    path = tuple(registry.tree.path_up(grid))
    if subject is Subject.EQUIPMENT:
        return _to_maintainers(registry, path)
    stops: list[Stop] = []
    problems: list[ChainProblem] = []
    for node in path:
        here = list(_answering_for(registry, node, path))
        problems.extend(_gaps(node, here))
        stops.extend(Stop(grid=node.code, person=person) for person in here)
    return Route(
        grid=grid,
        subject=subject,
        path=tuple(node.code for node in path),
        stops=_each_once(stops),
        problems=tuple(problems),
    )


def chain_problems(registry: Registry) -> list[ChainProblem]:
    """Every gap of every chain, each told once: grids, then cameras, then people."""
    found: dict[str, ChainProblem] = {}
    for code in registry.tree.grids:
        for subject in Subject:
            for problem in route(registry, code, subject).problems:
                found.setdefault(problem.words, problem)
    for problem in (*_camera_problems(registry), *_people_problems(registry)):
        found.setdefault(problem.words, problem)
    return list(found.values())


def of_role(registry: Registry, grid: GridCode, role: Role) -> Person | None:
    """The first person of `role` in `grid`, in the order of the registry."""
    return next(
        (who for who in registry.people.values() if who.grid == grid and who.role is role), None
    )


def substitute_of(registry: Registry, leader: Person) -> Person | None:
    """Who stands in for `leader`: whoever says so, else the grid's party-group leader."""
    named = (who for who in registry.people.values() if who.substitute_for == leader.id)
    return next(named, None) or of_role(registry, leader.grid, Role.PARTY_GROUP_LEADER)


def _answering_for(registry: Registry, node: Grid, path: tuple[Grid, ...]) -> Iterator[Person]:
    if node.level is GridLevel.TOWN:
        yield from _present(of_role(registry, node.code, Role.TOWN_DUTY))
        return
    if node.level is GridLevel.VILLAGE:
        team = path[0].code  # a group's own team counts one cadre of its village among its members
        cadre = of_role(registry, node.code, Role.VILLAGE_CADRE)
        yield from _present(cadre or of_role(registry, team, Role.VILLAGE_CADRE))
        return
    leader = of_role(registry, node.code, Role.GRID_LEADER)
    yield from _present(leader)
    yield from _present(
        substitute_of(registry, leader)
        if leader
        else of_role(registry, node.code, Role.PARTY_GROUP_LEADER)
    )


def _gaps(node: Grid, here: list[Person]) -> Iterator[ChainProblem]:
    if node.level is GridLevel.TOWN and not here:
        yield ChainProblem(grid=node.code, what="no town_duty: the last step of the ladder")
    if node.level is GridLevel.VILLAGE and not here:
        yield ChainProblem(grid=node.code, what="no village_cadre to settle what a group cannot")
    if node.level is not GridLevel.GROUP:
        return
    if not any(who.role is Role.GRID_LEADER for who in here):
        yield ChainProblem(grid=node.code, what="no grid_leader: nobody is told first")
    if not any(who.role is not Role.GRID_LEADER for who in here):
        yield ChainProblem(
            grid=node.code,
            what="no substitute: nobody has substitute_for = the leader, no party_group_leader",
        )


def _to_maintainers(registry: Registry, path: tuple[Grid, ...]) -> Route:
    stops = [
        Stop(grid=node.code, person=who)
        for node in path
        if (who := of_role(registry, node.code, Role.MAINTAINER))
    ]
    problems = () if stops else (_no_maintainer(path),)
    top = path[-1].code
    duty = of_role(registry, top, Role.TOWN_DUTY)
    stops.extend(Stop(grid=top, person=who) for who in _present(duty))
    return Route(
        grid=path[0].code,
        subject=Subject.EQUIPMENT,
        path=tuple(node.code for node in path),
        stops=_each_once(stops),
        problems=problems,
    )


def _no_maintainer(path: tuple[Grid, ...]) -> ChainProblem:
    # Told of the town, not of each of its grids: one cause, one notice.
    return ChainProblem(
        grid=path[-1].code, what="no maintainer here or in a grid below: camera faults stay unheard"
    )


def _camera_problems(registry: Registry) -> Iterator[ChainProblem]:
    for camera in registry.cameras.values():
        if camera.grid not in registry.tree.grids:
            yield ChainProblem(grid=camera.grid, camera=camera.id, what="no such grid")
        elif not route(registry, camera.grid, Subject.SCENE).stops:
            yield ChainProblem(
                grid=camera.grid, camera=camera.id, what="nobody between it and the town is told"
            )


def _people_problems(registry: Registry) -> Iterator[ChainProblem]:
    for who in registry.people.values():
        if who.grid not in registry.tree.grids:
            yield ChainProblem(grid=who.grid, person=who.id, what="no such grid")
        if who.substitute_for and who.substitute_for not in registry.people:
            yield ChainProblem(
                grid=who.grid,
                person=who.id,
                what=f"substitute_for {who.substitute_for}: no such person",
            )


def _present(person: Person | None) -> Iterator[Person]:
    if person is not None:
        yield person


def _each_once(stops: list[Stop]) -> tuple[Stop, ...]:
    first: dict[PersonId, Stop] = {}
    for stop in stops:
        first.setdefault(stop.person.id, stop)
    return tuple(first.values())
