"""A pinhole camera on a pole: world metres ↔ picture fractions and viewing rays. Pure.

World: x to the right, y away from the camera, z up, the camera above the origin. Positions in the
picture are fractions of its width and height, origin top left, as in zones.yaml.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import cos, radians, sin, tan

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Point = tuple[float, float, float]
ASPECT = 16 / 9
NEAREST_M = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """How it hangs."""

    height_m: float = 3.6
    down_deg: float = 20.0
    across_deg: float = 84.0  # horizontal field of view
    turned_deg: float = 0.0  # to the right

    @property
    def focal(self) -> float:
        """In picture widths."""
        return 0.5 / tan(radians(self.across_deg) / 2)

    def axes(self) -> Floats:
        """Rows: right, up, forward, as unit vectors of the world."""
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
        """Where a point of the world appears; it may lie outside 0..1."""
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
