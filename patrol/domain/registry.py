"""The registry as one frozen object: cameras, grids, people — loaded whole or not at all."""

from collections.abc import Mapping
from dataclasses import dataclass

from patrol.domain.camera import Camera
from patrol.domain.grid import GridTree, Person
from patrol.domain.ids import CameraId, PersonId
from patrol.domain.working_time import OfficeHours


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """What cameras.csv, grids.csv, people.csv and zones.yaml say; when the offices are open."""

    cameras: Mapping[CameraId, Camera]
    tree: GridTree
    people: Mapping[PersonId, Person]
    office: OfficeHours | None = None  # None: every limit runs round the clock


def camera_card(camera: Camera) -> dict[str, object]:
    """What the books may keep of a camera (一机一档): names and places, never an address."""
    return {
        "name": camera.name,
        "grid": camera.grid,
        "place": camera.place,
        "link": camera.link,
        "household_ref": camera.household_ref,
        "placement": camera.placement,
        "priority": camera.priority,
        "consent": camera.consent.state,
        "consent_until": camera.consent.until,
        "tags": sorted(camera.tags),
        "longitude": camera.longitude,
        "latitude": camera.latitude,
    }
