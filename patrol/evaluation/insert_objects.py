"""Paste objects into real frames: a heap of rubbish, crates, a parked van, cut-out photographs.

Written for the evaluation alone; shares no code with the gauges. Each object takes the frame's own
sharpness and noise, stands on a soft contact shadow, and is pasted before the light of the visit is
applied.
"""

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from patrol.evaluation.augment import Rng
from streams.model import BgrImage

ObjectBoxPx = tuple[int, int, int, int]  # x, y, width, height in whole pixels
CompositeObject = tuple[BgrImage, NDArray[np.float32]]  # colours and how opaque, same size
ObjectMaker = Callable[[tuple[int, int], Rng], CompositeObject]
HORIZON = 0.25  # of the height; objects stand below it


def _colour(rng: Rng) -> NDArray[np.float32]:
    """A muted colour, as real objects have."""
    base = rng.uniform(25, 215)
    return np.clip(base + rng.uniform(-45, 45, 3), 5, 250).astype(np.float32)


def heap(size: tuple[int, int], rng: Rng) -> CompositeObject:
    """A heap of lumps in a few colours: rubbish, earth, straw."""
    width, height = size
    canvas = np.full((height, width, 3), _colour(rng), np.float32)
    alpha = np.zeros((height, width), np.float32)
    palette = [_colour(rng) for _ in range(int(rng.integers(2, 5)))]
    for _ in range(int(rng.integers(25, 60))):
        high = rng.uniform(0.1, 1.0) ** 0.7
        x = int(width * (0.5 + rng.uniform(-0.45, 0.45) * high))
        y = int(height * (0.15 + 0.8 * high))
        axes = (
            max(2, int(width * rng.uniform(0.05, 0.16))),
            max(2, int(height * rng.uniform(0.05, 0.14))),
        )
        shade = palette[int(rng.integers(len(palette)))] * rng.uniform(0.6, 1.3)
        turn = float(rng.uniform(0, 180))
        cv2.ellipse(canvas, (x, y), axes, turn, 0, 360, shade.tolist(), -1, cv2.LINE_AA)
        cv2.ellipse(alpha, (x, y), axes, turn, 0, 360, 1.0, -1, cv2.LINE_AA)
    return np.clip(canvas, 0, 255).astype(np.uint8), alpha


def crate(size: tuple[int, int], rng: Rng) -> CompositeObject:
    """A box with a lit top, a front with slats or none, and a dark side."""
    width, height = size
    colour = _colour(rng)
    canvas = np.zeros((height, width, 3), np.float32)
    top = int(height * rng.uniform(0.15, 0.35))
    side = int(width * rng.uniform(0.6, 0.85))
    canvas[:top] = colour * 1.25
    canvas[top:, :side] = colour
    canvas[top:, side:] = colour * 0.6
    for row in range(int(rng.integers(0, 5))):
        y = top + (height - top) * (row + 1) // 6
        cv2.line(canvas, (0, y), (side, y), (colour * 0.7).tolist(), max(1, height // 40))
    return np.clip(canvas, 0, 255).astype(np.uint8), np.ones((height, width), np.float32)


def vehicle(size: tuple[int, int], rng: Rng) -> CompositeObject:
    """The side of a small van: body, windows, wheels."""
    width, height = size
    colour = _colour(rng)
    canvas = np.zeros((height, width, 3), np.float32)
    alpha = np.zeros((height, width), np.float32)
    body = (0, int(height * 0.35)), (width - 1, int(height * 0.85))
    cabin = (int(width * 0.15), int(height * 0.05)), (int(width * 0.85), int(height * 0.45))
    for layer, paint in ((canvas, colour.tolist()), (alpha, 1.0)):
        cv2.rectangle(layer, *body, paint, -1)
        cv2.rectangle(layer, *cabin, paint, -1)
    windows = (35 + 0.2 * colour).tolist()
    for k in range(3):
        left = int(width * (0.19 + 0.22 * k))
        cv2.rectangle(
            canvas,
            (left, int(height * 0.1)),
            (left + int(width * 0.18), int(height * 0.34)),
            windows,
            -1,
        )
    for x in (0.22, 0.78):
        centre, radius = (int(width * x), int(height * 0.85)), max(2, int(height * 0.13))
        cv2.circle(canvas, centre, radius, (22, 22, 24), -1, cv2.LINE_AA)
        cv2.circle(alpha, centre, radius, 1.0, -1, cv2.LINE_AA)
    return np.clip(canvas, 0, 255).astype(np.uint8), alpha


def cutting(photographs: Sequence[BgrImage]) -> ObjectMaker:
    """Pieces of photographs in an oval outline."""

    def cut(size: tuple[int, int], rng: Rng) -> CompositeObject:
        photo = photographs[int(rng.integers(len(photographs)))]
        high, wide = photo.shape[:2]
        share = rng.uniform(0.4, 0.9)
        w, h = max(8, int(wide * share)), max(8, int(high * share))
        x, y = int(rng.integers(wide - w + 1)), int(rng.integers(high - h + 1))
        piece = cv2.resize(photo[y : y + h, x : x + w], size, interpolation=cv2.INTER_AREA)
        alpha = np.zeros((size[1], size[0]), np.float32)
        middle = (size[0] // 2, size[1] // 2)
        cv2.ellipse(
            alpha, middle, (size[0] // 2 - 1, size[1] // 2 - 1), 0, 0, 360, 1.0, -1, cv2.LINE_AA
        )
        return np.asarray(piece, np.uint8), alpha

    return cut


def choose_box(
    size_px: tuple[int, int], rng: Rng, *, share: tuple[float, float] = (0.02, 0.08)
) -> ObjectBoxPx:
    """A random box for an object: of this share of the picture, below the horizon; pixels."""
    width, height = size_px
    area = float(rng.uniform(*share)) * width * height
    aspect = float(rng.uniform(0.7, 1.9))
    w, h = min(width, round((area * aspect) ** 0.5)), min(height, round((area / aspect) ** 0.5))
    top = min(round(height * HORIZON), height - h)
    return int(rng.integers(0, width - w + 1)), int(rng.integers(top, height - h + 1)), w, h


def paste_object(picture: BgrImage, box: ObjectBoxPx, kind: ObjectMaker, rng: Rng) -> BgrImage:
    """The picture with an object of this kind in the box."""
    x, y, w, h = box
    colours, alpha = kind((w, h), rng)
    return _paste(picture, colours, alpha, (x, y), rng)


def _paste(
    picture: BgrImage, colours: BgrImage, alpha: NDArray[np.float32], at: tuple[int, int], rng: Rng
) -> BgrImage:
    height, width = picture.shape[:2]
    h, w = alpha.shape
    x, y = at
    whole = np.zeros((height, width), np.float32)
    whole[y : y + h, x : x + w] = alpha
    soft = cv2.GaussianBlur(whole, (0, 0), max(0.6, width / 1100))
    shadow = cv2.GaussianBlur(np.roll(whole, max(1, h // 14), axis=0), (0, 0), max(1.0, h / 16))
    background = picture.astype(np.float32) * (1 - 0.45 * (shadow * (1 - soft))[..., None])
    noise = rng.normal(0, 4.0, (h, w, 1)).astype(np.float32)
    layer = np.zeros_like(background)
    layer[y : y + h, x : x + w] = cv2.GaussianBlur(colours.astype(np.float32) + noise, (0, 0), 0.7)
    mixed = background * (1 - soft[..., None]) + layer * soft[..., None]
    return np.clip(mixed, 0, 255).astype(np.uint8)
