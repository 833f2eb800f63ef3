"""The registry as one frozen object: cameras, grids, people — loaded whole or not at all."""

from collections.abc import Mapping
from dataclasses import dataclass

from patrol.domain.camera import Camera
from patrol.domain.grid import GridTree, Person
from patrol.domain.ids import CameraId, PersonId


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """What cameras.csv, grids.csv, people.csv and zones.yaml say."""

    cameras: Mapping[CameraId, Camera]
    tree: GridTree
    people: Mapping[PersonId, Person]
