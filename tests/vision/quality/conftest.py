"""Real frames to judge, and the faults that they may get; by code that is not the gauges'."""

import os
from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from patrol.vision.quality import QualityHistory, diagnose

Picture = NDArray[np.uint8]
Rng = np.random.Generator
Spoil = Callable[[Picture, Rng], Picture]
VTEST = Path("/usr/share/doc/opencv-doc/examples/data/vtest.avi")


@pytest.fixture(scope="session")
def street() -> list[Picture]:
    """Every 20th frame of a real camera's view: 40 pictures."""
    if not VTEST.exists():
        problem = f"{VTEST} is not there: install the Debian package opencv-doc"
        if os.environ.get("CI") == "true":
            pytest.fail(problem)
        pytest.skip(problem)
    clip = cv2.VideoCapture(str(VTEST))
    frames: list[Picture] = []
    for number in count():
        if not clip.grab():
            return frames
        if number % 20 == 0:
            frames.append(np.asarray(clip.retrieve()[1], np.uint8))
    return frames


@pytest.fixture(scope="session")
def baseline(street: list[Picture]) -> QualityHistory:
    """What the camera's memory holds after a week: the first half of the clip."""
    return taught(street[:14:2])


def taught(pictures: list[Picture]) -> QualityHistory:
    history = QualityHistory()
    for picture in pictures:
        history = history.learn(diagnose([picture]), accepted=True)
    return history


@pytest.fixture(scope="session")
def teach() -> Callable[[list[Picture]], QualityHistory]:
    return taught


def clipped(values: NDArray[np.floating]) -> Picture:
    picture: Picture = np.clip(values, 0, 255).astype(np.uint8)
    return picture


def _noise(picture: Picture, rng: Rng) -> Picture:
    return clipped(picture + rng.normal(0, 22, picture.shape))


def _pepper(picture: Picture, rng: Rng) -> Picture:
    spoiled, chance = picture.copy(), rng.random(picture.shape[:2])
    spoiled[chance < 0.03], spoiled[chance > 0.97] = 0, 255
    return spoiled


def _bars(picture: Picture, rng: Rng) -> Picture:
    rows = np.arange(picture.shape[0]) / rng.uniform(8, 30)
    return clipped(picture + 28 * np.sin(2 * np.pi * rows)[:, None, None])


def _slanted(picture: Picture, rng: Rng) -> Picture:
    y, x = np.mgrid[: picture.shape[0], : picture.shape[1]]
    wave = np.sin(2 * np.pi * (x + 0.7 * y) / rng.uniform(9, 30))
    return clipped(picture + 28 * wave[..., None])


def _lost_lines(picture: Picture, rng: Rng) -> Picture:
    spoiled = picture.copy()
    spoiled[rng.random(len(picture)) < 0.15] //= 4
    return spoiled


def _cloth(picture: Picture, rng: Rng) -> Picture:
    height, width = picture.shape[:2]
    cover = np.zeros((height, width), np.float32)
    side = width // 2 if rng.random() < 0.5 else 0
    cover[:, side : side + width * 2 // 5] = 1
    soft = cv2.GaussianBlur(cover, (0, 0), width / 60)[..., None]
    return clipped(picture * (1 - soft) + np.array((45, 52, 60)) * soft)


def _mosaic(picture: Picture, rng: Rng) -> Picture:
    spoiled, side = picture.copy(), 16
    height, width = (n // side * side // 2 for n in picture.shape[:2])
    y, x = (int(rng.integers(0, n // side)) * side for n in (height, width))
    part = spoiled[y : y + height, x : x + width]
    small = cv2.resize(part, (width // side, height // side), interpolation=cv2.INTER_AREA)
    part[:] = np.repeat(np.repeat(small, side, axis=0), side, axis=1)
    return spoiled


def _green(picture: Picture, rng: Rng) -> Picture:
    spoiled = picture.copy()
    spoiled[len(picture) * int(rng.integers(50, 80)) // 100 :] = (0, 135, 0)
    return spoiled


def _white_wash(picture: Picture, _rng: Rng) -> Picture:
    return clipped(picture * 1.9 + 60)


SPOILS: Mapping[str, tuple[str, Spoil]] = {
    "black": ("black_screen", lambda p, r: clipped(r.normal(6, 1.5, p.shape))),
    "blue screen": ("solid_color", lambda p, _: np.full_like(p, (180, 40, 20))),
    "dark": ("too_dark", lambda p, r: clipped(p * 0.16 + r.normal(0, 1.5, p.shape))),
    "burnt out": ("too_bright", _white_wash),
    "pale": ("low_contrast", lambda p, _: clipped(p.mean() + (p - p.mean()) * 0.25)),
    "defocus": ("blur", lambda p, _: np.asarray(cv2.GaussianBlur(p, (0, 0), 2.5), np.uint8)),
    "moved in exposure": ("blur", lambda p, _: np.asarray(cv2.blur(p, (13, 13)), np.uint8)),
    "red": ("color_cast", lambda p, _: clipped(p * (0.75, 0.95, 1.35))),
    "blue": ("color_cast", lambda p, _: clipped(p * (1.4, 0.95, 0.75))),
    "grain": ("noise", _noise),
    "pepper": ("noise", _pepper),
    "bars": ("stripes", _bars),
    "slanted": ("stripes", _slanted),
    "lost lines": ("stripes", _lost_lines),
    "cloth": ("occlusion", _cloth),
    "mosaic": ("artifacts", _mosaic),
    "green": ("artifacts", _green),
}
