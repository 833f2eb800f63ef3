"""What a demonstration keeps for its visitor: findings and cases left to do, an account a duty."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from patrol.domain.account import AccountRole
from patrol.domain.case import Case
from patrol.domain.finding import Finding
from patrol.domain.ids import CaseId, FindingId, PersonId
from patrol.domain.labels import DUTIES
from patrol.domain.registry import Registry, Role

FINDINGS_LEFT: Final = 20
CASES_LEFT: Final = 5
NAMES: Final = {
    AccountRole.SHIFT_SUPERVISOR: "demo",
    AccountRole.OPERATOR: "operator",
    AccountRole.VILLAGE_CADRE: "cadre",
    AccountRole.GRID_LEADER: "leader",
    AccountRole.MAINTAINER: "maintainer",
    AccountRole.AUDITOR: "auditor",
    AccountRole.ADMIN: "admin",
}
_PEOPLE: Final = {  # duties whose account is a person's of people.csv
    AccountRole.VILLAGE_CADRE: Role.VILLAGE_CADRE,
    AccountRole.GRID_LEADER: Role.GRID_LEADER,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitorAccount:
    """An account that the demonstration makes, without its password."""

    name: str
    duty: AccountRole
    shown_as: str
    person: PersonId | None


def visitor_accounts(registry: Registry) -> Iterator[VisitorAccount]:
    """An account of every duty; those of the ground are the first such people of the register."""
    for duty, name in NAMES.items():
        role = _PEOPLE.get(duty)
        people = (one.id for one in registry.people.values() if one.role is role)
        yield VisitorAccount(
            name=name, duty=duty, shown_as="演示" + DUTIES[duty][0], person=next(people, None)
        )


@dataclass
class LeftToVisitor:
    """Which findings and cases of the first round stay as they are, for the visitor of the console.

    The simulated staff asks before it decides. By default nothing is left.
    """

    finding_count: int = 0
    cases: int = 0
    findings: frozenset[FindingId] = frozenset()
    open_cases: dict[CaseId, None] = field(default_factory=dict)
    _is_chosen: bool = False

    def choose_findings(self, queue: Sequence[Finding]) -> None:
        """Choose once: evenly out of the queue, which begins with the worst; half of it at most."""
        if self._is_chosen or not queue:
            return
        self._is_chosen = True
        count = min(self.finding_count, len(queue) // 2)
        step = len(queue) / count if count else 1.0
        self.findings = frozenset(queue[int(number * step)].id for number in range(count))

    def keeps(self, case: Case) -> bool:
        """Whether the case is the visitor's: the first ones are on which a person has to decide."""
        if case.id in self.open_cases:
            return True
        if len(self.open_cases) >= self.cases or case.camera is None:
            return False
        self.open_cases[case.id] = None
        return True
