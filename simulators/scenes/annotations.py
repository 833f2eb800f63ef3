"""What a scene's picture holds, in fractions of it: zones, staged objects, the visible area."""

from dataclasses import dataclass
from typing import Final

from patrol.domain.camera import Polygon, Zone
from simulators.scenes.catalogue import Scene
from simulators.scenes.layouts import layout_of

Box = tuple[float, float, float, float]
_ALL_BUT_A_CORNER: Final[Polygon] = ((0.0, 0.0), (0.86, 0.0), (1.0, 0.22), (1.0, 1.0), (0.0, 1.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedObject:
    """One object in the picture; the box in fractions: x, y, width, height."""

    label: str
    box: Box


def zones_of(scene: Scene) -> tuple[Zone, ...]:
    """The zones as an installer would draw them on the clean picture."""
    return layout_of(scene).zones


def objects_of(scene: Scene, name: str) -> tuple[StagedObject, ...]:
    """The boxes of what is staged, and of what always stands there."""
    layout = layout_of(scene)
    variant = scene.variant(name)
    staged = layout.stages[variant.name] if variant is not None else ()
    return tuple(
        StagedObject(label=placed.figure.label, box=_rounded(placed.box(layout.view)))
        for placed in (*staged, *layout.parked)
    )


def visible_of(scene: Scene) -> Polygon:
    """The visible area that a careful household agrees to: the neighbour's corner is left out."""
    del scene
    return _ALL_BUT_A_CORNER


def _rounded(box: Box) -> Box:
    x, y, width, height = (round(value, 4) for value in box)
    return x, y, width, height
