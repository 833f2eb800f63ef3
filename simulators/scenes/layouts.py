"""Layouts of the four kinds of scenes (yard, gate, road, canal), in metres.

Drawn from the scene's kind and serial number: no two are alike, each is always the same. A layout
says where walls, trees, strips of road and water, zones and staged objects are; `canvas`,
`solids` and `rendering` paint them. Where problems are staged was tuned with the detector's
weights, so that vehicles, cattle and people are recognised in all three lights.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from patrol.domain.camera import Zone
from simulators.scenes import figures
from simulators.scenes.canvas import (
    Colour,
    Patch,
    PinholeView,
    Point,
    Surface,
    bricks,
    gate_leaves,
    plain,
    roof_tiles,
    window_panes,
)
from simulators.scenes.catalogue import Scene, SceneKind
from simulators.scenes.solids import Placed

Corner = tuple[float, float]
WALL_COLOURS: Final[tuple[Colour, ...]] = (
    (0.52, 0.62, 0.70),
    (0.66, 0.70, 0.72),
    (0.38, 0.45, 0.62),
    (0.48, 0.58, 0.66),
)
GATE_COLOURS: Final[tuple[Colour, ...]] = (
    (0.18, 0.16, 0.55),
    (0.42, 0.30, 0.16),
    (0.20, 0.36, 0.20),
    (0.30, 0.30, 0.32),
)
CAR_COLOURS: Final[tuple[Colour, ...]] = (
    (0.78, 0.78, 0.78),
    (0.10, 0.10, 0.45),
    (0.55, 0.56, 0.57),
    (0.40, 0.22, 0.10),
)
VEHICLES: Final = frozenset({"car", "truck", "bus", "motorcycle"})
ANIMALS: Final = frozenset({"cow", "sheep", "horse", "dog"})
PERSON: Final = frozenset({"person"})


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
class SceneLayout:
    """What stands in one clean scene, and what each variant adds."""

    seed: int
    view: PinholeView
    patches: tuple[Patch, ...]
    trees: tuple[Tree, ...] = ()
    road: Strip | None = None
    canal: Strip | None = None
    paved: tuple[float, float, float, float] | None = None  # x0, x1, y0, y1
    parked: tuple[Placed, ...] = ()  # always there, outside every zone
    zones: tuple[Zone, ...] = ()
    stages: Mapping[str, tuple[Placed, ...]] = field(default_factory=dict)  # by variant


def rng_of(scene: Scene) -> np.random.Generator:
    """The random generator of this scene."""
    return np.random.default_rng([list(SceneKind).index(scene.kind), scene.serial, 11])


def pick(options: Sequence[Colour], scene: Scene, shift: int = 0) -> Colour:
    """One of the choices, by the scene's number."""
    return options[(scene.serial + shift) % len(options)]


def wall(start: Corner, end: Corner, high: float, surface: Surface) -> Patch:
    """An upright wall along a line on the ground."""
    return Patch(
        corner=(*start, 0),
        along=(end[0] - start[0], end[1] - start[1], 0),
        up=(0, 0, high),
        surface=surface,
    )


def on_wall(at: Point, size: tuple[float, float], surface: Surface) -> Patch:
    """A flat rectangle on a wall that faces the camera, from its lower left corner."""
    return Patch(
        corner=(at[0], at[1] - 0.05, at[2]),
        along=(size[0], 0, 0),
        up=(0, 0, size[1]),
        surface=surface,
        shadows=False,
    )


def farmhouse(x0: float, x1: float, y: float, scene: Scene, seed: int) -> list[Patch]:
    """A farmhouse front: plaster, windows, a door, a tiled roof that leans back."""
    plaster = plain(pick(WALL_COLOURS, scene, seed), rough=0.10, seed=seed)
    out = [
        wall((x0, y), (x1, y), 3.1, plaster),
        wall((x0, y), (x0, y + 6), 3.1, plaster),
        wall((x1, y), (x1, y + 6), 3.1, plaster),
        Patch(
            corner=(x0 - 0.4, y - 0.5, 3.05),
            along=(x1 - x0 + 0.8, 0, 0),
            up=(0, 3.6, 1.5),
            surface=roof_tiles((0.24, 0.26, 0.42), seed=seed),
        ),
        on_wall((x0, y, 0), (x1 - x0, 0.55), plain((0.36, 0.38, 0.40), seed=seed + 2)),
    ]
    window_gap_m = 3.2
    for i in range(max(1, int((x1 - x0) / window_gap_m))):
        left = x0 + 0.7 + i * window_gap_m
        if i == 1:
            out.append(on_wall((left, y, 0), (1.1, 2.2), gate_leaves((0.16, 0.25, 0.40), 1.1)))
        else:
            panes = window_panes((0.72, 0.74, 0.74), 1.8, 1.4)
            out.append(on_wall((left, y, 0.95), (1.8, 1.4), panes))
    return out


