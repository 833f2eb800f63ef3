"""The review queue's order, one rule a line."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from patrol.domain.camera import Priority
from patrol.domain.finding import Finding, FindingState
from patrol.domain.ids import CameraId, FindingId, GridCode
from patrol.domain.observation import Subject
from patrol.domain.priority import Level
from patrol.domain.ranking import RankingInput, rank_findings

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
PLAIN_INPUT = RankingInput(unseen=timedelta(hours=12))


def ranked_finding(number: int = 1, **changes: object) -> Finding:
    finding = Finding(
        id=FindingId(f"F{number:06d}"), camera=CameraId("62090204011327000001"),
        grid=GridCode("620902104203001"), round=None, subject=Subject.SCENE, kind="scene_change",
        score=0.6, found_at=NOW, why="", level=Level.ORDINARY, category="scene_change",
    )  # fmt: skip
    return replace(finding, **changes)  # type: ignore[arg-type]  # spelled by each rule


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(
            (ranked_finding(level=Level.URGENT, score=0.5), PLAIN_INPUT),
            (ranked_finding(2, score=0.99, count=9), RankingInput(priority=Priority.KEY)),
            id="the level is never outweighed",
        ),
        pytest.param(
            (ranked_finding(score=0.5), PLAIN_INPUT),
            (ranked_finding(2, subject=Subject.EQUIPMENT, score=0.99), PLAIN_INPUT),
            id="scenes before camera faults",
        ),
        pytest.param(
            (ranked_finding(score=0.8), PLAIN_INPUT),
            (ranked_finding(2, score=0.6), PLAIN_INPUT),
            id="the surer",
        ),
        pytest.param(
            (ranked_finding(count=4), PLAIN_INPUT),
            (ranked_finding(2), PLAIN_INPUT),
            id="what persists",
        ),
        pytest.param(
            (ranked_finding(), RankingInput(priority=Priority.KEY, unseen=PLAIN_INPUT.unseen)),
            (ranked_finding(2), PLAIN_INPUT),
            id="a key site",
        ),
        pytest.param(
            (ranked_finding(), replace(PLAIN_INPUT, confirmed=9, decided=10)),
            (ranked_finding(2), replace(PLAIN_INPUT, confirmed=1, decided=10)),
            id="the better record",
        ),
        pytest.param(
            (ranked_finding(), RankingInput(unseen=timedelta(days=9))),
            (ranked_finding(2), PLAIN_INPUT),
            id="long unseen by a person",
        ),
        pytest.param(
            (ranked_finding(), RankingInput()),
            (ranked_finding(2), RankingInput(unseen=timedelta(days=9))),
            id="never seen at all",
        ),
        pytest.param(
            (ranked_finding(state=FindingState.UNSURE), PLAIN_INPUT),
            (ranked_finding(2), PLAIN_INPUT),
            id="somebody was unsure",
        ),
        pytest.param(
            (ranked_finding(found_at=NOW - timedelta(hours=20)), PLAIN_INPUT),
            (ranked_finding(2), PLAIN_INPUT),
            id="the one that waits",
        ),
        pytest.param(
            (ranked_finding(1), PLAIN_INPUT),
            (ranked_finding(2), PLAIN_INPUT),
            id="equal: by number",
        ),
    ],
)
def test_order(first: tuple[Finding, RankingInput], second: tuple[Finding, RankingInput]) -> None:
    for queue in ([first, second], [second, first]):
        ranked = rank_findings(queue, NOW)
        assert [line.finding.id for line in ranked] == [first[0].id, second[0].id]
        assert [line.position for line in ranked] == [1, 2]


def test_a_short_record_hardly_moves_a_lead() -> None:
    once_wrong = rank_findings([(ranked_finding(), replace(PLAIN_INPUT, decided=1))], NOW)[0].weight
    never = rank_findings([(ranked_finding(), PLAIN_INPUT)], NOW)[0].weight
    always_wrong = rank_findings([(ranked_finding(), replace(PLAIN_INPUT, decided=60))], NOW)[
        0
    ].weight
    assert never - once_wrong < 0.05 < never - always_wrong


def test_why_tells_every_part_chinese_first() -> None:
    standing = RankingInput(priority=Priority.KEY, confirmed=3, decided=4, unseen=timedelta(days=5))
    why = rank_findings(
        [(ranked_finding(count=3, found_at=NOW - timedelta(hours=5)), standing)], NOW
    )[0].why
    chinese, english = why.split(" / ", maxsplit=1)[0], why
    for phrase in (
        "一般",
        "得分 0.60",
        "连续 3 次看到",
        "重点部位",
        "以往 3/4 属实",
        "5 天无人看过",
        "已等 5 小时",
    ):
        assert phrase in chinese
    for phrase in ("level III", "seen at 3 visits", "key site", "3 of 4", "unseen for 5 days"):
        assert phrase in english
