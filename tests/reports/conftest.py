"""A day of two rounds at a small town, with a case that went well and one that did not."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from patrol.domain.camera import Camera, Consent, ConsentState, Placement
from patrol.domain.case import Case, CaseEvent
from patrol.domain.case_timers import CasePolicy
from patrol.domain.finding import Decision, Finding
from patrol.domain.ids import (
    CameraId,
    CaseId,
    FindingId,
    GridCode,
    LinkId,
    RoundId,
    Sha256,
)
from patrol.domain.observation import Subject
from patrol.domain.priority import LIMITS_BY_LEVEL, Level
from patrol.domain.registry import Grid, GridLevel, GridTree, Registry
from patrol.domain.round import Round, RoundEvent, StoredPicture, Visit, VisitOutcome
from patrol.reports.queries import ReportHeading, ReportMaterial, RoundRecords
from streams.address import StreamAddress

NINE = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)  # 09:00 in Shanghai
ZONE = ZoneInfo("Asia/Shanghai")
TOWN, VILLAGE, GROUP = (
    GridCode(code) for code in ("620902104000000", "620902104203000", "620902104203001")
)


def minutes(number: float) -> datetime:
    return NINE + timedelta(minutes=number)


def camera_id(number: int) -> CameraId:
    return CameraId(f"62090204011327{number:06d}")


def a_camera(number: int, name: str) -> Camera:
    return Camera(
        id=camera_id(number), name=name, grid=GROUP, place="", main_stream=StreamAddress.parse("rtsp://u:s3cret@h/a"),
        link=LinkId("v203"), placement=Placement.OUTDOOR,
        consent=Consent(state=ConsentState.GRANTED, until=date(2027, 1, 1)),
    )  # fmt: skip


def a_registry() -> Registry:
    grids = (
        Grid(code=TOWN, name="小镇", level=GridLevel.TOWN, parent=None),
        Grid(code=VILLAGE, name="一村", level=GridLevel.VILLAGE, parent=TOWN),
        Grid(code=GROUP, name="一组", level=GridLevel.GROUP, parent=VILLAGE),
    )
    cameras = (a_camera(1, "村口"), a_camera(2, "=渠边()"), a_camera(3, "<场院>"))
    return Registry(
        cameras={camera.id: camera for camera in cameras},
        tree=GridTree(grids={grid.code: grid for grid in grids}),
        people={},
    )


def a_round(plan: str = "morning", start: float = 0) -> Round:
    planned = Round(
        id=RoundId(f"20261122-{plan}-1"), plan=plan, day=date(2026, 11, 22),
        planned_at=minutes(start), finish_by=minutes(start + 90), planned=4,
        refused={"indoor": 2, "consent_pending": 1},
    )  # fmt: skip
    started = planned.apply_event(RoundEvent.START, at=minutes(start))
    return started.apply_event(RoundEvent.FINISH, at=minutes(start + 1.5))


def visits(of: RoundId, at: datetime) -> list[Visit]:
    picture = StoredPicture(
        sha256=Sha256("ab" * 32), camera=camera_id(1), taken_at=at, width_px=1920,
        height_px=1080, bytes=1, purpose="sample", delete_after=at,
    )  # fmt: skip
    seen = Visit(
        round=of, camera=camera_id(1), outcome=VisitOutcome.PROBLEM, started_at=at,
        finished_at=at, usable_pictures=2, pictures=(picture,),
    )  # fmt: skip
    blurred = replace(
        seen, camera=camera_id(2), outcome=VisitOutcome.NORMAL, faults=("blur",), pictures=()
    )
    gone = replace(
        blurred, camera=camera_id(3), outcome=VisitOutcome.NOT_VIEWABLE, faults=(),
        usable_pictures=0, failure="unreachable", seen="connection refused",
    )  # fmt: skip
    missed = replace(
        gone, camera=camera_id(9), outcome=VisitOutcome.MISSED, failure="", seen="finish-by passed"
    )
    return [seen, blurred, gone, missed]


def a_finding(number: int, of: RoundId) -> Finding:
    return Finding(
        id=FindingId(f"F{number:06d}"), camera=camera_id(1), grid=GROUP, round=of,
        subject=Subject.SCENE, kind="blocking_vehicle", score=0.8, found_at=NINE,
        why="区域「路口」内发现货车", level=Level.PRESSING, category="blocking_vehicle",
        gauge="yolox_nano/615e2661",
    )  # fmt: skip


def a_case(number: int = 1, level: Level = Level.PRESSING) -> Case:
    return Case(
        id=CaseId(f"C20261122-{number:04d}"), finding=FindingId(f"F{number:06d}"),
        camera=camera_id(1), grid=GROUP, subject=Subject.SCENE, category="blocking_vehicle",
        level=level, place="村口", found_at=NINE, dispatched_at=minutes(5),
        policy=CasePolicy(limits=LIMITS_BY_LEVEL[level], ladder=()),
    )  # fmt: skip


def apply_events(case: Case, *events: tuple[CaseEvent, float]) -> Case:
    """The case after these events, each so many minutes after nine."""
    for event, minute in events:
        case = case.apply_event(event, at=minutes(minute), by="L1")
    return case


GOOD = (
    (CaseEvent.ACKNOWLEDGE, 8), (CaseEvent.ARRIVE, 20), (CaseEvent.HANDLE, 40),
    (CaseEvent.FEED_BACK, 40), (CaseEvent.VERIFY, 42), (CaseEvent.CLOSE, 42),
)  # fmt: skip


@pytest.fixture
def heading() -> ReportHeading:
    return ReportHeading(
        kind="day", period="2026-11-22", site="小镇", zone=ZONE, made_at=minutes(600),
        registry=a_registry(),
    )  # fmt: skip


@pytest.fixture
def day() -> ReportMaterial:
    morning, afternoon = a_round(), a_round("afternoon", 360)
    confirmed = replace(
        a_finding(1, morning.id).decide(Decision.CONFIRM, by="值班员", now=minutes(5)),
        case=CaseId("C20261122-0001"),
    )
    dismissed = a_finding(2, morning.id).decide(
        Decision.DISMISS, by="值班员", now=minutes(6), reason="shadow"
    )
    return ReportMaterial(
        rounds=[
            RoundRecords(round=morning, visits=visits(morning.id, NINE),
                       findings=[confirmed, dismissed]),
            RoundRecords(round=afternoon, visits=visits(afternoon.id, minutes(360)),
                       findings=[a_finding(3, afternoon.id)]),
        ],
        cases=[apply_events(a_case(1), *GOOD)],
        pushed_at={CaseId("C20261122-0001"): minutes(5.1)},
    )  # fmt: skip


@pytest.fixture
def make_case() -> Callable[..., Case]:
    def make(*steps: tuple[CaseEvent, float], level: Level = Level.PRESSING) -> Case:
        return apply_events(a_case(1, level), *steps)

    return make
