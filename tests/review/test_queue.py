"""Why a lead stands where it stands: what is known beside it, read from the books."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from patrol.domain.camera import Priority
from patrol.domain.finding import Decision, Finding
from patrol.domain.ids import CameraId, FindingId
from patrol.domain.observation import Subject
from patrol.review import review_queue
from simulators import small_site
from tests.support.store import new_store

NOON = small_site.NOON
DAY = timedelta(days=1)
CONFIRM, DISMISS = Decision.CONFIRM, Decision.DISMISS
YES, NO = (CONFIRM, "wang", DAY), (DISMISS, "wang", DAY)
Past = tuple[Decision, str, timedelta]


def why(*past: Past, **fields: Any) -> str:
    """Why the one that waits stands there, after what was decided so long ago about others."""
    store = new_store()
    with store.begin() as uow:
        for number, (decision, by, ago) in enumerate(past):
            known = replace(
                small_site.finding(f"P{number}"), found_at=NOON - ago, subject=Subject.SCENE
            )
            uow.findings.add(known.decide(decision, by=by, now=NOON - ago))
        uow.findings.add(replace(small_site.finding(), **fields))
        uow.commit()
    with store.begin_read() as uow:
        (line,) = review_queue(uow, NOON, cameras=small_site.registry().cameras).lines
    return line.why


@pytest.mark.parametrize(("past", "fields", "said"), [
    pytest.param([], {}, "从未有人看过", id="nobody ever looked"),
    pytest.param([], {"count": 3}, "连续 3 次看到", id="it stays"),
    pytest.param([YES, YES, NO], {}, "以往 2/3 属实", id="what this camera was worth"),
    pytest.param([(DISMISS, "li", 5 * DAY)], {}, "5 天无人看过", id="long unseen"),
    pytest.param([(CONFIRM, "rules", DAY)], {}, "从未有人看过", id="rules do not look"),
    pytest.param([(CONFIRM, "li", 400 * DAY)], {}, "从未", id="a year is long enough"),
    pytest.param([YES], {"subject": Subject.EQUIPMENT}, "得分", id="faults have their own record"),
])  # fmt: skip
def test_the_reason_is_in_words(past: list[Past], fields: dict[str, Any], said: str) -> None:
    words = why(*past, **fields)
    assert said in words
    assert " / " in words, "English beside"
    people = [by for _, by, ago in past if by != "rules" and ago < 365 * DAY]
    assert ("属实" in words) is bool(people and fields.get("subject") is None)


def test_a_camera_that_was_right_comes_before_one_that_was_not() -> None:
    store = new_store()
    cameras = small_site.CAMERA, small_site.SECOND_CAMERA
    with store.begin() as uow:
        for number in range(8):
            verdict = CONFIRM if number % 2 else DISMISS
            uow.findings.add(waiting(f"P{number}", cameras[number % 2]).decide(
                verdict, by="li", now=NOON - DAY
            ))  # fmt: skip
        uow.findings.add(waiting("F1", cameras[0]))
        uow.findings.add(waiting("F2", cameras[1]))
        uow.commit()
    with store.begin_read() as uow:
        assert [line.finding.id for line in review_queue(uow, NOON).lines] == ["F2", "F1"]


def test_a_key_site_comes_first_where_the_registry_is_known() -> None:
    store = new_store()
    known = small_site.registry().cameras
    key = {
        small_site.SECOND_CAMERA: replace(known[small_site.SECOND_CAMERA], priority=Priority.KEY)
    }
    with store.begin() as uow:
        uow.findings.add(waiting("F1", small_site.CAMERA))
        uow.findings.add(waiting("F2", small_site.SECOND_CAMERA))
        uow.commit()
    with store.begin_read() as uow:
        assert [line.finding.id for line in review_queue(uow, NOON).lines] == ["F1", "F2"]
        ranked = review_queue(uow, NOON, cameras={**known, **key}).lines
    assert [line.finding.id for line in ranked] == ["F2", "F1"]
    assert "重点部位" in ranked[0].why


def waiting(ident: str, camera: CameraId) -> Finding:
    return replace(small_site.finding(ident), id=FindingId(ident), camera=camera)
