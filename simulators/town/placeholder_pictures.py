"""Cheap stills for a history that no camera was visited for: a background a scene, time and object.

Drawn with OpenCV in a millisecond or two each, so that a month's newest rounds have pictures.
"""

from datetime import datetime
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
WIDTH: Final = 1280
HEIGHT: Final = 720


class PlaceholderPictures:
    """Draws stills: one background per kind of scene, the time and what is staged on top."""

    def __init__(self, kinds: int = 16) -> None:
        self._scenes = [_scene(kind) for kind in range(kinds)]

    def jpeg(
        self,
        camera: str,
        at: datetime | None,
        box: tuple[float, float, float, float] | None,
        *,
        width: int = WIDTH,
    ) -> bytes:
        """A JPEG of this camera at `at`, with an object in `box` (picture fractions) if given."""
        number = int(camera[-6:])
        picture = self._scenes[number % len(self._scenes)].copy()
        if box is not None:
            x, y, wide, high = (int(v * s) for v, s in zip(box, (WIDTH, HEIGHT) * 2, strict=True))
            cv2.rectangle(picture, (x, y), (x + wide, y + high), (48, 52, 160), -1)
            cv2.rectangle(picture, (x, y), (x + wide, y + high // 3), (150, 150, 165), -1)
        stamp = f"{camera[-6:]}  {at:%Y-%m-%d %H:%M:%S}" if at else camera[-6:]
        for colour, thick in (((0, 0, 0), 5), ((255, 255, 255), 2)):
            cv2.putText(picture, stamp, (24, 52), cv2.FONT_HERSHEY_SIMPLEX, 1.1, colour, thick)
        if width != WIDTH:
            size = (width, HEIGHT * width // WIDTH)
            picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
        return bytes(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 78])[1])


def _scene(kind: int) -> Picture:
    rng = np.random.default_rng(kind)
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    horizon = 250 + 12 * (kind % 5)
    for row in range(horizon):
        picture[row] = (235 - row // 3, 205 - row // 5, 165 - row // 6)
    soil = np.array([96 + 6 * (kind % 4), 128, 150 - 5 * (kind % 6)])
    grain = rng.normal(0, 9, (HEIGHT - horizon, WIDTH, 1))
    picture[horizon:] = np.clip(soil + grain, 0, 255).astype(np.uint8)
    left = 120 + 60 * (kind % 7)
    road = np.array([[left, HEIGHT], [left + 520, HEIGHT], [700, horizon], [640, horizon]])
    cv2.fillPoly(picture, [road], (120, 122, 124))
    for building in range(2 + kind % 3):
        x = int(rng.integers(0, WIDTH - 260))
        high = int(rng.integers(70, 150))
        wall = tuple(int(v) for v in rng.integers(120, 205, 3))
        cv2.rectangle(picture, (x, horizon - high), (x + 240, horizon + 24), wall, -1)
        roof = np.array(
            [[x - 14, horizon - high], [x + 254, horizon - high], [x + 120, horizon - high - 60]]
        )
        cv2.fillPoly(picture, [roof], (70, 72, 110 + 20 * building))
        cv2.rectangle(picture, (x + 90, horizon - 60), (x + 140, horizon + 24), (60, 70, 88), -1)
    for _ in range(5):
        x, y = int(rng.integers(0, WIDTH)), horizon + int(rng.integers(-30, 60))
        cv2.circle(picture, (x, y - 60), 46, (52, int(rng.integers(90, 130)), 70), -1)
        cv2.line(picture, (x, y), (x, y - 50), (40, 60, 82), 9)
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 1.1), np.uint8)
