"""Measure what drops, threads and specks on the glass take: detail, in many places at once.

What lies on the glass is far out of focus. Where it is, the scene's own detail fades and no other
comes instead; a person or a vehicle hides the scene too, but brings detail of its own, and lies in
one place. So each place of a picture is held against the reference by its detail alone, as a share
of its light: a shadow takes both, and mist from all that is far. The covers that hide a whole part
of the picture are lens_checks.py's; this finds what is scattered. Used by compare.py. Pure.
"""

from typing import Final

import cv2
import numpy as np

from patrol.vision.reference.small_picture import Float, Mask, SmallPicture, as_float

FINE_PX: Final = 5  # of the working picture: detail is what is finer
PLACE_PX: Final = 9  # about the width of a drop, and of a thread out of focus
TEXTURE: Final = 2.0  # grey levels in the reference, before a place has detail to lose
LEFT: Final = 0.65  # of the detail: less is covered
DIM: Final = (25.0, 20.0)  # levels of the reference, of the picture: darker places prove nothing
BURNT: Final = 245.0  # the sun takes detail as well
SNOW: Final = (170.0, 35.0)  # as bright, and so much brighter than the light explains
ENOUGH: Final = 0.15  # of the picture must have detail to lose
SAME_VIEW: Final = 0.5  # median correlation of the detail: below, leaves or seasons changed it
PIECES: Final = 4  # that lie apart; a lorry, a puddle or a heap is one or two
PIECE_PX: Final = 20  # pixels


def scattered_cover(picture: SmallPicture, reference: SmallPicture, where: Mask) -> float | None:
    """The share of the detailed places whose detail went, where they lie in several pieces.

    The picture lies on the reference's raster; None where the two cannot be held together.
    """
    now, before = picture.grey, reference.grey
    light, usual = _mean(now), _mean(before)
    fine_now, fine_before = _fine(now), _fine(before)
    power_now, power_before = _mean(fine_now * fine_now), _mean(fine_before * fine_before)
    common = _mean(fine_now * fine_before)
    if not where.any():
        return None
    exposure = np.float32(np.median(light[where] / np.maximum(usual[where], 1)))
    clear = where & (power_before >= TEXTURE**2) & ~_burnt_or_snow(now, light, usual * exposure)
    clear &= (usual > DIM[0]) & (light > DIM[1])
    if clear.sum() < ENOUGH * clear.size:
        return None
    kept = common / np.maximum(power_before, 1e-3)  # of this very detail
    left = np.sqrt(power_now / np.maximum(power_before, 1e-3))  # of any detail
    alike = common / np.sqrt(np.maximum(power_now * power_before, 1e-3))
    if float(np.median(alike[clear])) < SAME_VIEW:
        return None
    expected = LEFT * np.minimum(light / np.maximum(usual * exposure, 1), 1)
    gone = clear & (kept < expected * np.median(kept[clear]))
    gone &= left < expected * np.median(left[clear])
    return _in_pieces(gone) / int(clear.sum())


def _in_pieces(gone: Mask) -> int:
    """How many pixels, single ones left out; 0 unless they lie in PIECES apart."""
    opened = cv2.morphologyEx(gone.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    _, _, stats, _ = cv2.connectedComponentsWithStats(opened)
    areas = stats[1:, cv2.CC_STAT_AREA]
    return int(areas.sum()) if int((areas >= PIECE_PX).sum()) >= PIECES else 0


def _burnt_or_snow(now: Float, light: Float, expected: Float) -> Mask:
    brightest = cv2.dilate(now, np.ones((FINE_PX, FINE_PX), np.uint8))
    snow = (light > SNOW[0]) & (light > expected + SNOW[1])
    return np.asarray((brightest >= BURNT) | snow, np.bool_)


def _fine(grey: Float) -> Float:
    return as_float(grey - cv2.blur(grey, (FINE_PX, FINE_PX)))


def _mean(values: Float) -> Float:
    return as_float(cv2.blur(values, (PLACE_PX, PLACE_PX)))
