"""The whole picture changed: snow, dust, fog, rain, dusk — weather, not four hundred findings."""

import cv2
import numpy as np

from patrol.vision.change.model import Cause, FrameWide
from patrol.vision.reference.working import Mask, Working

WIDE = 0.38  # of the visible picture


def _facts(picture: Working, where: Mask) -> tuple[float, float, float, float]:
    """Mean level, saturation 0..1, warmth (red − blue) and contrast of detail."""
    bgr = picture.bgr[where].astype(np.float32)
    top, low = bgr.max(axis=1), bgr.min(axis=1)
    saturation = float(((top - low) / (top + 20.0)).mean())
    detail = picture.grey - cv2.blur(picture.grey, (9, 9))
    return (
        float(bgr.mean()), saturation, float((bgr[:, 2] - bgr[:, 0]).mean()),
        float(detail[where].std()),
    )  # fmt: skip


def frame_wide(
    picture: Working, reference: Working, where: Mask, changed: float
) -> FrameWide | None:
    """The cause that fits best, or None when the change is no larger than a part."""
    if changed < WIDE:
        return None
    level, saturation, warmth, detail = _facts(picture, where)
    level_0, saturation_0, warmth_0, detail_0 = _facts(reference, where)
    hazy = detail < 0.6 * detail_0
    cause = Cause.UNKNOWN
    if level < 0.55 * level_0:
        cause = Cause.DUSK
    elif hazy and warmth > warmth_0 + 12:
        cause = Cause.DUST
    elif hazy and saturation <= saturation_0 + 0.02:
        cause = Cause.FOG
    elif level > level_0 + 15 and saturation < 0.75 * saturation_0 + 0.01:
        cause = Cause.SNOW
    elif level < 0.85 * level_0 and saturation < saturation_0:
        cause = Cause.RAIN
    return FrameWide(cause=cause, changed=changed, score=min(1.0, changed / (2 * WIDE) + 0.3))
