"""Draw what stands in for a camera that is not there: slides, logos, test patterns.

Used by real_faults.py; shares no code with the gauge that should tell them.
"""

from collections.abc import Callable, Mapping
from typing import Final

import cv2
import numpy as np

from patrol.evaluation.augment import Rng, through_jpeg
from streams.model import BgrImage

SIZES: Final = ((1280, 720), (704, 576), (1920, 1080), (640, 360))
TEXTS: Final = (
    "STREAM IS OFFLINE",
    "NO SIGNAL",
    "Camera unavailable",
    "VIDEO LOSS",
    "404",
    "CH 01",
)
BARS: Final = ((191, 191, 191), (0, 191, 191), (191, 191, 0), (0, 191, 0), (191, 0, 191),
               (0, 0, 191), (191, 0, 0))  # fmt: skip


def _text(picture: BgrImage, text: str, rng: Rng, colour: tuple[int, int, int]) -> None:
    height, width = picture.shape[:2]
    scale = width / 640 * rng.uniform(0.7, 1.6)
    thick = max(1, round(scale * 2))
    (wide, tall), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_DUPLEX, scale, thick)
    where = ((width - wide) // 2, round(height * rng.uniform(0.4, 0.7)) + tall // 2)
    cv2.putText(picture, text, where, cv2.FONT_HERSHEY_DUPLEX, scale, colour, thick, cv2.LINE_AA)


def _slide(picture: BgrImage, rng: Rng) -> BgrImage:
    """Words on one colour."""
    ground = ((0, 0, 0), (120, 40, 10), (60, 60, 60), (230, 230, 230))[int(rng.integers(4))]
    picture[:] = ground
    ink = (20, 20, 20) if sum(ground) > 380 else (240, 240, 240)  # noqa: PLR2004  half of white
    _text(picture, TEXTS[int(rng.integers(len(TEXTS)))], rng, ink)
    return picture


def _logo(picture: BgrImage, rng: Rng) -> BgrImage:
    """A channel's emblem in the middle, its name below, on a soft gradient."""
    height, width = picture.shape[:2]
    ramp = np.linspace(0.3, 1.0, height, dtype=np.float32)[:, None, None]
    picture[:] = (ramp * rng.uniform(20, 160, 3)).astype(np.uint8)
    centre, radius = (width // 2, round(height * 0.4)), round(height * rng.uniform(0.1, 0.22))
    colours = [tuple(int(c) for c in rng.integers(40, 255, 3)) for _ in range(2)]
    cv2.circle(picture, centre, radius, colours[0], -1, cv2.LINE_AA)
    cv2.circle(picture, centre, radius * 2 // 3, colours[1], -1, cv2.LINE_AA)
    _text(picture, "TV " + TEXTS[int(rng.integers(len(TEXTS)))][:6], rng, (250, 250, 250))
    return picture


def _bars(picture: BgrImage, rng: Rng) -> BgrImage:
    """Colour bars, some with text across."""
    edges = np.linspace(0, picture.shape[1], len(BARS) + 1).astype(int)
    for left, right, colour in zip(edges, edges[1:], BARS, strict=False):
        picture[:, left:right] = colour
    if rng.random() < 0.5:  # noqa: PLR2004  half of them
        _text(picture, "NO SIGNAL", rng, (255, 255, 255))
    return picture


PLACEHOLDERS: Final[Mapping[str, Callable[[BgrImage, Rng], BgrImage]]] = {
    "slide": _slide, "channel_logo": _logo, "colour_bars": _bars,
}  # fmt: skip


def draw_placeholder(kind: str, rng: Rng) -> BgrImage:
    """One stand-in of this kind, as it arrives: compressed."""
    width, height = SIZES[int(rng.integers(len(SIZES)))]
    picture = PLACEHOLDERS[kind](np.zeros((height, width, 3), np.uint8), rng)
    return through_jpeg(picture, int(rng.integers(70, 92)))
