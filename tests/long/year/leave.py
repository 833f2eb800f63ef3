"""The year's calendar of leave: who is away when, and the registry that follows it.

Every grid leader is away several times; a party-group leader, a neighbour or nobody stands in, and
sometimes both are away. Some leave is entered at once, for a leader who calls in sick. Who is away
sends no reply (town.py); the audit checks that nobody waited for them (`problems`).
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from patrol.administration.registry_files import FollowedMapping
from patrol.domain.case import Case, CaseEvent
from patrol.domain.escalation import NOBODY, current_rung
from patrol.domain.ids import PersonId
from patrol.domain.leave import Absences, Leave, absences, changes_between
from patrol.domain.registry import Person, Registry, Role

AWAY_SHARE: Final = 0.03  # of the days
LONGEST_DAYS: Final = 5
STANDS_IN: Final = ("party", "party", "neighbour", "nobody")
WAITS_AT_MOST: Final = timedelta(hours=1)  # the ticks of the year
ANSWERS: Final = frozenset(
    {CaseEvent.ACKNOWLEDGE, CaseEvent.ARRIVE, CaseEvent.HANDLE, CaseEvent.FEED_BACK}
)
GIVEN_ON: Final = frozenset(
    {CaseEvent.REASSIGN, CaseEvent.STAND_IN}
)  # another ladder than at first


@dataclass
class LeaveCalendar:
    """The leaves of a simulated span, and a registry whose absences follow `move_to`."""

    site_registry: Registry
    leaves: tuple[Leave, ...]
    registry: Registry = field(init=False)
    _absent: Absences = field(default_factory=dict)

    def __post_init__(self) -> None:
        followed = FollowedMapping(lambda: self._absent)
        self.registry = replace(self.site_registry, leaves=self.leaves, absent=followed)

    @classmethod
    def plan(
        cls, registry: Registry, first: datetime, days: int, rng: random.Random
    ) -> "LeaveCalendar":
        """Leaves of all grid leaders from `first` on."""
        leaders = [who for who in registry.people.values() if who.role is Role.GRID_LEADER]
        found = [
            leave
            for place, leader in enumerate(leaders)
            for leave in _leaves_of(leader, leaders[place - 1], registry, (first, days, rng))
        ]
        return cls(registry, tuple(found))

    def move_to(self, now: datetime) -> None:
        """Make absent who is on leave at `now`."""
        self._absent = absences(self.leaves, now)

    def call_in_sick(self, person: PersonId, now: datetime, until: datetime) -> None:
        """Enter a leave from `now` on; the leader of the next grid of the register stands in."""
        leaders = [one for one, who in self.registry.people.items() if who.role is Role.GRID_LEADER]
        neighbour = leaders[leaders.index(person) - 1]
        sick = Leave(person=person, begins=now, ends=until, substitute=neighbour)
        self.leaves = (*self.leaves, sick)
        self.move_to(now)

    def changes(self, start: datetime, end: datetime) -> Sequence[datetime]:
        """When `move_to` is due."""
        return changes_between(self.leaves, start - timedelta(seconds=1), end)

    def is_away(self, person: str, at: datetime) -> bool:
        """Whether the person is on leave at that moment."""
        return any(one.person == person and one.holds_at(at) for one in self.leaves)

    def problems(self, cases: Sequence[Case], now: datetime) -> Iterator[str]:
        """Answers of people on leave, cases that were sent to one, or wait for one."""
        for case in cases:
            first = case.policy.ladder[0].person
            given_on = any(entry.what in GIVEN_ON for entry in case.entries)
            if not given_on and self.is_away(first, case.dispatched_at):
                yield f"case {case.id} was sent to {first}, who is on leave"
            for entry in case.entries:
                if entry.what in ANSWERS and self.is_away(entry.by, entry.at):
                    yield f"case {case.id}: {entry.by} answered on leave at {entry.at}"
            person = current_rung(case).person
            if not case.is_open or case.ladder_due_at is None or person == NOBODY:
                continue
            if self.is_away(person, now) and self.is_away(person, now - WAITS_AT_MOST):
                yield f"case {case.id} waits for {person}, who is on leave"


def _leaves_of(
    leader: Person, neighbour: Person, registry: Registry,
    span: tuple[datetime, int, random.Random],
) -> Iterator[Leave]:  # fmt: skip
    first, days, rng = span
    party = next(
        (
            who.id
            for who in registry.people.values()
            if who.grid == leader.grid and who.role is Role.PARTY_GROUP_LEADER
        ),
        None,
    )
    named: dict[str, PersonId | None] = {
        "party": party, "neighbour": neighbour.id, "nobody": None,
    }  # fmt: skip
    day = 0
    while day < days:
        if rng.random() >= AWAY_SHARE / 2:
            day += 1
            continue
        length = rng.randint(1, LONGEST_DAYS)
        substitute = named[rng.choice(STANDS_IN)]
        begins = first + timedelta(days=day, hours=rng.choice((0, 9, 13)))
        ends = first + timedelta(days=day + length)
        yield Leave(person=leader.id, begins=begins, ends=ends, substitute=substitute)
        day += length + 1
