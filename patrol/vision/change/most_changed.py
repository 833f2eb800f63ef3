"""Find the box where a picture differs most from its reference, over the threshold or below it.

For a picture without findings that is shown to a person all the same (review/blind_sample.py): the
region that came nearest to being proposed. Pure; costs about as much as one comparison.
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from patrol.domain.camera import PictureAreas
from patrol.domain.observation import Box, Light
from patrol.vision.camera_memory import CameraMemory
from patrol.vision.change.compare import compare_picture
from patrol.vision.reference import SceneMemory
from patrol.vision.reference.small_picture import Float, as_float, small_picture

BLUR_PX: Final = 15  # one odd pixel is no region
PEAK_SHARE: Final = 0.6  # of the peak: what belongs to the region
LEAST_SIDE: Final = 0.06  # of the picture: a smaller box would be no new object's


def reference_in(blob: bytes | None, light: Light, areas: PictureAreas) -> SceneMemory | None:
    """The scene memory with a reference for this light and area; None while there is none.

    `blob`: the camera memory as stored.
    """
    scene = CameraMemory.from_bytes(blob, light).scene
    usable = scene is not None and scene.model is not None and scene.holds_for(areas.visible)
    return scene if usable else None


def most_changed_box(
    scene: SceneMemory, picture: NDArray[np.generic], areas: PictureAreas
) -> Box | None:
    """The box, in fractions; None where the picture has another shape than the reference."""
    small = small_picture(picture)
    if scene.model is None or small.size != scene.size:
        return None
    compared = compare_picture(small, scene.model, areas, scene.light)
    return _around_peak(as_float(np.where(compared.where, compared.found.strongest, 0.0)))


def _around_peak(found: Float) -> Box:
    smooth = as_float(cv2.blur(found, (BLUR_PX, BLUR_PX)))
    height, width = smooth.shape
    _, peak, _, (x, y) = cv2.minMaxLoc(smooth)
    strong = (smooth >= PEAK_SHARE * max(peak, 1e-6)).astype(np.uint8)
    _, components = cv2.connectedComponents(strong)
    rows, columns = np.nonzero(components == components[y, x])
    left, right = float(columns.min()) / width, float(columns.max() + 1) / width
    top, bottom = float(rows.min()) / height, float(rows.max() + 1) / height
    (x0, wide), (y0, tall) = _wide_enough(left, right), _wide_enough(top, bottom)
    return x0, y0, wide, tall


def _wide_enough(start: float, end: float) -> tuple[float, float]:
    """(start, length) within 0..1."""
    length = max(end - start, LEAST_SIDE)
    middle = (start + end) / 2
    return min(max(middle - length / 2, 0.0), 1.0 - length), length
