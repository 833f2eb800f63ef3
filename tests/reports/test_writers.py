"""The files: golden ones, what a spreadsheet must not compute, and whole or not at all."""

import csv
import io
import json
import re
import zipfile
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from patrol.reports.ledger import COLUMNS
from patrol.reports.queries import ReportHeading, ReportMaterial
from patrol.reports.report import Report, compose_report
from patrol.reports.writers import (
    FORMATS,
    REPORT_TABLES,
    escape_formula,
    to_csv,
    to_html,
    to_json,
)

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture
def report(day: ReportMaterial, heading: ReportHeading) -> Report:
    return compose_report(heading, day, last=day, year_ago=None)


@pytest.mark.parametrize("name", ["day.csv", "day.json", "day.html"])
def test_golden(report: Report, name: str) -> None:
    """`python -m tests.report.golden` is not needed: delete a file and look at the new one."""
    made = FORMATS[Path(name).suffix[1:]](report)
    path = GOLDEN / name
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(made)
        pytest.fail(f"{name} was missing and is written: look at it, then run again")
    assert made.decode() == path.read_bytes().decode()


def test_csv_is_read_by_excel_and_by_programs(report: Report) -> None:
    data = to_csv(report)
    assert data.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == 9
    assert rows[0]["点位编码"] == "62090204011327000001"
    assert rows[2]["点位名称"] == "'=渠边()", "a spreadsheet would compute it"


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("=1+1", "'=1+1"), ("+86", "'+86"), ("-1", "'-1"), ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"), ("一=二", "一=二"), ("—", "—"), ("", ""),
    ],
)  # fmt: skip
def test_formulas_are_disarmed(text: str, safe: str) -> None:
    assert escape_formula(text) == safe


@pytest.mark.parametrize("part", REPORT_TABLES)
def test_every_table_of_it_can_be_had_as_csv(report: Report, part: str) -> None:
    rows = list(csv.reader(io.StringIO(to_csv(report, part).decode("utf-8-sig"), newline="")))
    assert len(rows) > 1, "a heading and something below it"
    assert {len(row) for row in rows} == {len(rows[0])}


def test_json_is_whole(report: Report) -> None:
    document = json.loads(to_json(report))
    assert document["header"] == {
        "planned": 8, "seen": 4, "offline": 2, "refused": 6, "coverage": 0.5,
    }  # fmt: skip
    figures = {figure["id"]: figure for figure in document["figures"]}
    assert figures["coverage"]["value"] == 0.5
    assert figures["coverage"]["mom"] == "+0.0 个百分点"
    assert figures["coverage"]["yoy"] == "—"
    assert [r["plan"] for r in document["rounds"]] == ["morning", "afternoon"]


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:  # type: ignore[explicit-override]  # stdlib's shape
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("src", "href")]


def test_html_needs_nothing_beside_it_and_escapes(report: Report) -> None:
    text = to_html(report).decode()
    page = _Page()
    page.feed(text)
    assert page.links == []
    assert not re.search(r"url\(|@import|<script", text)
    assert "&lt;场院&gt;" in text
    assert "<场院>" not in text
    tables = 1 + len(report.grids.lines) + 1 + len(report.cameras.lines)
    assert page.tags.count("tr") == 1 + 9 + 1 + len(report.figures) + tables
    assert "@media print" in text
    assert "分管领导" in text


def test_the_print_of_a_month_sums_what_says_nothing(report: Report) -> None:
    rows = [dict(row) for row in report.rows]
    plain = next(row for row in rows if row["结果"] == "正常" and not row["类别"])
    days = [{**plain, "日期": f"2026-11-{day:02d}"} for day in range(1, 31)]
    telling = [row for row in rows if row["结果"] != "正常"]
    month = replace(report, heading=replace(report.heading, kind="month"), rows=(*days, *telling))
    text = to_html(month).decode()
    assert text.count("正常 30 次") == 1
    assert "2026-11-01 至 2026-11-30" in text
    ledger = text.partition('<table class="ledger">')[2]
    assert ledger.count("<tr") == 1 + len(telling) + 1
    assert all(row["描述"] in text for row in telling if not set(row["描述"]) & set("&<>'\""))
    assert len(to_csv(month).decode().splitlines()) == 1 + 30 + len(telling), "each visit there"


def test_the_workbook_is_text_with_a_frozen_header(report: Report) -> None:
    pytest.importorskip("xlsxwriter")
    with zipfile.ZipFile(io.BytesIO(FORMATS["xlsx"](report))) as book:
        sheet = book.read("xl/worksheets/sheet1.xml").decode()
        names = book.read("xl/workbook.xml").decode()
        strings = book.read("xl/sharedStrings.xml").decode()
    assert "<f>" not in sheet, "no formula anywhere"
    assert 'state="frozen"' in sheet
    assert 'ySplit="4"' in sheet
    assert 'orientation="landscape"' in sheet
    assert "台账" in names
    for name in ("指标", "网格响应", "点位准确率"):
        assert name in names
    assert "Print_Titles" in names
    assert "=渠边()" in strings
    assert "62090204011327000001" in strings
    assert "巡查员:____" in strings


def test_no_address_and_no_password_reaches_a_report(report: Report) -> None:
    for make in (to_csv, to_json, to_html):
        data = make(report)
        assert b"s3cret" not in data
        assert b"rtsp://" not in data
