"""Figures against numbers that were counted by hand."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patrol.domain.case import Case, CaseEvent
from patrol.domain.finding import FindingState, Origin
from patrol.domain.ids import CameraId, CaseId, FindingId
from patrol.domain.round import ADHOC
from patrol.reports.figures import Figure, change_text, quantile, report_figures
from patrol.reports.queries import ReportHeading, ReportMaterial

A, C = CaseEvent.ACKNOWLEDGE, CaseEvent.CLOSE


def by_id(material: ReportMaterial, heading: ReportHeading) -> dict[str, Figure]:
    return {figure.id: figure for figure in report_figures(material, heading.made_at)}


def test_a_day_by_hand(day: ReportMaterial, heading: ReportHeading) -> None:
    found = by_id(day, heading)
    rates = {k: (f.part, f.whole) for k, f in found.items() if f.whole is not None}
    assert rates == {
        "coverage": (4, 8),  # seen of planned
        "completion": (6, 8),  # two were missed
        "online": (4, 6),  # of those visited, two did not answer
        "intact": (2, 6),  # two more are blurred
        "qualified": (2, 4),
        "reviewed": (2, 3),
        "human_review": (1, 4),  # both decided leads were one camera's, in one round
        "precision": (1, 2),
        "miss_rate": (0, 0),  # nothing was drawn
        "machine_missed": (0, 1),  # nobody saw anything by himself
        "closure": (1, 1),
        "closure_on_time": (1, 1),
        "ack_in_time": (1, 1),
        "feedback_in_time": (1, 1),
        "false_alarm": (0, 1),
        "ack_median": (3.0, 1),
        "ack_p90": (3.0, 1),
        "close_median": (37.0, 1),
        "close_p90": (37.0, 1),
    }
    assert found["coverage"].text == "50.0 %（4/8）"
    assert "未授权 6" in found["coverage"].note
    assert "漏巡 2" in found["online"].note


def test_nothing_at_all_divides_by_nothing(heading: ReportHeading) -> None:
    found = by_id(ReportMaterial(), heading)
    assert found["coverage"].value is None
    assert found["coverage"].text == "—（n=0）"
    assert found["ack_median"].text == "—（n=0）"
    assert found["planned"].text == "0"


def test_overdue_and_open_counts_as_late(
    make_case: Callable[..., Case], heading: ReportHeading
) -> None:
    acked_late = replace(make_case((A, 30)), id=CaseId("C2"))
    silent = replace(make_case(), id=CaseId("C3"))
    material = ReportMaterial(cases=[make_case((A, 8)), acked_late, silent])
    soon = silent.dispatched_at + timedelta(minutes=1)
    late = {f.id: f for f in report_figures(material, heading.made_at)}["ack_in_time"]
    early = {f.id: f for f in report_figures(material, soon)}["ack_in_time"]
    assert (late.part, late.whole) == (1, 3)
    assert (early.part, early.whole) == (1, 2), "the silent one is not due yet"
    assert "未到期 1" in early.note


def test_voided_cases_are_left_out_and_said_so(
    make_case: Callable[..., Case], heading: ReportHeading
) -> None:
    returned = make_case().apply_event(
        CaseEvent.RETURN, at=heading.made_at, by="L1", note="false_alarm: 没有车"
    )
    voided = make_case((CaseEvent.VOID, 9))
    unsent = replace(make_case(), id=CaseId("C9"))  # nobody was told yet: it cannot be one
    pushed = {returned.id: heading.made_at}
    found = by_id(ReportMaterial(cases=[returned, voided, unsent], pushed_at=pushed), heading)
    assert (found["false_alarm"].part, found["false_alarm"].whole) == (1, 1)
    assert "作废 1" in found["accepted"].note


def a_sample_of(day: ReportMaterial, states: str) -> ReportMaterial:
    """The day, with a blind sample: c confirmed, m merged, d dismissed, a aged, w waits."""
    decisions = {
        "c": FindingState.CONFIRMED, "m": FindingState.MERGED, "d": FindingState.DISMISSED,
        "a": FindingState.AGED, "w": FindingState.CANDIDATE,
    }  # fmt: skip
    morning = day.rounds[0]
    drawn = [
        replace(
            morning.findings[0], id=FindingId(f"F9{number}"), camera=CameraId(f"c{number}"),
            origin=Origin.SAMPLE, state=decisions[state], case=None,
            decided_by="" if state == "w" else "patrol" if state == "a" else "值班员",
        )
        for number, state in enumerate(states)
    ]  # fmt: skip
    records = replace(morning, findings=[*morning.findings, *drawn])
    return replace(day, rounds=[records, *day.rounds[1:]])


def test_the_miss_rate_is_the_blind_samples_alone(
    day: ReportMaterial, heading: ReportHeading
) -> None:
    before, after = by_id(day, heading), by_id(a_sample_of(day, "cmdddddddaww"), heading)
    miss = after["miss_rate"]
    assert (miss.part, miss.whole) == (2, 9)
    assert miss.interval == pytest.approx((0.0632, 0.5474), abs=1e-4)
    assert "95 % 区间 6.3–54.7 %" in miss.text
    assert "未判 3" in miss.note
    for one in ("findings", "reviewed", "precision", "duplicates"):
        assert after[one] == before[one], "never among the machine's"
    assert (after["human_review"].part, before["human_review"].part) == (10, 1)


def test_known_positives_are_in_no_other_figure(
    day: ReportMaterial, heading: ReportHeading
) -> None:
    sampled = a_sample_of(day, "cd")
    records = sampled.rounds[0]
    probes = [
        replace(f, origin=Origin.PROBE) for f in records.findings if f.origin is Origin.SAMPLE
    ]
    kept = [f for f in records.findings if f.origin is not Origin.SAMPLE]
    probed = replace(day, rounds=[replace(records, findings=[*kept, *probes]), *day.rounds[1:]])
    with_them, without = by_id(probed, heading), by_id(day, heading)
    seen = with_them.pop("known_positives")
    assert (seen.part, seen.whole) == (1, 2)
    assert with_them == without


def test_how_long_nobody_saw_a_camera(day: ReportMaterial, heading: ReportHeading) -> None:
    """Of those that were planned; who was never seen is counted, not guessed at."""
    first, second = camera_of(day, 0), camera_of(day, 1)
    known = replace(
        day,
        until=heading.made_at,
        last_seen={
            first: heading.made_at - timedelta(days=3, hours=12),
            second: heading.made_at,
            CameraId("gone"): heading.made_at - timedelta(days=900),
        },
    )
    found = by_id(known, heading)
    assert (found["longest_unseen"].part, found["longest_unseen"].text) == (3.5, "3.5 天")
    assert "4 路，其中 2 路从未" in found["longest_unseen"].note
    assert found["longest_unwatched"].value is None


def camera_of(day: ReportMaterial, visit: int) -> CameraId:
    return day.rounds[0].visits[visit].camera


def test_a_round_that_somebody_asked_for_is_no_coverage(
    day: ReportMaterial, heading: ReportHeading
) -> None:
    asked = replace(day.rounds[1], round=replace(day.rounds[1].round, plan=ADHOC))
    found = by_id(replace(day, rounds=[day.rounds[0], asked]), heading)
    assert (found["coverage"].part, found["coverage"].whole) == (2, 4)
    assert found["findings"].part == 3, "what it found counts"


@pytest.mark.parametrize(
    ("new", "old", "said"),
    [
        pytest.param((9, 10), (8, 10), "+10.0 个百分点", id="rate"),
        pytest.param((9, 10), (0, 0), "—", id="zero base of a rate"),
        pytest.param((9, None), (6, None), "+50.0 %", id="count"),
        pytest.param((9, None), (0, None), "—", id="zero base of a count"),
        pytest.param((9, None), None, "—", id="no earlier period"),
    ],
)
def test_change(new: tuple[int, int | None], old: tuple[int, int | None] | None, said: str) -> None:
    def figure(numbers: tuple[int, int | None]) -> Figure:
        return Figure(id="x", zh="", en="", part=numbers[0], whole=numbers[1])

    assert change_text(figure(new), figure(old) if old else None) == said


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0, 1))
def test_a_quantile_lies_among_the_values(values: list[float], share: float) -> None:
    ordered = sorted(values)
    found = quantile(ordered, share)
    assert found is not None
    assert ordered[0] <= found <= ordered[-1] or found == pytest.approx(ordered[0])
    assert quantile(ordered, 0) == ordered[0]
    assert quantile(ordered, 1) == ordered[-1]
