"""Which pixels have the colour of a flame, and which of them the reference knows as lamps."""

import cv2
import numpy as np

from patrol.domain.observation import Box
from patrol.vision.fire.model import DEFAULT, FireOptions
from patrol.vision.reference.memory import Model
from patrol.vision.reference.working import Mask, as_float, as_u8
from streams.model import BgrImage

STEADY = 1.0  # usual differences; a lamp is the same at every visit, a fire that was learned is not
KNOWN_DISCOUNT = 0.8  # of the score, where the reference has a lamp
BELOW_GREEN, BELOW_BLUE = 4, 14  # grey levels that noise and JPEG may turn the order round by


def likeness(bgr: BgrImage, options: FireOptions = DEFAULT) -> Mask:
    """Red over green over blue, and shining."""
    blue, green, red = (bgr[:, :, channel].astype(np.int16) for channel in range(3))
    shines = (red >= options.hot_red) & (red - blue >= options.warmth)
    ordered = (red >= green - BELOW_GREEN) & (green >= blue - BELOW_BLUE)
    return np.asarray(shines & ordered, np.bool_)


def known_lamps(reference: Model, size: tuple[int, int], options: FireOptions = DEFAULT) -> Mask:
    """Where the reference is flame-coloured and steady, at this (width, height)."""
    steady = as_float(cv2.resize(reference.usual, size)) < STEADY
    return likeness(as_u8(cv2.resize(reference.picture.bgr, size)), options) & steady


def lamp_share(reference: Model | None, box: Box) -> float:
    """The share of a place that is a known lamp."""
    if reference is None:
        return 0.0
    width, height = reference.picture.size
    left, top = int(box[0] * width), int(box[1] * height)
    right = max(left + 1, int((box[0] + box[2]) * width))
    bottom = max(top + 1, int((box[1] + box[3]) * height))
    place = known_lamps(reference, (width, height))[top:bottom, left:right]
    return float(place.mean()) if place.size else 0.0
