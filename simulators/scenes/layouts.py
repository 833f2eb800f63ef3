"""What a scene's layout is made of, in metres: walls, trees, strips of road and water, stages."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from patrol.domain.zone import Zone
from simulators.scenes.canvas import Patch
from simulators.scenes.solids import Placed
from simulators.scenes.view import View

Corner = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """A crown on a trunk: poplars are slender, fruit trees round."""

    x: float
    y: float
    height_m: float
    spread_m: float
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Strip:
    """A band of ground from near to far: a road, a canal; `bend` per metre squared."""

    centre_m: float
    half_m: float
    bend: float = 0.0
    lean: float = 0.0

    def middle(self, y: float) -> float:
        """Its centre at distance y."""
        return self.centre_m + self.lean * y + self.bend * y * y

    def outline(self, near: float, far: float, margin: float = 0.0) -> tuple[Corner, ...]:
        """The polygon on the ground between two distances."""
        rows = np.linspace(near, far, 5)
        half = self.half_m + margin
        left = [(self.middle(y) - half, float(y)) for y in rows]
        right = [(self.middle(y) + half, float(y)) for y in rows[::-1]]
        return tuple((float(x), y) for x, y in (*left, *right))


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """One scene, clean."""

    seed: int
    view: View
    patches: tuple[Patch, ...]
    trees: tuple[Tree, ...] = ()
    road: Strip | None = None
    canal: Strip | None = None
    paved: tuple[float, float, float, float] | None = None  # x0, x1, y0, y1
    parked: tuple[Placed, ...] = ()  # always there, outside every zone
    zones: tuple[Zone, ...] = ()
    stages: Mapping[str, tuple[Placed, ...]] = field(default_factory=dict)  # by variant
