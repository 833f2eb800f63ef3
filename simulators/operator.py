"""A simulated operator: works the review queue with the truth of the town at hand.

Decides as a careful person would who stands in front of the yard: what is there is confirmed under
its right name, the rest is dismissed with a reason. Knows no store: confirm and dismiss are handed
in, by whoever has them (the demo, a test, a command line).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from patrol.domain.category import BY_ID
from patrol.domain.finding import DismissReason, Finding
from patrol.domain.observation import Subject

NO_FAULT = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the operator does with one finding."""

    confirm: bool
    category: str = ""  # when confirmed
    reason: str = ""  # when dismissed


def judge(finding: Finding, truth: Mapping[str, Any]) -> Verdict:
    """`truth` is the camera's row of truth.json (or the farm's own word of it just now)."""
    if finding.subject is Subject.EQUIPMENT:
        broken = truth.get("fault", NO_FAULT) not in ("", NO_FAULT, None)
        return _verdict(finding.category if broken else "", DismissReason.NOT_A_PROBLEM)
    problem = truth.get("problem") if truth.get("visible_problem") else None
    if not problem:
        return _verdict("", DismissReason.NOT_A_PROBLEM)
    return _verdict(problem if problem in BY_ID else finding.category, DismissReason.OTHER)


def _verdict(category: str, otherwise: DismissReason) -> Verdict:
    return Verdict(confirm=bool(category), category=category, reason="" if category else otherwise)


@dataclass
class SimulatedOperator:
    """Works a queue from the top; `decided` counts what was done."""

    truth_of: Callable[[str], Mapping[str, Any]]  # camera id → its truth
    confirm: Callable[[Finding, str], None]  # the finding and its right category
    dismiss: Callable[[Finding, str], None]  # the finding and the reason
    decided: Counter[str] = field(default_factory=Counter)

    def work(self, queue: Iterable[Finding]) -> int:
        """Decide on all of them; how many."""
        count = 0
        for finding in queue:
            verdict = judge(finding, self.truth_of(finding.camera))
            if verdict.confirm:
                self.confirm(finding, verdict.category)
            else:
                self.dismiss(finding, verdict.reason)
            self.decided["confirmed" if verdict.confirm else "dismissed"] += 1
            count += 1
        return count