def poplars(rng: np.random.Generator, x: float, y0: float, y1: float, gap: float) -> list[Tree]:
    """A row of poplars away from the camera."""
    return [
        Tree(
            x=x + float(rng.normal(0, 0.3)),
            y=float(y),
            height_m=float(rng.uniform(8, 12)),
            spread_m=float(rng.uniform(0.8, 1.25)),
            seed=int(rng.integers(1000)),
        )
        for y in np.arange(y0, y1, gap)
    ]


def layout_of(scene: Scene) -> SceneLayout:
    """The layout of a scene of the catalogue."""
    return _LAYOUTS[scene.kind](scene)


def _yard(scene: Scene) -> SceneLayout:
    rng = rng_of(scene)
    back, left = float(rng.uniform(13, 16)), float(rng.uniform(-9.5, -7.5))
    right = left + float(rng.uniform(15, 19))
    side = bricks((0.32, 0.42, 0.62), seed=scene.serial)
    patches = [
        *farmhouse(left + 0.3, right - 1.5, back, scene, scene.serial),
        wall((left, 2), (left, back + 6), 2.3, side),
        wall((right, 2), (right, back + 6), 2.3, side),
    ]
    trees = [
        Tree(x=left + 2.4, y=back - 3.5, height_m=4.2, spread_m=1.9, seed=scene.serial),
        *poplars(rng, left - 4, back + 8, back + 30, 4.0),
        *poplars(rng, right + 3, back + 8, back + 26, 5.0),
    ]
    car = figures.van(pick(CAR_COLOURS, scene))
    parked = (Placed(figure=car, x=right - 3.0, y=back - 4, heading_deg=95),)
    heap = figures.heap(seed=scene.serial)
    return SceneLayout(
        seed=scene.serial,
        view=PinholeView(
            height_m=3.7, down_deg=float(rng.uniform(19, 24)), turned_deg=float(rng.uniform(-6, 6))
        ),
        patches=tuple(patches),
        trees=tuple(trees),
        paved=(left + 2.5, right - 2, 0, back - 1),
        parked=parked if scene.serial % 3 == 2 else (),  # noqa: PLR2004 every third yard has a car
        stages={"dumping": (Placed(figure=heap, x=-1.0, y=8.2),)},
    )


def _gate_front(scene: Scene, y: float, middle: float) -> list[Patch]:
    half = 1.9
    bricked = bricks((0.30, 0.40, 0.62), seed=scene.serial)
    if scene.serial % 2:
        bricked = plain(pick(WALL_COLOURS, scene), rough=0.12, seed=scene.serial)
    pillar = plain((0.34, 0.42, 0.56), rough=0.1, seed=scene.serial + 1)
    leaves = gate_leaves(pick(GATE_COLOURS, scene), 2 * half)
    return [
        wall((middle - 14, y), (middle - half, y), 2.4, bricked),
        wall((middle + half, y), (middle + 14, y), 2.4, bricked),
        wall((middle - half, y + 0.1), (middle + half, y + 0.1), 2.7, leaves),
        on_wall((middle - half - 0.55, y - 0.15, 0), (0.55, 3.0), pillar),
        on_wall((middle + half, y - 0.15, 0), (0.55, 3.0), pillar),
        on_wall(
            (middle - half - 0.7, y - 0.25, 2.8),
            (2 * half + 1.4, 0.55),
            roof_tiles((0.24, 0.26, 0.40)),
        ),
        *farmhouse(middle - 8, middle + 6, y + 9, scene, scene.serial + 3),
    ]


def _gate(scene: Scene) -> SceneLayout:
    rng = rng_of(scene)
    y, middle = float(rng.uniform(15.6, 16.6)), float(rng.uniform(-1.2, 1.2))
    apron = (
        (middle - 2.6, y - 9.0),
        (middle + 2.6, y - 9.0),
        (middle + 2.4, y - 0.4),
        (middle - 2.4, y - 0.4),
    )
    view = PinholeView(
        height_m=3.8, down_deg=float(rng.uniform(18, 22)), turned_deg=float(rng.uniform(-5, 5))
    )
    zone = Zone(
        name="门前",
        polygon=view.area(apron),
        classes=VEHICLES,
        kind="blocking_vehicle",
        min_height=0.05,
    )
    own = figures.car(CAR_COLOURS[0])
    blocker = figures.car(CAR_COLOURS[0])
    return SceneLayout(
        seed=scene.serial + 20,
        view=view,
        patches=tuple(_gate_front(scene, y, middle)),
        trees=tuple(
            poplars(rng, middle - 9, y + 4, y + 24, 5.0)
            + poplars(rng, middle + 9, y + 3, y + 20, 5.0)
        ),
        paved=(middle - 2.8, middle + 2.8, 3, y),
        zones=(zone,),
        stages={
            "blocking_vehicle": (
                Placed(figure=blocker, x=middle - 0.2, y=y - 4.8, heading_deg=55),
            ),
            "visitor": (Placed(figure=own, x=middle + 0.6, y=y - 4.0, heading_deg=120),),
        },
    )


