"""A site of a few rows for tests and examples: one town, two villages, three groups, two cameras.

The town of 624 cameras is simulators.town.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any, Final

from patrol.domain.camera import Camera, Consent, ConsentState, Placement
from patrol.domain.finding import Finding
from patrol.domain.ids import CameraId, FindingId, GridCode, LinkId, PersonId
from patrol.domain.observation import Subject
from patrol.domain.priority import Level
from patrol.domain.registry import Grid, GridLevel, GridTree, Person, Registry, Role
from streams.address import StreamAddress

NOON: Final = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)  # 12:00 in the town
TOWN: Final = GridCode("620902104000000")
VILLAGE: Final = GridCode("620902104203000")
GROUP: Final = GridCode("620902104203001")
SECOND_GROUP: Final = GridCode("620902104203002")
OTHER_VILLAGE: Final = GridCode("620902104204000")
OTHER_GROUP: Final = GridCode("620902104204001")
CAMERA: Final = CameraId("62090204011327000001")
SECOND_CAMERA: Final = CameraId("62090204011327000002")
HOUSEHOLD: Final = "H-0001"
SECRET_URL: Final = "rtsp://viewer:s3cret@10.0.0.7:554/live"  # noqa: S105  a made-up address

_GRIDS: Final = (
    (TOWN, "上坝镇", GridLevel.TOWN, None),
    (VILLAGE, "上坝村", GridLevel.VILLAGE, TOWN),
    (GROUP, "上坝村一组", GridLevel.GROUP, VILLAGE),
    (SECOND_GROUP, "上坝村二组", GridLevel.GROUP, VILLAGE),
    (OTHER_VILLAGE, "小沟村", GridLevel.VILLAGE, TOWN),
    (OTHER_GROUP, "小沟村一组", GridLevel.GROUP, OTHER_VILLAGE),
)
_PEOPLE: Final = (
    ("duty", Role.TOWN_DUTY, TOWN, None),
    ("fixer", Role.MAINTAINER, TOWN, None),
    ("cadre", Role.VILLAGE_CADRE, VILLAGE, None),
    ("leader", Role.GRID_LEADER, GROUP, None),
    ("worker", Role.GRID_WORKER, GROUP, "leader"),
    ("party", Role.PARTY_GROUP_LEADER, GROUP, None),
    ("leader2", Role.GRID_LEADER, SECOND_GROUP, None),
    ("party2", Role.PARTY_GROUP_LEADER, SECOND_GROUP, None),
    ("cadre2", Role.VILLAGE_CADRE, OTHER_VILLAGE, None),
    ("leader3", Role.GRID_LEADER, OTHER_GROUP, None),
    ("party3", Role.PARTY_GROUP_LEADER, OTHER_GROUP, None),
)


def registry(*without: str) -> Registry:
    """The registry of the small site, without the people named."""
    people = {
        PersonId(ident): Person(
            id=PersonId(ident),
            name=f"某{ident}",
            role=role,
            grid=grid,
            mqtt_user=ident,
            substitute_for=PersonId(stands_in) if stands_in else None,
        )
        for ident, role, grid, stands_in in _PEOPLE
        if ident not in without
    }
    grids = {c: Grid(code=c, name=n, level=level, parent=up) for c, n, level, up in _GRIDS}
    cameras = {c.id: c for c in (camera(CAMERA), camera(SECOND_CAMERA, grid=SECOND_GROUP))}
    return Registry(cameras=cameras, tree=GridTree(grids=grids), people=people)


def camera(ident: CameraId, *, grid: GridCode = GROUP) -> Camera:
    """A camera that consent and placement allow to be visited."""
    return Camera(
        id=ident,
        name=f"{ident[-6:]}号",
        grid=grid,
        place="村口路边",
        main_stream=StreamAddress.parse(SECRET_URL),
        link=LinkId("v203"),
        consent=Consent(state=ConsentState.GRANTED, until=date(2027, 6, 30)),
        placement=Placement.OUTDOOR,
        household_ref=HOUSEHOLD,
    )


def finding(ident: str = "F000001", **changed: Any) -> Finding:
    """An undecided finding of level III: a vehicle in the road."""
    plain: Mapping[str, Any] = {
        "id": FindingId(ident),
        "camera": CAMERA,
        "grid": GROUP,
        "round": None,
        "subject": Subject.SCENE,
        "kind": "blocking_vehicle",
        "score": 0.9,
        "found_at": NOON,
        "why": "车辆占道",
        "level": Level.ORDINARY,
        "category": "blocking_vehicle",
    }
    return replace(Finding(**plain), **changed)
