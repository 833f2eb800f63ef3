"""Render one still picture of a scene: sky, ground, trees, walls, figures, lens and sensor."""

from dataclasses import dataclass, replace
from functools import lru_cache
from math import ceil
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from simulators.scenes.canvas import (
    FAR_M,
    Canvas,
    Colour,
    Floats,
    layers,
    mix,
    noise,
    soft_step,
    tinted,
)
from simulators.scenes.catalogue import Scene, SceneLight
from simulators.scenes.layouts import SceneLayout, Strip, Tree, layout_of
from simulators.scenes.lighting import Sun, sun_at
from simulators.scenes.solids import paint_figure

_HAZE_M: Final = 170.0
_HORIZON: Final = -0.01  # no sky in rays that fall more steeply
_LOAM: Final[Colour] = (0.40, 0.49, 0.56)
_GRASS: Final[Colour] = (0.26, 0.42, 0.40)
_CONCRETE: Final[Colour] = (0.57, 0.60, 0.61)
_ASPHALT: Final[Colour] = (0.40, 0.41, 0.41)
_WATER: Final[Colour] = (0.42, 0.40, 0.30)
BgrImage = NDArray[np.uint8]
PAINT_WIDTH: Final = 1440  # painted once at this size, scaled to what the stream wants
_NARROWEST: Final = 640
_SHARPEN: Final = 0.5
_SAGS_DEG: Final = 9.0  # a camera that was knocked aside also hangs lower
_BACKGROUND_M: Final = 12.0  # trees beyond are painted before the walls


def paint_sky(canvas: Canvas, sun: Sun, seed: int) -> None:
    """A gradient, thin clouds, the mountains in the south."""
    rows = int((canvas.rays[:, 0, 2] > _HORIZON).sum()) + 1
    rise = canvas.rays[:rows, :, 2]
    side = np.arctan2(canvas.rays[:rows, :, 0], canvas.rays[:rows, :, 1]).astype(np.float32)
    up = np.clip(rise / 0.5, 0, 1)
    sky = mix(
        tinted((0.86, 0.84, 0.81), np.ones_like(rise)),
        tinted((0.84, 0.68, 0.52), np.ones_like(rise)),
        up**0.6,
    )
    wisps = np.clip(layers(side * 6, rise * 26, 1.0, seed + 3), 0, 1) * 0.35
    sky = mix(sky, tinted((0.93, 0.93, 0.93), np.ones_like(rise)), wisps.astype(np.float32))
    ridge = 0.045 + 0.03 * layers(side * 5, np.zeros_like(side), 1.0, seed + 8)
    rock = tinted((0.66, 0.60, 0.55), 1 + 0.08 * layers(side * 30, rise * 60, 1.0, seed))
    snow = soft_step((rise - ridge * 0.75).astype(np.float32), 0.008)
    rock = mix(rock, tinted((0.88, 0.87, 0.86), np.ones_like(rise)), snow * 0.7)
    sky = mix(sky, rock, soft_step((ridge - rise).astype(np.float32), 0.0015))
    canvas.bgr[:rows] = sky * np.float32(0.05 if sun.infrared else 1.0)


def paint_ground(canvas: Canvas, layout: SceneLayout, sun: Sun) -> None:
    """Loam and dry grass, paving, road and canal; then the shadows of walls and trees."""
    x, y, distance = canvas.ground_points()
    colour = _soil(x, y, layout.seed)
    if layout.paved is not None:
        colour = _paving(colour, x, y, layout.paved, layout.seed)
    if layout.road is not None:
        colour = _road(colour, x, y, layout.road, layout.seed)
    if layout.canal is not None:
        colour = _canal(colour, x, y, layout.canal, layout.seed)
    lit = sun.ambient + sun.strength * float(sun.direction[2])
    grit = 1 + 0.09 * noise(x, y, 0.02, layout.seed + 21)  # what makes near ground look sharp
    light = lit * (1 - sun.shadow * _shade(layout, x, y, sun)) * grit
    colour *= light[..., None].astype(np.float32)
    cover = (distance < 880).astype(np.float32)  # noqa: PLR2004 up to the mountains' foot
    whole = slice(0, canvas.depth.shape[0]), slice(0, canvas.depth.shape[1])
    canvas.blend(*whole, colour.astype(np.float32), cover, distance)


def _soil(x: Floats, y: Floats, seed: int) -> Floats:
    tone = 1 + 0.13 * layers(x, y, 3.0, seed) + 0.07 * noise(x, y, 0.06, seed + 1)
    loam = tinted(_LOAM, tone.astype(np.float32))
    grass = tinted(_GRASS, (1 + 0.25 * noise(x, y, 0.09, seed + 2)).astype(np.float32))
    return mix(loam, grass, soft_step(layers(x, y, 5.0, seed + 5) - 0.35, 0.25))


