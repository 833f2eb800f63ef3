"""Posts: whether the people of the registry can do together what their roles ask of them. Pure.

Routing says who is told in which order; here is what stands in the way although nobody is missing:
a leader without an account, one account or telephone for two roles that exclude each other,
substitutes who stand in for one another in a circle.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations

from patrol.domain.grid import Person, Role
from patrol.domain.ids import PersonId
from patrol.domain.observation import Subject
from patrol.domain.registry import Registry
from patrol.domain.routing import route


@dataclass(frozen=True, slots=True, kw_only=True)
class PostProblem:
    """What is wrong with a row; `grave` where a case would not reach who must have it."""

    person: PersonId
    column: str
    what: str
    grave: bool = True


def post_problems(registry: Registry) -> list[PostProblem]:
    """Everything, each said once."""
    found = (*_without_account(registry), *_conflicts(registry), *_circles(registry))
    return list(dict.fromkeys(found))


def _without_account(registry: Registry) -> Iterator[PostProblem]:
    """Grave for the leader of a grid with a camera: the first who must hear, and cannot."""
    watched = {camera.grid for camera in registry.cameras.values()}
    told: dict[PersonId, bool] = {}
    for code in registry.tree.grids:
        for stop in route(registry, code, Subject.SCENE).stops:
            first = code in watched and stop.person.role is Role.GRID_LEADER
            told[stop.person.id] = told.get(stop.person.id, False) or first
    for ident, grave in told.items():
        if not registry.people[ident].mqtt_user:
            words = "is empty: a rung of the ladder that cannot be told, give an account"
            yield PostProblem(person=ident, column="mqtt_user", what=words, grave=grave)


def _conflicts(registry: Registry) -> Iterator[PostProblem]:
    """One account is one person; one telephone probably is, so that is only to be looked at."""
    rungs = _rungs(registry)
    for column, key, grave in (
        ("mqtt_user", lambda who: who.mqtt_user, True),
        ("phone", lambda who: _digits(who.phone), False),
    ):
        for first, second in _sharing(registry, key):
            why = _why_not_both(first, second, rungs)
            if why is None and not grave:
                continue  # one person may lead two groups by one telephone
            words = f"is also that of {first.id} ({first.role}): {why or 'one account, one person'}"
            yield PostProblem(person=second.id, column=column, what=words, grave=grave)


def _why_not_both(
    first: Person, second: Person, rungs: frozenset[frozenset[PersonId]]
) -> str | None:
    if (first.role is Role.MAINTAINER) != (second.role is Role.MAINTAINER):
        return "a maintainer never sees what was found in people's yards"
    if frozenset((first.id, second.id)) in rungs:
        return "silence would go up to the very person who is silent"
    return None


def _rungs(registry: Registry) -> frozenset[frozenset[PersonId]]:
    """Pairs who stand on one ladder."""
    return frozenset(
        frozenset((one.person.id, other.person.id))
        for code in registry.tree.grids
        for one, other in combinations(route(registry, code, Subject.SCENE).stops, 2)
    )


def _sharing(registry: Registry, key: Callable[[Person], str]) -> Iterator[tuple[Person, Person]]:
    same: defaultdict[str, list[Person]] = defaultdict(list)
    for who in registry.people.values():
        if key(who):
            same[key(who)].append(who)
    for people in same.values():
        yield from combinations(people, 2)


def _digits(phone: str) -> str:
    return "".join(c for c in phone if c.isdigit())


def _circles(registry: Registry) -> Iterator[PostProblem]:
    """Two who stand in for each other are found when the file is read; here are longer rounds."""
    done: set[PersonId] = set()
    for start in registry.people:
        path: list[PersonId] = []
        who: PersonId | None = start
        while who is not None and who in registry.people and who not in done:
            if who in path:
                circle = " → ".join([*path[path.index(who) :], who])
                words = f"substitutes go round in a circle, cut it: {circle}"
                yield PostProblem(person=who, column="substitute_for", what=words)
                break
            path.append(who)
            who = registry.people[who].substitute_for
        done.update(path)
