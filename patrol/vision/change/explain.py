"""Changed places that a detector can name: people and passing vehicles are no news.

A vehicle that stays for visits on end is: it is told again, with its name.
"""

from collections.abc import Sequence
from dataclasses import replace

from patrol.ports import Detection
from patrol.vision.change.model import ChangeReport, Explanation, Region
from patrol.vision.change.regions import overlap

PASSING = frozenset({
    "person", "bird", "cat", "dog", "horse", "sheep", "cow", "bear", "elephant", "zebra",
})  # fmt: skip
PARKING = frozenset({"bicycle", "car", "motorcycle", "bus", "train", "truck", "boat"})
MOSTLY = 0.5  # of the place lies in the object's box
MUCH = 0.3  # of the object's box is the place: a large box round everything explains nothing
SURE = 0.45  # of a detection; a doubtful one must not explain a find away
STILL = 0.03  # of a place's pixels changed within the visit: nothing alive stands so still
PARKED_VISITS = 3  # in a row, about a day


def explain(report: ChangeReport, detections: Sequence[Detection]) -> ChangeReport:
    """The report with every place explained that a detected object covers."""
    sure = [seen for seen in detections if seen.score >= SURE]
    return replace(report, regions=tuple(_explained(region, sure) for region in report.regions))


def _explained(region: Region, detections: Sequence[Detection]) -> Region:
    named = [seen for seen in detections if _covers(seen, region) and _may_be(seen.label, region)]
    if not named or not region.proposed:
        return region
    best = max(named, key=lambda seen: seen.score)
    if best.label in PARKING and region.visits >= PARKED_VISITS:
        return replace(region, label=best.label)
    return replace(region, explained_by=Explanation.OBJECT, label=best.label)


def _covers(seen: Detection, region: Region) -> bool:
    return overlap(region.box, seen.box) >= MOSTLY and overlap(seen.box, region.box) >= MUCH


def _may_be(label: str, region: Region) -> bool:
    """A living thing moves a little within seconds; a vehicle need not."""
    if label in PARKING:
        return True
    return label in PASSING and (region.motion is None or region.motion >= STILL)
