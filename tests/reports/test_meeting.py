"""Meeting packs: periods, scopes, figures counted by hand, and every format."""

import io
import json
import zipfile
from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from patrol.domain.case import Case, CaseEvent, CaseState
from patrol.domain.finding import FindingState
from patrol.domain.ids import CaseId, GridCode
from patrol.domain.registry import Centre
from patrol.reports.meeting import (
    BadPeriod,
    BadScope,
    MeetingPack,
    PackHeading,
    load_pack,
    parse_period,
    parse_scope,
    scopes_of,
)
from patrol.reports.meeting_files import PACK_FORMATS, pack_document, pack_tables
from simulators import small_site
from tests.support.case_system import ZONE, CaseSystem

NOON = small_site.NOON
HERE = NOON.astimezone(ZONE).date()


@pytest.mark.parametrize(
    ("text", "start", "end", "before", "last_year"),
    [
        ("2026-11-22", date(2026, 11, 22), date(2026, 11, 23), "2026-11-21", "2025-11-22"),
        ("2026-W47", date(2026, 11, 16), date(2026, 11, 23), "2026-W46", "2025-W47"),
        ("2026-W53", date(2026, 12, 28), date(2027, 1, 4), "2026-W52", "2026-W01"),
        ("2026-01", date(2026, 1, 1), date(2026, 2, 1), "2025-12", "2025-01"),
        ("2026-Q4", date(2026, 10, 1), date(2027, 1, 1), "2026-Q3", "2025-Q4"),
        ("2026", date(2026, 1, 1), date(2027, 1, 1), "2025", "2025"),
        ("2028-02-29", date(2028, 2, 29), date(2028, 3, 1), "2028-02-28", "2027-02-28"),
    ],
)
def test_a_period_and_the_two_beside_it(
    text: str, start: date, end: date, before: str, last_year: str
) -> None:
    period = parse_period(text)
    assert (period.name, period.start, period.end) == (text, start, end)
    assert period.before().name == before
    if text != "2026-W53":  # 2025 has no week 53
        assert period.last_year().name == last_year


@pytest.mark.parametrize("text", ["", "2026-13", "2026-Q5", "2026-W60", "gestern", "2026-11-31"])
def test_what_is_no_period_says_so(text: str) -> None:
    with pytest.raises(BadPeriod, match="write 2026"):
        parse_period(text)


def test_a_cadre_has_the_scopes_of_the_own_centre(case_system: CaseSystem) -> None:
    tree = case_system.registry.tree
    village = tree.village_of(GridCode(small_site.GROUP))
    assert village
    assert [one.id for one in scopes_of(tree, village)] == [f"village:{village}"]
    east = replace(tree, centres=(Centre(id="east", name="东片", grids=(village,)),))
    assert [one.id for one in scopes_of(east, village)] == ["centre:east", f"village:{village}"]
    assert scopes_of(east)[0].id == "town"
    for text in ("centre:west", "village:1", "county", ""):
        with pytest.raises(BadScope):
            parse_scope(text, east)


def pack_of(system: CaseSystem, scope: str = "town", **more: Any) -> MeetingPack:
    heading = PackHeading(
        scope=parse_scope(scope, system.registry.tree),
        period=parse_period(f"{HERE:%Y-%m}"),
        site="上坝镇",
        zone=ZONE,
        made_at=more.get("now", NOON + timedelta(days=1)),
        registry=system.registry,
    )
    with system.store.begin_read() as uow:
        return load_pack(uow, heading, ["morning"])


@pytest.fixture
def worked(case_system: CaseSystem) -> CaseSystem:
    """Five cases: one closed after a rework, one voided, one of another category and overdue."""
    base = case_system.confirm()
    with case_system.store.begin() as uow:
        case = uow.cases.get(base.id)
        for minutes, what in enumerate(
            (CaseEvent.FEED_BACK, CaseEvent.NOT_VERIFIED, CaseEvent.FEED_BACK, CaseEvent.VERIFY,
             CaseEvent.CLOSE), start=1,
        ):  # fmt: skip
            case = case.apply_event(what, at=NOON + timedelta(minutes=minutes), by="x")
        uow.cases.put(case)
        for number in range(3):
            other: Case = replace(
                base, id=CaseId(f"C20261122-9{number:03}"), category="dumping", entries=(),
                tags=("四网融合",) if number else (), finding=None,
            ).dispatched(by="op", note="x")  # fmt: skip
            if number == 2:
                other = other.apply_event(CaseEvent.VOID, at=NOON, by="x")
            uow.cases.add(other)
        decided = replace(
            small_site.finding("F000700"), state=FindingState.DISMISSED, decided_by="op",
            decided_at=NOON, found_at=NOON,
        )  # fmt: skip
        uow.findings.add(decided)
        village = case_system.registry.tree.village_of(base.grid)
        assert village
        uow.grid_tags.put(village, ["铁路沿线"], by="op", at=NOON)
        uow.commit()
    return case_system


