"""Figures of round solids, painted by a small ray marcher: cars, people, animals, heaps.

A figure is a set of parts, each a signed distance function with a colour. Rays of the pixels in
the figure's window are marched until they touch it; normals come from the same function. Local
axes: x forward, y to the left, z up, metres, the ground at z = 0.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import cos, radians, sin

import cv2
import numpy as np

from simulators.scenes.canvas import FAR_M, Canvas, Floats, PinholeView, Point
from simulators.scenes.lighting import Sun

Distance = Callable[[Floats], Floats]
Paint = Callable[[Floats], Floats]  # local points (n × 3) → BGR (n × 3)
_STEPS = 48
_CLOSE_M = 0.006
_EPSILON_M = 0.012


@dataclass(frozen=True, slots=True)
class SolidPart:
    """A part of a figure with one kind of surface."""

    distance: Distance
    paint: Paint
    gloss: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SolidFigure:
    """An object that can be staged; `size` is length, width, height in metres."""

    label: str
    size: tuple[float, float, float]
    parts: tuple[SolidPart, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A figure at its position in the world."""

    figure: SolidFigure
    x: float
    y: float
    heading_deg: float = 0.0  # of its x axis, anticlockwise from the world's x axis

    def turn(self) -> Floats:
        """The local axes in the world, as rows."""
        c, s = cos(radians(self.heading_deg)), sin(radians(self.heading_deg))
        return np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]], np.float32)

    def corners(self) -> list[Point]:
        """The corners of its bounding box, in the world."""
        length, width, height = self.figure.size
        local = [
            (dx * length / 2, dy * width / 2, z)
            for dx in (-1, 1)
            for dy in (-1, 1)
            for z in (0.0, height)
        ]
        turned = np.array(local) @ self.turn() + np.array([self.x, self.y, 0.0])
        return [(float(p[0]), float(p[1]), float(p[2])) for p in turned]

    def box(self, view: PinholeView) -> tuple[float, float, float, float]:
        """Its box in the picture, a little tighter than its bounding solid."""
        return view.box_around(self.corners())

    def to_local(self, points: Floats) -> Floats:
        """World coordinates → local ones."""
        offset = points - np.array([self.x, self.y, 0], np.float32)
        return np.asarray(offset @ self.turn().T, dtype=np.float32)


def box(centre: Point, half: Point, round_m: float = 0.05) -> Distance:
    """A box with rounded edges."""
    c, h = np.array(centre, np.float32), np.array(half, np.float32) - np.float32(round_m)

    def distance(p: Floats) -> Floats:
        q = np.abs(p - c) - h
        outside = np.linalg.norm(np.maximum(q, 0), axis=1)
        return np.asarray(outside + np.minimum(q.max(axis=1), 0) - round_m, dtype=np.float32)

    return distance


def ellipsoid(centre: Point, radii: Point) -> Distance:
    """An ellipsoid."""
    c, r = np.array(centre, np.float32), np.array(radii, np.float32)

    def distance(p: Floats) -> Floats:
        q = p - c
        k = np.linalg.norm(q / r, axis=1)
        slope = np.maximum(np.linalg.norm(q / (r * r), axis=1), 1e-6)
        return np.asarray(k * (k - 1) / slope, dtype=np.float32)

    return distance


def limb(start: Point, end: Point, thick: float, thin: float | None = None) -> Distance:
    """A capsule from start to end, tapering if `thin` is given."""
    a, b = np.array(start, np.float32), np.array(end, np.float32)
    last = thick if thin is None else thin

    def distance(p: Floats) -> Floats:
        along = b - a
        h = np.clip((p - a) @ along / (along @ along), 0, 1)
        radius = thick + (last - thick) * h
        return np.asarray(np.linalg.norm(p - a - h[:, None] * along, axis=1) - radius, np.float32)

    return distance


def tyre(x: float, y: float, radius: float, width: float) -> Distance:
    """A disc standing on the ground, its axle across."""

    def distance(p: Floats) -> Floats:
        flat = np.hypot(p[:, 0] - x, p[:, 2] - radius) - (radius - 0.03)
        side = np.abs(p[:, 1] - y) - (width / 2 - 0.03)
        out = np.hypot(np.maximum(flat, 0), np.maximum(side, 0))
        return np.asarray(out + np.minimum(np.maximum(flat, side), 0) - 0.03, dtype=np.float32)

    return distance


