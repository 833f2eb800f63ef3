"""Response by grid, precision by camera, the ledger's rows of the blind sample, the public page."""

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patrol.domain.case import Case, CaseEvent
from patrol.domain.finding import Decision, Finding, Origin
from patrol.domain.ids import CaseId, FindingId, GridCode
from patrol.domain.labels import CHAPTERS
from patrol.reports import ledger, report
from patrol.reports.public_digest import FORMATS, MIN_SHOWN, hide_small_counts, public_digest
from patrol.reports.queries import ReportHeading, ReportMaterial

A, C = CaseEvent.ACKNOWLEDGE, CaseEvent.CLOSE
DONE = (
    (A, 8), (CaseEvent.FEED_BACK, 40), (CaseEvent.VERIFY, 42), (C, 42),
)  # fmt: skip


def test_grids_stand_in_the_order_of_their_codes(
    make_case: Callable[..., Case], heading: ReportHeading
) -> None:
    """However many were found there, and however it answered."""
    codes = [GridCode("620902104203001"), GridCode("620902104203000")]
    cases = [
        replace(make_case(*DONE), id=CaseId("C1"), grid=codes[0]),
        replace(make_case((A, 30)), id=CaseId("C2"), grid=codes[0]),
        replace(make_case(), id=CaseId("C3"), grid=codes[1]),
        replace(make_case((CaseEvent.VOID, 3)), id=CaseId("C4"), grid=codes[1]),
    ]
    found = report.grid_table(ReportMaterial(cases=cases), heading)
    assert [line[:3] for line in found.lines] == [
        (codes[1], "一村", "1"),
        (codes[0], "一组", "2"),
    ]
    group = found.documents[1]
    assert group["ack_in_time"] == {"value": 0.5, "n": 2}
    assert group["closure"] == {"value": 0.5, "n": 2}
    assert group["ack_median"] == {"value": 14.0, "n": 2}


def test_a_cameras_precision_is_of_verdicts_on_the_machines_leads(
    day: ReportMaterial, heading: ReportHeading
) -> None:
    drawn = replace(day.rounds[0].findings[0], id=FindingId("F9"), origin=Origin.SAMPLE)
    records = replace(day.rounds[0], findings=[*day.rounds[0].findings, drawn])
    (line,) = report.camera_table(
        replace(day, rounds=[records, *day.rounds[1:]]), heading
    ).documents
    assert (line["confirmed"], line["decided"], line["precision"]) == (1, 2, 0.5)
    assert line["interval"] == pytest.approx([0.0945, 0.9055], abs=1e-4)


def rows_of(
    day: ReportMaterial, heading: ReportHeading, finding: Finding
) -> list[ledger.LedgerRow]:
    """The morning's row of the third camera, with this lead."""
    camera = day.rounds[0].visits[1].camera
    records = replace(day.rounds[0], findings=[replace(finding, camera=camera)])
    found = ledger.ledger_rows(replace(day, rounds=[records]), heading)
    return [row for row in found if row["点位编码"] == camera]


@pytest.mark.parametrize(
    ("decision", "shown"),
    [
        pytest.param(None, ("机器初筛", "正常", ""), id="undecided: nobody may know it for one"),
        pytest.param(Decision.AGE, ("机器初筛", "正常", ""), id="aged"),
        pytest.param(
            Decision.DISMISS, ("人工抽查（值班员）", "正常", "F000001 排除：光影变化"), id="right"
        ),
        pytest.param(
            Decision.CONFIRM, ("人工抽查（值班员）", "发现问题", "F000001 待核"), id="missed"
        ),
    ],
)
def test_the_blind_sample_in_the_ledger(
    day: ReportMaterial,
    heading: ReportHeading,
    decision: Decision | None,
    shown: tuple[str, str, str],
) -> None:
    waiting = replace(
        day.rounds[0].findings[0], origin=Origin.SAMPLE, state=day.rounds[1].findings[0].state,
        decided_by="", decided_at=None, reason="", case=None,
    )  # fmt: skip
    finding = (
        waiting.decide(decision, by="值班员", now=heading.made_at, reason="shadow")
        if decision
        else waiting
    )
    (row,) = rows_of(day, heading, finding)
    assert (row["查看方式"], row["结果"], row["备注"]) == shown


def test_a_known_positive_is_in_no_ledger(day: ReportMaterial, heading: ReportHeading) -> None:
    probe = replace(day.rounds[0].findings[0], origin=Origin.PROBE)
    (row,) = rows_of(day, heading, probe)
    assert (row["查看方式"], row["备注"]) == ("机器初筛", "")


COUNTS = st.dictionaries(st.sampled_from(sorted(CHAPTERS)), st.integers(0, 12), min_size=1)


@given(COUNTS)
def test_what_is_hidden_cannot_be_reckoned_from_the_rest(counts: dict[str, int]) -> None:
    shown = hide_small_counts(counts)
    hidden = [name for name, cell in shown.items() if cell is None]
    assert all(cell is None or cell >= MIN_SHOWN for cell in shown.values())
    assert {n: c for n, c in shown.items() if c is not None}.items() <= counts.items()
    if any(count < MIN_SHOWN for count in counts.values()):
        alone = len(hidden) == len(counts)  # nothing is left to hide behind
        assert alone or (len(hidden) > 1 and sum(counts[n] for n in hidden) >= MIN_SHOWN)


@pytest.fixture
def month(day: ReportMaterial, make_case: Callable[..., Case]) -> ReportMaterial:
    def some(category: str, done: int, left: int) -> list[Case]:
        cases = [make_case(*DONE)] * done + [make_case()] * left
        return [
            replace(case, id=CaseId(f"{category}{n}"), category=category)
            for n, case in enumerate(cases)
        ]

    return replace(
        day, cases=[*some("dumping", 9, 1), *some("livestock", 4, 0), *some("smoke", 1, 0)]
    )


def test_the_public_page_hides_what_could_point_at_a_household(
    month: ReportMaterial, heading: ReportHeading
) -> None:
    made = public_digest(replace(heading, kind="month", period="2026-11"), month)
    chapters = {name: (accepted, closed) for _, name, accepted, closed in made.chapters}
    assert len(chapters) == len(CHAPTERS), "a missing line would tell, too"
    assert chapters["环境"] == (10, 9)
    assert chapters["消防"] == (None, None)
    assert chapters["道路"] == (None, None), "or fire were the rest of the sum"
    figures = {ident: value for ident, _, value in made.figures}
    assert figures["accepted"] == "15"
    assert figures["closure"] == "接近 100 %", "one is open: that is a number under 3"
    assert figures["coverage"] == "50.0 %"


@pytest.mark.parametrize("kind", FORMATS)
def test_no_camera_name_or_grid_is_on_it(
    month: ReportMaterial, heading: ReportHeading, kind: str
) -> None:
    pytest.importorskip("xlsxwriter")
    data = FORMATS[kind](public_digest(replace(heading, kind="month", period="2026-11"), month))
    if kind == "xlsx":
        with zipfile.ZipFile(io.BytesIO(data)) as book:
            data = b"".join(book.read(name) for name in book.namelist())
            assert b'state="frozen"' in data
    text = data.decode("utf-8", "replace")
    for secret in ("62090210", "一组", "一村", "村口", "值班员", "L1", "ab" * 32, "H-0"):
        assert secret not in text
    for shown in ("环境", "巡查覆盖率", "2026-11"):
        assert shown in text or kind == "csv"
    if kind == "json":
        document = json.loads(text)
        assert [c["accepted"] for c in document["categories"] if c["zh"] == "消防"] == [None]
