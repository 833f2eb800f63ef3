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
PARKED_VISITS = 3  # in a row, about a day


def explain(report: ChangeReport, detections: Sequence[Detection]) -> ChangeReport:
    """The report with every place explained that a detected object covers."""
    regions = tuple(_explained(region, detections) for region in report.regions)
    return replace(report, regions=regions)


def _explained(region: Region, detections: Sequence[Detection]) -> Region:
    named = [
        seen
        for seen in detections
        if seen.label in PASSING | PARKING and overlap(region.box, seen.box) >= MOSTLY
    ]
    if not named or not region.proposed:
        return region
    best = max(named, key=lambda seen: seen.score)
    if best.label in PARKING and region.visits >= PARKED_VISITS:
        return replace(region, label=best.label)
    return replace(region, explained_by=Explanation.OBJECT, label=best.label)
