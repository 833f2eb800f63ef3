"""Walk through labelled visits as the service would: camera by camera, in time order.

References are learned on the way, by the same judging function that a round uses. At cameras where
some visits say `accept=yes`, those alone teach; elsewhere every visit may, as in service.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from operator import attrgetter

from patrol.domain.ids import CameraId
from patrol.domain.observation import Light
from patrol.domain.zone import PictureAreas, Zone
from patrol.eval.labels import LOCAL, Labelled
from patrol.ports import Detector
from patrol.vision.judge import EyePolicy, Judgement, Sight, Teach, judge_visit

WHOLE = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Judged:
    """A labelled visit and what was made of it."""

    visit: Labelled
    judgement: Judgement
    size_px: tuple[int, int]  # width, height of the first picture
    classes: frozenset[str] = frozenset()  # of objects that this camera's labels name


def walk(
    visits: Iterable[Labelled],
    *,
    detector: Detector | None = None,
    fire_model: Detector | None = None,
    policy: EyePolicy | None = None,
) -> Iterator[Judged]:
    """Judge all; `visits` come sorted by camera and time. Holds one visit's pictures at a time."""
    judge = partial(judge_visit, detector=detector, fire_model=fire_model, policy=policy)
    for _, of_camera in groupby(visits, key=attrgetter("camera")):
        yield from _camera(list(of_camera), judge, detects=detector is not None)


def _camera(
    visits: list[Labelled], judge: Callable[[Sight], Judgement], *, detects: bool
) -> Iterator[Judged]:
    taught = any(visit.accept for visit in visits)
    classes = frozenset(name for visit in visits for name, _ in visit.objects or ())
    areas = _areas(classes) if detects else PictureAreas()
    memories: Mapping[Light, bytes] = {}
    for visit in visits:
        pictures = visit.pictures()
        teach = (Teach.YES if visit.accept else Teach.NO) if taught else Teach.AUTO
        sight = Sight(
            camera=CameraId(visit.camera),
            round=None,
            pictures=pictures,
            at=visit.at,
            local=visit.at.astimezone(LOCAL),
            memories=memories,
            areas=areas,
            freshness=visit.freshness,
            light=visit.light,
            teach=teach,
        )
        judgement = judge(sight)
        memories = {**memories, **judgement.memories}
        height, width = pictures[0].shape[:2] if pictures else (1, 1)
        yield Judged(visit=visit, judgement=judgement, size_px=(width, height), classes=classes)


def _areas(classes: frozenset[str]) -> PictureAreas:
    """The whole frame as one zone for these classes."""
    if not classes:
        return PictureAreas()
    return PictureAreas(zones=(Zone(name="all", polygon=WHOLE, classes=classes, kind="other"),))
