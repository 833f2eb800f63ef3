"""What several pages share: failures with a face, lamps, names of things. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final, TypeVar

from patrol.console.words import Words
from patrol.domain import category as categories
from patrol.domain.case import CaseState
from patrol.domain.finding import Finding
from patrol.domain.grid import GridLevel
from patrol.domain.ids import CameraId, GridCode
from patrol.domain.levels import Lamp, Level
from patrol.domain.observation import Subject
from patrol.domain.registry import Registry
from patrol.domain.round import Visit, VisitOutcome
from patrol.domain.words import FAULTS
from patrol.report import words

LEVELS_EN: Final = {"I": "urgent", "II": "pressing", "III": "ordinary", "IV": "note"}
LAMPS: Final = {
    Lamp.GREEN: ("正常", "in time"),
    Lamp.YELLOW: ("将超时", "soon due"),
    Lamp.RED: ("已超时", "overdue"),
}


class NotFound(Exception):
    """There is no such thing, or it is not for this account: the answer is the same."""


class CannotBe(Exception):
    """What was sent cannot be so; says why."""


T = TypeVar("T")


def paged(found: Sequence[T], page: int, size: int) -> tuple[Sequence[T], dict[str, int]]:
    """What stands on this page, and what the pager needs to know."""
    pages = max(1, -(-len(found) // size))
    page = min(max(1, page), pages)
    return found[(page - 1) * size : page * size], {"page": page, "pages": pages}


@contextmanager
def said() -> Iterator[None]:
    """Translate the rooms' errors once, at the border."""
    try:
        yield
    except KeyError as exc:
        raise NotFound(str(exc)) from exc
    except ValueError as exc:
        raise CannotBe(str(exc)) from exc


def level_words(level: Level, say: Words) -> str:
    """`紧急`, `pressing`."""
    return say(level.zh, LEVELS_EN[level.value])


def category_words(ident: str, say: Words) -> str:
    """`车辆占道`, `blocking vehicle`."""
    known = categories.named(ident)
    return say(known.zh, known.en)


def kind_words(kind: str, say: Words) -> str:
    """A picture fault, a failure or a category in one word."""
    if kind in FAULTS:
        return say.pair(FAULTS[kind])
    if kind in words.FAILURES:
        return say.pair(words.FAILURES[kind])
    return category_words(kind, say)


def outcome_words(outcome: VisitOutcome, say: Words) -> str:
    """正常 / 发现问题 / 无法查看."""
    return say.pair(words.OUTCOMES[outcome])


def shown_outcome(visit: Visit, finding: Finding | None) -> VisitOutcome:
    """What a page says of a visit: while a lead waits, that there is something to judge.

    Or the wall would tell the blind sample, drawn from what was found normal, from the rest.
    """
    waits = finding is not None and finding.is_open and finding.subject is Subject.SCENE
    return VisitOutcome.PROBLEM if waits and visit.outcome.is_seen else visit.outcome


def plan_words(plan: str, say: Words) -> str:
    """`上午`, `morning`."""
    return say.pair(words.PLANS.get(plan, (plan, plan)))


def state_words(state: CaseState, say: Words) -> str:
    """Where a case stands."""
    return say.pair(words.CASE_STATES[state])


def village_of(registry: Registry, code: GridCode) -> str:
    """The village's code of a grid; the town's own for the town; "" for one that left."""
    if code not in registry.tree.grids:
        return ""
    for grid in registry.tree.path_up(code):
        if grid.level is GridLevel.VILLAGE:
            return grid.code
    return code


def grid_name(registry: Registry, code: GridCode) -> str:
    """Its name, or the code of one that left the tree."""
    grid = registry.tree.grids.get(code)
    return grid.name if grid else code


def camera_name(registry: Registry, camera: CameraId | None) -> str:
    """Its name, or its last six digits."""
    if camera is None:
        return "—"
    known = registry.cameras.get(camera)
    return known.name if known else f"…{camera[-6:]}"


def person_name(registry: Registry, who: str, accounts: Mapping[str, str] | None = None) -> str:
    """A person of people.csv, an account, or the word as it stands."""
    person = next((p for p in registry.people.values() if p.id == who), None)
    if person is not None:
        return person.name
    return (accounts or {}).get(who, who)
