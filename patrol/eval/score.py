"""What was told against what was there.

* A picture fault counts per visit and kind.
* A region matches a labelled box from IoU 0.3; a second region on the same box is no mistake.
  Labelled newcomers below 2 % of the picture are counted apart (`newcomer_small`).
* Flames and smoke count per visit: right when at least one proposed place lies on a labelled one;
  the boxes one by one are counted as `flame_box` and `smoke_box`.
* Objects count per class from IoU 0.5, for the classes that the camera's labels name.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

from patrol.domain.observation import Box
from patrol.eval.labels import BoxPx, Labelled
from patrol.eval.tally import Tally
from patrol.eval.walk import Judged
from patrol.vision.change.regions import intersection, iou, overlap
from patrol.vision.fire import FireKind

REGION_IOU = 0.3
OBJECT_IOU = 0.5
LARGE = 0.02  # of the picture
ON_IT = 0.5  # of a region lies in a labelled box: it points at it
OK = "ok"
FIRE_NAMES = {FireKind.OPEN_FLAME: "flame", FireKind.SMOKE: "smoke"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """A visit where something was wrong. Holds no picture: the page has the visit read again."""

    visit: Labelled
    kind: str
    what: str  # missed, false
    weight: float  # worst first
    truth: tuple[Box, ...] = ()
    told: tuple[Box, ...] = ()
    note: str = ""


@dataclass(slots=True, kw_only=True)
class Scores:
    """Everything counted. Filled visit by visit."""

    visits: int = 0
    cameras: set[str] = field(default_factory=set)
    tallies: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    groups: dict[str, str] = field(default_factory=dict)  # kind → fault, scene, object
    confusion: Counter[tuple[str, str]] = field(default_factory=Counter)
    ok_visits: int = 0
    ok_flagged: int = 0
    clean_visits: int = 0  # labelled, and without a newcomer
    false_regions: int = 0  # in them
    fireless: dict[FireKind, tuple[int, int]] = field(
        default_factory=lambda: dict.fromkeys(FireKind, (0, 0))
    )  # of visits labelled without: those with a proposal, all
    mistakes: list[Mistake] = field(default_factory=list)

    def count(self, group: str, kind: str, told: Tally) -> None:
        """Add to a kind."""
        self.tallies[kind] += told
        self.groups[kind] = group


def score(judged: Iterable[Judged], *, detects: bool) -> Scores:
    """Count all visits. `detects`: a detector ran, so objects can be scored."""
    scores = Scores()
    for one in judged:
        scores.visits += 1
        scores.cameras.add(one.visit.camera)
        _faults(scores, one)
        _newcomers(scores, one)
        for kind in FIRE_NAMES:
            _fire(scores, one, kind)
        if detects:
            _objects(scores, one)
    return scores


def fractions(box: BoxPx, size_px: tuple[int, int]) -> Box:
    """Pixels → fractions of the picture."""
    width, height = size_px
    return box[0] / width, box[1] / height, box[2] / width, box[3] / height


def _faults(scores: Scores, one: Judged) -> None:
    truth = one.visit.faults
    if truth is None:
        return
    told = frozenset(one.judgement.faults)
    for kind in truth | told:
        right = Tally(
            tp=int(kind in truth & told), fp=int(kind not in truth), fn=int(kind not in told)
        )
        scores.count("fault", kind, right)
        if kind not in truth & told:
            what = "missed" if kind in truth else "false"
            scores.mistakes.append(_fault_mistake(one, kind, what))
    if len(truth) <= 1:
        scores.confusion[next(iter(truth), OK), _named(truth, told)] += 1
    if not truth:
        scores.ok_visits += 1
        scores.ok_flagged += bool(told)


def _fault_mistake(one: Judged, kind: str, what: str) -> Mistake:
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


def _named(truth: frozenset[str], told: frozenset[str]) -> str:
    """The one name under which an answer goes into the confusion matrix."""
    if truth & told:
        return next(iter(truth))
    return min(told, default=OK)


def _newcomers(scores: Scores, one: Judged) -> None:
    if one.visit.newcomers is None:
        return
    truth = [fractions(box, one.size_px) for box in one.visit.newcomers]
    scene = one.judgement.scene
    told = [region.box for region in scene.change.newcomers] if scene else []
    found = {i for i, box in enumerate(truth) if any(iou(box, t) >= REGION_IOU for t in told)}
    strays = [t for t in told if not any(_points_at(t, box) for box in truth)]
    wrong = partial(Mistake, visit=one.visit, truth=tuple(truth), told=tuple(told))
    for index, box in enumerate(truth):
        kind = "newcomer" if box[2] * box[3] >= LARGE else "newcomer_small"
        hit = index in found
        scores.count("scene", kind, Tally(tp=int(hit), fn=int(not hit)))
        if not hit:
            weight = min(1.0, 10 * box[2] * box[3])
            scores.mistakes.append(wrong(kind=kind, what="missed", weight=weight))
    scores.count("scene", "newcomer", Tally(fp=len(strays)))
    if strays:
        scores.mistakes.append(wrong(kind="newcomer", what="false", weight=1.0))
    if not truth:
        scores.clean_visits += 1
        scores.false_regions += len(strays)


def _points_at(region: Box, truth: Box) -> bool:
    return iou(region, truth) >= REGION_IOU or overlap(region, truth) >= ON_IT


def _fire(scores: Scores, one: Judged, kind: FireKind) -> None:
    """Flames or smoke: the visit, and box by box."""
    labels = one.visit.flames if kind is FireKind.OPEN_FLAME else one.visit.smoke
    if labels is None:
        return
    name = FIRE_NAMES[kind]
    truth = [fractions(box, one.size_px) for box in labels]
    scene = one.judgement.scene
    told = [region.box for region in scene.fire if region.kind is kind] if scene else []
    hits = [any(_on_fire(t, box) for t in told) for box in truth]
    on_it = any(hits)
    scores.count("scene", name, Tally(
        tp=int(on_it), fp=int(bool(told) and not on_it), fn=int(bool(truth) and not on_it),
    ))  # fmt: skip
    strays = sum(not any(_on_fire(t, box) for box in truth) for t in told)
    boxes = Tally(tp=sum(hits), fp=strays, fn=len(hits) - sum(hits))
    scores.count("scene", f"{name}_box", boxes)
    if bool(truth or told) and not on_it:
        scores.mistakes.append(Mistake(
            visit=one.visit, kind=name, what="missed" if truth else "false", weight=1.0,
            truth=tuple(truth), told=tuple(told),
        ))  # fmt: skip
    if not truth:
        proposed, visits = scores.fireless[kind]
        scores.fireless[kind] = (proposed + bool(told), visits + 1)


def _on_fire(region: Box, truth: Box) -> bool:
    """IoU 0.2, or the region's middle in the box: neither has a sharp edge."""
    x, y = region[0] + region[2] / 2, region[1] + region[3] / 2
    middle = truth[0] <= x <= truth[0] + truth[2] and truth[1] <= y <= truth[1] + truth[3]
    return (middle and intersection(region, truth) > 0) or iou(region, truth) >= 0.2  # noqa: PLR2004  argued above


def _objects(scores: Scores, one: Judged) -> None:
    if one.visit.objects is None:
        return
    scene = one.judgement.scene
    detections = scene.detections if scene else ()
    for name in sorted(one.classes):
        truth = [fractions(box, one.size_px) for n, box in one.visit.objects if n == name]
        told = [d.box for d in detections if d.label == name]
        scores.count("object", f"object:{name}", match_boxes(truth, told, OBJECT_IOU))


def match_boxes(truth: Sequence[Box], told: Sequence[Box], least: float) -> Tally:
    """Greedy one-to-one matching; `told` comes best first."""
    left = list(truth)
    right = 0
    for box in told:
        best = max(left, key=lambda t: iou(t, box), default=None)
        if best is not None and iou(best, box) >= least:
            left.remove(best)
            right += 1
    return Tally(tp=right, fp=len(told) - right, fn=len(left))
