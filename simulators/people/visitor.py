"""What a demonstration keeps for its visitor: findings and cases left to do, an account a duty."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from patrol.domain.account import AccountRole
from patrol.domain.case import Case
from patrol.domain.finding import Finding
from patrol.domain.ids import CaseId, FindingId, GridCode, PersonId
from patrol.domain.labels import DUTIES
from patrol.domain.registry import GridLevel, Registry, Role
from patrol.domain.routing import person_with_role

FINDINGS_LEFT: Final = 20
CASES_LEFT: Final = 5
NAMES: Final = {
    AccountRole.SHIFT_SUPERVISOR: "demo",
    AccountRole.OPERATOR: "operator",
    AccountRole.VILLAGE_CADRE: "cadre",
    AccountRole.GRID_LEADER: "leader",
    AccountRole.HELPER: "helper",
    AccountRole.MAINTAINER: "maintainer",
    AccountRole.AUDITOR: "auditor",
    AccountRole.ADMIN: "admin",
}
_PEOPLE: Final = {  # duties whose account is a person's of people.csv
    AccountRole.VILLAGE_CADRE: Role.VILLAGE_CADRE,
    AccountRole.GRID_LEADER: Role.GRID_LEADER,
    AccountRole.HELPER: Role.RESPECTED_VILLAGER,
    AccountRole.MAINTAINER: Role.MAINTAINER,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitorAccount:
    """An account that the demonstration makes, without its password."""

    name: str
    duty: AccountRole
    shown_as: str
    person: PersonId | None


def visitor_accounts(registry: Registry) -> Iterator[VisitorAccount]:
    """An account of every duty that logs in.

    Those of the ground are people of the register in the group with most cameras whose leader is
    present, so that their pages have something to do; else of the village or the town above it.
    """
    on_leave = group_on_leave(registry)
    cameras = Counter(camera.grid for camera in registry.cameras.values())
    busiest = max(sorted(cameras), key=lambda grid: (grid != on_leave, cameras[grid]), default=None)
    for duty, name in NAMES.items():
        yield VisitorAccount(
            name=name, duty=duty, shown_as="演示" + DUTIES[duty][0],
            person=_person_near(registry, _PEOPLE.get(duty), busiest),
        )  # fmt: skip


def group_on_leave(registry: Registry) -> GridCode:
    """The group whose leader is on leave on the day of the demonstration. Raises ValueError."""
    grids = registry.tree.grids.values()
    return min(grid.code for grid in grids if grid.level is GridLevel.GROUP)


def _person_near(registry: Registry, role: Role | None, grid: GridCode | None) -> PersonId | None:
    """Who has the role nearest above the grid; None where nobody has."""
    above = registry.tree.path_up(grid) if grid is not None else ()
    near = (person_with_role(registry, one.code, role) for one in above) if role else ()
    return next((one.id for one in near if one is not None), None)


@dataclass
class LeftToVisitor:
    """Which findings and cases of the first round stay as they are, for the visitor of the console.

    The simulated staff asks before it decides. By default nothing is left.
    """

    finding_count: int = 0
    cases: int = 0
    findings: frozenset[FindingId] = frozenset()
    reserve: frozenset[FindingId] = frozenset()  # cases are made of them where too few stay open
    open_cases: dict[CaseId, None] = field(default_factory=dict)
    unanswered: set[str] = field(default_factory=set)  # of them: their leader says nothing
    _is_chosen: bool = False

    def choose_findings(
        self, queue: Sequence[Finding], is_real: Callable[[Finding], bool] = lambda _: False
    ) -> None:
        """Choose once: evenly out of the queue, which begins with the worst; half of it at most.

        The reserve is of the real ones among the rest, the least urgent first.
        """
        if self._is_chosen or not queue:
            return
        self._is_chosen = True
        count = min(self.finding_count, len(queue) // 2)
        step = len(queue) / count if count else 1.0
        self.findings = frozenset(queue[int(number * step)].id for number in range(count))
        rest = (one.id for one in reversed(queue) if one.id not in self.findings and is_real(one))
        self.reserve = frozenset(islice(rest, self.cases))

    def holds(self, finding: FindingId) -> bool:
        """Whether the simulated staff leaves the finding alone, for now or for good."""
        return finding in self.findings or finding in self.reserve

    def leave_unanswered(self, case: CaseId) -> None:
        """The case stays open: nobody answers it but the visitor."""
        self.unanswered.add(case)
        self.open_cases[case] = None

    def forget_closed(self, still_open: Collection[CaseId]) -> int:
        """Forget cases that were closed after all; how many more have to stay open."""
        self.open_cases = {case: None for case in self.open_cases if case in still_open}
        return max(0, self.cases - len(self.open_cases))

    def keeps(self, case: Case) -> bool:
        """Whether the case is the visitor's: the first ones are on which a person has to decide."""
        if case.id in self.open_cases:
            return True
        if len(self.open_cases) >= self.cases or case.camera is None:
            return False
        self.open_cases[case.id] = None
        return True
