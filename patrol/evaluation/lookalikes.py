"""Put onto a real picture what is warm, bright and moves and is no flame: pairs for fit_flames.py.

Flags in the wind, lanterns that swing, lamps that blink or are dimmed, brake lights, lorries and
vests that pass. Written for the evaluation alone; shares no code with the gauge. Every maker takes
the picture and a generator, and returns the two pictures of one visit.
"""

from collections.abc import Callable
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from patrol.evaluation.augment import Rng
from streams.model import BgrImage

PicturesOfVisit = tuple[BgrImage, BgrImage]
Lookalike = Callable[[BgrImage, Rng], PicturesOfVisit]
Floats = NDArray[np.float32]
LEAST_PX: Final = 12
NIGHT: Final = 0.3  # of the light is left in half of the pictures with lamps


def flag(picture: BgrImage, rng: Rng) -> PicturesOfVisit:
    """A red, orange or yellow cloth with a device, waving between the pictures."""
    width, height = _size(picture, rng, (0.06, 0.35))
    cloth = np.full((height, width, 3), _warm(rng), np.uint8)
    for _ in range(int(rng.integers(1, 7))):
        at = int(rng.integers(width)), int(rng.integers(height))
        cv2.circle(cloth, at, max(2, height // int(rng.integers(6, 12))), _pale(rng), -1)
    place = _place(picture, (width, height), rng)
    length, depth = width / rng.uniform(4, 9), height * rng.uniform(0.03, 0.12)
    phases = rng.uniform(0, 6.3, 2)
    first, last = (
        _pasted(picture, _waved(cloth, float(phase), length, depth), place) for phase in phases
    )
    return first, last


def lantern(picture: BgrImage, rng: Rng) -> PicturesOfVisit:
    """A round paper lantern lit from inside, swinging by a part of its width."""
    width, height = _size(picture, rng, (0.03, 0.15))
    rows, columns = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    away = rows**2 + columns**2
    glow = np.exp(-rng.uniform(1, 2.5) * away)[..., None] * rng.uniform(30, 170, 3)
    body = np.clip(np.array(_warm(rng)) * 0.8 + glow, 0, 255).astype(np.uint8)
    mask = (away < 1).astype(np.float32)
    dark = _darkened(picture, rng)
    x, y = _place(picture, (width, height), rng)
    swing = round(width * rng.uniform(-0.6, 0.6))
    return _pasted(dark, body, (x, y), mask), _pasted(dark, body, (x + swing, y), mask)


def warm_lights(picture: BgrImage, rng: Rng) -> PicturesOfVisit:
    """One to four warm lamps with their glow: on, off or dimmed between the pictures."""
    dark = _darkened(picture, rng).astype(np.float32)
    first, last = dark.copy(), dark.copy()
    for _ in range(int(rng.integers(1, 5))):
        colour = np.array(_warm(rng), np.float32) * rng.uniform(1.0, 1.8)
        light = _glow(picture, rng)[..., None] * colour
        first += light * rng.uniform(0, 1.3)
        last += light * rng.choice([0.0, rng.uniform(0, 1.3)])
    return as_levels(first), as_levels(last)


def brake_lights(picture: BgrImage, rng: Rng) -> PicturesOfVisit:
    """Two red lights at one height, lit in one picture or both, nearer in the last."""
    dark = _darkened(picture, rng)
    height, width = picture.shape[:2]
    size = max(3, round(width * rng.uniform(0.008, 0.03)))
    x, y = int(rng.integers(width)), int(height * rng.uniform(0.3, 0.9))
    made = []
    for power, nearer in ((rng.choice([0.3, 1.0]), 1.0), (1.0, rng.uniform(0.9, 1.4))):
        drawn = dark.astype(np.float32)
        for side in (-1, 1):
            layer = np.zeros(picture.shape[:2], np.float32)
            at = x + round(side * 3 * size * nearer), y
            cv2.ellipse(layer, at, (round(size * nearer), max(2, size // 2)), 0, 0, 360, 1.0, -1)
            halo = layer + cv2.GaussianBlur(layer, (0, 0), float(size))
            drawn += power * halo[..., None] * np.array([60, 70, 260], np.float32)
        made.append(as_levels(drawn))
    return made[0], made[1]


def passing_thing(picture: BgrImage, rng: Rng) -> PicturesOfVisit:
    """A lorry, a crate or a vest in a warm paint with stripes, moved a little or far."""
    width, height = _size(picture, rng, (0.04, 0.25))
    body = np.full((height, width, 3), _warm(rng), np.uint8)
    for _ in range(int(rng.integers(0, 5))):
        x, y = int(rng.integers(width)), int(rng.integers(height))
        corner = x + int(rng.integers(2, width)), y + max(2, height // int(rng.integers(5, 12)))
        cv2.rectangle(body, (x, y), corner, _pale(rng) if rng.random() < 0.6 else (30, 30, 30), -1)  # noqa: PLR2004  a share
    shade = np.linspace(rng.uniform(0.7, 1), rng.uniform(0.9, 1.1), height)[:, None, None]
    body = as_levels(body * shade)
    x, y = _place(picture, (width, height), rng)
    away = round(width * rng.choice([0.15, 0.5, 2.0]) * rng.choice([-1, 1]))
    mask = np.ones((height, width), np.float32)
    if rng.random() < 0.5:  # noqa: PLR2004  half of them
        cv2.ellipse(mask, (width // 2, height // 2), (width // 2, height // 2), 0, 0, 360, 2.0, -1)
        mask = (mask > 1).astype(np.float32)
    return _pasted(picture, body, (x, y), mask), _pasted(picture, body, (x + away, y), mask)


LOOKALIKES: Final[dict[str, Lookalike]] = {
    "flag": flag, "lantern": lantern, "warm_lights": warm_lights, "brake_lights": brake_lights,
    "passing": passing_thing,
}  # fmt: skip


def _warm(rng: Rng) -> tuple[int, int, int]:
    """Blue, green, red of a paint or a light between red and yellow."""
    green = float(rng.uniform(20, 215))
    return int(rng.uniform(5, min(90, green))), int(green), int(rng.uniform(180, 256))


def _pale(rng: Rng) -> tuple[int, int, int]:
    level = int(rng.uniform(200, 255))
    return int(rng.uniform(30, 250)), level, level


def _size(picture: BgrImage, rng: Rng, share: tuple[float, float]) -> tuple[int, int]:
    width = max(LEAST_PX, round(picture.shape[1] * rng.uniform(*share)))
    height = max(LEAST_PX, round(width * rng.uniform(0.6, 1.3)))
    return min(width, picture.shape[1]), min(height, picture.shape[0])


def _place(picture: BgrImage, size: tuple[int, int], rng: Rng) -> tuple[int, int]:
    height, width = picture.shape[:2]
    return int(rng.integers(width - size[0] + 1)), int(rng.integers(height - size[1] + 1))


def _waved(cloth: BgrImage, phase: float, length: float, depth: float) -> BgrImage:
    height, width = cloth.shape[:2]
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    loose = columns / width  # the mast holds the left edge
    shift = (depth * np.sin(columns / length + phase) * loose).astype(np.float32)
    waved = cv2.remap(cloth, columns, rows + shift, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    return as_levels(waved * (1 + 0.15 * loose * np.cos(columns / length + phase))[..., None])


def _glow(picture: BgrImage, rng: Rng) -> Floats:
    height, width = picture.shape[:2]
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    x, y, size = rng.uniform(0, width), rng.uniform(0, height), width * rng.uniform(0.01, 0.05)
    return np.asarray(np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / size**2), np.float32)


def _darkened(picture: BgrImage, rng: Rng) -> BgrImage:
    return as_levels(picture * NIGHT) if rng.random() < 0.5 else picture  # noqa: PLR2004  half of them


def _pasted(
    picture: BgrImage, thing: BgrImage, at: tuple[int, int], mask: Floats | None = None
) -> BgrImage:
    """The picture with the thing; what lies outside is cut off."""
    height, width = picture.shape[:2]
    tall, wide = thing.shape[:2]
    whole = np.zeros((height, width), np.float32)
    layer = np.zeros_like(picture)
    left, top = max(0, at[0]), max(0, at[1])
    right, bottom = min(width, at[0] + wide), min(height, at[1] + tall)
    if left >= right or top >= bottom:
        return picture.copy()
    cut = (slice(top - at[1], bottom - at[1]), slice(left - at[0], right - at[0]))
    layer[top:bottom, left:right] = thing[cut]
    whole[top:bottom, left:right] = 1.0 if mask is None else mask[cut]
    soft = cv2.GaussianBlur(whole, (0, 0), 0.7)[..., None]
    return as_levels(picture * (1 - soft) + layer * soft)


def as_levels(picture: NDArray[np.generic]) -> BgrImage:
    """Sums of light as 8-bit levels, cut off at both ends."""
    return np.asarray(np.clip(picture, 0, 255), np.uint8)
