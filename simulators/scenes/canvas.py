"""A picture being painted: colour and depth, one plane patch after the other.

Every flat thing — the ground, a wall, a roof — is a patch of a plane; for each pixel the viewing
ray is cut with the plane and the surface's colour looked up in metres. The depth decides what
hides what, so patches may be painted in any order.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from simulators.scenes.texture import Surface, step
from simulators.scenes.view import Floats, Point, View

FAR_M: Final = 1e6
_EDGE_ON: Final = 1e-6  # a plane seen edge on is met at no useful distance


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """A rectangle in the world: corner, two edges, what is on it."""

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
        """All four."""
        c, a, u = (np.array(v) for v in (self.corner, self.along, self.up))
        points = (c, c + a, c + u, c + a + u)
        return [(float(p[0]), float(p[1]), float(p[2])) for p in points]


@dataclass(slots=True)
class Canvas:
    """Painted on; `bgr` is 0..1, `depth` in metres from the camera."""

    view: View
    rays: Floats
    bgr: Floats
    depth: Floats

    @classmethod
    def blank(cls, view: View, width: int, height: int) -> "Canvas":
        """Nothing but distance."""
        return cls(
            view,
            view.rays(width, height),
            np.zeros((height, width, 3), np.float32),
            np.full((height, width), FAR_M, np.float32),
        )

    @property
    def eye(self) -> Floats:
        """Where the camera is."""
        return np.array([0, 0, self.view.height_m], np.float32)

    def window(self, points: list[Point], margin: float = 0.004) -> tuple[slice, slice]:
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
        """One patch, hidden by what is nearer."""
        along, up, normal, width, height = patch.frame()
        rows, columns = self.window(patch.corners())
        rays = self.rays[rows, columns]
        corner = np.array(patch.corner, np.float32)
        facing = rays @ normal
        facing = np.where(np.abs(facing) < _EDGE_ON, _EDGE_ON, facing)
        distance = ((corner - self.eye) @ normal / facing).astype(np.float32)
        hit = self.eye + rays * distance[..., None] - corner
        s, t = (hit @ along).astype(np.float32), (hit @ up).astype(np.float32)
        soft = np.clip(distance, 1, 100) * np.float32(0.6 / self.depth.shape[1])
        inside = np.minimum(np.minimum(s, width - s), np.minimum(t, height - t))
        cover = step((inside / soft).astype(np.float32), 1.0)
        cover *= (distance > 0) & (distance < self.depth[rows, columns] + 0.02)
        colour = patch.surface(s, t) * np.float32(shade)
        self.blend(rows, columns, colour, cover, distance)

    def blend(
        self, rows: slice, columns: slice, colour: Floats, cover: Floats, distance: Floats
    ) -> None:
        """Lay colour over what is there."""
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
