"""A scene made of noise and lines, its reference, and things to put into it.

Independent of the evaluation's own composer: rectangles and textures drawn here.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from patrol.domain.observation import Light
from patrol.vision.reference import SceneMemory, learn_sample

Picture = NDArray[np.uint8]
START = datetime(2026, 6, 1, 2, 0, tzinfo=UTC)
SIZE = (640, 360)


def scene(seed: int = 1, *, grey: bool = False) -> Picture:
    """Ground with texture, a wall, a road edge, a pole: something to align by everywhere."""
    rng = np.random.default_rng(seed)
    width, height = SIZE
    ground = cv2.resize(rng.normal(120, 26, (45, 80)).astype(np.float32), SIZE)
    ground = ground + cv2.resize(rng.normal(0, 12, (180, 320)).astype(np.float32), SIZE)
    picture = np.dstack([ground * 0.85, ground, ground * 1.05])
    picture[: height // 3] = picture[: height // 3] * 0.5 + (95, 105, 130)
    for x in range(30, width, 90):
        cv2.rectangle(picture, (x, 30), (x + 40, 80), (60, 55, 50), -1)
        cv2.line(picture, (x, height // 3), (x + 60, height), (170, 170, 175), 2)
    cv2.rectangle(picture, (500, 60), (512, 300), (70, 80, 75), -1)
    made = np.clip(picture, 0, 255).astype(np.uint8)
    if grey:
        made = np.asarray(cv2.cvtColor(cv2.cvtColor(made, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR))
    return made


def seen(
    picture: Picture,
    seed: int = 0,
    *,
    gain: float = 1.0,
    shift: tuple[float, float] = (0, 0),
    turn_deg: float = 0.0,
    zoom: float = 1.0,
    noise: float = 1.5,
) -> Picture:
    """The picture as the sensor brings it: moved, exposed, noisy."""
    width, height = SIZE
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), turn_deg, zoom)
    matrix[:, 2] += np.array(shift)
    moved = cv2.warpAffine(picture, matrix, SIZE, borderMode=cv2.BORDER_REFLECT_101)
    grain = np.random.default_rng(seed).normal(0, noise, moved.shape[:2])[..., None]
    return np.asarray(np.clip(moved * gain + grain, 0, 255), np.uint8)


def with_heap(picture: Picture, box: tuple[int, int, int, int], seed: int = 7) -> Picture:
    """A heap of coloured lumps standing in the box (pixels)."""
    x, y, w, h = box
    rng = np.random.default_rng(seed)
    made = picture.copy()
    for _ in range(60):
        cx, cy = x + int(rng.uniform(0.15, 0.85) * w), y + int(rng.uniform(0.15, 0.85) * h)
        colour = rng.uniform(20, 230, 3).tolist()
        cv2.ellipse(made, (cx, cy), (w // 8 + 2, h // 7 + 2), 0, 0, 360, colour, -1)
    return made


def taught(picture: Picture, light: Light = Light.DAY, *, visits: int = 8) -> SceneMemory:
    """A memory after some ordinary visits."""
    memory: SceneMemory | None = None
    for turn in range(visits):
        shot = seen(picture, 100 + turn, gain=1 + 0.03 * (turn % 3), shift=(turn % 2, -(turn % 2)))
        memory = learn_sample(memory, shot, START + turn * timedelta(hours=12), light=light)
    assert memory is not None
    return memory


@pytest.fixture(scope="session")
def yard() -> Picture:
    return scene()


@pytest.fixture(scope="session")
def yard_memory(yard: Picture) -> SceneMemory:
    return taught(yard)


@pytest.fixture(scope="session")
def shoot() -> Callable[..., Picture]:
    return seen


@pytest.fixture(scope="session")
def put_heap() -> Callable[..., Picture]:
    return with_heap


@pytest.fixture(scope="session")
def later() -> datetime:
    return START + timedelta(days=10)
