"""Who sent a reply: what the topic and the broker's accounts prove, and what is only claimed.

`person` in a payload is whatever its sender wrote. What is known of the sender is the topic that it
came on: a topic of one person's (`…/person/{person_id}/reply/…`), which the broker lets that
account alone write, or the topic of a grid, which everybody who answers for the grid may write. The
phone page knows the account by its session. So a name becomes the author of a history entry where
it is proven, or where it is one of those who answer on that topic; in the latter case the entry is
marked as claimed unless they are only one. Any other name stays a claim beside the grid.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from patrol.domain.answering import grids_notified
from patrol.domain.case import Case
from patrol.domain.ids import GridCode, PersonId
from patrol.domain.observation import Subject
from patrol.domain.registry import Registry, Role

SOMEBODY: Final = "somebody"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """The author of an entry, and the name that is only claimed; "" where all is proven."""

    by: str
    claimed: str = ""


@dataclass(slots=True)
class SenderDirectory:
    """Decides by the registry as it is now; the tables are made again when it was read again."""

    registry: Registry
    _answering: Mapping[tuple[str, Subject], frozenset[str]] = field(default_factory=dict)
    _people: tuple[object, ...] = ()

    def sender(self, *, grid: str, subject: Subject, claimed: str, proven: str) -> Sender:
        """Who answers on a topic of `grid`; `proven`: the person of the topic or the session."""
        people = self.registry.people
        if proven:
            by = proven if proven in people else f"{proven}@{grid}"
            return Sender(by=by, claimed=claimed if claimed != proven else "")
        if not claimed:
            return Sender(by=f"{SOMEBODY}@{grid}")
        if claimed not in people:
            return Sender(by=f"{claimed}@{grid}", claimed=claimed)
        answering = self._who_answers(grid, subject)
        if claimed not in answering:
            return Sender(by=f"{SOMEBODY}@{grid}", claimed=claimed)
        return Sender(by=claimed, claimed=claimed if len(answering) > 1 else "")

    def _who_answers(self, grid: str, subject: Subject) -> frozenset[str]:
        registry = self.registry
        people = (*registry.people.values(), *registry.absent.items())
        if people != self._people:
            self._answering, self._people = _who_answers(registry), people
        return self._answering.get((grid, subject), frozenset())


def with_claim(before: Case, after: Case, sender: Sender) -> Case:
    """The case with the claim in its new entries and its new request; the system's stay."""
    if not sender.claimed:
        return after
    known = len(before.entries)
    entries = tuple(
        replace(entry, claimed=sender.claimed)
        if place >= known and entry.by == sender.by
        else entry
        for place, entry in enumerate(after.entries)
    )
    request = after.request
    if request is not None and request != before.request and request.by == sender.by:
        request = replace(request, claimed=sender.claimed)
    return replace(after, entries=entries, request=request)


def _who_answers(registry: Registry) -> Mapping[tuple[str, Subject], frozenset[str]]:
    """By grid and subject of a topic: the people who may answer on it."""
    found: dict[tuple[str, Subject], set[str]] = {}

    def add(grid: GridCode, subject: Subject, person: PersonId) -> None:
        found.setdefault((grid, subject), set()).add(person)

    for subject in Subject:
        for person, grids in grids_notified(registry, subject).items():
            for grid in grids:
                add(grid, subject, person)
    for who in registry.people.values():  # reports come from the own grid
        if who.role is not Role.MAINTAINER and who.id not in registry.absent:
            add(who.grid, Subject.SCENE, who.id)
    return {topic: frozenset(names) for topic, names in found.items()}
