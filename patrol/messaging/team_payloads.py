"""What messages say of a grid's team (网格组团), and the short form for those who only see.

The short form tells what happened in which grid, how urgent, and whose it is; no place, note,
picture or camera: a respected villager learns that somebody goes, not what stands in a yard.
"""

from typing import Final

from patrol.domain import labels
from patrol.domain.case import Case
from patrol.domain.finding import category_named
from patrol.domain.helping import helper_steps
from patrol.domain.ids import GridCode, PersonId
from patrol.domain.registry import Registry
from patrol.domain.teams import owner_of, team_of
from patrol.domain.timestamps import rfc3339

JsonObject = dict[str, object]
MAX_HELPER_STEPS: Final = 20


def owner_document(case: Case, registry: Registry) -> JsonObject | None:
    """Who was first to answer; None while nobody did. A name that is only claimed has no person."""
    owner = owner_of(case)
    if not owner:
        return None
    person = registry.people.get(PersonId(owner))
    return {"person": person.id if person else None, "name": person.name if person else ""}


def helpers_document(case: Case, registry: Registry) -> list[JsonObject]:
    """What helpers (群防群治) did about the case, the last ones; empty where none is asked."""
    return [
        {
            "step": str(step),
            "name": person.name if person else entry.by,
            "at": rfc3339(entry.at),
        }
        for step, entry in helper_steps(case)[-MAX_HELPER_STEPS:]
        for person in [registry.people.get(PersonId(entry.by))]
    ]


def team_document(registry: Registry, grid: GridCode) -> list[JsonObject]:
    """The team that is told together; empty where the ladder alone tells people."""
    return [
        {
            "person": member.person.id,
            "name": member.person.name,
            "role": member.person.role.value,
            "reach": member.reach.value,
        }
        for member in team_of(registry, grid)
    ]


def team_body(case: Case, registry: Registry) -> JsonObject:
    """The short form of a case, without the header."""
    what, where = category_named(case.category), registry.tree.grids.get(case.grid)
    return {
        "case": case.id,
        "revision": case.revision,
        "state": case.state.value,
        "level": case.level.value,
        "level_zh": labels.LEVELS[case.level][0],
        "category": {"code": what.code, "zh": what.zh, "en": what.en, "id": what.id},
        "grid": {"code": case.grid, "name": where.name if where else case.grid},
        "dispatched_at": rfc3339(case.dispatched_at),
        "owner": owner_document(case, registry),
    }
