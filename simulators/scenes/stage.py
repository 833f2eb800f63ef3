"""What stands where in each scene: zones, staged objects, the agreed part of the picture."""

from dataclasses import dataclass

from patrol.domain.zone import Polygon, Zone
from simulators.scenes.catalogue import Scene, SceneKind

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """One object in the picture; the box in fractions: x, y, width, height."""

    label: str
    box: Box


def zones_of(scene: Scene) -> tuple[Zone, ...]:
    """Zones as an installer would draw them on the clean picture."""
    if scene.kind is SceneKind.YARD:
        return ()
    return (
        Zone(
            name="x",
            polygon=((0.2, 0.5), (0.8, 0.5), (0.9, 0.95), (0.1, 0.95)),
            classes=frozenset({"car"}),
            kind="blocking_vehicle",
        ),
    )


def objects_of(scene: Scene, name: str) -> tuple[Staged, ...]:
    """Boxes of what is staged."""
    return ()


def visible_of(scene: Scene) -> Polygon:
    """The part that a careful household agrees to: without the neighbour's side."""
    return ((0.0, 0.12), (0.9, 0.12), (1.0, 0.3), (1.0, 1.0), (0.0, 1.0))
