"""The registry as one frozen object: cameras, the three-level grid (镇-村-组), its people.

Built by `patrol.settings` from the files of a site's folder, as a whole or not at all.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum, auto
from typing import Final

from patrol.domain.camera import Camera
from patrol.domain.ids import CameraId, GridCode, PersonId
from patrol.domain.leave import Absences, Leave, absences
from patrol.domain.office_hours import OfficeHours

DEFAULT_RADIUS_M: Final = 100.0  # of a point whose row gives none


class GridLevel(StrEnum):
    """From the top of the tree to its leaves."""

    TOWN = auto()
    VILLAGE = auto()
    GROUP = auto()


class Role(StrEnum):
    """What a person does for a grid: column `role` of people.csv."""

    TOWN_DUTY = auto()
    VILLAGE_CADRE = auto()
    GRID_LEADER = auto()
    PARTY_GROUP_LEADER = auto()
    GRID_WORKER = auto()
    RESPECTED_VILLAGER = auto()
    MAINTAINER = auto()
    HELPER = auto()  # 群防群治: sees what is open to helpers, reports
    TOWN_OFFICIAL = auto()  # the five kinds of people who patrol on the ground (五位一体)
    VILLAGE_POLICE = auto()
    VILLAGE_GROUP_CADRE = auto()
    JOINT_DEFENCE_HOUSEHOLD = auto()
    UNIT_GUARD = auto()


# Column `kind` of people.csv: as which of the five a person walks a ground patrol (联动巡防).
GROUND_KINDS: Final = (
    Role.TOWN_OFFICIAL, Role.VILLAGE_POLICE, Role.VILLAGE_GROUP_CADRE,
    Role.JOINT_DEFENCE_HOUSEHOLD, Role.UNIT_GUARD,
)  # fmt: skip
# For whom the column is empty: what follows from the role; the five stand for themselves.
KIND_OF_ROLE: Final[Mapping[Role, Role]] = {
    Role.TOWN_DUTY: Role.TOWN_OFFICIAL,
    Role.VILLAGE_CADRE: Role.VILLAGE_GROUP_CADRE,
    Role.GRID_LEADER: Role.VILLAGE_GROUP_CADRE,
    Role.PARTY_GROUP_LEADER: Role.VILLAGE_GROUP_CADRE,
    Role.HELPER: Role.JOINT_DEFENCE_HOUSEHOLD,
    **{kind: kind for kind in GROUND_KINDS},
}
# 群防群治: they see what is open to helpers, and never a leader's other cases.
HELPER_ROLES: Final = (
    Role.HELPER, Role.JOINT_DEFENCE_HOUSEHOLD, Role.UNIT_GUARD, Role.RESPECTED_VILLAGER,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A node of the tree; the town has no parent."""

    code: GridCode
    name: str
    level: GridLevel
    parent: GridCode | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A person of people.csv who can be notified."""

    id: PersonId
    name: str
    role: Role
    grid: GridCode
    mqtt_user: str = ""
    phone: str = ""
    substitute_for: PersonId | None = None
    kind: Role | None = None  # of GROUND_KINDS, where it does not follow from the role

    @property
    def ground_kind(self) -> Role | None:
        """As which of the five kinds the person patrols on the ground; None: as none."""
        return self.kind or KIND_OF_ROLE.get(self.role)


class PointKind(StrEnum):
    """What a point is: column `kind` of points.csv."""

    GRID = auto()  # on the ordinary beat of a grid
    KEY_SITE = auto()  # 重点部位
    RAILWAY = auto()  # a railway section


@dataclass(frozen=True, slots=True, kw_only=True)
class PatrolPoint:
    """A place where a patrol checks in; it may carry a QR code, a tag, or neither."""

    id: str
    name: str
    kind: PointKind
    grid: GridCode
    longitude: float | None = None  # WGS-84
    latitude: float | None = None
    radius_m: float = DEFAULT_RADIUS_M  # how far from it a person still is there
    code_version: int = 1  # raised to make printed codes worthless

    @property
    def position(self) -> tuple[float, float] | None:
        """(longitude, latitude); None where it was not measured."""
        if self.longitude is None or self.latitude is None:
            return None
        return self.longitude, self.latitude


@dataclass(frozen=True, slots=True, kw_only=True)
class Centre:
    """A centre (综治中心) of the town or of some villages; it owns grids with all below them."""

    id: str
    name: str
    grids: tuple[GridCode, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GridTree:
    """All grids by code. Built only from rows that were checked: no cycle, no unknown parent."""

    grids: Mapping[GridCode, Grid]
    centres: tuple[Centre, ...] = ()

    def centre_of(self, code: GridCode) -> Centre | None:
        """The centre that owns the grid: the one of its nearest owned grid on the way up."""
        if code not in self.grids:
            return None
        for grid in self.path_up(code):
            owner = next((one for one in self.centres if grid.code in one.grids), None)
            if owner is not None:
                return owner
        return None

    def scope_of(self, code: GridCode) -> tuple[GridCode, ...]:
        """The grids whose lists and reports a cadre of `code` has: the centre's, else the own."""
        centre = self.centre_of(code)
        return centre.grids if centre is not None and code in centre.grids else (code,)

    def path_up(self, code: GridCode) -> Iterator[Grid]:
        """The grid itself, then its parents, up to the town."""
        current: GridCode | None = code
        while current is not None:
            grid = self.grids[current]
            yield grid
            current = grid.parent

    def is_within(self, code: GridCode, ancestor: GridCode | str) -> bool:
        """Whether `code` is `ancestor` or lies below it; False for a code not in the tree."""
        return code in self.grids and any(grid.code == ancestor for grid in self.path_up(code))

    def village_of(self, code: GridCode) -> GridCode | None:
        """The village that `code` is or lies in; None for the town and for an unknown code."""
        path = self.path_up(code) if code in self.grids else iter(())
        return next((grid.code for grid in path if grid.level is GridLevel.VILLAGE), None)

    def smallest_common(self, codes: Collection[GridCode]) -> GridCode | None:
        """The lowest grid that holds all of `codes`; None when one of them is not in the tree."""
        if not codes or not set(codes) <= self.grids.keys():
            return None
        first, *others = [[grid.code for grid in self.path_up(code)] for code in sorted(set(codes))]
        return next((code for code in first if all(code in path for path in others)), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """Cameras, grids, people and their leave as the site's files give them, with office hours.

    `absent` is what the calendar of leave says of one moment (`at`): routing goes by it.
    """

    cameras: Mapping[CameraId, Camera]
    tree: GridTree
    people: Mapping[PersonId, Person]
    office: OfficeHours | None = None  # None: every limit runs round the clock
    points: Mapping[str, PatrolPoint] = field(default_factory=dict)  # where patrols check in
    leaves: tuple[Leave, ...] = ()
    absent: Absences = field(default_factory=dict)  # who is on leave → who acts instead
    teams: bool = False  # 网格组团: the team of a grid is told together (domain/teams.py)

    def at(self, now: datetime) -> "Registry":
        """The registry with those absent who are on leave at `now`."""
        return replace(self, absent=absences(self.leaves, now))

    def acting(self, person: Person) -> Person | None:
        """Who acts for this person now: themselves, who stands in while they are away, or nobody.

        None also where the one who stands in is no longer in people.csv.
        """
        if person.id not in self.absent:
            return person
        instead = self.absent[person.id]
        return self.people.get(instead) if instead is not None else None

    def principals_of(self, person: PersonId) -> tuple[PersonId, ...]:
        """The people on leave for whom this person acts now."""
        return tuple(away for away, acting in self.absent.items() if acting == person)


def camera_card(camera: Camera) -> dict[str, object]:
    """The camera's fields that the store may hold (一机一档): names, places; no stream address."""
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
