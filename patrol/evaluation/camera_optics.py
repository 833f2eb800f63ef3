"""Form a picture as a camera does: linear light, lens, sensor, exposure, compression.

Written for the evaluation alone and shares no code with the gauges that it measures. Lengths are
shares of the picture's width, light is 0..1 of the sensor's range, so a fault means the same at
every size. Used by lens_faults.py and real_faults.py.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from patrol.evaluation.augment import Rng, through_jpeg
from streams.model import BgrImage

Float = NDArray[np.float32]
GAMMA = 2.2  # of common video transfer curves, near enough
LEVELS = 255.0
SHOT_NOISE = 0.00012  # variance per unit of light: a small sensor's, well lit
EXPOSURE_REACTS = 0.6  # of a change of mean light that the camera's automatic exposure takes back
EXPOSURE_RANGE = (0.5, 2.5)


def to_light(picture: BgrImage) -> Float:
    """The light that the pixels stand for."""
    table = (np.arange(256, dtype=np.float32) / np.float32(LEVELS)) ** np.float32(GAMMA)
    return np.asarray(table[picture], np.float32)


def to_picture(light: NDArray[np.floating]) -> BgrImage:
    """Light as 8-bit levels, clipped as a sensor clips."""
    levels = np.clip(light, 0, 1) ** (1 / GAMMA) * LEVELS
    return np.asarray(levels.round(), np.uint8)


def defocus(light: Float, radius: float) -> Float:
    """Out of focus: every point becomes a disc of this radius, as a share of the width."""
    radius_px = radius * light.shape[1]
    if radius_px < 0.5:  # noqa: PLR2004  less than a pixel
        return light
    reach = int(np.ceil(radius_px))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.float32)
    disc = np.clip(radius_px + 0.5 - np.hypot(x, y), 0, 1)
    kernel = np.asarray(disc / disc.sum(), np.float32)
    return np.asarray(
        cv2.filter2D(light, -1, kernel, borderType=cv2.BORDER_REFLECT_101), np.float32
    )


def automatic_exposure(light: Float, before: Float) -> Float:
    """The camera's own reaction to what changed the mean light of `before`."""
    ratio = float(before.mean()) / max(float(light.mean()), 1e-4)
    gain = min(max(ratio**EXPOSURE_REACTS, EXPOSURE_RANGE[0]), EXPOSURE_RANGE[1])
    return np.asarray(light * np.float32(gain), np.float32)


def smooth_field(shape: tuple[int, int], scale: float, rng: Rng) -> Float:
    """A random field of zero mean and unit deviation that varies over `scale` of the width."""
    height, width = shape
    columns = max(3, round(1.5 / scale))
    rows = max(3, round(columns * height / width))
    coarse = rng.normal(0, 1, (rows, columns)).astype(np.float32)
    field = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray((field - field.mean()) / max(float(field.std()), 1e-6), np.float32)


def through_camera(
    light: Float, rng: Rng, *, noise: float = 1.0, quality: int = 80, recorded: int = 0
) -> BgrImage:
    """What arrives: sensor noise (`noise` grey levels in the mid tones), then compression.

    `recorded`: JPEG quality of a recorder's second encoding; 0: there is none.
    """
    sigma = np.sqrt(SHOT_NOISE * np.clip(light, 0, 1)) * noise + noise * 0.5 / LEVELS / GAMMA
    seen = to_picture(light + sigma * rng.normal(0, 1, light.shape).astype(np.float32))
    coded = through_jpeg(seen, quality)
    return through_jpeg(coded, recorded) if recorded else coded
