"""Put faults onto real frames as optics and electronics make them, each mild, moderate and severe.

What lies on the glass is far out of focus and partly see-through; stray light adds to every pixel;
defocus is a disc, in linear light. The sensor's noise and the compression come afterwards
(camera_optics.py). Shares no code with the gauges. Used by real_faults.py.
"""

from collections.abc import Callable, Mapping
from typing import Final

import cv2
import numpy as np

from patrol.evaluation.augment import Rng
from patrol.evaluation.camera_optics import (
    GAMMA,
    Float,
    automatic_exposure,
    defocus,
    smooth_field,
)

SEVERITIES: Final = ("mild", "moderate", "severe")
COVERED: Final = (0.3, 0.5, 0.85)  # of the picture
OPAQUE: Final = np.ones(1, np.float32)
NEAR_DEFOCUS: Final = 0.03  # of the width: the disc of a point at the lens, for its edge
SKIN: Final = (0.16, 0.22, 0.36)  # blue, green, red: linear reflectance
LensFault = Callable[[Float, int, Rng], Float]


def _mask(light: Float, share: float, rng: Rng, *, ragged: float = 0.25) -> Float:
    """0..1: something from one side or corner over `share` of the picture, its edge a wide blur."""
    height, width = light.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    angle = rng.uniform(0, 2 * np.pi)
    away = np.cos(angle) * x / width + np.sin(angle) * y / height
    away += ragged * smooth_field((height, width), 0.25, rng) * 0.3
    edge = np.quantile(away, share)
    hard = (away <= edge).astype(np.float32)
    return _soft(hard, NEAR_DEFOCUS)