def test_the_pack_counts_by_hand(worked: CaseSystem) -> None:
    pack = pack_of(worked)
    figures = {one.figure.id: one.figure for one in pack.figures}
    assert figures["accepted"].part == 3  # voided left out
    assert (figures["closure"].part, figures["closure"].whole) == (1, 3)
    assert (figures["rework"].part, figures["rework"].whole) == (1, 1)
    assert [(row.key, row.count) for row in pack.categories] == [
        ("dumping", 2), ("blocking_vehicle", 1),
    ]  # fmt: skip
    assert {row.key: row.count for row in pack.tags} == {"四网融合": 1, "铁路沿线": 3}
    assert sum(pack.hours) == 3
    assert pack.hours[small_site.finding().found_at.astimezone(ZONE).hour] == 3
    assert sum(row.count for row in pack.villages) == 3
    assert [row.key for row in pack.villages] == sorted(row.key for row in pack.villages)
    assert len(pack.overdue) == 2
    assert {case.state for case in pack.cases} >= {CaseState.CLOSED, CaseState.VOIDED}
    (precision,) = [row for row in pack.precision if row.kind == small_site.finding().kind]
    assert (precision.real, precision.decided) == (1, 2)


def test_last_year_and_last_period_are_compared(worked: CaseSystem) -> None:
    accepted = next(one for one in pack_of(worked).figures if one.figure.id == "accepted")
    assert (accepted.mom, accepted.yoy) == ("—", "—")  # a zero base
    with worked.store.begin() as uow:
        case = uow.cases.get(CaseId("C20261122-9000"))
        month_ago = NOON - timedelta(days=30)
        uow.cases.add(
            replace(
                case, id=CaseId("C20261023-0001"), dispatched_at=month_ago, entries=(), finding=None
            ).dispatched(by="op", note="x")
        )
        uow.commit()
    accepted = next(one for one in pack_of(worked).figures if one.figure.id == "accepted")
    assert accepted.mom == "+200.0 %"


def test_a_village_without_cases_has_an_empty_pack(worked: CaseSystem) -> None:
    tree = worked.registry.tree
    mine = tree.village_of(GridCode(small_site.GROUP))
    others = [g.code for g in tree.grids.values() if g.level == "village" and g.code != mine]
    for code in others:
        assert pack_of(worked, f"village:{code}").cases == ()


@pytest.mark.parametrize("kind", sorted(PACK_FORMATS))
def test_every_format_is_made(worked: CaseSystem, kind: str) -> None:
    data = PACK_FORMATS[kind](pack_of(worked))
    if kind == "json":
        assert json.loads(data) == pack_document(pack_of(worked))
    elif kind == "csv":
        assert data.startswith(b"\xef\xbb\xbf")
        assert data.decode("utf-8-sig").count("\r\n") == 5
    elif kind == "html":
        text = data.decode()
        assert "月度联席会议材料" in text
        assert "<script" not in text
        assert "<svg" in text
    elif kind == "docx":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            text = archive.read("word/document.xml").decode()
        assert "月度联席会议材料" in text
        assert "C20261122-9000" not in text  # for the notice board: no case


def test_numbers_in_the_workbook_are_numbers(worked: CaseSystem) -> None:
    data = PACK_FORMATS["xlsx"](pack_of(worked))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        sheet = ET.fromstring(archive.read("xl/worksheets/sheet2.xml"))  # noqa: S314  our own
    space = {"x": "http://schemas.openxmlformats.org/spreadsheetml/2006/main"}
    kinds = {cell.get("r"): cell.get("t") for cell in sheet.iterfind(".//x:c", space)}
    assert kinds["A2"] == "s"
    assert kinds["B2"] in {None, "n"}


def test_a_share_is_read_in_per_cent_and_kept_as_a_number(worked: CaseSystem) -> None:
    """A precision of 1 of 2: `50.0 %` on paper, 0.5 of a per cent format in the workbook."""
    pack = pack_of(worked)
    table = PACK_FORMATS["html"](pack).decode().partition("初筛准确率（按类型）")[2]
    assert "<td class=n>50.0 %</td>" in table.partition("</table>")[0]
    with zipfile.ZipFile(io.BytesIO(PACK_FORMATS["xlsx"](pack))) as archive:
        names = list(pack_tables(pack))
        number = names.index("准确率") + 1
        sheet = ET.fromstring(archive.read(f"xl/worksheets/sheet{number}.xml"))  # noqa: S314  our own
        styles = archive.read("xl/styles.xml").decode()
    space = {"x": "http://schemas.openxmlformats.org/spreadsheetml/2006/main"}
    cells = {cell.get("r"): cell for cell in sheet.iterfind(".//x:c", space)}
    value = cells["D2"].find("x:v", space)
    assert (cells["D2"].get("t"), value is not None and value.text) == (None, "0.5")
    assert cells["D2"].get("s") != cells["C2"].get("s"), "its format is another"
    assert "0.0%" in styles


def test_a_hostile_place_stays_text(worked: CaseSystem) -> None:
    with worked.store.begin() as uow:
        case = uow.cases.list()[0]
        uow.cases.put(replace(case, place="=cmd|'/C calc'!A0 <b>"))
        uow.commit()
    pack = pack_of(worked)
    assert b"<b>" not in PACK_FORMATS["html"](pack).split(b"<body>")[1]
    assert b",'=cmd" in PACK_FORMATS["csv"](pack) or b"\"'=cmd" in PACK_FORMATS["csv"](pack)
