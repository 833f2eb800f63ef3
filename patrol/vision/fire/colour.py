"""Which pixels have the colour of a flame, and which of them the reference knows as lamps."""

import cv2
import numpy as np

from patrol.domain.observation import Box
from patrol.vision.fire.model import DEFAULT, FireOptions
from patrol.vision.reference.memory import Model
from patrol.vision.reference.working import Mask, as_float, as_u8
from streams.model import BgrImage

AFLAME = 0.4  # likeness from which a pixel is flame-coloured
STEADY = 1.0  # usual differences; a lamp is the same at every visit, a fire that was learned is not
KNOWN_DISCOUNT = 0.8  # of the score, where the reference has a lamp


def likeness(bgr: BgrImage, options: FireOptions = DEFAULT) -> Mask:
    """Red over green over blue, and shining."""
    blue, green, red = (as_float(bgr[:, :, c]) for c in range(3))
    shines = np.clip((red - options.hot_red + 45) / 45, 0, 1)
    warm = np.clip((red - blue - options.warmth + 25) / 50, 0, 1)
    ordered = np.clip((red - green + 2) / 14, 0, 1) * np.clip((green - blue + 8) / 16, 0, 1)
    return np.asarray(shines * warm * ordered > AFLAME, np.bool_)


def known_lamps(reference: Model, size: tuple[int, int], options: FireOptions = DEFAULT) -> Mask:
    """Where the reference is flame-coloured and steady, at this (width, height)."""
    steady = as_float(cv2.resize(reference.usual, size)) < STEADY
    return likeness(as_u8(cv2.resize(reference.picture.bgr, size)), options) & steady


def lamp_share(reference: Model | None, box: Box) -> float:
    """The share of a place that is a known lamp."""
    if reference is None:
        return 0.0
    width, height = reference.picture.size
    rows = slice(
        int(box[1] * height), max(int((box[1] + box[3]) * height), int(box[1] * height) + 1)
    )
    columns = slice(
        int(box[0] * width), max(int((box[0] + box[2]) * width), int(box[0] * width) + 1)
    )
    place = known_lamps(reference, (width, height))[rows, columns]
    return float(place.mean()) if place.size else 0.0
