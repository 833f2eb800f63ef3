"""Judge labelled visits as a round does: camera by camera, in time order.

References are learned from the visits, by the same function that a round uses. At cameras where
some visits are labelled `accept=yes`, only those are learned from; elsewhere every visit may be, as
in service.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from operator import attrgetter

from patrol.domain.camera import PictureAreas, Zone
from patrol.domain.ids import CameraId
from patrol.domain.observation import Light
from patrol.evaluation.labels import LOCAL, LabelledVisit
from patrol.ports import Detector
from patrol.vision.judge import judge_visit
from patrol.vision.types import LearnMode, VisionThresholds, VisitInput, VisitJudgement

WHOLE = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EvaluatedVisit:
    """A labelled visit and its judgement."""

    visit: LabelledVisit
    judgement: VisitJudgement
    size_px: tuple[int, int]  # width, height of the first picture
    classes: frozenset[str] = frozenset()  # of objects that this camera's labels name


def evaluate(
    visits: Iterable[LabelledVisit],
    *,
    detector: Detector | None = None,
    fire_model: Detector | None = None,
    policy: VisionThresholds | None = None,
) -> Iterator[EvaluatedVisit]:
    """Judge all visits, sorted by camera and time; holds the pictures of one visit at a time."""
    judge = partial(judge_visit, detector=detector, fire_model=fire_model, policy=policy)
    for _, of_camera in groupby(visits, key=attrgetter("camera")):
        yield from _evaluate_camera(list(of_camera), judge, detects=detector is not None)


def _evaluate_camera(
    visits: list[LabelledVisit], judge: Callable[[VisitInput], VisitJudgement], *, detects: bool
) -> Iterator[EvaluatedVisit]:
    has_accepted = any(visit.accept for visit in visits)
    classes = frozenset(name for visit in visits for name, _ in visit.objects or ())
    areas = _areas(classes) if detects else PictureAreas()
    memories: Mapping[Light, bytes] = {}
    for visit in visits:
        pictures = visit.pictures()
        learn_mode = (
            (LearnMode.YES if visit.accept else LearnMode.NO) if has_accepted else LearnMode.AUTO
        )
        visit_input = VisitInput(
            camera=CameraId(visit.camera),
            round=None,
            pictures=pictures,
            at=visit.at,
            local=visit.at.astimezone(LOCAL),
            memories=memories,
            areas=areas,
            freshness=visit.freshness,
            corrupt=visit.corrupt,
            light=visit.light,
            learn_mode=learn_mode,
        )
        judgement = judge(visit_input)
        memories = {**memories, **judgement.memories}
        height, width = pictures[0].shape[:2] if pictures else (1, 1)
        yield EvaluatedVisit(
            visit=visit, judgement=judgement, size_px=(width, height), classes=classes
        )


def _areas(classes: frozenset[str]) -> PictureAreas:
    """The whole frame as one zone for these classes."""
    if not classes:
        return PictureAreas()
    return PictureAreas(zones=(Zone(name="all", polygon=WHOLE, classes=classes, kind="other"),))
