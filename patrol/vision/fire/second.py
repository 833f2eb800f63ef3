"""A site's own fire model beside the flicker: one place, one proposal, whoever saw it.

What both saw is surer than what either did. A lamp that the reference knows stays a lamp, whatever
a model says; where the reference knows none, the model speaks for itself.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from patrol.inference.manifest import FIRE_LABELS
from patrol.ports import Detection, Detector
from patrol.vision.change.regions import iou, overlap
from patrol.vision.fire.colour import KNOWN_DISCOUNT, lamp_share
from patrol.vision.fire.model import FireKind, FireRegion
from patrol.vision.reference.memory import Model
from streams.model import BgrImage

SAME_IOU: Final = 0.2  # flames have no sharp edge
INSIDE: Final = 0.6  # of one box lies in the other


def ask_model(
    model: Detector, picture: BgrImage, reference: Model | None
) -> tuple[FireRegion, ...]:
    """What the model calls fire or smoke, as proposals of its own."""
    found = []
    for seen in model.detect(picture):
        name = FIRE_LABELS.get(seen.label)
        if name is None:
            continue
        region = _region(seen, FireKind(name), model)
        known = lamp_share(reference, region.box) if region.kind is FireKind.OPEN_FLAME else 0.0
        score = region.score * (1 - KNOWN_DISCOUNT * known)
        if score >= model.min_score:
            found.append(replace(region, score=score))
    return tuple(found)


def merge(flickering: Sequence[FireRegion], seen: Sequence[FireRegion]) -> tuple[FireRegion, ...]:
    """Every place once, surest first."""
    left = list(flickering)
    merged: list[FireRegion] = []
    for region in seen:
        same = [other for other in left if _same(region, other)]
        left = [other for other in left if other not in same]
        merged.append(_joined(region, same))
    return tuple(sorted((*merged, *left), key=lambda region: -region.score))


def _region(seen: Detection, kind: FireKind, model: Detector) -> FireRegion:
    return FireRegion(
        kind=kind, box=seen.box, score=seen.score, area=seen.box[2] * seen.box[3], flicker=0.0,
        growth=1.0, gauge=model.gauge, threshold=model.min_score,
    )  # fmt: skip


def _same(one: FireRegion, other: FireRegion) -> bool:
    near = iou(one.box, other.box) >= SAME_IOU or max(
        overlap(one.box, other.box), overlap(other.box, one.box)
    ) >= INSIDE  # fmt: skip
    return one.kind is other.kind and near


def _joined(region: FireRegion, same: Sequence[FireRegion]) -> FireRegion:
    """The model's box, both gauges' word: wrong only if every one of them is."""
    if not same:
        return region
    doubt = 1 - region.score
    for other in same:
        doubt *= 1 - other.score
    best = max(same, key=lambda other: other.score)
    return replace(
        region, score=1 - doubt, flicker=best.flicker, growth=best.growth,
        gauge=f"{region.gauge}+{best.gauge}", threshold=min(region.threshold, best.threshold),
    )  # fmt: skip
