"""Every implementation of a door, under one name."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest

from patrol.domain.case import Case, CaseEntry, CaseEvent
from patrol.domain.case_timers import CasePolicy, LadderRung
from patrol.domain.finding import Finding
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
from patrol.domain.observation import Observation, Subject
from patrol.domain.outbox import OutboxMessage
from patrol.domain.priority import LIMITS_BY_LEVEL, Level
from patrol.domain.round import PlannedVisit, Round, StoredPicture, Visit, VisitOutcome
from patrol.store import Store, open_store


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    """An empty store in each database."""
    with open_store(request.getfixturevalue(f"{request.param}_database")) as opened:
        yield opened


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> str:
    """URL of an empty store in each database."""
    url: str = request.getfixturevalue(f"{request.param}_database")
    return url


NOW = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)


class Make:
    """Nouns with everything that a test does not care about filled in."""

    now = NOW

    @staticmethod
    def camera(number: int = 1) -> CameraId:
        """A device code."""
        return CameraId(f"62090204011327{number:06d}")

    def round(self, number: int = 1, *, cameras: int = 3, **fields: Any) -> Round:
        """A planned round of one day, `number` hours after the first."""
        return Round(
            **{
                "id": RoundId(f"20261122-morning-{number}"),
                "plan": "morning",
                "day": NOW.date(),
                "planned_at": NOW + timedelta(hours=number),
                "finish_by": NOW + timedelta(hours=number + 1),
                "planned": cameras,
                "refused": {"indoor": 2, "consent_pending": 1},
                **fields,
            }
        )

    def planned(self, a_round: Round) -> list[PlannedVisit]:
        """As many as the round says, last camera first."""
        return [
            PlannedVisit(
                round=a_round.id, camera=self.camera(number), order=a_round.planned - number
            )
            for number in range(1, a_round.planned + 1)
        ]

    def visit(self, a_round: RoundId | None = None, camera: int = 1, **fields: Any) -> Visit:
        """A normal one."""
        return Visit(
            **{
                "round": a_round,
                "camera": self.camera(camera),
                "outcome": VisitOutcome.NORMAL,
                "started_at": NOW,
                "finished_at": NOW + timedelta(seconds=5),
                "usable_pictures": 2,
                **fields,
            }
        )

    def picture(self, name: str = "a", camera: int = 1, **fields: Any) -> StoredPicture:
        """One of a sample."""
        return StoredPicture(
            **{
                "sha256": Sha256(sha256(name.encode()).hexdigest()),
                "camera": self.camera(camera),
                "taken_at": NOW,
                "width_px": 1920,
                "height_px": 1080,
                "bytes": 40_000,
                "purpose": "sample",
                "delete_after": NOW + timedelta(days=30),
                **fields,
            }
        )

    def observation(self, camera: int = 1, **fields: Any) -> Observation:
        """A vehicle in a zone."""
        return Observation(
            **{
                "camera": self.camera(camera),
                "round": None,
                "at": NOW,
                "subject": Subject.SCENE,
                "kind": "blocking_vehicle",
                "score": 0.9,
                "value": 1.0,
                "threshold": 0.5,
                "gauge": "yolox_nano/615e2661",
                "zone": "gate",
                **fields,
            }
        )

    def finding(self, number: int = 1, camera: int = 1, **fields: Any) -> Finding:
        """A candidate of no round."""
        return Finding(
            **{
                "id": FindingId(f"F{number:06d}"),
                "camera": self.camera(camera),
                "grid": GridCode("620902104203001"),
                "round": None,
                "subject": Subject.SCENE,
                "kind": "blocking_vehicle",
                "score": 0.8,
                "found_at": NOW,
                "why": "车辆停在通道上",
                "level": Level.ORDINARY,
                "category": "blocking_vehicle",
                **fields,
            }
        )

    def case(self, number: int = 1, camera: int = 1, **fields: Any) -> Case:
        """Just dispatched; reported on the ground, so that it needs no finding."""
        dispatched = CaseEntry(at=NOW, by="operator", what=CaseEvent.DISPATCH, note="请查看")
        return Case(
            **{
                "id": CaseId(f"C20261122-{number:04d}"),
                "finding": None,
                "camera": self.camera(camera),
                "grid": GridCode("620902104203001"),
                "subject": Subject.SCENE,
                "category": "blocking_vehicle",
                "level": Level.ORDINARY,
                "place": "上坝村一组东口",
                "found_at": NOW,
                "dispatched_at": NOW + timedelta(minutes=number),
                "policy": CasePolicy(
                    limits=LIMITS_BY_LEVEL[Level.NOTE],
                    ladder=(
                        LadderRung(
                            grid=GridCode("620902104203001"),
                            person=PersonId("leader-1"),
                            after_s=0,
                        ),
                        LadderRung(
                            grid=GridCode("620902104203000"),
                            person=PersonId("cadre-1"),
                            after_s=7200.5,
                        ),
                    ),
                ),
                "entries": (dispatched,),
                **fields,
            }
        )

    def message(self, number: int = 1, topic: str = "t", **fields: Any) -> OutboxMessage:
        """A queued one."""
        return OutboxMessage(
            **{
                "key": MessageKey(f"key-{number}"),
                "topic": topic,
                "payload": b'{"v":1}',
                "queued_at": NOW,
                **fields,
            }
        )


@pytest.fixture
def make() -> Make:
    """The nouns' maker."""
    return Make()
