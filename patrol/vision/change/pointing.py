"""Point at where a picture differs most from its reference, over the limit or below it.

For a picture that was found normal and is shown to a person all the same: the place that came
nearest to being proposed. Pure; about as dear as one comparison.
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from patrol.domain.observation import Box, Light
from patrol.domain.zone import Polygon
from patrol.vision.memory import EyeMemory
from patrol.vision.reference.align import align, onto_reference
from patrol.vision.reference.differences import differences
from patrol.vision.reference.memory import SceneMemory
from patrol.vision.reference.working import Float, as_float, visible_mask, working

BLUR_PX: Final = 15  # one odd pixel is no place
PART_OF_PEAK: Final = 0.6  # what belongs to the place
LEAST_SIDE: Final = 0.06  # of the picture: a smaller box would be no newcomer's


def most_different(
    blob: bytes | None, light: Light, picture: NDArray[np.generic], visible: Polygon | None
) -> Box | None:
    """The box of that place, as fractions; None while there is no reference to compare with."""
    scene = EyeMemory.from_bytes(blob, light).scene
    found = _differences(scene, picture, visible) if scene is not None else None
    return None if found is None else _around_peak(found)


def _differences(
    scene: SceneMemory, picture: NDArray[np.generic], visible: Polygon | None
) -> Float | None:
    model, small = scene.model, working(picture)
    if model is None or small.size != scene.size:
        return None
    alignment = align(model.picture, small, model.points)
    where = visible_mask(small.size, visible)
    if alignment.sure:
        small, inside = onto_reference(small, alignment)
        where = inside if where is None else where & inside
    infrared = scene.light is Light.INFRARED
    found = differences(small, model.picture, where, colourless=infrared).strongest
    return found if where is None else as_float(np.where(where, found, 0.0))


def _around_peak(found: Float) -> Box:
    smooth = as_float(cv2.blur(found, (BLUR_PX, BLUR_PX)))
    height, width = smooth.shape
    _, peak, _, (x, y) = cv2.minMaxLoc(smooth)
    strong = (smooth >= PART_OF_PEAK * max(peak, 1e-6)).astype(np.uint8)
    _, places = cv2.connectedComponents(strong)
    rows, columns = np.nonzero(places == places[y, x])
    left, right = float(columns.min()) / width, float(columns.max() + 1) / width
    top, bottom = float(rows.min()) / height, float(rows.max() + 1) / height
    (x0, wide), (y0, tall) = _wide_enough(left, right), _wide_enough(top, bottom)
    return x0, y0, wide, tall


def _wide_enough(start: float, end: float) -> tuple[float, float]:
    """(start, length) within 0..1."""
    length = max(end - start, LEAST_SIDE)
    middle = (start + end) / 2
    return min(max(middle - length / 2, 0.0), 1.0 - length), length
