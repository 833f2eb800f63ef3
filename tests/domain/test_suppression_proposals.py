"""What dismissals teach."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from patrol.domain.finding import DismissReason, Finding
from patrol.domain.ids import CameraId, FindingId, GridCode
from patrol.domain.observation import Subject
from patrol.domain.priority import Level
from patrol.domain.suppression import Suppression, suppression_for

NOW = datetime(2026, 11, 22, tzinfo=UTC)
FOUND = Finding(
    id=FindingId("F000001"), camera=CameraId("62090204011327000001"),
    grid=GridCode("620902104203001"), round=None, subject=Subject.SCENE, kind="scene_change",
    score=0.6, found_at=NOW, why="", level=Level.ORDINARY, category="scene_change",
    box=(0.4, 0.5, 0.2, 0.1),
)  # fmt: skip


@pytest.mark.parametrize("reason", [DismissReason.DUPLICATE, DismissReason.OTHER])
def test_some_reasons_teach_nothing(reason: DismissReason) -> None:
    assert suppression_for(FOUND, reason) is None


@pytest.mark.parametrize(
    ("reason", "here", "days"),
    [
        (DismissReason.SHADOW, True, 14),
        (DismissReason.KNOWN_OBJECT, True, 180),
        (DismissReason.NOT_A_PROBLEM, True, 30),
        (DismissReason.WEATHER, False, 0.75),
        (DismissReason.CAMERA_FAULT, False, 3),
    ],
)
def test_reason_decides_reach(reason: DismissReason, days: float, *, here: bool) -> None:
    lesson = suppression_for(FOUND, reason)
    assert lesson is not None
    assert (lesson.box is not None) is here
    assert lesson.lasts == timedelta(days=days)


def test_the_next_proposal_near_by_is_held_and_one_elsewhere_is_not() -> None:
    lesson = suppression_for(FOUND, DismissReason.KNOWN_OBJECT)
    assert lesson is not None
    kept = Suppression(
        number=1, camera=FOUND.camera, kind=lesson.kind, box=lesson.box, reason=lesson.reason,
        owner="op1", created_at=NOW, until=NOW + lesson.lasts,
    )  # fmt: skip
    later = NOW + timedelta(days=90)
    assert kept.applies_to("scene_change", (0.43, 0.53, 0.18, 0.09), later)
    assert not kept.applies_to("scene_change", (0.05, 0.1, 0.1, 0.1), later)
    assert not kept.applies_to("open_flame", FOUND.box, later)
    assert not kept.applies_to("scene_change", FOUND.box, NOW + timedelta(days=181))


def test_a_lead_without_a_place_silences_a_camera_only_shortly() -> None:
    lesson = suppression_for(replace(FOUND, box=None), DismissReason.KNOWN_OBJECT)
    assert lesson is not None
    assert lesson.box is None
    assert lesson.lasts < timedelta(days=1)


def test_an_area_at_the_edge_stays_in_the_picture() -> None:
    lesson = suppression_for(replace(FOUND, box=(0.9, 0.0, 0.1, 0.2)), DismissReason.SHADOW)
    assert lesson is not None
    assert lesson.box is not None
    x, y, width, height = lesson.box
    assert min(x, y) >= 0
    assert x + width <= 1
    assert y + height <= 1
