"""Smoke over a flame that was just found, from the two pictures of the visit alone.

find_smoke (smoke.py) needs a reference of the scene; at a first visit, and where the camera looks
at a fire since it was mounted, there is none. Billows are told without one: a soft grey place that
brightens and darkens at once between the pictures and does not keep its pixels. So does a lorry
that comes and goes; therefore only what begins at or above a flame and lies over it is proposed.
Smoke without a visible flame is left to the reference. Lengths are shares of the picture. Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from patrol.domain.observation import Box
from patrol.pixels import half_size
from patrol.vision.fire.flame_pair import flame_size, quarter_size, undrifted
from patrol.vision.fire.types import FireKind, FireRegion
from patrol.vision.reference.small_picture import Float, as_float, as_u8
from streams.model import BgrImage

SOFT_SIGMA_PX: Final = 4.0  # of 280: what is broader than this is soft
WINDOW: Final = (15, 15)  # px of 280
DRIFT: Final = (2.5, 45.0)  # grey levels between the pictures; more is a thing that passes
SOFTNESS: Final = 1.1  # broad change over fine change
GREY: Final = 0.3  # saturation at most
LEAST_SHARE: Final = 0.02  # of the picture
LEAST_MEAN_DRIFT: Final = 8.0  # grey levels
MOST_AGREEMENT: Final = 0.85  # correlation of the place between the pictures
LEAST_MIXED: Final = 0.08  # of the brightened part is darkened, or the other way round
MOST_TEXTURE: Final = 0.65  # of the texture of the rest of the picture
LARGEST_GAP: Final = 0.05  # of the width between smoke and flame, where they do not overlap
ABOVE: Final = 0.1  # of the height between the smoke's foot and the flame's top
MAX_PLACES: Final = 4


@dataclass(frozen=True, slots=True, eq=False)
class _PairChange:
    """What changed between two pictures of half the flame gauge's size."""

    first: Float  # luma
    last: Float  # luma, at the exposure of the first
    broad: Float  # of the change
    fine: Float  # strength of the rest of it
    saturation: Float


def find_billows(
    pictures: Sequence[NDArray[np.generic]], flames: Sequence[FireRegion]
) -> list[FireRegion]:
    """Smoke at or above one of these flames; nothing where the pictures differ in shape."""
    if not flames:
        return []
    first, last = flame_size(pictures[0]), flame_size(pictures[-1])
    if first.shape != last.shape:
        return []
    change = _change(first, undrifted(first, last, (quarter_size(first), quarter_size(last))))
    return [
        region
        for region in _drifting_places(change)
        if any(_rises_from(region.box, flame.box) for flame in flames)
    ]


def _change(first: BgrImage, last: BgrImage) -> _PairChange:
    small = [half_size(picture) for picture in (first, last)]
    one, other = (as_float(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)) for picture in small)
    other = other / np.float32(np.median((other + 5) / (one + 5)))
    difference = other - one
    broad = as_float(cv2.GaussianBlur(difference, (0, 0), SOFT_SIGMA_PX))
    fine = difference - broad
    smooth = [as_float(cv2.GaussianBlur(picture, (0, 0), 3)) for picture in small]
    saturations = [
        (picture.max(axis=2) - picture.min(axis=2)) / (picture.max(axis=2) + 20)
        for picture in smooth
    ]
    strength = _strength(fine)
    return _PairChange(one, other, broad, strength, np.minimum(*saturations))


def _drifting_places(change: _PairChange) -> list[FireRegion]:
    drift = _strength(change.broad)
    soft = (drift / (change.fine + 1) > SOFTNESS) & (change.saturation < GREY)
    mask = (soft & (drift > DRIFT[0]) & (drift < DRIFT[1])).astype(np.uint8)
    mask = as_u8(cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((7, 7), np.uint8)))
    mask = as_u8(cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones(WINDOW, np.uint8)))
    texture = np.minimum(_texture(change.first), _texture(change.last))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask)
    height, width = mask.shape
    found = []
    for number in 1 + np.argsort(-stats[1:, cv2.CC_STAT_AREA], kind="stable")[:MAX_PLACES]:
        x, y, w, h, pixels = (int(value) for value in stats[number])
        area = pixels / mask.size
        inside = labels == number
        if area < LEAST_SHARE or not _billows(change, texture, inside):
            continue
        first, last = change.first[inside], change.last[inside]
        found.append(
            FireRegion(
                kind=FireKind.SMOKE, box=(x / width, y / height, w / width, h / height),
                score=min(0.9, 0.55 + area), area=area,
                flicker=float(np.abs(change.broad[inside]).mean()),
                growth=float(last.mean() + 1) / float(first.mean() + 1),
            )
        )  # fmt: skip
    return found


def _billows(change: _PairChange, texture: Float, inside: NDArray[np.bool_]) -> bool:
    """Whether a place changes as smoke does: both ways, strongly, its pixels not kept."""
    broad, outside = change.broad[inside], ~inside
    brighter, darker = float((broad > 1.5).mean()), float((broad < -1.5).mean())  # noqa: PLR2004  grey levels of noise, blurred
    mixed = min(brighter, darker) / max(brighter, darker, 1e-3)
    if float(np.abs(broad).mean()) < LEAST_MEAN_DRIFT or mixed < LEAST_MIXED:
        return False
    first, last = change.first[inside], change.last[inside]
    if first.std() <= 1 or last.std() <= 1:
        return False
    rest = float(np.median(texture[outside])) if outside.any() else 0.0
    smooth = float(np.median(texture[inside])) <= MOST_TEXTURE * (rest + 1)
    return smooth and float(np.corrcoef(first, last)[0, 1]) <= MOST_AGREEMENT


def _strength(values: Float) -> Float:
    """The root of the mean square around; a blur may round just below zero."""
    return np.sqrt(np.maximum(as_float(cv2.blur(values * values, WINDOW)), 0))


def _texture(grey: Float) -> Float:
    mean = as_float(cv2.blur(grey, WINDOW))
    return np.sqrt(np.maximum(as_float(cv2.blur(grey * grey, WINDOW)) - mean * mean, 0))


def _rises_from(smoke: Box, flame: Box) -> bool:
    touching = (
        smoke[0] <= flame[0] + flame[2] + LARGEST_GAP
        and smoke[0] + smoke[2] >= flame[0] - LARGEST_GAP
    )
    return touching and smoke[1] <= flame[1] and smoke[1] + smoke[3] >= flame[1] - ABOVE
