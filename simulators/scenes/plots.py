"""The four kinds of plots: where things stand in a yard, at a gate, along a road and a canal.

Drawn from the scene's kind and number: no two are alike, each is always the same. This module says
where things are; `ground` and `still` paint them. Where problems are staged was tuned with the
detector's weights, so that vehicles, cattle and people are recognised in all three lights.
"""

from collections.abc import Callable
from typing import Final

from patrol.domain.zone import Zone
from simulators.scenes import figures
from simulators.scenes.canvas import Patch
from simulators.scenes.catalogue import Scene, SceneKind
from simulators.scenes.layouts import Layout, Strip, Tree
from simulators.scenes.parts import (
    CAR_COLOURS,
    GATE_COLOURS,
    WALL_COLOURS,
    house,
    on_wall,
    pick,
    poplars,
    rng_of,
    wall,
)
from simulators.scenes.solids import Placed
from simulators.scenes.texture import bricks, gate_leaves, plain, roof_tiles
from simulators.scenes.view import View

VEHICLES: Final = frozenset({"car", "truck", "bus", "motorcycle"})
ANIMALS: Final = frozenset({"cow", "sheep", "horse", "dog"})
PERSON: Final = frozenset({"person"})


def layout_of(scene: Scene) -> Layout:
    """The layout of a scene of the catalogue."""
    return _LAYOUTS[scene.kind](scene)


def _yard(scene: Scene) -> Layout:
    rng = rng_of(scene)
    back, left = float(rng.uniform(13, 16)), float(rng.uniform(-9.5, -7.5))
    right = left + float(rng.uniform(15, 19))
    side = bricks((0.32, 0.42, 0.62), seed=scene.serial)
    patches = [
        *house(left + 0.3, right - 1.5, back, scene, scene.serial),
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
    return Layout(
        seed=scene.serial,
        view=View(
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
        *house(middle - 8, middle + 6, y + 9, scene, scene.serial + 3),
    ]


def _gate(scene: Scene) -> Layout:
    rng = rng_of(scene)
    y, middle = float(rng.uniform(15.6, 16.6)), float(rng.uniform(-1.2, 1.2))
    apron = (
        (middle - 2.6, y - 9.0),
        (middle + 2.6, y - 9.0),
        (middle + 2.4, y - 0.4),
        (middle - 2.4, y - 0.4),
    )
    view = View(
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
    return Layout(
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


def _road(scene: Scene) -> Layout:
    rng = rng_of(scene)
    road = Strip(
        centre_m=float(rng.uniform(-0.8, 0.8)), half_m=2.4, bend=float(rng.uniform(-0.006, 0.006))
    )
    view = View(height_m=4.2, down_deg=float(rng.uniform(17, 21)), across_deg=80)
    bricked = bricks((0.34, 0.44, 0.64), seed=scene.serial + 4)
    patches = [
        wall((-8.0, 3), (-9.0, 30), 2.2, bricked),
        *house(-22, -10.5, 24, scene, scene.serial + 5),
        *house(9.5, 20, 27, scene, scene.serial + 6),
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
    return Layout(
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


def _canal(scene: Scene) -> Layout:
    rng = rng_of(scene)
    canal = Strip(
        centre_m=float(rng.uniform(0.6, 1.6)), half_m=1.7, lean=float(rng.uniform(-0.03, 0.05))
    )
    view = View(height_m=3.9, down_deg=float(rng.uniform(18, 21)), across_deg=80)
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
    keeper = figures.person((0.10, 0.45, 0.75), (0.16, 0.16, 0.16), stride=0.12)
    return Layout(
        seed=scene.serial + 60,
        view=view,
        patches=tuple(house(-20, -11, 27, scene, scene.serial + 7)),
        trees=tuple(poplars(rng, 6.8, 10, 60, 4.0) + poplars(rng, -10.5, 16, 60, 6.0)),
        road=road,
        canal=canal,
        zones=(zone,),
        stages={
            "person_near_water": (
                Placed(figure=walker, x=at(7.0) - 2.1, y=7.0, heading_deg=20),
                Placed(figure=child, x=at(11.0) - 2.6, y=11.0, heading_deg=-40),
            ),
            "keeper": (Placed(figure=keeper, x=at(8.0) + 2.2, y=8.0, heading_deg=140),),
        },
    )


_LAYOUTS: Final[dict[SceneKind, Callable[[Scene], Layout]]] = {
    SceneKind.YARD: _yard,
    SceneKind.GATE: _gate,
    SceneKind.ROAD: _road,
    SceneKind.CANAL: _canal,
}
