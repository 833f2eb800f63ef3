"""The review queue's order, one rule a line."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from patrol.domain.camera import Priority
from patrol.domain.finding import Finding, FindingState
from patrol.domain.ids import CameraId, FindingId, GridCode
from patrol.domain.levels import Level
from patrol.domain.observation import Subject
from patrol.domain.ranking import Standing, rank

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
USUAL = Standing(unseen=timedelta(hours=12))


def lead(number: int = 1, **changes: object) -> Finding:
    finding = Finding(
        id=FindingId(f"F{number:06d}"), camera=CameraId("62090204011327000001"),
        grid=GridCode("620902104203001"), round=None, subject=Subject.SCENE, kind="scene_change",
        score=0.6, found_at=NOW, why="", level=Level.ORDINARY, category="scene_change",
    )  # fmt: skip
    return replace(finding, **changes)  # type: ignore[arg-type]  # spelled by each rule


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param((lead(level=Level.URGENT, score=0.5), USUAL), (lead(2, score=0.99, count=9),
                     Standing(priority=Priority.KEY)), id="the level is never outweighed"),
        pytest.param((lead(score=0.5), USUAL), (lead(2, subject=Subject.EQUIPMENT, score=0.99),
                     USUAL), id="scenes before camera faults"),
        pytest.param((lead(score=0.8), USUAL), (lead(2, score=0.6), USUAL), id="the surer"),
        pytest.param((lead(count=4), USUAL), (lead(2), USUAL), id="what persists"),
        pytest.param((lead(), Standing(priority=Priority.KEY, unseen=USUAL.unseen)),
                     (lead(2), USUAL), id="a key site"),
        pytest.param((lead(), replace(USUAL, confirmed=9, decided=10)),
                     (lead(2), replace(USUAL, confirmed=1, decided=10)), id="the better record"),
        pytest.param((lead(), Standing(unseen=timedelta(days=9))), (lead(2), USUAL),
                     id="long unseen by a person"),
        pytest.param((lead(), Standing()), (lead(2), Standing(unseen=timedelta(days=9))),
                     id="never seen at all"),
        pytest.param((lead(state=FindingState.UNSURE), USUAL), (lead(2), USUAL),
                     id="somebody was unsure"),
        pytest.param((lead(found_at=NOW - timedelta(hours=20)), USUAL), (lead(2), USUAL),
                     id="the one that waits"),
        pytest.param((lead(1), USUAL), (lead(2), USUAL), id="equal: by number"),
    ],
)  # fmt: skip
def test_order(first: tuple[Finding, Standing], second: tuple[Finding, Standing]) -> None:
    for queue in ([first, second], [second, first]):
        ranked = rank(queue, NOW)
        assert [line.finding.id for line in ranked] == [first[0].id, second[0].id]
        assert [line.place for line in ranked] == [1, 2]


def test_a_short_record_hardly_moves_a_lead() -> None:
    once_wrong = rank([(lead(), replace(USUAL, decided=1))], NOW)[0].weight
    never = rank([(lead(), USUAL)], NOW)[0].weight
    always_wrong = rank([(lead(), replace(USUAL, decided=60))], NOW)[0].weight
    assert never - once_wrong < 0.05 < never - always_wrong


def test_why_tells_every_part_chinese_first() -> None:
    standing = Standing(priority=Priority.KEY, confirmed=3, decided=4, unseen=timedelta(days=5))
    why = rank([(lead(count=3, found_at=NOW - timedelta(hours=5)), standing)], NOW)[0].why
    chinese, english = why.split(" / ", maxsplit=1)[0], why
    for word in (
        "一般",
        "得分 0.60",
        "连续 3 次看到",
        "重点部位",
        "以往 3/4 属实",
        "5 天无人看过",
        "已等 5 小时",
    ):
        assert word in chinese
    for word in ("level III", "seen at 3 visits", "key site", "3 of 4", "unseen for 5 days"):
        assert word in english