def _soft(mask: Float, radius: float) -> Float:
    """Blurred by a disc; at a quarter of the size, as nothing fine is left."""
    height, width = mask.shape
    small = cv2.resize(
        mask, (max(8, width // 4), max(8, height // 4)), interpolation=cv2.INTER_AREA
    )
    blurred = defocus(np.asarray(small, np.float32), radius)
    return np.asarray(cv2.resize(blurred, (width, height)), np.float32)


def _put_on(light: Float, thing: Float, opaque: Float, mask: Float) -> Float:
    alpha = mask[..., None] * opaque
    return automatic_exposure(light * (1 - alpha) + thing * alpha, light)


def _shaded(light: Float, colour: Float, relief: float, rng: Rng) -> Float:
    """A near surface of this linear colour under the scene's light, with soft folds."""
    folds = np.exp(relief * smooth_field(light.shape[:2], 0.18, rng))
    lit = float(np.quantile(light, 0.7)) * rng.uniform(0.5, 1.3)
    return np.asarray(folds[..., None] * colour * lit, np.float32)


def hand(light: Float, severity: int, rng: Rng) -> Float:
    """A hand before the lens."""
    skin = np.array(SKIN, np.float32) * np.float32(rng.uniform(0.5, 1.3))
    return _put_on(
        light, _shaded(light, skin, 0.35, rng), OPAQUE, _mask(light, COVERED[severity], rng)
    )


def cloth(light: Float, severity: int, rng: Rng) -> Float:
    """A cloth, any colour, in folds."""
    colour = rng.uniform(0.03, 0.5, 3).astype(np.float32)
    return _put_on(
        light, _shaded(light, colour, 0.5, rng), OPAQUE, _mask(light, COVERED[severity], rng)
    )


def pale_cover(light: Float, severity: int, rng: Rng) -> Float:
    """Paper, frost or a white sheet: as bright as the sky and without colour."""
    colour = np.full(3, rng.uniform(0.9, 1.5), np.float32)
    return _put_on(
        light, _shaded(light, colour, 0.12, rng), OPAQUE, _mask(light, COVERED[severity], rng)
    )


def plastic_bag(light: Float, severity: int, rng: Rng) -> Float:
    """A translucent bag: scatters what is behind it and adds light of its own, in wrinkles."""
    behind = defocus(light, 0.012)
    veil = _shaded(light, np.full(3, rng.uniform(0.9, 1.4), np.float32), 0.25, rng)
    opaque = rng.uniform(0.5, 0.8) + 0.06 * smooth_field(light.shape[:2], 0.06, rng)
    bag = behind * (1 - opaque[..., None]) + veil * opaque[..., None]
    mask = _mask(light, COVERED[severity], rng)[..., None]
    return automatic_exposure(np.asarray(light * (1 - mask) + bag * mask, np.float32), light)


def drops(light: Float, severity: int, rng: Rng) -> Float:
    """Rain on the glass: each drop shows the whole scene small and blurred."""
    height, width = light.shape[:2]
    wet = np.zeros((height, width), np.float32)
    for _ in range((8, 20, 45)[severity]):
        centre = int(rng.integers(width)), int(rng.integers(height))
        radius_px = width * rng.uniform(0.015, 0.05)
        axes = round(radius_px), round(radius_px * rng.uniform(0.8, 1.5))
        cv2.ellipse(wet, centre, axes, 0, 0, 360, 1.0, -1)
    inside = defocus(np.asarray(light[::-1], np.float32), 0.02) * np.float32(rng.uniform(0.8, 1.2))
    mask = _soft(wet, 0.008)[..., None]
    return np.asarray(light * (1 - mask) + inside * mask, np.float32)


def web(light: Float, severity: int, rng: Rng) -> Float:
    """A spider's web in the light of the lamp: pale threads, wide for want of focus."""
    height, width = light.shape[:2]
    threads = np.zeros((height, width), np.float32)
    hub = rng.uniform(0.2, 0.8, 2) * (width, height)
    for _ in range((10, 20, 40)[severity]):
        angle, far = rng.uniform(0, 2 * np.pi), width * rng.uniform(0.3, 1.0)
        end = hub + far * np.array([np.cos(angle), np.sin(angle)])
        thick = max(1, round(width * rng.uniform(0.003, 0.008)))
        cv2.line(threads, _point(hub), _point(end), 1.0, thick, cv2.LINE_AA)
    alpha = np.clip(_soft(threads, 0.012) * (0.5, 0.7, 0.9)[severity], 0, 1)[..., None]
    pale = np.float32(max(0.35, float(np.quantile(light, 0.9))))
    return np.asarray(light * (1 - alpha) + pale * alpha, np.float32)


def _point(where: np.ndarray) -> tuple[int, int]:
    return int(where[0]), int(where[1])


def paint(light: Float, severity: int, rng: Rng) -> Float:
    """Blotches of paint or mud on the glass."""
    field = smooth_field(light.shape[:2], 0.2, rng)
    share = (0.12, 0.3, 0.6)[severity]
    mask = _soft((field >= np.quantile(field, 1 - share)).astype(np.float32), 0.015)
    colour = rng.uniform(0.02, 0.8, 3).astype(np.float32)
    return _put_on(light, _shaded(light, colour, 0.15, rng), OPAQUE, mask)


def blur(light: Float, severity: int, _rng: Rng) -> Float:
    """The lens out of focus."""
    return defocus(light, (0.004, 0.008, 0.016)[severity])


def too_bright(light: Float, severity: int, _rng: Rng) -> Float:
    """The aperture stuck open."""
    return np.asarray(light * np.float32((3.0, 6.0, 12.0)[severity]), np.float32)


def too_dark(light: Float, severity: int, _rng: Rng) -> Float:
    """The aperture stuck shut."""
    mean = float((light ** np.float32(1 / GAMMA)).mean())
    target = (0.11, 0.07, 0.04)[severity]
    return np.asarray(light * np.float32((target / mean) ** GAMMA), np.float32)


def low_contrast(light: Float, severity: int, _rng: Rng) -> Float:
    """Dirt all over the glass: stray light from everywhere, and the picture scattered by it."""
    left = (0.25, 0.14, 0.07)[severity]
    veil = np.float32(light.mean() * 1.2 + 0.05)
    return np.asarray(light * np.float32(left) + veil * np.float32(1 - left), np.float32)


def color_cast(light: Float, severity: int, rng: Rng) -> Float:
    """A filter that hangs, or a colour of the cable missing."""
    gains = np.ones(3, np.float32)
    up, down = rng.permutation(3)[:2]
    gains[up] *= (1.7, 2.4, 3.5)[severity]
    gains[down] *= (0.65, 0.45, 0.25)[severity]
    return np.asarray(light * gains, np.float32)


def noise(light: Float, severity: int, rng: Rng) -> Float:
    """A sensor whose gain runs away: grain in every channel, before compression."""
    levels = np.clip(light, 0, 1) ** np.float32(1 / GAMMA)
    sigma = (12.0, 22.0, 40.0)[severity] / 255
    grain = rng.normal(0, sigma, light.shape).astype(np.float32)
    return np.asarray(np.clip(levels + grain, 0, 1) ** np.float32(GAMMA), np.float32)


def stripes(light: Float, severity: int, rng: Rng) -> Float:
    """Interference: a wave across the picture, added to the signal."""
    height, width = light.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    period = rng.uniform(0.012, 0.06) * height
    wave = np.sin(2 * np.pi * (y + rng.uniform(-0.3, 0.3) * x) / period)
    levels = np.clip(light, 0, 1) ** np.float32(1 / GAMMA)
    levels = levels + np.float32((9.0, 20.0, 40.0)[severity] / 255) * wave[..., None]
    return np.asarray(np.clip(levels, 0, 1) ** np.float32(GAMMA), np.float32)


def black_screen(light: Float, severity: int, _rng: Rng) -> Float:
    """No light at all but the black level."""
    level = (12.0, 7.0, 2.0)[severity] / 255
    return np.full_like(light, level**GAMMA)


LENS_FAULTS: Final[Mapping[str, tuple[str, LensFault]]] = {
    "hand": ("occlusion", hand), "cloth": ("occlusion", cloth),
    "pale_cover": ("occlusion", pale_cover), "plastic_bag": ("occlusion", plastic_bag),
    "drops": ("occlusion", drops), "web": ("occlusion", web), "paint": ("occlusion", paint),
    "blur": ("blur", blur), "too_bright": ("too_bright", too_bright),
    "too_dark": ("too_dark", too_dark), "low_contrast": ("low_contrast", low_contrast),
    "color_cast": ("color_cast", color_cast), "noise": ("noise", noise),
    "stripes": ("stripes", stripes), "black_screen": ("black_screen", black_screen),
}  # fmt: skip  # what is put on → the fault that should be reported
