"""Find suspected smoke: a grey veil that hides the pattern of the reference, and drifts.

Needs a ready reference. In a region under smoke the pattern of the ground is weaker than usual, the
colour greyer, nothing has sharp edges, and the pictures of the visit differ a little. Over most of
the picture the same is fog or dust, which is reported once for the whole town
(change/shared_cause.py).
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from patrol.domain.camera import Polygon
from patrol.vision.fire.types import FireKind, FireOptions, FireRegion
from patrol.vision.reference.difference import fit_exposure
from patrol.vision.reference.registration import align, onto_reference
from patrol.vision.reference.scene_memory import ReferenceModel, SceneMemory, SceneState
from patrol.vision.reference.small_picture import (
    Float,
    Mask,
    ScenePicture,
    SmallPicture,
    as_float,
    as_u8,
    inner_visible_mask,
    small_picture,
)

WINDOW = (11, 11)
PATTERNED = 45.0  # grey levels²: the reference must have something to hide
VEILED = 0.52  # share of the reference's contrast, in relation to its light, that is left
GREY = 0.16  # saturation
TINTED = 6.0  # grey levels by which smoke brightens or darkens what it hides
DRIFT = (1.2, 22.0)  # grey levels between the pictures: it moves, but it is no passer-by
MAX_SMOKE_SHARE = 0.45  # of the picture; beyond, it is weather


def find_smoke(
    pictures: Sequence[ScenePicture], memory: SceneMemory | None, visible: Polygon | None,
    options: FireOptions,
) -> list[FireRegion]:  # fmt: skip
    """Veiled regions that drift; none without a ready reference or an aligned picture."""
    if memory is None or memory.model is None or memory.state is not SceneState.READY:
        return []
    aligned = _aligned(pictures, memory.model)
    if aligned is None:
        return []
    where = inner_visible_mask(memory.size, visible)
    veils = [_veil(picture, memory.model, where) for picture in aligned]
    both = (veils[0] | veils[-1]) & (
        as_u8(cv2.dilate(veils[0].astype(np.uint8), np.ones((3, 3), np.uint8))) > 0
    )
    mask = cv2.morphologyEx(both.astype(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    mask = as_u8(cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((11, 11), np.uint8)))
    if float(mask.mean()) > MAX_SMOKE_SHARE:
        return []
    drift = as_float(cv2.blur(np.abs(aligned[0].grey - aligned[-1].grey), (5, 5)))
    return _regions(as_u8(mask), drift, veils, options)


def _aligned(pictures: Sequence[ScenePicture], model: ReferenceModel) -> list[SmallPicture] | None:
    together = []
    for picture in (small_picture(pictures[0]), small_picture(pictures[-1])):
        if picture.size != model.picture.size:
            return None
        found = align(model.picture, picture, model.points)
        if not found.is_reliable or abs(found.zoom - 1) > 0.05:  # noqa: PLR2004  another view
            return None
        together.append(onto_reference(picture, found)[0])
    return together


def _contrast(grey: Float) -> Float:
    mean = as_float(cv2.blur(grey, WINDOW))
    return np.maximum(as_float(cv2.blur(grey * grey, WINDOW)) - mean * mean, 0.0)


def _veil(picture: SmallPicture, model: ReferenceModel, where: Mask | None) -> Mask:
    tone = fit_exposure(model.picture.bgr, picture.bgr, where, grey=False)
    expected = SmallPicture(tone.apply(model.picture.bgr))
    before, now = _contrast(expected.grey), _contrast(picture.grey)
    smooth = as_float(cv2.blur(picture.bgr, (7, 7)))
    top, low = smooth.max(axis=2), smooth.min(axis=2)
    grey = (top - low) / (top + 20.0) < GREY
    light, expected_light = cv2.blur(picture.grey, (7, 7)), cv2.blur(expected.grey, (7, 7))
    tinted = np.abs(as_float(light) - as_float(expected_light)) > TINTED
    # A shadow weakens the pattern exactly as much as the light; smoke weakens it more.
    shade = np.clip(as_float(light) / np.maximum(as_float(expected_light), 1.0), 0.2, 1.0)
    steady = model.baseline_differences < 1.0
    left = (VEILED * shade) ** 2 * before
    veiled = (before > PATTERNED) & (now < left) & grey & tinted & steady
    return np.asarray(veiled if where is None else veiled & where, np.bool_)


def _regions(
    mask: NDArray[np.uint8], drift: Float, veils: list[Mask], options: FireOptions
) -> list[FireRegion]:
    height, width = mask.shape
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask)
    found = []
    for number in range(1, count):
        x, y, w, h, pixels = (int(v) for v in stats[number])
        area = pixels / mask.size
        inside = labels == number
        moved = float(np.median(drift[inside]))
        if area < options.smoke_area or not DRIFT[0] <= moved <= DRIFT[1]:
            continue
        share = float(veils[0][inside].mean() + veils[-1][inside].mean()) / 2
        first, last = (float(veil[inside].sum()) for veil in (veils[0], veils[-1]))
        found.append(
            FireRegion(
                kind=FireKind.SMOKE, box=(x / width, y / height, w / width, h / height),
                score=0.35 + 0.4 * share + min(area, 0.1) * 2, area=area, flicker=moved,
                growth=(last + 1) / (first + 1),
            )
        )  # fmt: skip
    return found