def _paving(
    below: Floats, x: Floats, y: Floats, rectangle: tuple[float, float, float, float], seed: int
) -> Floats:
    x0, x1, y0, y1 = rectangle
    inside = np.minimum(np.minimum(x - x0, x1 - x), np.minimum(y - y0, y1 - y))
    slab = (
        1
        + 0.07 * noise(np.floor(x / 1.5), np.floor(y / 1.5), 1.0, seed)
        + 0.09 * layers(x, y, 1.4, seed + 2)
    )
    near = np.minimum(np.abs(np.mod(x, 1.5) - 0.75), np.abs(np.mod(y, 1.5) - 0.75))
    joint = soft_step((near - 0.735).astype(np.float32), 0.012)
    paved = tinted(_CONCRETE, (slab * (1 - 0.3 * joint)).astype(np.float32))
    ragged = inside + 0.1 * noise(x, y, 0.5, seed + 4)
    return mix(below, paved, soft_step(ragged.astype(np.float32), 0.06))


def _across(strip: Strip, x: Floats, y: Floats) -> Floats:
    """Metres from the strip's centre line."""
    middle = strip.centre_m + strip.lean * y + strip.bend * y * y
    return np.asarray(x - middle, dtype=np.float32)


def _road(below: Floats, x: Floats, y: Floats, road: Strip, seed: int) -> Floats:
    off = _across(road, x, y)
    ruts = np.exp(-((np.abs(off) - 0.9) ** 2) / 0.08)
    tone = 1 + 0.08 * layers(x, y, 2.0, seed) + 0.05 * noise(x, y, 0.05, seed + 7) - 0.07 * ruts
    crack = soft_step((0.03 - np.abs(layers(x, y, 4.0, seed + 11))).astype(np.float32), 0.02)
    surface = tinted(
        _ASPHALT if seed % 2 else _CONCRETE, (tone * (1 - 0.25 * crack)).astype(np.float32)
    )
    ragged = road.half_m - np.abs(off) + 0.12 * noise(x, y, 0.7, seed + 3)
    verge = mix(
        below,
        tinted((0.50, 0.55, 0.58), np.ones_like(x)),
        soft_step((ragged + 0.5).astype(np.float32), 0.3) * 0.6,
    )
    return mix(verge, surface, soft_step(ragged.astype(np.float32), 0.07))


def _canal(below: Floats, x: Floats, y: Floats, canal: Strip, seed: int) -> Floats:
    off = np.abs(_across(canal, x, y))
    slab = np.abs(np.mod(y, 2.0) - 1.0) > 0.985  # noqa: PLR2004 joints every two metres
    lining = tinted(
        (0.66, 0.68, 0.69), (1 + 0.08 * layers(x, y, 1.0, seed) - 0.25 * slab).astype(np.float32)
    )
    out = mix(below, lining, soft_step((canal.half_m - off + 0.15).astype(np.float32), 0.03))
    slope = np.clip((canal.half_m - off) / 0.75, 0, 1)
    out *= (1 - 0.32 * slope[..., None]).astype(np.float32)
    ripple = 1 + 0.16 * layers(x * 2.2, y * 0.5, 0.5, seed + 6) + 0.12 * np.clip(y / 40, 0, 1)
    water = tinted(_WATER, ripple.astype(np.float32))
    return mix(out, water, soft_step((canal.half_m - off - 0.75).astype(np.float32), 0.03))


def _shade(layout: SceneLayout, x: Floats, y: Floats, sun: Sun) -> Floats:
    """Where walls, roofs and trees keep the sun off the ground: 0..1, soft."""
    small = slice(None, None, 2)
    gx, gy = np.clip(x[small, small], -60, 60), np.clip(y[small, small], -5, 90)
    total = np.zeros_like(gx)
    for patch in layout.patches:
        if patch.shadows:
            total = np.maximum(total, _behind(patch.frame(), patch.corner, gx, gy, sun))
    drop = sun.direction[:2] / sun.direction[2]
    for tree in layout.trees:
        cx, cy = (float(v) for v in np.array([tree.x, tree.y]) - drop * tree.height_m * 0.55)
        reach = (
            np.array([abs(float(drop[0])), abs(float(drop[1]))]) * tree.height_m * 0.42
            + tree.spread_m
        )
        d = np.hypot((gx - cx) / reach[0], (gy - cy) / reach[1])
        leaves = soft_step(
            (1.0 - d + 0.35 * noise(gx, gy, 0.35, tree.seed)).astype(np.float32), 0.25
        )
        total = np.maximum(total, 0.8 * leaves)
    soft = cv2.GaussianBlur(total.astype(np.float32), (0, 0), 1.6)
    return np.asarray(cv2.resize(soft, (x.shape[1], x.shape[0])), dtype=np.float32)


