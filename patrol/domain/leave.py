"""Leave (请假) of a person: from when until when, and who stands in. Pure.

`absences` gives, for one moment, everybody who is on leave and who acts instead: the substitute
named in leave.csv, or that person's own substitute where both are away; None where nobody is named
or the chain of substitutes leads back. Routing asks `Registry.acting` (domain/registry.py), so that
the calendar decides who is told. Times are UTC; a leave holds from `begins` up to, without, `ends`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from patrol.domain.ids import PersonId


@dataclass(frozen=True, slots=True, kw_only=True)
class Leave:
    """A row of leave.csv."""

    person: PersonId
    begins: datetime
    ends: datetime
    substitute: PersonId | None = None
    note: str = ""
    written_from: str = ""  # as the file writes `begins`: with the person the row's key

    def __post_init__(self) -> None:
        if self.begins >= self.ends:
            raise ValueError(f"{self.person}: a leave ends after it has begun")

    def holds_at(self, now: datetime) -> bool:
        """Whether the person is away at `now`."""
        return self.begins <= now < self.ends


Absences = Mapping[PersonId, PersonId | None]  # who is away → who acts instead


def absences(leaves: Iterable[Leave], now: datetime) -> Absences:
    """Everybody who is on leave at `now`, and who acts instead."""
    named = {leave.person: leave.substitute for leave in leaves if leave.holds_at(now)}
    return {person: _acting_instead(person, named) for person in named}


def _acting_instead(person: PersonId, named: Absences) -> PersonId | None:
    passed: list[PersonId] = []
    who: PersonId | None = person
    while who is not None and who in named:
        if who in passed:
            return None
        passed.append(who)
        who = named[who]
    return who


def next_change(leaves: Iterable[Leave], now: datetime) -> datetime | None:
    """When the next leave begins or ends after `now`; None: none does."""
    return min((at for one in leaves for at in (one.begins, one.ends) if at > now), default=None)


def changes_between(leaves: Iterable[Leave], start: datetime, end: datetime) -> list[datetime]:
    """The moments after `start`, up to `end`, at which a leave begins or ends; sorted."""
    moments = {at for one in leaves for at in (one.begins, one.ends)}
    return sorted(at for at in moments if start < at <= end)


def overlapping(leaves: Sequence[Leave]) -> list[tuple[Leave, Leave]]:
    """Pairs of leaves of one person that overlap, the earlier one first."""
    ordered = sorted(leaves, key=lambda one: (one.person, one.begins))
    return [
        (first, second)
        for first, second in pairwise(ordered)
        if first.person == second.person and second.begins < first.ends
    ]
