"""Simulated operator who decides the review queue by the ground truth of the simulated town.

Decides as a careful person would who stands in front of the yard: what is there is confirmed under
its right category, the rest is dismissed with a reason. Knows no store: the caller (the demo, a
test) hands in `confirm` and `dismiss`.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from patrol.domain.finding import CATEGORY_BY_ID, DismissReason, Finding
from patrol.domain.observation import Subject

NO_FAULT = "none"
UNNAMED: Final = ("scene_change", "other")  # categories that name no problem


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorDecision:
    """What the operator does with one finding."""

    confirm: bool
    category: str = ""  # when confirmed
    reason: str = ""  # when dismissed


def decide_finding(finding: Finding, truth: Mapping[str, Any]) -> OperatorDecision:
    """Decide by `truth`: the camera's row of truth.json, or the farm's answer just now."""
    if finding.subject is Subject.EQUIPMENT:
        broken = truth.get("fault", NO_FAULT) not in ("", NO_FAULT, None)
        return _decision(finding.category if broken else "", DismissReason.NOT_A_PROBLEM)
    problem = truth.get("problem") if truth.get("visible_problem") else None
    if not problem:
        return _decision("", DismissReason.NOT_A_PROBLEM)
    return _decision(
        problem if problem in CATEGORY_BY_ID else finding.category, DismissReason.OTHER
    )


def is_still_there(subject: Subject, category: str, truth: Mapping[str, Any]) -> bool:
    """Whether what a case is about is still there, by its camera's truth just now.

    Another problem of the same camera is another case: a fault of its lens does not keep the case
    of the rubbish before it open, nor the rubbish that of the lens. A change that nobody named is
    any problem of the scene.
    """
    if subject is Subject.EQUIPMENT:
        return truth.get("fault", NO_FAULT) not in ("", NO_FAULT, None)
    problem = truth.get("problem")
    return bool(problem) and (category == problem or category in UNNAMED)


def _decision(category: str, otherwise: DismissReason) -> OperatorDecision:
    return OperatorDecision(
        confirm=bool(category), category=category, reason="" if category else otherwise
    )


@dataclass
class SimulatedOperator:
    """Decides a queue of findings in its order; `decided` counts confirmed and dismissed."""

    truth_of: Callable[[str], Mapping[str, Any]]  # camera id → its truth
    confirm: Callable[[Finding, str], None]  # the finding and its right category
    dismiss: Callable[[Finding, str], None]  # the finding and the reason
    decided: Counter[str] = field(default_factory=Counter)

    def decide_all(self, queue: Iterable[Finding]) -> int:
        """Decide every finding of the queue; return how many."""
        count = 0
        for finding in queue:
            decision = decide_finding(finding, self.truth_of(finding.camera))
            if decision.confirm:
                self.confirm(finding, decision.category)
            else:
                self.dismiss(finding, decision.reason)
            self.decided["confirmed" if decision.confirm else "dismissed"] += 1
            count += 1
        return count
