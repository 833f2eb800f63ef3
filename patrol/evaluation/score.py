"""Count proposals against labels, visit by visit.

* A picture fault counts per visit and kind.
* A region matches a labelled box from IoU 0.3; a second region on the same box is no mistake.
  Labelled new objects below 2 % of the picture are counted apart (`newcomer_small`).
* Flames and smoke count per visit: right when at least one proposed place lies on a labelled one;
  the boxes one by one are counted as `flame_box` and `smoke_box`.
* Per clip, too: cameras that differ only in a number at the end are parts of one clip.
* Objects count per class from IoU 0.5, for the classes that the camera's labels name.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

from patrol.domain.observation import Box
from patrol.evaluation.evaluate import EvaluatedVisit
from patrol.evaluation.labels import BoxPx, LabelledVisit
from patrol.evaluation.metrics import Counts
from patrol.vision.fire import FireKind
from patrol.vision.geometry import intersection_area, iou, share_inside

REGION_IOU = 0.3
OBJECT_IOU = 0.5
LARGE = 0.02  # of the picture
ON_IT = 0.5  # of a region lies in a labelled box: it points at it
OK = "ok"
FIRE_NAMES = {FireKind.OPEN_FLAME: "flame", FireKind.SMOKE: "smoke"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """A wrong answer on one visit. Holds no picture: the page reads the visit again."""

    visit: LabelledVisit
    kind: str
    what: str  # missed, false
    weight: float  # worst first
    truth: tuple[Box, ...] = ()
    proposed: tuple[Box, ...] = ()
    note: str = ""


@dataclass(slots=True, kw_only=True)
class Scores:
    """All counts of a set; filled by `score_visits`."""

    visits: int = 0
    cameras: set[str] = field(default_factory=set)
    tallies: dict[str, Counts] = field(default_factory=lambda: defaultdict(Counts))
    groups: dict[str, str] = field(default_factory=dict)  # kind → fault, scene, object
    confusion: Counter[tuple[str, str]] = field(default_factory=Counter)
    ok_visits: int = 0
    ok_flagged: int = 0
    clean_visits: int = 0  # labelled, and without a new object
    false_regions: int = 0  # in them
    fireless: dict[FireKind, tuple[int, int]] = field(
        default_factory=lambda: dict.fromkeys(FireKind, (0, 0))
    )  # of visits labelled without: those with a proposal, all
    clips: dict[tuple[str, str], tuple[int, int]] = field(
        default_factory=lambda: defaultdict(lambda: (0, 0))
    )  # (flame or smoke, clip) → visits with it that were found, all with it
    mistakes: list[Mistake] = field(default_factory=list)

    def count(self, group: str, kind: str, counts: Counts) -> None:
        """Add to the counts of a kind."""
        self.tallies[kind] += counts
        self.groups[kind] = group


def score_visits(evaluated: Iterable[EvaluatedVisit], *, detects: bool) -> Scores:
    """Count all visits. `detects`: a detector ran, so objects can be scored."""
    scores = Scores()
    for one in evaluated:
        scores.visits += 1
        scores.cameras.add(one.visit.camera)
        _score_faults(scores, one)
        _score_new_objects(scores, one)
        for kind in FIRE_NAMES:
            _score_fire(scores, one, kind)
        if detects:
            _score_objects(scores, one)
    return scores


def fractions(box: BoxPx, size_px: tuple[int, int]) -> Box:
    """A box in pixels as fractions of the picture (width, height)."""
    width, height = size_px
    return box[0] / width, box[1] / height, box[2] / width, box[3] / height


def _score_faults(scores: Scores, one: EvaluatedVisit) -> None:
    truth = one.visit.faults
    if truth is None:
        return
    proposed = frozenset(one.judgement.faults)
    for kind in truth | proposed:
        right = Counts(
            tp=int(kind in truth & proposed),
            fp=int(kind not in truth),
            fn=int(kind not in proposed),
        )
        scores.count("fault", kind, right)
        if kind not in truth & proposed:
            what = "missed" if kind in truth else "false"
            scores.mistakes.append(_fault_mistake(one, kind, what))
    if len(truth) <= 1:
        scores.confusion[next(iter(truth), OK), _confusion_name(truth, proposed)] += 1
    if not truth:
        scores.ok_visits += 1
        scores.ok_flagged += bool(proposed)


def _fault_mistake(one: EvaluatedVisit, kind: str, what: str) -> Mistake:
    reading = one.judgement.quality.reading(kind)
    if reading is None:
        return Mistake(visit=one.visit, kind=kind, what=what, weight=0.5)
    return Mistake(
        visit=one.visit,
        kind=kind,
        what=what,
        weight=reading.score if what == "false" else 1 - reading.score,
        note=f"{reading.value:.3g} / {reading.threshold:.3g} ({reading.gauge})",
    )


def _confusion_name(truth: frozenset[str], proposed: frozenset[str]) -> str:
    """The one name under which an answer goes into the confusion matrix."""
    if truth & proposed:
        return next(iter(truth))
    return min(proposed, default=OK)


def _score_new_objects(scores: Scores, one: EvaluatedVisit) -> None:
    if one.visit.new_objects is None:
        return
    truth = [fractions(box, one.size_px) for box in one.visit.new_objects]
    scene = one.judgement.scene
    proposed = [region.box for region in scene.change.new_objects] if scene else []
    found = {i for i, box in enumerate(truth) if any(iou(box, t) >= REGION_IOU for t in proposed)}
    strays = [t for t in proposed if not any(_hits_box(t, box) for box in truth)]
    wrong = partial(Mistake, visit=one.visit, truth=tuple(truth), proposed=tuple(proposed))
    for index, box in enumerate(truth):
        kind = "newcomer" if box[2] * box[3] >= LARGE else "newcomer_small"
        hit = index in found
        scores.count("scene", kind, Counts(tp=int(hit), fn=int(not hit)))
        if not hit:
            weight = min(1.0, 10 * box[2] * box[3])
            scores.mistakes.append(wrong(kind=kind, what="missed", weight=weight))
    scores.count("scene", "newcomer", Counts(fp=len(strays)))
    if strays:
        scores.mistakes.append(wrong(kind="newcomer", what="false", weight=1.0))
    if not truth:
        scores.clean_visits += 1
        scores.false_regions += len(strays)


def _hits_box(region: Box, truth: Box) -> bool:
    return iou(region, truth) >= REGION_IOU or share_inside(region, truth) >= ON_IT


def _score_fire(scores: Scores, one: EvaluatedVisit, kind: FireKind) -> None:
    """Flames or smoke: the visit, and box by box."""
    labels = one.visit.flames if kind is FireKind.OPEN_FLAME else one.visit.smoke
    if labels is None:
        return
    name = FIRE_NAMES[kind]
    truth = [fractions(box, one.size_px) for box in labels]
    scene = one.judgement.scene
    regions = [region.box for region in scene.fire if region.kind is kind] if scene else []
    hits = [any(is_on_fire(t, box) for t in regions) for box in truth]
    on_it = any(hits)
    scores.count("scene", name, Counts(
        tp=int(on_it), fp=int(bool(regions) and not on_it), fn=int(bool(truth) and not on_it),
    ))  # fmt: skip
    if truth:
        found, of = scores.clips[name, clip_name(one.visit.camera)]
        scores.clips[name, clip_name(one.visit.camera)] = found + on_it, of + 1
    strays = sum(not any(is_on_fire(t, box) for box in truth) for t in regions)
    boxes = Counts(tp=sum(hits), fp=strays, fn=len(hits) - sum(hits))
    scores.count("scene", f"{name}_box", boxes)
    if bool(truth or regions) and not on_it:
        scores.mistakes.append(Mistake(
            visit=one.visit, kind=name, what="missed" if truth else "false", weight=1.0,
            truth=tuple(truth), proposed=tuple(regions),
        ))  # fmt: skip
    if not truth:
        proposed, visits = scores.fireless[kind]
        scores.fireless[kind] = (proposed + bool(regions), visits + 1)


def clip_name(camera: str) -> str:
    """The clip of a camera: its name without the number at the end."""
    return re.sub(r"[-_ ]?\d+$", "", camera) or camera


def is_on_fire(region: Box, truth: Box) -> bool:
    """IoU 0.2, or the region's middle in the box: neither has a sharp edge."""
    x, y = region[0] + region[2] / 2, region[1] + region[3] / 2
    middle = truth[0] <= x <= truth[0] + truth[2] and truth[1] <= y <= truth[1] + truth[3]
    return (middle and intersection_area(region, truth) > 0) or iou(region, truth) >= 0.2  # noqa: PLR2004  argued above


def _score_objects(scores: Scores, one: EvaluatedVisit) -> None:
    if one.visit.objects is None:
        return
    scene = one.judgement.scene
    detections = scene.detections if scene else ()
    for name in sorted(one.classes):
        truth = [fractions(box, one.size_px) for n, box in one.visit.objects if n == name]
        proposed = [d.box for d in detections if d.label == name]
        scores.count("object", f"object:{name}", match_boxes(truth, proposed, OBJECT_IOU))


def match_boxes(truth: Sequence[Box], proposed: Sequence[Box], least: float) -> Counts:
    """Greedy one-to-one matching; `proposed` comes best first."""
    left = list(truth)
    right = 0
    for box in proposed:
        best = max(left, key=lambda t: iou(t, box), default=None)
        if best is not None and iou(best, box) >= least:
            left.remove(best)
            right += 1
    return Counts(tp=right, fp=len(proposed) - right, fn=len(left))
