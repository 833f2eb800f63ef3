"""The ledger: which rows there are and what stands in them."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from patrol.domain.case import Case, CaseEvent
from patrol.domain.priority import Level
from patrol.reports import ledger
from patrol.reports.queries import ReportHeading, ReportMaterial

A, R, F, C = CaseEvent.ACKNOWLEDGE, CaseEvent.ARRIVE, CaseEvent.FEED_BACK, CaseEvent.CLOSE
V, H = CaseEvent.VERIFY, CaseEvent.HANDLE


def test_the_columns_are_the_domains() -> None:
    assert "、".join(ledger.COLUMNS) == (
        "日期、时段、轮次、巡查员、起止、网格、村/组、点位编码、点位名称、在线、图像质量、采样帧数、"
        "采样时间、查看方式、结果、类别、描述、级别、截图号、推送时间、签收、到场、反馈、处置、核查、"
        "办结、超时、备注、判读模块"
    )


def test_the_header_counts(day: ReportMaterial) -> None:
    head = ledger.ledger_totals(day)
    assert (head.planned, head.seen, head.offline, head.refused) == (8, 4, 2, 6)
    assert head.coverage == 0.5
    assert ledger.ledger_totals(ReportMaterial()).coverage is None


def test_a_row_for_each_visit_and_each_further_lead(
    day: ReportMaterial, heading: ReportHeading
) -> None:
    rows = list(ledger.ledger_rows(day, heading))
    assert [(row["轮次"], row["点位编码"][-1], row["结果"]) for row in rows] == [
        ("1", "1", "发现问题"), ("1", "1", "发现问题"), ("1", "2", "正常"),
        ("1", "3", "无法查看"), ("1", "9", "漏巡"),
        ("2", "1", "发现问题"), ("2", "2", "正常"), ("2", "3", "无法查看"), ("2", "9", "漏巡"),
    ]  # fmt: skip
    assert all(tuple(row) == ledger.COLUMNS for row in rows)


def test_a_confirmed_lead_carries_its_case(day: ReportMaterial, heading: ReportHeading) -> None:
    row = next(ledger.ledger_rows(day, heading))
    assert row == {
        "日期": "2026-11-22", "时段": "上午", "轮次": "1", "巡查员": "系统",
        "起止": "09:00:00–09:01:30", "网格": "620902104203001", "村/组": "一村/一组",
        "点位编码": "62090204011327000001", "点位名称": "村口", "在线": "在线",
        "图像质量": "合格", "采样帧数": "2", "采样时间": "09:00:00",
        "查看方式": "人工复核（值班员）", "结果": "发现问题", "类别": "车辆占道",
        "描述": "区域「路口」内发现货车", "级别": "II 紧急",
        "截图号": "62090204011327000001022026112209000000001", "推送时间": "11-22 09:05:06",
        "签收": "11-22 09:08:00", "到场": "11-22 09:20:00", "反馈": "11-22 09:40:00",
        "处置": "11-22 09:40:00", "核查": "11-22 09:42:00", "办结": "11-22 09:42:00",
        "超时": "否", "备注": "F000001 C20261122-0001", "判读模块": "yolox_nano/615e2661",
    }  # fmt: skip
    assert len(row["截图号"]) == 41


def test_what_was_not_looked_at_is_never_normal(
    day: ReportMaterial, heading: ReportHeading
) -> None:
    rows = list(ledger.ledger_rows(day, heading))
    blurred, offline, missed = rows[2:5]
    assert (blurred["图像质量"], blurred["在线"]) == ("画面模糊", "在线")
    assert (offline["在线"], offline["描述"]) == ("离线", "连接不上：连接被拒绝")
    assert (missed["在线"], missed["图像质量"], missed["描述"]) == ("未巡", "—", "到时限仍未巡")
    assert (offline["采样时间"], missed["采样时间"]) == ("", ""), "nothing was sampled"
    assert missed["点位名称"] == "（已销户）", "it left the registry since"
    assert rows[1]["备注"] == "F000002 排除：光影变化"
    assert (rows[5]["查看方式"], rows[5]["备注"]) == ("机器初筛，待复核", "F000003 待核")


@pytest.mark.parametrize(
    ("steps", "late"),
    [
        pytest.param([(A, 8), (R, 20), (H, 40), (F, 40), (V, 42), (C, 42)], False, id="in time"),
        pytest.param([(A, 16), (R, 20), (F, 40), (V, 42), (C, 42)], True, id="acknowledged late"),
        pytest.param([(F, 14), (V, 20), (C, 21)], False, id="feedback carries what came before"),
        pytest.param([(A, 8), (R, 20), (F, 200), (V, 201), (C, 202)], True, id="feedback late"),
        pytest.param([(A, 8), (R, 20)], True, id="silence after the limit"),
        pytest.param([(CaseEvent.RETURN, 8)], True, id="returned and left lying"),
        pytest.param([(CaseEvent.RETURN, 8), (CaseEvent.VOID, 30)], False, id="voided at once"),
    ],
)
def test_late(
    make_case: Callable[..., Case],
    heading: ReportHeading,
    steps: list[tuple[CaseEvent, float]],
    late: bool,  # noqa: FBT001  the table's expectation
) -> None:
    case = make_case(*steps)
    after = heading.made_at + timedelta(days=2)
    assert ledger.is_late(case, after) is late


def test_a_note_to_the_maintainer_has_no_arrival_to_miss(make_case: Callable[..., Case]) -> None:
    case = make_case((A, 60), level=Level.NOTE)
    assert not ledger.is_late(case, case.dispatched_at + timedelta(days=6))
    assert ledger.is_late(case, case.dispatched_at + timedelta(days=8))
