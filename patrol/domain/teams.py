"""网格组团: the team of a grid, told together where the site says so. Pure.

`teams.notified_together` in site.yaml turns it on. A team is one village cadre, the grid leader, a
party-group leader, grid workers and the respected villagers of the grid. Each is told by the right
reach: those who act get the case under the grid's own topic, with all that a leader sees, and may
answer; those who only see get a short form of it (messaging/team_payloads.py), without picture,
note and place of a yard. Who of those who act is first owns the case: the one acknowledgement
counts for all, and the others see whose it is. The ladder goes on as ever if nobody answers.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum, auto
from typing import Final

from patrol.domain.case import Case, CaseEvent
from patrol.domain.ids import GridCode
from patrol.domain.registry import GridLevel, Person, Registry, Role


class TeamReach(StrEnum):
    """What a member of a team does with a case."""

    ACT = auto()
    SEE = auto()


REACH_OF_ROLE: Final = {
    Role.GRID_LEADER: TeamReach.ACT,
    Role.PARTY_GROUP_LEADER: TeamReach.ACT,
    Role.GRID_WORKER: TeamReach.ACT,
    Role.VILLAGE_CADRE: TeamReach.ACT,
    Role.RESPECTED_VILLAGER: TeamReach.SEE,
}
ANSWERS: Final = (CaseEvent.ACKNOWLEDGE, CaseEvent.ARRIVE, CaseEvent.HANDLE, CaseEvent.FEED_BACK)
RESTARTS: Final = (CaseEvent.REASSIGN, CaseEvent.NOT_VERIFIED, CaseEvent.REOPEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamMember:
    """A person of a grid's team and their reach."""

    person: Person
    reach: TeamReach


def team_of(registry: Registry, grid: GridCode) -> tuple[TeamMember, ...]:
    """The team of a group's grid without those on leave, whose substitutes take their places.

    Empty for villages and the town, which have no team, and where the site tells by the ladder.
    """
    known = registry.tree.grids.get(grid)
    if not registry.teams or known is None or known.level is not GridLevel.GROUP:
        return ()
    members: dict[str, TeamMember] = {}
    for who in _listed(registry, grid):
        acting, reach = registry.acting(who), REACH_OF_ROLE[who.role]
        if acting is not None:
            members.setdefault(acting.id, TeamMember(person=acting, reach=reach))
    return tuple(members.values())


def acting_members(registry: Registry, grid: GridCode) -> tuple[Person, ...]:
    """Those of the team who may answer."""
    return tuple(m.person for m in team_of(registry, grid) if m.reach is TeamReach.ACT)


def seeing_members(registry: Registry, grid: GridCode) -> tuple[Person, ...]:
    """Those of the team who only see."""
    return tuple(m.person for m in team_of(registry, grid) if m.reach is TeamReach.SEE)


def owner_of(case: Case) -> str:
    """Who was first to answer since the case was last sent to the ground; empty: nobody yet."""
    owner = ""
    for entry in case.entries:
        if entry.what in RESTARTS:
            owner = ""
        elif entry.what in ANSWERS and not owner:
            owner = entry.by
    return owner


def _listed(registry: Registry, grid: GridCode) -> Iterator[Person]:
    """The team by the order of roles; without a cadre of its own the village's first."""
    people = [who for who in registry.people.values() if who.grid == grid]
    for role in REACH_OF_ROLE:
        here = [who for who in people if who.role is role]
        if role is Role.VILLAGE_CADRE and not here:
            village = registry.tree.village_of(grid)
            cadres = (w for w in registry.people.values() if w.grid == village and w.role is role)
            here = [cadre for cadre in cadres if registry.acting(cadre)][:1]
        yield from here