def _behind(
    frame: tuple[Floats, Floats, Floats, float, float],
    corner: tuple[float, float, float],
    x: Floats,
    y: Floats,
    sun: Sun,
) -> Floats:
    """Whether the way from the ground to the sun goes through a rectangle."""
    along, up, normal, width, height = frame
    facing = float(sun.direction @ normal)
    if abs(facing) < 0.02:  # noqa: PLR2004 edge on to the sun: no shadow worth painting
        return np.zeros_like(x)
    offset = np.array(corner, np.float32) - np.stack([x, y, np.zeros_like(x)], axis=-1)
    reach = (offset @ normal) / facing
    hit = reach[..., None] * sun.direction - offset
    s, t = hit @ along, hit @ up
    inside = (reach > 0.02) & (s > 0) & (s < width) & (t > 0) & (t < height)  # noqa: PLR2004 not itself
    return inside.astype(np.float32)


def paint_tree(canvas: Canvas, tree: Tree, sun: Sun) -> Floats:
    """Leaves as blobs, lit from the sun's side. Answers with its mask, for the wind."""
    view = canvas.view
    height, width = canvas.depth.shape
    _, foot = view.project((tree.x, tree.y, 0))
    centre, top = view.project((tree.x, tree.y, tree.height_m))
    scale = view.focal / max(tree.y, 1.0) * width  # pixels per metre, nearly
    mask = np.zeros((height, width), np.float32)
    if not -0.3 < centre < 1.3:  # noqa: PLR2004 out of sight
        return mask
    x0, y0, y1 = centre * width, top * height, foot * height
    trunk = max(1, ceil(0.13 * scale))
    bark = tuple(float(c) for c in np.array((0.24, 0.27, 0.30)) * (sun.ambient + 0.3))
    cv2.line(canvas.bgr, (int(x0), int(y1)), (int(x0), int(y0 + 0.3 * (y1 - y0))), bark, trunk)
    rng = np.random.default_rng([tree.seed, 3])
    blobs = 900
    t = rng.beta(1.5, 1.7, blobs)
    wide = tree.spread_m * np.sqrt(np.clip(np.sin(np.pi * np.clip(t, 0.03, 0.97)), 0.1, 1))
    across = rng.uniform(-1, 1, blobs) * wide
    order = np.argsort(np.abs(across))[::-1]
    towards = float(np.sign(sun.direction[0]))
    for i in order:
        cx = int(x0 + across[i] * scale)
        cy = int(y0 + t[i] * 0.86 * (y1 - y0))
        sunny = 0.5 + 0.4 * towards * across[i] / max(tree.spread_m, 0.1) + rng.normal(0, 0.12)
        green = np.array((0.18, 0.40, 0.38)) * (
            sun.ambient * 0.7 + sun.strength * max(0.0, sunny) * 0.9
        )
        radius = max(1, int(scale * rng.uniform(0.06, 0.17)))
        leaf = tuple(float(c) for c in green)
        cv2.circle(canvas.bgr, (cx, cy), radius, leaf, -1, cv2.LINE_AA)
        cv2.circle(mask, (cx, cy), radius + 2, 1.0, -1)
    np.copyto(canvas.depth, np.float32(tree.y), where=mask > 0)
    return mask


def add_haze(canvas: Canvas, sun: Sun) -> None:
    """Distance pales by day; at night the lamp reaches some thirty metres."""
    if sun.infrared:
        reach = np.clip((9.0 / np.maximum(canvas.depth, 2.0)) ** 1.25, 0, 1.35)
        canvas.bgr *= reach[..., None].astype(np.float32)
        return
    far = 1 - np.exp(-np.minimum(canvas.depth, 800) / _HAZE_M)
    far = np.where(canvas.depth >= FAR_M / 4, 0, far * 0.8)
    canvas.bgr += (np.array((0.84, 0.82, 0.79), np.float32) - canvas.bgr) * far[..., None].astype(
        np.float32
    )


@dataclass(frozen=True, slots=True, eq=False)
class RenderedScene:
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


def render_scene(
    scene: Scene,
    variant: str | None,
    light: SceneLight,
    *,
    turned_deg: float = 0.0,
    widest: int = PAINT_WIDTH,
) -> RenderedScene:
    """Render a scene, not wider than its stream."""
    width = min(widest, max(scene.main.width, _NARROWEST))
    base, leaves = _clean(scene, light, turned_deg, width)
    canvas = Canvas(base.view, base.rays, base.bgr.copy(), base.depth.copy())
    sun = sun_at(light)
    if variant is not None:
        for placed in sorted(layout_of(scene).stages[variant], key=lambda p: -p.y):
            paint_figure(canvas, placed, sun)
    add_haze(canvas, sun)
    return RenderedScene(_developed(canvas, sun), leaves)


def _developed(canvas: Canvas, sun: Sun) -> Floats:
    """Apply lens and sensor: fall-off to the corners, a tone curve, a vendor's sharpening."""
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
