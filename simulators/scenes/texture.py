"""Surfaces: functions from positions in metres to colour. All from value noise; no photographs.

Colours are BGR, 0..1. A surface takes two arrays of positions and answers with an array of the
same shape and three channels.
"""

from collections.abc import Callable
from functools import cache
from typing import Final

import cv2
import numpy as np

from simulators.scenes.view import Floats

Surface = Callable[[Floats, Floats], Floats]
Colour = tuple[float, float, float]
_TILE: Final = 256


@cache
def _tile(seed: int) -> Floats:
    rng = np.random.default_rng([seed, 77])
    tile = rng.random((_TILE, _TILE)).astype(np.float32)
    wrapped = cv2.GaussianBlur(np.pad(tile, 8, mode="wrap"), (0, 0), 0.8)
    return np.asarray(wrapped[8:-8, 8:-8], dtype=np.float32)


def noise(x: Floats, y: Floats, grain_m: float, seed: int = 0) -> Floats:
    """Smooth noise of mean 0, about −1..1, with features of `grain_m`."""
    tile = _tile(seed)
    flat = cv2.remap(
        tile,
        _wrapped(x, grain_m),
        _wrapped(y, grain_m),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_WRAP,
    )
    return np.asarray((flat - 0.5) * 5.0, dtype=np.float32)


def _wrapped(positions: Floats, grain_m: float) -> Floats:
    """Positions in the tile; a floor is several times faster than a remainder."""
    turns = positions * np.float32(1 / (grain_m * _TILE))
    turns -= np.floor(turns)
    turns *= np.float32(_TILE)
    return np.asarray(turns, dtype=np.float32)


def layers(x: Floats, y: Floats, grain_m: float, seed: int = 0, octaves: int = 4) -> Floats:
    """Noise over noise, each finer and fainter."""
    total = np.zeros_like(x)
    for octave in range(octaves):
        total += noise(x, y, grain_m / 2.3**octave, seed + octave) * np.float32(0.6**octave)
    return total * np.float32(0.45)


def step(edge: Floats, soft: float) -> Floats:
    """0 below −soft, 1 above soft, smooth between."""
    t = np.clip(edge / (2 * soft) + 0.5, 0, 1)
    return np.asarray(t * t * (3 - 2 * t), dtype=np.float32)


def tinted(colour: Colour, light: Floats) -> Floats:
    """One colour under varying light."""
    return np.asarray(np.array(colour, np.float32) * light[..., None], dtype=np.float32)


def mix(low: Floats, high: Floats, share: Floats) -> Floats:
    """`high` where share is 1."""
    return np.asarray(low + (high - low) * share[..., None], dtype=np.float32)


def plain(colour: Colour, *, grain_m: float = 0.6, rough: float = 0.08, seed: int = 0) -> Surface:
    """Plaster, concrete, loam: one colour, uneven."""

    def surface(x: Floats, y: Floats) -> Floats:
        stains = 0.7 * layers(x, y, grain_m * 4, seed) + 0.3 * noise(x, y, 0.05, seed + 9)
        return tinted(colour, 1 + np.float32(rough) * stains)

    return surface


def bricks(colour: Colour, *, seed: int = 0) -> Surface:
    """Courses of 25 × 8 cm with lighter joints."""

    def surface(x: Floats, y: Floats) -> Floats:
        course = np.floor(y / 0.08)
        along = x / 0.25 + 0.5 * np.mod(course, 2)
        joint = np.minimum(
            np.abs(np.mod(along, 1) - 0.5) * -0.25 + 0.125,
            np.abs(np.mod(y / 0.08, 1) - 0.5) * -0.08 + 0.04,
        )
        each = noise(np.floor(along).astype(np.float32), course.astype(np.float32), 1.0, seed)
        face = tinted(colour, 1 + 0.10 * each + 0.08 * layers(x, y, 2.0, seed + 3))
        mortar = tinted((0.62, 0.65, 0.67), np.ones_like(x))
        return mix(mortar, face, step((joint - 0.006).astype(np.float32), 0.006))

    return surface


def roof_tiles(colour: Colour, *, seed: int = 0) -> Surface:
    """Rows of half-round tiles, seen from a distance."""

    def surface(x: Floats, y: Floats) -> Floats:
        row = 0.82 + 0.25 * np.abs(np.sin(np.pi * x / 0.22))
        course = 0.88 + 0.15 * np.mod(y / 0.3, 1)
        return tinted(
            colour, (row * course * (1 + 0.1 * layers(x, y, 1.2, seed))).astype(np.float32)
        )

    return surface


def gate_leaves(colour: Colour, width_m: float) -> Surface:
    """A double gate of sheet metal: panels, studs, the gap in the middle."""

    def surface(x: Floats, y: Floats) -> Floats:
        u = np.mod(x, width_m / 4) / (width_m / 4)
        v = np.mod(y - 0.12, 0.8) / 0.8
        rim = np.minimum(np.minimum(u, 1 - u) * width_m / 4, np.minimum(v, 1 - v) * 0.8)
        relief = 0.85 + 0.25 * step((rim - 0.09).astype(np.float32), 0.02)
        gap = step((np.abs(x - width_m / 2) - 0.02).astype(np.float32), 0.01)
        light = relief * (0.35 + 0.65 * gap) * (1 + 0.05 * layers(x, y, 1.5, 5))
        return tinted(colour, light.astype(np.float32))

    return surface


def window_panes(frame: Colour, width_m: float, height_m: float) -> Surface:
    """Glass that mirrors a bright sky above and a dark yard below, in a light frame."""

    def surface(x: Floats, y: Floats) -> Floats:
        sky = np.clip(y / height_m, 0, 1)
        glass = tinted(
            (0.36, 0.31, 0.27), (0.5 + 0.7 * sky + 0.1 * layers(x, y, 0.7, 6)).astype(np.float32)
        )
        u = np.mod(x, width_m / 3)
        rim = np.minimum(np.minimum(u, width_m / 3 - u), np.minimum(y, height_m - y))
        return mix(
            tinted(frame, np.ones_like(x)), glass, step((rim - 0.06).astype(np.float32), 0.012)
        )

    return surface
