"""The parts that plots are built from: walls, farmhouses, rows of poplars, zones."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from simulators.scenes.canvas import Patch
from simulators.scenes.catalogue import Scene, SceneKind
from simulators.scenes.layouts import Corner, Tree
from simulators.scenes.texture import (
    Colour,
    Surface,
    gate_leaves,
    plain,
    roof_tiles,
    window_panes,
)
from simulators.scenes.view import Point

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


def rng_of(scene: Scene) -> np.random.Generator:
    """The scene's own dice."""
    return np.random.default_rng([list(SceneKind).index(scene.kind), scene.serial, 11])


def pick(options: Sequence[Colour], scene: Scene, shift: int = 0) -> Colour:
    """One of a few, by the scene's number."""
    return options[(scene.serial + shift) % len(options)]


def wall(start: Corner, end: Corner, high: float, surface: Surface) -> Patch:
    """Upright, along a line on the ground."""
    return Patch(
        corner=(*start, 0),
        along=(end[0] - start[0], end[1] - start[1], 0),
        up=(0, 0, high),
        surface=surface,
    )


def on_wall(at: Point, size: tuple[float, float], surface: Surface) -> Patch:
    """Something flat on a wall that faces the camera, from its lower left corner."""
    return Patch(
        corner=(at[0], at[1] - 0.05, at[2]),
        along=(size[0], 0, 0),
        up=(0, 0, size[1]),
        surface=surface,
        shadows=False,
    )


def house(x0: float, x1: float, y: float, scene: Scene, seed: int) -> list[Patch]:
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
    step_m = 3.2
    for i in range(max(1, int((x1 - x0) / step_m))):
        left = x0 + 0.7 + i * step_m
        if i == 1:
            out.append(on_wall((left, y, 0), (1.1, 2.2), gate_leaves((0.16, 0.25, 0.40), 1.1)))
        else:
            panes = window_panes((0.72, 0.74, 0.74), 1.8, 1.4)
            out.append(on_wall((left, y, 0.95), (1.8, 1.4), panes))
    return out


def poplars(rng: np.random.Generator, x: float, y0: float, y1: float, gap: float) -> list[Tree]:
    """A row away from the camera."""
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
