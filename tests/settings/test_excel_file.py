"""Tables as Excel and WPS write them are read; what Excel lost of a code is named as its doing."""

import io
from collections.abc import Callable
from datetime import date, datetime

import pytest

from patrol.domain.camera import ConsentState, Placement, Priority
from patrol.domain.ids import CameraId, PersonId
from patrol.settings import load_site
from patrol.settings.csv_file import lines_by_first_cell, read_date
from tests.settings.conftest import CAMERAS, FILES, SiteFolder

pytest.importorskip("python_calamine", reason="pip install 'patrol[reports]'")
xlsxwriter = pytest.importorskip("xlsxwriter", reason="pip install 'patrol[reports]'")
CAMERA_1, CAMERA_2 = "62090204011327000001", "62090204011327000002"
TABLES = ("cameras.csv", "people.csv", "grids.csv")
Rows = list[list[object]]


def semicolons(text: str) -> str:
    return "\n".join(
        ";".join(f'"{cell}"' if ";" in cell else cell for cell in line.split(","))
        for line in text.splitlines()
    )


def rows_of(text: str) -> Rows:
    return [list(line.split(",")) for line in text.splitlines()]


def workbook(rows: Rows) -> bytes:
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True}) as book:
        sheet, dates = book.add_worksheet(), book.add_format({"num_format": "yyyy/m/d"})
        for row, cells in enumerate(rows):
            for column, cell in enumerate(cells):
                if isinstance(cell, date):
                    sheet.write_datetime(row, column, cell, dates)
                elif isinstance(cell, str):
                    sheet.write_string(row, column, cell)
                else:
                    sheet.write(row, column, cell)
    return out.getvalue()


WRITTEN: dict[str, Callable[[str], bytes]] = {
    "UTF-8 with its mark": lambda text: text.encode("utf-8-sig"),
    "GB18030": lambda text: text.encode("gb18030"),
    "GB18030 with its mark": lambda text: f"\ufeff{text}".encode("gb18030"),
    "marked twice": lambda text: f"\ufeff{text}".encode("utf-8-sig"),
    "Unicode text": lambda text: text.replace(",", "\t").encode("utf-16"),
    "UTF-16, big end first": lambda text: b"\xfe\xff" + text.encode("utf-16-be"),
    "UTF-16 without a mark": lambda text: text.encode("utf-16-le"),
    "UTF-16, big end first, without a mark": lambda text: text.encode("utf-16-be"),
    "semicolons": lambda text: semicolons(text).encode("utf-8-sig"),
    "semicolons in GB18030": lambda text: semicolons(text).encode("gb18030"),
    "tabs": lambda text: text.replace(",", "\t").encode(),
    "sep= on top": lambda text: b"sep=;\r\n" + semicolons(text).encode(),
    "separators behind the last": lambda text: text.replace("\n", ",,\n").encode(),
    "separators dropped": lambda text: "\n".join(
        line.rstrip(",") for line in text.splitlines()
    ).encode(),
    "a workbook": lambda text: workbook(rows_of(text)),
}


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("how", WRITTEN)
def test_a_table_is_read_however_it_was_saved(town: SiteFolder, name: str, how: str) -> None:
    before = load_site(town.directory, {})
    town.write(name, WRITTEN[how](FILES[name]))
    after = load_site(town.directory, {})
    assert (after.registry, after.settings) == (before.registry, before.settings)


def test_problems_stand_on_their_physical_line_in_every_form(town: SiteFolder) -> None:
    spoilt = CAMERAS.replace(",unknown,pending", ",perhaps,pending")
    for how in ("GB18030", "a workbook", "Unicode text"):
        town.write("cameras.csv", WRITTEN[how](spoilt))
        (complaint,) = town.complaints()
        assert "cameras.csv:3: outdoor: 'perhaps' is unknown" in complaint
        assert lines_by_first_cell(town.directory / "cameras.csv")[CAMERA_2] == 3
    town.write("cameras.csv", WRITTEN["sep= on top"](spoilt))
    assert "cameras.csv:4: outdoor" in town.complaints()[0]


@pytest.mark.parametrize(
    "text",
    ["2027-06-30", "2027/6/30", "2027-6-30", "2027年6月30日", "2027年06月30", "2027年6月30号",
     "2027.6.30", "2027/6/30 0:00", "2027-06-30 00:00:00", "２０２７/6/30"],
)  # fmt: skip
def test_a_day_as_excel_writes_it(text: str) -> None:
    assert read_date(text) == date(2027, 6, 30)


