"""Find suspected open flames in two pictures of a visit: what may be aflame and changes, judged.

The proposer is cheap and misses little: connected regions of pixels that may be aflame
(flame_pair.py) and changed between the pictures, at two sizes, so that neither a small fire is lost
nor a wall of flames judged by single pixels. The judge is flame_score.py: the numbers of each
region (flame_features.py) add up, so that one weak number does not zero the others. Flame-coloured
pixels that the reference shows too are light sources, and lower the score. Used by detect.py.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from patrol.domain.camera import Polygon
from patrol.domain.observation import Box
from patrol.vision.fire.flame_features import (
    CHANGED,
    FlameFeatures,
    PixelWindow,
    measure_flame,
    restless_share,
)
from patrol.vision.fire.flame_pair import PicturePair, flame_coloured, picture_pairs
from patrol.vision.fire.flame_score import flame_score
from patrol.vision.fire.types import DEFAULT_FIRE_OPTIONS, FireKind, FireOptions, FireRegion
from patrol.vision.geometry import iou, share_inside
from patrol.vision.reference.scene_memory import ReferenceModel
from patrol.vision.reference.small_picture import Mask, as_float, as_u8

JOIN_PX: Final = (3, 1)  # of the large and the small size: tongues of one fire lie this close
MAX_CANDIDATES: Final = 6  # of a size, the largest ones: bounded cost
STEADY: Final = 1.0  # baseline differences; a lamp looks the same at every visit, a fire does not
KNOWN_DISCOUNT: Final = 0.8  # of the score, where the reference has a light source
SAME_IOU: Final = 0.2  # of two proposals: one fire, at both sizes or by another gauge
SAME_SHARE: Final = 0.6  # of one proposal lies in the other


@dataclass(frozen=True, slots=True, eq=False)
class FlameCandidate:
    """A region that may be aflame and changed, at one size."""

    pair: PicturePair
    window: PixelWindow  # of the pair's pictures
    inside: Mask  # the region's pixels in the window
    area: float  # share of the picture that changed in it
    box: Box
    features: FlameFeatures


def find_flames(
    pictures: Sequence[NDArray[np.generic]],
    reference: ReferenceModel | None,
    visible: Polygon | None,
    options: FireOptions,
) -> list[FireRegion]:
    """Regions that may be aflame, each fire once, best first, whatever their score.

    None where the pictures differ in shape.
    """
    candidates = flame_candidates(pictures, visible, options)
    return _each_fire_once([_flame_region(one, reference, options) for one in candidates])


def flame_candidates(
    pictures: Sequence[NDArray[np.generic]], visible: Polygon | None, options: FireOptions
) -> Iterator[FlameCandidate]:
    """What `find_flames` judges: the candidates of both sizes."""
    for pair, join_px in zip(picture_pairs(pictures, visible, options), JOIN_PX, strict=False):
        yield from _candidates_of_pair(pair, join_px, options)


def _candidates_of_pair(
    pair: PicturePair, join_px: int, options: FireOptions
) -> Iterator[FlameCandidate]:
    """The largest regions that may be aflame and changed. `join_px`: tongues this close are one."""
    moved = cv2.blur(pair.change, (3, 3)) > CHANGED
    seed = ((pair.like_first | pair.like_last) & moved).astype(np.uint8)
    seed = as_u8(cv2.morphologyEx(seed, cv2.MORPH_OPEN, np.ones((2, 2), np.uint8)))
    if cv2.countNonZero(seed) < options.min_area * seed.size:
        return
    kernel = np.ones((2 * join_px + 1, 2 * join_px + 1), np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(cv2.dilate(seed, kernel))
    restless = restless_share(pair)
    for number in 1 + np.argsort(-stats[1:, cv2.CC_STAT_AREA], kind="stable")[:MAX_CANDIDATES]:
        x, y, w, h, _ = (int(value) for value in stats[number])
        window = (slice(y, y + h), slice(x, x + w))
        inside = np.asarray(labels[window] == number, np.bool_)
        area = float((seed[window][inside] > 0).sum()) / seed.size
        if area < options.min_area:
            continue
        features = measure_flame(pair, window, inside, restless)
        if features is not None:
            box = _window_box(window, pair.change.shape, join_px)
            yield FlameCandidate(pair, window, inside, area, box, features)


def known_light_sources(
    reference: ReferenceModel, size: tuple[int, int], options: FireOptions = DEFAULT_FIRE_OPTIONS
) -> Mask:
    """Where the reference is flame-coloured and steady, at this (width, height)."""
    steady = as_float(cv2.resize(reference.baseline_differences, size)) < STEADY
    return flame_coloured(as_u8(cv2.resize(reference.picture.bgr, size)), options) & steady


def discount_known_light(score: float, known_share: float) -> float:
    """The score of a region of which this share is a light source of the reference."""
    return score * (1 - KNOWN_DISCOUNT * known_share)


def light_source_share(reference: ReferenceModel | None, box: Box) -> float:
    """The share of a box that the reference shows as a light source, 0..1."""
    if reference is None:
        return 0.0
    width, height = reference.picture.size
    left, top = int(box[0] * width), int(box[1] * height)
    right = max(left + 1, int((box[0] + box[2]) * width))
    bottom = max(top + 1, int((box[1] + box[3]) * height))
    known = known_light_sources(reference, (width, height))[top:bottom, left:right]
    return float(known.mean()) if known.size else 0.0


def _flame_region(
    candidate: FlameCandidate, reference: ReferenceModel | None, options: FireOptions
) -> FireRegion:
    score = flame_score(candidate.features)
    pair, window = candidate.pair, candidate.window
    first, last = (
        pair.like_first[window] & candidate.inside,
        pair.like_last[window] & candidate.inside,
    )
    if reference is not None:
        known = known_light_sources(reference, pair.size, options)[window]
        either = first | last
        share = float((known & either).sum()) / max(int(either.sum()), 1)
        score = discount_known_light(score, share)
    return FireRegion(
        kind=FireKind.OPEN_FLAME, box=candidate.box, score=score, area=candidate.area,
        flicker=candidate.features.dance,
        growth=(float(last.sum()) + 1) / (float(first.sum()) + 1),
    )  # fmt: skip


def _each_fire_once(found: Sequence[FireRegion]) -> list[FireRegion]:
    kept: list[FireRegion] = []
    for region in sorted(found, key=lambda one: -one.score):
        if not any(is_same_place(region.box, other.box) for other in kept):
            kept.append(region)
    return kept


def is_same_place(one: Box, other: Box) -> bool:
    """Whether two proposals are one fire or one smoke: neither has a sharp edge."""
    inside = max(share_inside(one, other), share_inside(other, one))
    return iou(one, other) >= SAME_IOU or inside >= SAME_SHARE


def _window_box(window: PixelWindow, shape: tuple[int, ...], join_px: int) -> Box:
    rows, columns = window
    height, width = shape[:2]
    top, left = rows.start + join_px, columns.start + join_px
    return (
        left / width, top / height,
        max(columns.stop - join_px - left, 1) / width, max(rows.stop - join_px - top, 1) / height,
    )  # fmt: skip
