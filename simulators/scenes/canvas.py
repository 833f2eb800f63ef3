"""The canvas that scenes are painted on: a pinhole view, plane patches with depth, surfaces.

World: metres, x to the right, y away from the camera, z up, the camera above the origin. Positions
in the picture are fractions of its width and height, origin top left, as in zones.yaml.

Every flat thing — the ground, a wall, a roof — is a patch of a plane; for each pixel the viewing
ray is cut with the plane and the surface's colour looked up in metres. The depth decides what
hides what, so patches may be painted in any order. A surface takes two arrays of positions and
returns BGR colours, 0..1, made of value noise; no photographs.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from math import cos, radians, sin, tan
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Point = tuple[float, float, float]
ASPECT = 16 / 9
NEAREST_M = 0.2
Surface = Callable[[Floats, Floats], Floats]
Colour = tuple[float, float, float]
_TILE: Final = 256
FAR_M: Final = 1e6
_EDGE_ON: Final = 1e-6  # a plane seen edge on is met at no useful distance


@dataclass(frozen=True, slots=True, kw_only=True)
class PinholeView:
    """How the camera hangs: height, tilt, turn and field of view."""

    height_m: float = 3.6
    down_deg: float = 20.0
    across_deg: float = 84.0  # horizontal field of view
    turned_deg: float = 0.0  # to the right

    @property
    def focal(self) -> float:
        """The focal length in picture widths."""
        return 0.5 / tan(radians(self.across_deg) / 2)

    def axes(self) -> Floats:
        """Unit vectors of the world as rows: right, up, forward."""
        down, turned = radians(self.down_deg), radians(self.turned_deg)
        flat = np.array([sin(turned), cos(turned), 0.0])
        right = np.array([cos(turned), -sin(turned), 0.0])
        forward = cos(down) * flat - sin(down) * np.array([0.0, 0.0, 1.0])
        return np.stack([right, np.cross(right, forward), forward]).astype(np.float32)

    def rays(self, width: int, height: int) -> Floats:
        """Unit viewing direction of every pixel: height × width × 3."""
        x = (np.arange(width, dtype=np.float32) + 0.5) / width - 0.5
        y = (0.5 - (np.arange(height, dtype=np.float32) + 0.5) / height) / ASPECT
        right, up, forward = self.axes()
        rays = x[None, :, None] * right + y[:, None, None] * up + np.float32(self.focal) * forward
        length = np.linalg.norm(rays, axis=2, keepdims=True)
        return np.asarray(rays / length, dtype=np.float32)

    def project(self, point: Sequence[float]) -> tuple[float, float]:
        """The picture position of a point of the world; it may lie outside 0..1."""
        offset = np.array([point[0], point[1], point[2] - self.height_m])
        right, up, forward = self.axes() @ offset
        depth = max(float(forward), NEAREST_M)
        return (
            0.5 + self.focal * float(right) / depth,
            0.5 - self.focal * float(up) / depth * ASPECT,
        )

    def box_around(self, points: Iterable[Point]) -> tuple[float, float, float, float]:
        """x, y, width, height of the smallest box, cut at the picture's edge."""
        seen = [self.project(point) for point in points]
        left, top = (max(0.0, min(p[i] for p in seen)) for i in (0, 1))
        right, bottom = (min(1.0, max(p[i] for p in seen)) for i in (0, 1))
        return left, top, max(0.0, right - left), max(0.0, bottom - top)

    def area(self, corners: Iterable[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
        """A polygon on the ground as a polygon in the picture, cut at its edge."""
        seen = (self.project((x, y, 0.0)) for x, y in corners)
        return tuple((min(1.0, max(0.0, x)), min(1.0, max(0.0, y))) for x, y in seen)


@cache
def _tile(seed: int) -> Floats:
    rng = np.random.default_rng([seed, 77])
    tile = rng.random((_TILE, _TILE)).astype(np.float32)
    wrapped = cv2.GaussianBlur(np.pad(tile, 8, mode="wrap"), (0, 0), 0.8)
    return np.asarray(wrapped[8:-8, 8:-8], dtype=np.float32)


def noise(x: Floats, y: Floats, grain_m: float, seed: int = 0) -> Floats:
    """Smooth noise of mean 0, about −1..1, with features of `grain_m`."""
    tile = _tile(seed)
    flat = cv2.remap(
        tile,
        _wrapped(x, grain_m),
        _wrapped(y, grain_m),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_WRAP,
    )
    return np.asarray((flat - 0.5) * 5.0, dtype=np.float32)


def _wrapped(positions: Floats, grain_m: float) -> Floats:
    """Positions in the tile; a floor is several times faster than a remainder."""
    turns = positions * np.float32(1 / (grain_m * _TILE))
    turns -= np.floor(turns)
    turns *= np.float32(_TILE)
    return np.asarray(turns, dtype=np.float32)


def layers(x: Floats, y: Floats, grain_m: float, seed: int = 0, octaves: int = 4) -> Floats:
    """Noise over noise, each finer and fainter."""
    total = np.zeros_like(x)
    for octave in range(octaves):
        total += noise(x, y, grain_m / 2.3**octave, seed + octave) * np.float32(0.6**octave)
    return total * np.float32(0.45)


def soft_step(edge: Floats, soft: float) -> Floats:
    """0 below -soft, 1 above soft, smooth between."""
    t = np.clip(edge / (2 * soft) + 0.5, 0, 1)
    return np.asarray(t * t * (3 - 2 * t), dtype=np.float32)


def tinted(colour: Colour, light: Floats) -> Floats:
    """One colour under varying light."""
    return np.asarray(np.array(colour, np.float32) * light[..., None], dtype=np.float32)


def mix(low: Floats, high: Floats, share: Floats) -> Floats:
    """Blend from `low` (share 0) to `high` (share 1)."""
    return np.asarray(low + (high - low) * share[..., None], dtype=np.float32)


def plain(colour: Colour, *, grain_m: float = 0.6, rough: float = 0.08, seed: int = 0) -> Surface:
    """Plaster, concrete, loam: one colour, uneven."""

    def surface(x: Floats, y: Floats) -> Floats:
        stains = 0.7 * layers(x, y, grain_m * 4, seed) + 0.3 * noise(x, y, 0.05, seed + 9)
        return tinted(colour, 1 + np.float32(rough) * stains)

    return surface


def bricks(colour: Colour, *, seed: int = 0) -> Surface:
    """Courses of 25 × 8 cm with lighter joints."""

    def surface(x: Floats, y: Floats) -> Floats:
        course = np.floor(y / 0.08)
        along = x / 0.25 + 0.5 * np.mod(course, 2)
        joint = np.minimum(
            np.abs(np.mod(along, 1) - 0.5) * -0.25 + 0.125,
            np.abs(np.mod(y / 0.08, 1) - 0.5) * -0.08 + 0.04,
        )
        each = noise(np.floor(along).astype(np.float32), course.astype(np.float32), 1.0, seed)
        face = tinted(colour, 1 + 0.10 * each + 0.08 * layers(x, y, 2.0, seed + 3))
        mortar = tinted((0.62, 0.65, 0.67), np.ones_like(x))
        return mix(mortar, face, soft_step((joint - 0.006).astype(np.float32), 0.006))

    return surface


def roof_tiles(colour: Colour, *, seed: int = 0) -> Surface:
    """Rows of half-round tiles, seen from a distance."""

    def surface(x: Floats, y: Floats) -> Floats:
        row = 0.82 + 0.25 * np.abs(np.sin(np.pi * x / 0.22))
        course = 0.88 + 0.15 * np.mod(y / 0.3, 1)
        return tinted(
            colour, (row * course * (1 + 0.1 * layers(x, y, 1.2, seed))).astype(np.float32)
        )

    return surface


def gate_leaves(colour: Colour, width_m: float) -> Surface:
    """A double gate of sheet metal: panels, studs, the gap in the middle."""

    def surface(x: Floats, y: Floats) -> Floats:
        u = np.mod(x, width_m / 4) / (width_m / 4)
        v = np.mod(y - 0.12, 0.8) / 0.8
        rim = np.minimum(np.minimum(u, 1 - u) * width_m / 4, np.minimum(v, 1 - v) * 0.8)
        relief = 0.85 + 0.25 * soft_step((rim - 0.09).astype(np.float32), 0.02)
        gap = soft_step((np.abs(x - width_m / 2) - 0.02).astype(np.float32), 0.01)
        light = relief * (0.35 + 0.65 * gap) * (1 + 0.05 * layers(x, y, 1.5, 5))
        return tinted(colour, light.astype(np.float32))

    return surface


def window_panes(frame: Colour, width_m: float, height_m: float) -> Surface:
    """Glass that mirrors a bright sky above and a dark yard below, in a light frame."""

    def surface(x: Floats, y: Floats) -> Floats:
        sky = np.clip(y / height_m, 0, 1)
        pane = tinted(
            (0.36, 0.31, 0.27), (0.5 + 0.7 * sky + 0.1 * layers(x, y, 0.7, 6)).astype(np.float32)
        )
        u = np.mod(x, width_m / 3)
        rim = np.minimum(np.minimum(u, width_m / 3 - u), np.minimum(y, height_m - y))
        return mix(
            tinted(frame, np.ones_like(x)), pane, soft_step((rim - 0.06).astype(np.float32), 0.012)
        )

    return surface


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """A rectangle in the world: corner, two edges, the surface on it."""

    corner: Point
    along: Point  # from the corner to the end of the lower edge
    up: Point  # from the corner to the end of the left edge
    surface: Surface = field(compare=False)
    shadows: bool = True  # whether it throws one

    def frame(self) -> tuple[Floats, Floats, Floats, float, float]:
        """Unit vectors along, up and normal, width and height in metres."""
        along, up = (np.array(v, np.float32) for v in (self.along, self.up))
        width, height = float(np.linalg.norm(along)), float(np.linalg.norm(up))
        along, up = along / width, up / height
        return along, up, np.cross(along, up).astype(np.float32), width, height

    def corners(self) -> list[Point]:
        """The four corners in the world."""
        c, a, u = (np.array(v) for v in (self.corner, self.along, self.up))
        points = (c, c + a, c + u, c + a + u)
        return [(float(p[0]), float(p[1]), float(p[2])) for p in points]


@dataclass(slots=True)
class Canvas:
    """A picture being painted: `bgr` 0..1, `depth` in metres from the camera."""

    view: PinholeView
    rays: Floats
    bgr: Floats
    depth: Floats

    @classmethod
    def blank(cls, view: PinholeView, width: int, height: int) -> "Canvas":
        """A canvas with nothing on it, everything at FAR_M."""
        return cls(
            view,
            view.rays(width, height),
            np.zeros((height, width, 3), np.float32),
            np.full((height, width), FAR_M, np.float32),
        )

    @property
    def camera_position(self) -> Floats:
        """The camera's position in the world."""
        return np.array([0, 0, self.view.height_m], np.float32)

    def pixel_window(self, points: list[Point], margin: float = 0.004) -> tuple[slice, slice]:
        """The rows and columns that hold these points of the world."""
        height, width = self.depth.shape
        if any(p[1] < 1.0 for p in points):  # beside or behind the camera: take all
            return slice(0, height), slice(0, width)
        x, y, w, h = self.view.box_around(points)
        rows = slice(int(max(0.0, y - margin) * height), int(min(1.0, y + h + margin) * height) + 1)
        columns = slice(
            int(max(0.0, x - margin) * width), int(min(1.0, x + w + margin) * width) + 1
        )
        return rows, columns

    def paint(self, patch: Patch, shade: float = 1.0) -> None:
        """Paint one patch where nothing nearer hides it."""
        along, up, normal, width, height = patch.frame()
        rows, columns = self.pixel_window(patch.corners())
        rays = self.rays[rows, columns]
        corner = np.array(patch.corner, np.float32)
        facing = rays @ normal
        facing = np.where(np.abs(facing) < _EDGE_ON, _EDGE_ON, facing)
        distance = ((corner - self.camera_position) @ normal / facing).astype(np.float32)
        hit = self.camera_position + rays * distance[..., None] - corner
        s, t = (hit @ along).astype(np.float32), (hit @ up).astype(np.float32)
        soft = np.clip(distance, 1, 100) * np.float32(0.6 / self.depth.shape[1])
        inside = np.minimum(np.minimum(s, width - s), np.minimum(t, height - t))
        cover = soft_step((inside / soft).astype(np.float32), 1.0)
        cover *= (distance > 0) & (distance < self.depth[rows, columns] + 0.02)
        colour = patch.surface(s, t) * np.float32(shade)
        self.blend(rows, columns, colour, cover, distance)

    def blend(
        self, rows: slice, columns: slice, colour: Floats, cover: Floats, distance: Floats
    ) -> None:
        """Lay colour over what was painted before, and take over its depth."""
        below = self.bgr[rows, columns]
        below += (colour - below) * cover[..., None]
        depth = self.depth[rows, columns]
        np.copyto(depth, distance, where=cover > 0.5)  # noqa: PLR2004 half covered is covered

    def ground_points(self) -> tuple[Floats, Floats, Floats]:
        """Where each viewing ray meets the ground: x, y, distance (FAR_M above the horizon)."""
        fall = -self.rays[..., 2]
        meets = fall > 0.004  # noqa: PLR2004 beyond 900 m the ground is haze
        distance = np.where(meets, self.view.height_m / np.maximum(fall, 0.004), FAR_M)
        distance = distance.astype(np.float32)
        reach = np.minimum(distance, 900)[..., None] * self.rays
        return reach[..., 0], reach[..., 1], distance
