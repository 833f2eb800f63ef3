"""A workbook that would take more memory than a machine has is refused before a cell is made."""

import io
from zipfile import ZIP_DEFLATED, BadZipFile, ZipFile

import pytest

from patrol.domain.problem_texts import problem_text
from patrol.settings import workbook_limits
from patrol.settings.workbook_limits import workbook_excess
from tests.settings.conftest import SiteFolder

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
KB = 1024
LONG = "a" * 8 * KB
CELLS = 1000  # of one row, and ten rows: 80 MB of text were they all the long one


def packed(sheet: str, strings: str = "", *, at: str = "xl/worksheets/sheet1.xml") -> bytes:
    out = io.BytesIO()
    with ZipFile(out, "w", ZIP_DEFLATED) as file:
        file.writestr(at, sheet)
        file.writestr("xl/sharedStrings.xml", strings or f"<sst xmlns='{MAIN}'/>")
    return out.getvalue()


def excess(workbook: bytes) -> str:
    with ZipFile(io.BytesIO(workbook)) as file:
        return workbook_excess(file)


def sheet_of(cell: str, *, count: int = 10 * CELLS, prefix: str = "") -> str:
    name = f"{prefix}:" if prefix else ""
    spaces = f"xmlns:{prefix}='{MAIN}'" if prefix else f"xmlns='{MAIN}'"
    rows = f"<{name}row>{cell * CELLS}</{name}row>" * (count // CELLS)
    return f"<{name}worksheet {spaces}><{name}sheetData>{rows}</{name}sheetData></{name}worksheet>"


def strings_of(*texts: str) -> str:
    return f"<sst xmlns='{MAIN}'>{''.join(f'<si><t>{one}</t></si>' for one in texts)}</sst>"


@pytest.mark.parametrize(
    ("cell", "prefix"),
    [
        ('<c t="s"><v>0</v></c>', ""),
        ("<c t = 's' ><v >+00000000000</v ></c >", ""),
        ('<c t="s"><v><![CDATA[0]]></v></c>', ""),
        ('<c t="&#115;"><v>&#48;</v></c>', ""),
        ('<x:c t="s"><x:v>0</x:v></x:c>', "x"),
    ],
)
def test_a_long_text_that_many_cells_name(cell: str, prefix: str) -> None:
    sheet = sheet_of(cell, prefix=prefix)
    assert len(packed(sheet, strings_of(LONG))) < 20 * KB
    assert excess(packed(sheet, strings_of(LONG))) == "whose cells hold 78 MB of text"


@pytest.mark.parametrize(
    "strings", ["<si/>" + f"<si><t>{LONG}</t></si>", "<si><r><t>{}</t></r></si>"]
)
def test_its_place_and_its_parts_do_not_hide_it(strings: str) -> None:
    parts = "</t></r><r><t>".join(["a" * KB] * 8)
    shared = f"<sst xmlns='{MAIN}'>{strings.replace('{}', parts)}</sst>"
    cell = f'<c t="s"><v>{1 if "<si/>" in strings else 0}</v></c>'
    assert excess(packed(sheet_of(cell), shared)) == "whose cells hold 78 MB of text"


def test_one_long_note_among_many_cells_is_no_excess() -> None:
    other = '<c t="s"><v>1</v></c>'
    sheet = sheet_of(other).replace(other, '<c t="s"><v>0</v></c>', 3)
    assert excess(packed(sheet, strings_of(LONG, "yes"))) == ""


@pytest.mark.parametrize("at", ["xl/worksheets/sheet1.xml", "xl/elsewhere.xml", "Sheet.XML"])
def test_cells_far_apart_wherever_the_sheet_lies(at: str) -> None:
    far = '<c r="A1"><v>1</v></c><c r="XFD1048576"><v>1</v></c>'
    sheet = sheet_of(far, count=CELLS)
    assert excess(packed(sheet, at=at)) == "of 1048576 rows and 16384 columns"


def test_entities_are_no_way_around(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbook_limits, "LARGEST_WORKBOOK", 4 * KB * KB)
    declared = '<!DOCTYPE sst [<!ENTITY a "aaaaaaaa">]>'
    with pytest.raises(BadZipFile, match="entities"):
        excess(packed(sheet_of('<c t="s"><v>0</v></c>'), declared + strings_of("&a;" + LONG)))


def test_it_is_said_in_the_readers_language(town: SiteFolder) -> None:
    town.write("people.csv", packed(sheet_of('<c t="s"><v>0</v></c>'), strings_of(LONG)))
    (line,) = [one for one in town.complaints() if "people.csv" in one]
    assert "whose cells hold 78 MB of text" in line
    assert "单元格文字共 78 MB" in problem_text(line, "zh")