def joined(shapes: Sequence[Distance], soft_m: float = 0.04) -> Distance:
    """The smooth union of shapes."""

    def distance(p: Floats) -> Floats:
        total = shapes[0](p)
        for shape in shapes[1:]:
            other = shape(p)
            h = np.clip(0.5 + 0.5 * (other - total) / soft_m, 0, 1)
            total = (other + (total - other) * h - soft_m * h * (1 - h)).astype(np.float32)
        return total

    return distance


def tapered(shape: Distance, *, above: float, length: float, width: float) -> Distance:
    """A shape that leans inwards above a height: windscreens, cabins. Shares per metre."""

    def distance(p: Floats) -> Floats:
        up = np.maximum(p[:, 2] - above, 0)
        q = p.copy()
        q[:, 0] /= np.maximum(1 - length * up, 0.3)
        q[:, 1] /= np.maximum(1 - width * up, 0.3)
        return np.asarray(shape(q) * 0.75, dtype=np.float32)

    return distance


def paint_figure(canvas: Canvas, placed: Placed, sun: Sun) -> None:
    """Paint a figure and its shadow on the ground."""
    rows, columns = canvas.pixel_window(placed.corners(), margin=0.01)
    _throw_shadow(canvas, placed, sun)
    rays = canvas.rays[rows, columns]
    shape = rays.shape[:2]
    directions = rays.reshape(-1, 3) @ placed.turn().T
    camera_position = placed.to_local(canvas.camera_position[None])[0]
    nearest = min(np.linalg.norm(np.array(c) - canvas.camera_position) for c in placed.corners())
    start = max(0.3, float(nearest) - max(placed.figure.size))
    travelled, hit = _march(placed.figure, camera_position, directions, start)
    colour = np.zeros((len(directions), 3), np.float32)
    if hit.any():
        points = camera_position + directions[hit] * travelled[hit, None]
        colour[hit] = _shade(placed.figure, points, directions[hit], sun, placed.turn())
    cover = cv2.GaussianBlur(hit.reshape(shape).astype(np.float32), (0, 0), 0.6)
    distance = travelled.reshape(shape)
    cover = cover * (distance < canvas.depth[rows, columns] + 0.3)
    filled = _bleed(colour.reshape(*shape, 3), hit.reshape(shape))
    canvas.blend(rows, columns, filled, cover.astype(np.float32), distance)


def _bleed(colour: Floats, hit: "np.ndarray[tuple[int, ...], np.dtype[np.bool_]]") -> Floats:
    """Colour beyond the outline, so that soft edges do not darken."""
    weight = cv2.GaussianBlur(hit.astype(np.float32), (0, 0), 1.5)[..., None]
    spread = cv2.GaussianBlur(colour, (0, 0), 1.5) / np.maximum(weight, 1e-3)
    return np.where(hit[..., None], colour, spread).astype(np.float32)


def _whole(figure: SolidFigure, p: Floats) -> Floats:
    return np.asarray(np.min([part.distance(p) for part in figure.parts], axis=0), np.float32)


def _march(
    figure: SolidFigure, camera_position: Floats, directions: Floats, start: float
) -> "tuple[Floats, np.ndarray[tuple[int, ...], np.dtype[np.bool_]]]":
    travelled = np.full(len(directions), start, np.float32)
    active = np.arange(len(directions))
    hit = np.zeros(len(directions), bool)
    limit = start + 3 * max(figure.size) + 2
    for _ in range(_STEPS):
        gap = _whole(figure, camera_position + directions[active] * travelled[active, None])
        travelled[active] += gap
        touched = gap < _CLOSE_M
        hit[active[touched]] = True
        active = active[~touched & (travelled[active] < limit)]
        if not len(active):
            break
    travelled[~hit] = FAR_M / 2
    return travelled, hit


