"""Look again at what a case or a doubted lead was about, and tell whether it is still there.

Pure judgement over a fresh visit; what follows from it is the dispatch and the review room's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum, auto

from patrol.domain.case import Case
from patrol.domain.finding import Finding
from patrol.domain.ids import Sha256
from patrol.domain.observation import Observation
from patrol.domain.round import VisitOutcome
from patrol.rounds.judge import Judged
from patrol.rounds.words import UNNAMED


class Seen(StrEnum):
    """What the second look showed."""

    GONE = auto()
    STILL_THERE = auto()
    NOT_VIEWABLE = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondLook:
    """The answer, with the visit that gave it."""

    seen: Seen
    judged: Judged
    why: str
    picture: Sha256 | None = None


def of_case(case: Case, judged: Judged) -> SecondLook:
    """Whether what the case is about is still there."""
    return compare(case.kind or case.category, case.zone, judged)


def compare(kind: str, zone: str, judged: Judged) -> SecondLook:
    """Still there when the fresh look makes the same kind of observation in the same zone."""
    visit = judged.visit
    picture = visit.pictures[-1].sha256 if visit.pictures else None
    if visit.outcome is VisitOutcome.NOT_VIEWABLE and not visit.faults:
        return SecondLook(seen=Seen.NOT_VIEWABLE, judged=judged, why=visit.seen or visit.failure)
    same = [seen for seen in judged.observations if (seen.kind, seen.zone) == (kind, zone)]
    if same:
        why = f"{same[0].kind} {same[0].value:.3g}"
        return SecondLook(seen=Seen.STILL_THERE, judged=judged, why=why, picture=picture)
    if visit.outcome is VisitOutcome.NOT_VIEWABLE:
        return SecondLook(
            seen=Seen.NOT_VIEWABLE, judged=judged, why=" ".join(visit.faults), picture=picture
        )
    return SecondLook(seen=Seen.GONE, judged=judged, why="", picture=picture)


def words_for_case(look: SecondLook) -> str:
    """What the machine saw, for the person who decides; Chinese first."""
    if look.seen is Seen.GONE:
        return "机器未再检出 (the machine sees it no more)"
    return f"机器仍检出:{look.why} (the machine still sees it: {look.why})"


def words_for_doubt(finding: Finding, look: SecondLook) -> str:
    """The same for a doubted lead.

    Of a change without a name nothing is said either way: it may be of the blind sample, on which
    the machine saw nothing before.
    """
    if look.seen is Seen.NOT_VIEWABLE:
        return duty_lead_has_to(look.why)
    if finding.kind == UNNAMED:
        return "已复看,请看新画面 (looked again: see the new picture)"
    if look.seen is Seen.STILL_THERE:
        return f"已复看,仍检出:{look.why} (looked again, still there: {look.why})"
    other = _kinds(look.judged.observations)
    also = f";另见 {other}" if other else ""
    return f"已复看,未再检出{also} (looked again, not seen any more{also})"


def duty_lead_has_to(why: str) -> str:
    """Nobody could look again."""
    return f"未能复看:{why};请值班长判断 (could not look again: {why}; the duty lead decides)"


def _kinds(observations: Sequence[Observation]) -> str:
    return " ".join(sorted({one.kind for one in observations}))
