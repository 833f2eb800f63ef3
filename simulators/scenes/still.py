"""One still picture of a scene: everything painted, lit, as the lens would give it."""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from simulators.scenes.canvas import Canvas
from simulators.scenes.catalogue import Scene, SceneLight
from simulators.scenes.ground import add_haze, paint_ground, paint_sky, paint_tree
from simulators.scenes.plots import layout_of
from simulators.scenes.solids import paint_figure
from simulators.scenes.sun import Sun, sun_at
from simulators.scenes.view import Floats

BgrImage = NDArray[np.uint8]
PAINT_WIDTH: Final = 1440  # painted once at this size, scaled to what the stream wants
_NARROWEST: Final = 640
_SHARPEN: Final = 0.5
_SAGS_DEG: Final = 9.0  # a camera that was knocked aside also hangs lower
_BACKGROUND_M: Final = 12.0  # trees beyond are painted before the walls


@dataclass(frozen=True, slots=True, eq=False)
class Still:
    """A picture and where the wind moves it."""

    bgr: Floats  # 0..1
    leaves: Floats  # 0..1, where trees are


@lru_cache(maxsize=4)
def _clean(scene: Scene, light: SceneLight, turned_deg: float, width: int) -> tuple[Canvas, Floats]:
    layout = layout_of(scene)
    sun = sun_at(light)
    view = layout.view
    if turned_deg:
        turned = view.turned_deg + turned_deg
        view = replace(view, turned_deg=turned, down_deg=view.down_deg + _SAGS_DEG)
    canvas = Canvas.blank(view, width, width * 9 // 16)
    paint_sky(canvas, sun, layout.seed)
    paint_ground(canvas, layout, sun)
    leaves = np.zeros(canvas.depth.shape, np.float32)
    trees = sorted(layout.trees, key=lambda tree: -tree.y)
    for tree in (tree for tree in trees if tree.y > _BACKGROUND_M):
        leaves = np.maximum(leaves, paint_tree(canvas, tree, sun))
    for patch in layout.patches:
        canvas.paint(patch, _facing(patch.frame()[2], sun))
    for tree in (tree for tree in trees if tree.y <= _BACKGROUND_M):
        leaves = np.maximum(leaves, paint_tree(canvas, tree, sun))
    for placed in layout.parked:
        paint_figure(canvas, placed, sun)
    return canvas, leaves


def _facing(normal: Floats, sun: Sun) -> float:
    """How much light falls on the side that the camera sees."""
    towards = normal if normal[1] < 0 or normal[2] > 0 else -normal
    return sun.ambient + sun.strength * max(0.0, float(towards @ sun.direction))


def still(
    scene: Scene,
    variant: str | None,
    light: SceneLight,
    *,
    turned_deg: float = 0.0,
    widest: int = PAINT_WIDTH,
) -> Still:
    """Paint it, not larger than its stream."""
    width = min(widest, max(scene.main.width, _NARROWEST))
    base, leaves = _clean(scene, light, turned_deg, width)
    canvas = Canvas(base.view, base.rays, base.bgr.copy(), base.depth.copy())
    sun = sun_at(light)
    if variant is not None:
        for placed in sorted(layout_of(scene).stages[variant], key=lambda p: -p.y):
            paint_figure(canvas, placed, sun)
    add_haze(canvas, sun)
    return Still(_developed(canvas, sun), leaves)


def _developed(canvas: Canvas, sun: Sun) -> Floats:
    """Lens and sensor: fall-off to the corners, a tone curve, a vendor's sharpening."""
    height, width = canvas.depth.shape
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    corners = 1 - (0.34 if sun.infrared else 0.16) * np.clip(x * x * 0.6 + y * y * 0.4, 0, 1)
    out = canvas.bgr * corners[..., None].astype(np.float32)
    out = np.clip(out, 0, 1.4)
    out = out / (1 + 0.12 * out**3)
    if sun.infrared:
        grey = out @ np.array([0.25, 0.45, 0.30], np.float32)
        out = np.repeat((grey * 1.15)[..., None], 3, axis=2)
    soft = cv2.GaussianBlur(out, (0, 0), 1.2)
    return np.asarray(np.clip(out + _SHARPEN * (out - soft), 0, 1), dtype=np.float32)