def _normals(figure: SolidFigure, points: Floats) -> Floats:
    steps = np.array([[1, -1, -1], [-1, -1, 1], [-1, 1, -1], [1, 1, 1]], np.float32)
    total = np.zeros_like(points)
    for direction in steps:
        total += direction * _whole(figure, points + direction * _EPSILON_M)[:, None]
    return np.asarray(total / np.maximum(np.linalg.norm(total, axis=1), 1e-6)[:, None], np.float32)


def _shade(
    figure: SolidFigure, points: Floats, directions: Floats, sun: Sun, turn: Floats
) -> Floats:
    """Sun, sky, light from the ground, shadow under the body, a glint where it is glossy."""
    normals = _normals(figure, points)
    nearest = np.argmin([part.distance(points) for part in figure.parts], axis=0)
    albedo = np.zeros_like(points)
    gloss = np.zeros(len(points), np.float32)
    for number, part in enumerate(figure.parts):
        mine = nearest == number
        if mine.any():
            albedo[mine] = part.paint(points[mine])
            gloss[mine] = part.gloss
    towards = turn @ sun.direction
    facing = np.clip(normals @ towards, 0, 1)
    lit = facing * _unshadowed(figure, points + 0.03 * normals, towards)
    above = 0.5 + 0.5 * normals[:, 2]
    closed = np.clip(0.45 + points[:, 2] / 0.9, 0.45, 1)
    light = (
        sun.colour * (sun.strength * lit)[:, None]
        + sun.sky * (sun.ambient * above * closed)[:, None]
    )
    mirrored = directions - 2 * np.sum(directions * normals, axis=1, keepdims=True) * normals
    fresnel = gloss * (0.12 + 0.6 * (1 - np.clip(-np.sum(directions * normals, axis=1), 0, 1)) ** 3)
    sky = np.clip(0.35 + 0.9 * mirrored[:, 2], 0.08, 1.0)[:, None] * sun.sky
    glint = gloss * sun.strength * np.clip(mirrored @ towards, 0, 1) ** 40
    shaded = albedo * light + (sky * fresnel[:, None] * sun.ambient) + glint[:, None] * sun.colour
    return np.asarray(shaded, dtype=np.float32)


def _unshadowed(figure: SolidFigure, points: Floats, towards: Floats) -> Floats:
    """How much of the sun reaches each point past the figure itself: 0..1, soft."""
    reach = np.full(len(points), 0.05, np.float32)
    light = np.ones(len(points), np.float32)
    for _ in range(14):
        gap = _whole(figure, points + towards * reach[:, None])
        light = np.minimum(light, np.clip(10 * gap / reach, 0, 1)).astype(np.float32)
        reach += np.clip(gap, 0.05, 0.5)
    return light


def _throw_shadow(canvas: Canvas, placed: Placed, sun: Sun) -> None:
    """Darken the ground: marched towards the sun at a third of the resolution, then softened."""
    corners = placed.corners()
    drop = -sun.direction / max(float(sun.direction[2]), 0.05)
    foot = [tuple(np.array(c) + drop * c[2]) for c in corners]
    points = [*corners, *((float(p[0]), float(p[1]), 0.0) for p in foot)]
    rows, columns = canvas.pixel_window(points, margin=0.01)
    rays = canvas.rays[rows, columns][::3, ::3]
    fall = np.maximum(-rays[..., 2], 0.01)
    ground = canvas.camera_position + rays * (canvas.view.height_m / fall)[..., None]
    local = placed.to_local(ground.reshape(-1, 3).astype(np.float32))
    towards = placed.turn() @ sun.direction
    light = _unshadowed(placed.figure, local + np.array([0, 0, 0.03], np.float32), towards)
    under = np.clip(_whole(placed.figure, local) / 0.5, 0, 1) * 0.45 + 0.55
    keep = (1 - sun.shadow * (1 - light)) * under
    height, width = canvas.depth[rows, columns].shape
    small = keep.reshape(rays.shape[:2]).astype(np.float32)
    full = cv2.resize(cv2.GaussianBlur(small, (0, 0), 0.8), (width, height))
    standing = (
        canvas.depth[rows, columns]
        < (canvas.view.height_m / np.maximum(-canvas.rays[rows, columns][..., 2], 0.01)) - 0.3
    )
    canvas.bgr[rows, columns] *= np.where(standing, 1.0, full)[..., None].astype(np.float32)