@pytest.mark.parametrize(
    "text", ["6/30/2027", "27/6/30", "2027/13/1", "2027-2/3", "46203", "2027/6/30 9:00", "2027年"]
)
def test_what_is_no_day_stays_none(text: str) -> None:
    assert read_date(text) is None


@pytest.mark.parametrize(
    ("outdoor", "consent", "priority"),
    [("是", "已同意", "重点"), ("TRUE", "同意", "KEY"), ("户外", "Granted", "重点")],
)
def test_words_that_people_write(
    town: SiteFolder, outdoor: str, consent: str, priority: str
) -> None:
    row = f"{outdoor},{consent},2027/6/30,{priority}"
    town.spoil("cameras.csv", "yes,granted,2027-06-30,key", row)
    town.spoil("people.csv", "grid_leader", "网格长")
    town.spoil("grids.csv", "一村一组,group", "一村一组,组")
    camera = load_site(town.directory, {}).registry.cameras[CameraId(CAMERA_1)]
    assert camera.placement is Placement.OUTDOOR
    assert (camera.consent.state, camera.consent.until) == (ConsentState.GRANTED, date(2027, 6, 30))
    assert camera.priority is Priority.KEY


def test_numbers_days_and_booleans_of_a_workbook(town: SiteFolder) -> None:
    rows = rows_of(CAMERAS)
    header = [str(name) for name in rows[0]]
    cells = {"outdoor": True, "consent_until": datetime(2027, 6, 30), "lon": 98.75, "lat": 39.6}  # noqa: DTZ001  as Excel has it
    for name, cell in cells.items():
        rows[1][header.index(name)] = cell
    town.write("cameras.csv", workbook(rows))
    people = rows_of(FILES["people.csv"])
    people[1][5] = 13800000000
    town.write("people.csv", workbook(people))
    registry = load_site(town.directory, {}).registry
    camera = registry.cameras[CameraId(CAMERA_1)]
    assert camera.placement is Placement.OUTDOOR
    assert (camera.consent.until, camera.longitude) == (date(2027, 6, 30), 98.75)
    assert registry.people[PersonId("T1")].phone == "13800000000"


@pytest.mark.parametrize("rounded", ["62090204011327000000", "62090204011300000000"])
def test_an_id_that_excel_rounded_is_its_doing(town: SiteFolder, rounded: str) -> None:
    town.spoil("cameras.csv", CAMERA_1, rounded)
    (complaint,) = town.complaints()
    assert "cameras.csv:2: camera_id: ends in zeros where Excel" in complaint
    assert "format the column as text" in complaint


def test_an_id_that_a_workbook_holds_as_a_number_is_excels_doing(town: SiteFolder) -> None:
    rows = rows_of(CAMERAS)
    rows[1][0] = int(CAMERA_1)
    town.write("cameras.csv", workbook(rows))
    (complaint,) = town.complaints()
    assert "was a code until Excel made it a number" in complaint


def test_a_formula_that_keeps_a_code_is_the_code(town: SiteFolder) -> None:
    town.spoil("cameras.csv", CAMERA_1, f'"=""{CAMERA_1}"""')
    assert CAMERA_1 in load_site(town.directory, {}).registry.cameras


def test_one_unknown_column_hides_nothing_else(town: SiteFolder) -> None:
    town.spoil("cameras.csv", "priority", "urgency")
    town.spoil("cameras.csv", ",yes,granted", ",maybe,granted")
    town.spoil("people.csv", "name", "nmae")
    town.spoil("people.csv", "town_duty", "duty")
    reported = "\n".join(town.complaints())
    for text in (
        "cameras.csv:1: header: unknown column 'urgency'",
        "cameras.csv:2: outdoor: 'maybe' is unknown",
        "people.csv:1: header: unknown column 'nmae', did you mean 'name'?",
        "people.csv:1: header: column 'name' is missing",
        "people.csv:2: role: 'duty' is unknown",
    ):
        assert text in reported
    assert "people.csv:2: name" not in reported, "what is missing is said once"


def test_a_damaged_byte_does_not_make_utf_8_gb18030(town: SiteFolder) -> None:
    raw = CAMERAS.encode()
    at = raw.index("渠边".encode())
    town.write("cameras.csv", raw[: at + 1] + raw[at + 2 :])
    (complaint,) = town.complaints()
    assert "cameras.csv:3: file: is not UTF-8" in complaint


def test_a_bomb_is_not_unpacked(town: SiteFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("patrol.settings.workbook_limits.LARGEST_WORKBOOK", 1000)
    town.write("cameras.csv", WRITTEN["a workbook"](CAMERAS))
    assert "is a workbook of" in "\n".join(town.complaints())
