"""Draw smoke plumes over real frames: grey or white, soft, half transparent, rising and growing.

Shares no code with the gauge. A plume is a column of round puffs that widen and thin as they rise
with the wind; between the two pictures of a visit it drifts, changes and grows. Its box is where it
hides at least a quarter of what lies behind.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from patrol.evaluation.augment import Rng
from patrol.evaluation.labels import BoxPx
from streams.model import BgrImage

PUFFS: Final = 26
VISIBLE: Final = 0.25  # of the ground is hidden, where the box is drawn
LEAST_SHARE: Final = 0.01  # of the picture; a smaller remnant is no plume


@dataclass(frozen=True, slots=True, kw_only=True)
class Plume:
    """The plume of one visit; lengths are shares of the picture."""

    foot: tuple[float, float]
    tall: float
    wide: float
    wind: float  # sideways by this share of its height at the top
    thick: float  # of the ground hidden at its core
    grey: tuple[float, float, float]
    seed: int


def draw_plume(rng: Rng) -> Plume:
    """A random plume, from a campfire's to a burning field's."""
    level = float(rng.uniform(130, 225))
    return Plume(
        foot=(float(rng.uniform(0.2, 0.8)), float(rng.uniform(0.65, 0.95))),
        tall=float(rng.uniform(0.35, 0.6)), wide=float(rng.uniform(0.1, 0.22)),
        wind=float(rng.uniform(-0.7, 0.7)), thick=float(rng.uniform(0.7, 0.95)),
        grey=(level * float(rng.uniform(0.98, 1.05)), level, level * float(rng.uniform(0.95, 1.0))),
        seed=int(rng.integers(1 << 30)),
    )  # fmt: skip


def with_plume(picture: BgrImage, plume: Plume, later: float) -> BgrImage:
    """The picture with the plume, `later` = 0 or 1 for the first and the last of a visit."""
    hidden = _smoke_density(picture.shape[0], picture.shape[1], plume, later)
    shade = np.array(plume.grey, np.float32) * (0.92 + 0.16 * hidden[..., None])
    mixed = picture * (1 - hidden[..., None]) + shade * hidden[..., None]
    return np.clip(mixed, 0, 255).astype(np.uint8)


def plume_box(size_px: tuple[int, int], plume: Plume) -> BoxPx | None:
    """The box around the visible part of the plume, in pixels; None where it is too small."""
    width, height = size_px
    seen = (_smoke_density(height, width, plume, 0.0) >= VISIBLE).astype(np.uint8)
    if float(seen.mean()) < LEAST_SHARE:
        return None
    x, y, wide, high = cv2.boundingRect(seen)
    return float(x), float(y), float(wide), float(high)


def _smoke_density(height: int, width: int, plume: Plume, later: float) -> NDArray[np.float32]:
    """How much of the ground is hidden, 0..1; drawn small, as smoke has no sharp edge."""
    rng = np.random.default_rng(plume.seed)
    high, across = 180, max(2, round(180 * width / height))
    rows, columns = np.mgrid[0:high, 0:across].astype(np.float32)
    clear = np.ones((high, across), np.float32)
    tall = plume.tall * high * (1 + 0.15 * later)
    for _ in range(PUFFS):
        rise, side, size = rng.random(), rng.normal(0, 0.3), rng.uniform(0.7, 1.3)
        rise = (rise + 0.22 * later) % 1.0  # it moved on while three seconds passed
        radius_px = plume.wide * high * (0.3 + 0.8 * rise) * size * (1 + 0.12 * later)
        x = plume.foot[0] * across + (plume.wind * rise + side * plume.wide) * tall
        y = plume.foot[1] * high - rise * tall
        away = ((columns - x) ** 2 + (rows - y) ** 2) / radius_px**2
        clear *= 1 - 0.42 * np.float32(1 - 0.45 * rise) * np.exp(-1.2 * away)
    hidden = np.float32(plume.thick) * (1 - clear)
    return np.asarray(
        cv2.resize(hidden, (width, height), interpolation=cv2.INTER_CUBIC), np.float32
    )
