"""Put picture faults onto real frames at stated severities; shares no code with the gauges.

What each severity means is in `SEVERITIES`: light is what an attentive person notices, moderate
what anybody would report, strong what makes the picture useless. The numbers are of the 8-bit
levels, or shares of the picture.
"""

from collections.abc import Callable, Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from patrol.evaluation.augment import Rng
from streams.model import BgrImage

Float = NDArray[np.float32]
LIGHT, MODERATE, STRONG = 0, 1, 2
MOST_GAIN = 60.0
SEVERITIES = ("light", "moderate", "strong")


def _clip(values: NDArray[np.floating]) -> BgrImage:
    return np.asarray(np.clip(values, 0, 255), np.uint8)


def _black_screen(picture: BgrImage, how: int, rng: Rng) -> BgrImage:
    level = (14.0, 8.0, 2.0)[how]
    return _clip(np.full(picture.shape, level) + rng.normal(0, 1.2, picture.shape))


def _solid_color(picture: BgrImage, how: int, rng: Rng) -> BgrImage:
    colour = np.array([(190, 60, 20), (40, 150, 40), (128, 128, 128)][int(rng.integers(3))])
    noise_sigma = (1.5, 1.0, 0.3)[how]
    return _clip(np.broadcast_to(colour, picture.shape) + rng.normal(0, noise_sigma, picture.shape))


def _too_dark(picture: BgrImage, how: int, rng: Rng) -> BgrImage:
    mean = float(picture.mean())
    target = (26.0, 17.0, 10.0)[how]
    return _clip(picture * (target / max(mean, 1.0)) + rng.normal(0, 1.5, picture.shape))


def _too_bright(picture: BgrImage, how: int, rng: Rng) -> BgrImage:
    target = (228.0, 240.0, 250.0)[how]
    gain = 1.0
    while gain < MOST_GAIN and np.minimum(picture * gain, 255).mean() < target:
        gain *= 1.1
    return _clip(picture * gain + rng.normal(0, 1.0, picture.shape))


def _low_contrast(picture: BgrImage, how: int, _rng: Rng) -> BgrImage:
    left = (0.25, 0.14, 0.07)[how]
    middle = picture.mean(axis=(0, 1), keepdims=True)
    return _clip(middle.mean() * 0.5 + 64 + (picture - middle) * left)


def _blur(picture: BgrImage, how: int, _rng: Rng) -> BgrImage:
    sigma = (0.0035, 0.006, 0.012)[how] * picture.shape[1]
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.uint8)


def _color_cast(picture: BgrImage, how: int, rng: Rng) -> BgrImage:
    strength = (0.28, 0.45, 0.65)[how]
    tint = np.ones(3)
    tint[int(rng.integers(3))] += strength
    tint[int(rng.integers(3))] -= strength * 0.6
    return _clip(picture * tint)


def _noise(picture: BgrImage, how: int, rng: Rng) -> BgrImage:
    return _clip(picture + rng.normal(0, (16.0, 28.0, 50.0)[how], picture.shape))


def _stripes(picture: BgrImage, how: int, rng: Rng) -> BgrImage:
    height, width = picture.shape[:2]
    period = float(rng.uniform(0.012, 0.05)) * height
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    slant = float(rng.uniform(-0.12, 0.12))
    wave = np.sin(2 * np.pi * (y + slant * x) / period)
    return _clip(picture + (14.0, 26.0, 50.0)[how] * wave[..., None])


def _occlusion(picture: BgrImage, how: int, rng: Rng) -> BgrImage:
    """Something close to the lens: large, dark or pale, without focus."""
    height, width = picture.shape[:2]
    share = (0.22, 0.38, 0.7)[how]
    mask = np.zeros((height, width), np.float32)
    corner = [(0, 0), (width, 0), (0, height), (width, height)][int(rng.integers(4))]
    axes = (int(width * (share * 1.27) ** 0.5), int(height * (share * 1.27) ** 0.5))
    cv2.ellipse(mask, corner, axes, 0, 0, 360, 1.0, -1)
    soft = cv2.GaussianBlur(mask, (0, 0), width * 0.012)[..., None]
    colour = np.array([(30, 34, 40), (60, 90, 70), (150, 150, 155)][int(rng.integers(3))])
    return _clip(picture * (1 - soft) + colour * soft)


def _artifacts(picture: BgrImage, how: int, rng: Rng) -> BgrImage:
    """Macroblocks from elsewhere, in bands, as a lost packet leaves them; sometimes green."""
    broken = picture.copy()
    height, width = picture.shape[:2]
    share, side = (0.08, 0.2, 0.45)[how], 16
    rows = max(1, round(height * share / side))
    first = int(rng.integers(0, max(1, height // side - rows)))
    fill = int(rng.integers(3))
    for row in range(first, first + rows):
        y = row * side
        start = int(rng.integers(0, max(1, width // 4)))
        for x in range(start, width - side, side):
            block = broken[y : y + side, x : x + side]
            if fill == 0:
                block[:] = (0, 135, 0)  # YUV(0,0,0)
            elif fill == 1:
                block[:] = (128, 128, 128)  # a missing reference
            else:
                away = int(rng.integers(0, width - side))
                block[:] = picture[y : y + 1, away : away + 1].mean(axis=(0, 1))
    return broken


def _scene_shift(picture: BgrImage, how: int, rng: Rng) -> BgrImage:
    """Turned by the wind or a broom: another part of the scene, a little rotated."""
    height, width = picture.shape[:2]
    reach = (0.06, 0.12, 0.3)[how] * float(rng.choice([-1.0, 1.0]))
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), float(rng.uniform(-4, 4)), 1.0)
    turn[:, 2] += (reach * width, float(rng.uniform(-0.3, 0.3)) * reach * height)
    moved = cv2.warpAffine(picture, turn, (width, height), borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(moved, np.uint8)


FaultMaker = Callable[[BgrImage, int, Rng], BgrImage]
FAULT_MAKERS: Mapping[str, FaultMaker] = {
    "black_screen": _black_screen, "solid_color": _solid_color, "too_dark": _too_dark,
    "too_bright": _too_bright, "low_contrast": _low_contrast, "blur": _blur,
    "color_cast": _color_cast, "noise": _noise, "stripes": _stripes, "occlusion": _occlusion,
    "artifacts": _artifacts, "scene_shift": _scene_shift,
}  # fmt: skip
FREEZE = "freeze"  # not a picture's fault but a pair's: the same bits twice


def apply_fault(kind: str, pictures: list[BgrImage], severity: int, rng: Rng) -> list[BgrImage]:
    """A visit's pictures with the fault on each (the same placement), or frozen."""
    if kind == FREEZE:
        return [pictures[0], *(pictures[0].copy() for _ in pictures[1:])]
    seed = int(rng.integers(1 << 31))
    return [FAULT_MAKERS[kind](p, severity, np.random.default_rng(seed)) for p in pictures]
