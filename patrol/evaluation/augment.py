"""Vary a picture as between two visits: exposure, white balance, a nudge, sensor noise, JPEG.

Written for the evaluation alone and shares no code with the gauges that it measures. Works at the
picture's own size; every call takes its random generator, so a set is the same every time.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from patrol.pixels import decode_jpeg, encode_jpeg
from streams.model import BgrImage

Rng = np.random.Generator


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """How one visit differs from the next although nothing happened."""

    exposure: float = 1.0  # gain on the 8-bit levels, clipping included
    gamma: float = 1.0
    warmth: float = 0.0  # red up, blue down, share of the level
    shift_px: tuple[float, float] = (0.0, 0.0)  # at 1920 wide; scaled to the picture
    noise: float = 1.0  # sigma of the sensor, grey levels
    quality: int = 80  # JPEG, standing in for the stream's own compression
    infrared: bool = False


def draw_conditions(rng: Rng, *, infrared: bool = False) -> Conditions:
    """Random conditions: exposure ±40 %, shift up to 8 px at 1080p."""
    angle, distance_px = rng.uniform(0, 2 * np.pi), rng.uniform(0, 8.0)
    return Conditions(
        exposure=float(rng.uniform(0.6, 1.4)),
        gamma=float(rng.uniform(0.9, 1.1)),
        warmth=0.0 if infrared else float(rng.uniform(-0.04, 0.04)),
        shift_px=(float(distance_px * np.cos(angle)), float(distance_px * np.sin(angle))),
        noise=float(rng.uniform(0.5, 3.0)),
        quality=int(rng.integers(70, 92)),
        infrared=infrared,
    )


def _as_infrared(picture: BgrImage) -> BgrImage:
    """Grey, brighter in the middle of the illuminator's cone, as a night-vision camera sees it."""
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).astype(np.float32)
    height, width = grey.shape
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    away = ((x - width / 2) / width) ** 2 + ((y - height / 2) / height) ** 2
    lit = np.clip((grey * 0.85 + 20) * (1.15 - 1.6 * away), 0, 255).astype(np.uint8)
    return np.asarray(cv2.cvtColor(lit, cv2.COLOR_GRAY2BGR), np.uint8)


def _expose(picture: BgrImage, how: Conditions) -> BgrImage:
    levels = np.arange(256, dtype=np.float32)
    curve = 255 * (levels / 255) ** how.gamma * how.exposure
    tint = np.array([1 - how.warmth, 1.0, 1 + how.warmth], np.float32)
    table = np.clip(curve[None, :, None] * tint, 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(picture, table), np.uint8)


def _shifted(picture: BgrImage, shift_px: tuple[float, float]) -> BgrImage:
    height, width = picture.shape[:2]
    scale = width / 1920
    move = np.array([[1, 0, shift_px[0] * scale], [0, 1, shift_px[1] * scale]], np.float32)
    moved = cv2.warpAffine(
        picture, move, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101
    )
    return np.asarray(moved, np.uint8)


def apply_conditions(picture: BgrImage, how: Conditions, rng: Rng) -> BgrImage:
    """The picture under these conditions."""
    seen = _as_infrared(picture) if how.infrared else picture
    seen = _expose(_shifted(seen, how.shift_px), how)
    shape = seen.shape[:2] if how.infrared else seen.shape
    noise = rng.normal(0, how.noise, shape).astype(np.float32)
    noisy = seen.astype(np.float32) + (noise[..., None] if how.infrared else noise)
    return through_jpeg(np.clip(noisy, 0, 255).astype(np.uint8), how.quality)


def through_jpeg(picture: BgrImage, quality: int) -> BgrImage:
    """The picture as JPEG of this quality leaves it. Raises ValueError: not a picture."""
    decoded = decode_jpeg(encode_jpeg(picture, quality))
    if decoded is None:
        raise ValueError("the picture could not be decoded again")
    return decoded


def cast_shadow(picture: BgrImage, rng: Rng, *, depth: float | None = None) -> BgrImage:
    """A building's or a tree's shadow over part of the picture, a little bluish, soft-edged."""
    height, width = picture.shape[:2]
    corner = np.array([rng.uniform(-0.2, 1.2), rng.uniform(0.2, 1.2)]) * (width, height)
    radius_px = rng.uniform(0.2, 0.7) * width
    angles = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(3, 8))))
    outline = corner + radius_px * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    mask = np.zeros((height, width), np.float32)
    cv2.fillPoly(mask, [outline.round().astype(np.int32)], 1.0)
    edge = max(0.6, width * rng.uniform(0.001, 0.006))
    soft = np.asarray(cv2.GaussianBlur(mask, (0, 0), edge), np.float32)
    dark = rng.uniform(0.25, 0.55) if depth is None else depth
    tint = np.array([1 - 0.85 * dark, 1 - dark, 1 - 1.06 * dark], np.float32)
    factor = 1 - soft[..., None] * (1 - tint)
    return np.clip(picture * factor, 0, 255).astype(np.uint8)
