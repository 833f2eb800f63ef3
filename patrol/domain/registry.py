"""The three-level grid (镇-村-组) and the people who answer for it.

The registry as one frozen object: cameras, grids, people — loaded whole or not at all.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum, auto

from patrol.domain.camera import Camera
from patrol.domain.ids import CameraId, GridCode, PersonId
from patrol.domain.office_hours import OfficeHours


class GridLevel(StrEnum):
    """From the top of the tree to its leaves."""

    TOWN = auto()
    VILLAGE = auto()
    GROUP = auto()


class Role(StrEnum):
    """What a person does for a grid (contracts.md, people.csv)."""

    TOWN_DUTY = auto()
    VILLAGE_CADRE = auto()
    GRID_LEADER = auto()
    PARTY_GROUP_LEADER = auto()
    GRID_WORKER = auto()
    RESPECTED_VILLAGER = auto()
    MAINTAINER = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A node of the tree; the town has no parent."""

    code: GridCode
    name: str
    level: GridLevel
    parent: GridCode | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Someone who can be told."""

    id: PersonId
    name: str
    role: Role
    grid: GridCode
    mqtt_user: str = ""
    phone: str = ""
    substitute_for: PersonId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GridTree:
    """All grids by code. Built only from rows that were checked: no cycle, no unknown parent."""

    grids: Mapping[GridCode, Grid]

    def path_up(self, code: GridCode) -> Iterator[Grid]:
        """The grid itself, then its parents, up to the town."""
        current: GridCode | None = code
        while current is not None:
            grid = self.grids[current]
            yield grid
            current = grid.parent

    def is_within(self, code: GridCode, ancestor: GridCode) -> bool:
        """Whether `code` is `ancestor` or lies below it."""
        return any(grid.code == ancestor for grid in self.path_up(code))


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
