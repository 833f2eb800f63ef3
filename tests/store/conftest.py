"""Stores with something in them."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from patrol.domain.case import Case, CaseEntry, CaseEvent
from patrol.domain.case_timers import CasePolicy, LadderRung
from patrol.domain.finding import Decision, Finding
from patrol.domain.ids import (
    CameraId,
    CaseId,
    FindingId,
    GridCode,
    MessageKey,
    PersonId,
    RoundId,
    Sha256,
)
from patrol.domain.observation import Subject
from patrol.domain.outbox import OutboxMessage
from patrol.domain.priority import LIMITS_BY_LEVEL, Level
from patrol.domain.round import (
    PlannedVisit,
    Round,
    RoundEvent,
    StoredPicture,
    Visit,
    VisitOutcome,
)
from patrol.store import Store, UnitOfWork, open_store

NOW = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
CAMERAS = [CameraId(f"62090204011327{number:06d}") for number in range(1, 6)]
GRID = GridCode("620902104203001")


def _picture(camera: CameraId) -> StoredPicture:
    return StoredPicture(
        sha256=Sha256(camera[-1] * 64),
        camera=camera,
        taken_at=NOW,
        width_px=1920,
        height_px=1080,
        bytes=40_000,
        purpose="sample",
        delete_after=NOW + timedelta(days=30),
    )


def _add_round(unit: UnitOfWork) -> None:
    a_round = Round(
        id=RoundId("20261122-morning-1"),
        plan="morning",
        day=NOW.date(),
        planned_at=NOW,
        finish_by=NOW + timedelta(hours=1),
        planned=len(CAMERAS),
        refused={"indoor": 1},
    ).apply_event(RoundEvent.START, at=NOW)
    places = [
        PlannedVisit(round=a_round.id, camera=camera, order=order)
        for order, camera in enumerate(CAMERAS)
    ]
    unit.rounds.add(a_round, places)
    for camera in CAMERAS[:3]:
        unit.rounds.record_visit(
            Visit(
                round=a_round.id,
                camera=camera,
                outcome=VisitOutcome.PROBLEM,
                started_at=NOW,
                finished_at=NOW,
                usable_pictures=1,
                pictures=(_picture(camera),),
            )
        )
    unit.rounds.miss_pending(a_round.id, "时间已到", NOW)
    unit.rounds.put(a_round.apply_event(RoundEvent.FINISH, at=NOW))


def _add_case(unit: UnitOfWork) -> None:
    finding = Finding(
        id=FindingId("F000001"),
        camera=CAMERAS[0],
        grid=GRID,
        round=RoundId("20261122-morning-1"),
        subject=Subject.SCENE,
        kind="dumping",
        score=0.9,
        found_at=NOW,
        why="画面中出现新的物体",
        level=Level.ORDINARY,
        category="dumping",
        case=CaseId("C20261122-0001"),
    ).decide(Decision.CONFIRM, by="值班员", now=NOW)
    unit.findings.add(finding)
    step = LadderRung(grid=GRID, person=PersonId("leader-1"), after_s=0)
    dispatched = CaseEntry(at=NOW, by="值班员", what=CaseEvent.DISPATCH)
    case = Case(
        id=CaseId("C20261122-0001"),
        finding=finding.id,
        camera=finding.camera,
        grid=GRID,
        subject=finding.subject,
        category=finding.category,
        level=finding.level,
        place="上坝村一组东口",
        found_at=NOW,
        dispatched_at=NOW,
        policy=CasePolicy(limits=LIMITS_BY_LEVEL[Level.ORDINARY], ladder=(step,)),
        entries=(dispatched,),
    )
    for event in (CaseEvent.ACKNOWLEDGE, CaseEvent.ARRIVE, CaseEvent.ACKNOWLEDGE):
        case = case.apply_event(event, at=NOW, by="leader-1")
    unit.cases.add(case)
    for number in range(3):
        message = OutboxMessage(
            key=MessageKey(f"key-{number}"),
            topic=f"patrol/v1/shangba/grid/{GRID}/case/{case.id}",
            payload=f'{{"v":1,"revision":{case.revision}}}'.encode(),
            queued_at=NOW,
            case=case.id,
        )
        unit.outbox.add(message)


def _add_recheck(unit: UnitOfWork) -> None:
    for number in range(3):
        unit.access.append(at=NOW, who="值班员", what="view", camera=CAMERAS[0], why=f"{number}")
        unit.pictures.record_deletion(
            _picture(CAMERAS[number]).id, NOW + timedelta(days=30 + number)
        )


@pytest.fixture(params=["sqlite", "postgres"])
def furnished(request: pytest.FixtureRequest) -> Iterator[Store]:
    """A store after a day: a finished round, a case under way, looks, deletions, three messages."""
    url: str = request.getfixturevalue(f"{request.param}_database")
    with open_store(url) as store:
        for work in (_add_round, _add_case, _add_recheck):
            with store.begin() as unit:
                work(unit)
                unit.commit()
        yield store