def _herd(road: Strip) -> tuple[Placed, ...]:
    at = road.middle
    return (
        Placed(figure=figures.cow(), x=at(12) - 1.2, y=12, heading_deg=200),
        Placed(figure=figures.cow(), x=at(12.5) + 1.3, y=12.5, heading_deg=190),
        Placed(figure=figures.cow(dark=(0.16, 0.27, 0.46)), x=at(16) + 0.2, y=16, heading_deg=20),
    )


def _road(scene: Scene) -> SceneLayout:
    rng = rng_of(scene)
    road = Strip(
        centre_m=float(rng.uniform(-0.8, 0.8)), half_m=2.4, bend=float(rng.uniform(-0.006, 0.006))
    )
    view = PinholeView(height_m=4.2, down_deg=float(rng.uniform(17, 21)), across_deg=80)
    bricked = bricks((0.34, 0.44, 0.64), seed=scene.serial + 4)
    patches = [
        wall((-8.0, 3), (-9.0, 30), 2.2, bricked),
        *farmhouse(-22, -10.5, 24, scene, scene.serial + 5),
        *farmhouse(9.5, 20, 27, scene, scene.serial + 6),
    ]
    trees = poplars(rng, 5.6, 9, 60, 4.5) + poplars(rng, -12.0, 34, 70, 6.0)
    zones = tuple(
        Zone(
            name=name,
            polygon=view.area(road.outline(5.0, 24.0, margin)),
            classes=classes,
            kind=kind,
            min_height=0.03,
        )
        for name, margin, classes, kind in (
            ("路面", 0.0, VEHICLES, "blocking_vehicle"),
            ("路面牲畜", 0.8, ANIMALS, "livestock"),
        )
    )
    at = road.middle
    stray = figures.car(CAR_COLOURS[2 * (scene.serial % 2)])
    return SceneLayout(
        seed=scene.serial + 40,
        view=view,
        patches=tuple(patches),
        trees=tuple(trees),
        road=road,
        zones=zones,
        stages={
            "blocking_vehicle": (Placed(figure=stray, x=at(12), y=12, heading_deg=40),),
            "livestock": _herd(road),
            "passer_by": (Placed(figure=stray, x=at(13) + 0.6, y=13, heading_deg=60),),
        },
    )


def _canal(scene: Scene) -> SceneLayout:
    rng = rng_of(scene)
    canal = Strip(
        centre_m=float(rng.uniform(0.6, 1.6)), half_m=1.7, lean=float(rng.uniform(-0.03, 0.05))
    )
    view = PinholeView(height_m=3.9, down_deg=float(rng.uniform(18, 21)), across_deg=80)
    road = Strip(centre_m=canal.centre_m - 5.6, half_m=1.5, lean=canal.lean)
    zone = Zone(
        name="渠边",
        polygon=view.area(canal.outline(4.5, 20.0, 1.5)),
        classes=PERSON,
        kind="person_near_water",
        min_height=0.04,
    )
    at = canal.middle
    walker = figures.person((0.45, 0.45, 0.50), (0.14, 0.14, 0.15), stride=0.2)
    child = figures.person((0.25, 0.28, 0.70), (0.30, 0.22, 0.15), stride=0.1)
    worker = figures.person((0.10, 0.45, 0.75), (0.16, 0.16, 0.16), stride=0.12)
    return SceneLayout(
        seed=scene.serial + 60,
        view=view,
        patches=tuple(farmhouse(-20, -11, 27, scene, scene.serial + 7)),
        trees=tuple(poplars(rng, 6.8, 10, 60, 4.0) + poplars(rng, -10.5, 16, 60, 6.0)),
        road=road,
        canal=canal,
        zones=(zone,),
        stages={
            "person_near_water": (
                Placed(figure=walker, x=at(7.0) - 2.1, y=7.0, heading_deg=20),
                Placed(figure=child, x=at(11.0) - 2.6, y=11.0, heading_deg=-40),
            ),
            "keeper": (Placed(figure=worker, x=at(8.0) + 2.2, y=8.0, heading_deg=140),),
        },
    )


_LAYOUTS: Final[dict[SceneKind, Callable[[Scene], SceneLayout]]] = {
    SceneKind.YARD: _yard,
    SceneKind.GATE: _gate,
    SceneKind.ROAD: _road,
    SceneKind.CANAL: _canal,
}
