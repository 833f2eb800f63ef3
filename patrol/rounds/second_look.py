"""Look again at a case's camera and tell whether what was found is still there.

Pure judgement over a fresh visit; what follows from it for the case is the dispatch room's.
"""

from dataclasses import dataclass
from enum import StrEnum, auto

from patrol.domain.camera import Camera
from patrol.domain.case import Case
from patrol.domain.ids import Sha256
from patrol.domain.observation import Observation
from patrol.domain.round import VisitOutcome
from patrol.ports import Clock, Visitor
from patrol.rounds.judge import Judge, Judged, VisitStart, failed_visit
from streams.address import StreamAddress
from streams.errors import StreamError
from streams.model import StreamChoice, VisitOptions


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


async def look_again(
    case: Case,
    camera: Camera,
    *,
    visitor: Visitor,
    judge: Judge,
    clock: Clock,
    options: VisitOptions,
    stream: StreamChoice,
) -> SecondLook:
    """Visit the camera once, outside any round. The caller has asked the consent gate."""
    start = VisitStart(round=None, at=clock.now())
    url = camera.sub_url if stream is StreamChoice.SUB and camera.sub_url else camera.url
    try:
        sample = await visitor(StreamAddress.parse(url), options)
    except StreamError as problem:
        judged = failed_visit(camera, start, problem, clock.now())
    else:
        judged = judge(camera, start, sample)
    return compare(case, judged)


def compare(case: Case, judged: Judged) -> SecondLook:
    """Still there when the fresh look makes the same kind of observation in the same zone."""
    visit = judged.visit
    picture = visit.pictures[-1].sha256 if visit.pictures else None
    if visit.outcome is VisitOutcome.NOT_VIEWABLE and not visit.faults:
        return SecondLook(seen=Seen.NOT_VIEWABLE, judged=judged, why=visit.seen or visit.failure)
    same = [seen for seen in judged.observations if _is_same(case, seen)]
    if same:
        why = f"{same[0].kind} {same[0].value:.3g}"
        return SecondLook(seen=Seen.STILL_THERE, judged=judged, why=why, picture=picture)
    if visit.outcome is VisitOutcome.NOT_VIEWABLE:
        return SecondLook(
            seen=Seen.NOT_VIEWABLE, judged=judged, why=" ".join(visit.faults), picture=picture
        )
    return SecondLook(seen=Seen.GONE, judged=judged, why="", picture=picture)


def _is_same(case: Case, seen: Observation) -> bool:
    return seen.kind == (case.kind or case.category) and seen.zone == case.zone
