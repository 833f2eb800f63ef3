"""Suspected fire and smoke of one visit, from its pictures and from a site's own fire model.

A flame is its own light: bright, warm, rough inside, and it flickers — in the pictures of one visit
(about three seconds apart) it is in the same place with another shape. A red jacket walks on, a
lantern is found again as it was, an orange wall stands still, a lamp is in the reference. Smoke
veils what lies behind it: the pattern of the reference fades, grey and without edges, and is not
still either. Never on infrared: everything warm-looking is white there.

A region that the pictures and the model both show is one proposal, surer than either. A lamp that
the reference knows stays a lamp, whatever a model answers; where the reference knows none, the
model's score counts alone. Boxes are fractions of the picture. Called by vision/judge.py.
"""

from collections.abc import Sequence
from dataclasses import replace

from patrol.domain.camera import Polygon
from patrol.domain.observation import Light
from patrol.inference.manifest import FIRE_LABELS
from patrol.ports import Detection, Detector
from patrol.vision.fire.billows import find_billows
from patrol.vision.fire.flame import (
    discount_known_light,
    find_flames,
    is_same_place,
    light_source_share,
)
from patrol.vision.fire.flame_pair import flame_size
from patrol.vision.fire.flicker_gate import may_flicker
from patrol.vision.fire.smoke import find_smoke
from patrol.vision.fire.types import DEFAULT_FIRE_OPTIONS, FireKind, FireOptions, FireRegion
from patrol.vision.reference.scene_memory import ReferenceModel, SceneMemory
from patrol.vision.reference.small_picture import (
    ScenePicture,
    medium_bgr,
    whole_bgr,
)
from streams.model import BgrImage

MAX_FIRE_REGIONS = 8  # of one visit; more is a sunset


def detect_fire(
    pictures: Sequence[ScenePicture],
    memory: SceneMemory | None,
    *,
    light: Light,
    visible: Polygon | None = None,
    options: FireOptions = DEFAULT_FIRE_OPTIONS,
    model: Detector | None = None,
) -> tuple[FireRegion, ...]:
    """Suspected flames and smoke, highest score first; none on infrared.

    Flicker takes two pictures, `model` (a site's own) only one.
    """
    if light is Light.INFRARED or not pictures:
        return ()
    reference = memory.model if memory is not None else None
    likely: list[FireRegion] = []
    if len(pictures) > 1:
        flames = [
            region
            for region in _flames(pictures, reference, visible, options)
            if region.score >= options.min_score
        ]
        smoke = find_smoke(pictures, memory, visible, options)
        smoke += find_billows([medium_bgr(picture) for picture in pictures], flames)
        likely = [
            replace(region, score=min(region.score, 1))
            for region in (*flames, *smoke)
            if region.score >= options.min_score
        ]
    named: tuple[FireRegion, ...] = ()
    if model is not None:
        named = detect_with_model(model, whole_bgr(pictures[-1]), reference)
    return merge_regions(likely, named)[:MAX_FIRE_REGIONS]


def _flames(
    pictures: Sequence[ScenePicture],
    reference: ReferenceModel | None,
    visible: Polygon | None,
    options: FireOptions,
) -> list[FireRegion]:
    """What the flame gauge finds, where the coarse test lets it look at all."""
    small = [flame_size(medium_bgr(pictures[end])) for end in (0, -1)]
    if not may_flicker(small[0], small[-1], options):
        return []
    return find_flames(small, reference, visible, options)


def detect_with_model(
    model: Detector, picture: BgrImage, reference: ReferenceModel | None
) -> tuple[FireRegion, ...]:
    """The model's detections of fire and smoke as regions, from its own minimum score on."""
    found = []
    for seen in model.detect(picture):
        name = FIRE_LABELS.get(seen.label)
        if name is None:
            continue
        region = _model_region(seen, FireKind(name), model)
        known = (
            light_source_share(reference, region.box) if region.kind is FireKind.OPEN_FLAME else 0.0
        )
        score = discount_known_light(region.score, known)
        if score >= model.min_score:
            found.append(replace(region, score=score))
    return tuple(found)


def merge_regions(
    flickering: Sequence[FireRegion], seen: Sequence[FireRegion]
) -> tuple[FireRegion, ...]:
    """Every region once, highest score first; where both lists have it, the model's box."""
    left = list(flickering)
    merged: list[FireRegion] = []
    for region in seen:
        same = [other for other in left if _is_same_region(region, other)]
        left = [other for other in left if other not in same]
        merged.append(_merged_region(region, same))
    return tuple(sorted((*merged, *left), key=lambda region: -region.score))


def _model_region(seen: Detection, kind: FireKind, model: Detector) -> FireRegion:
    return FireRegion(
        kind=kind, box=seen.box, score=seen.score, area=seen.box[2] * seen.box[3], flicker=0.0,
        growth=1.0, gauge=model.gauge, threshold=model.min_score,
    )  # fmt: skip


def _is_same_region(one: FireRegion, other: FireRegion) -> bool:
    return one.kind is other.kind and is_same_place(one.box, other.box)


def _merged_region(region: FireRegion, same: Sequence[FireRegion]) -> FireRegion:
    """The model's box with the joint score: wrong only if every gauge is."""
    if not same:
        return region
    miss_probability = 1 - region.score
    for other in same:
        miss_probability *= 1 - other.score
    best = max(same, key=lambda other: other.score)
    return replace(
        region, score=1 - miss_probability, flicker=best.flicker, growth=best.growth,
        gauge=f"{region.gauge}+{best.gauge}", threshold=min(region.threshold, best.threshold),
    )  # fmt: skip
