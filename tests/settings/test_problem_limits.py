"""Files of nothing but mistakes: 200 are told, all are counted, and neither costs memory."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from patrol.settings.cameras_csv import CAMERA_OPTIONAL, CAMERA_REQUIRED
from patrol.settings.config_file import MAX_LISTED, MAX_TEXT, ConfigProblems, ProblemLog
from patrol.settings.csv_file import read_table
from patrol.settings.workbook_limits import MAX_ROWS
from tests.support.peak_memory import added_peak_mb

HEADER = ",".join((*CAMERA_REQUIRED, *CAMERA_OPTIONAL)) + "\n"
WIDE = "a" + "," * (len((*CAMERA_REQUIRED, *CAMERA_OPTIONAL)) - 1) + "\n"
BAD_FILES = {
    "ragged rows": HEADER + "a,b\n" * 1_700_000,
    "empty cells": HEADER + WIDE * 400_000,
    "one long row": HEADER + "," * 7_000_000,
    "a header of columns": "x," * 3_500_000 + "\n",
    "a cell of a megabyte": HEADER + "x" * 100_000 + WIDE,
    "no end of a quotation": HEADER + '"' + "a\n" * 3_000_000,
}
SETUP = """
import sys, time
import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from patrol.settings.config_file import ConfigProblems, ProblemLog
from patrol.settings.cameras_csv import load_cameras
from patrol.administration.camera_table import _rows_by_camera
data = sys.stdin.buffer.read()
"""
CODE = """
begun = time.process_time()
try:
    rows = _rows_by_camera(data)
except ConfigProblems as exc:
    assert len(exc.problems) <= 200 and len(str(exc)) < 150_000, len(str(exc))
else:
    assert len(rows) <= 50_000
assert time.process_time() - begun < 20
"""


@pytest.mark.parametrize("name", BAD_FILES)
def test_seven_megabytes_of_mistakes_stay_small(name: str) -> None:
    data = BAD_FILES[name].encode()
    assert len(data) < 8 * 1024 * 1024
    assert added_peak_mb(SETUP, CODE, stdin=data) < 160


def test_all_are_counted_and_the_first_are_told(tmp_path: Path) -> None:
    notes = ProblemLog()
    path = tmp_path / "cameras.csv"
    path.write_text(HEADER + ("a," * 40 + "b\n") * 1234)
    read_table(path, required=CAMERA_REQUIRED, optional=CAMERA_OPTIONAL, notes=notes.for_file(path))
    assert (len(notes.problems), notes.problem_count) == (MAX_LISTED, 1234)
    error = ConfigProblems(notes.problems, count=notes.problem_count)
    lines = str(error).splitlines()
    assert len(lines) == MAX_LISTED + 1
    assert lines[0].startswith(f"{path}:2: row: has 41 cells")
    assert lines[-1] == "1034 more problems, 1234 in all"
    assert str(ConfigProblems(notes.problems[:2])).count("\n") == 1, "few are told as before"


def test_another_files_problem_is_not_crowded_out(tmp_path: Path) -> None:
    notes = ProblemLog()
    for name in ("a.csv", "b.csv"):
        about = notes.for_file(tmp_path / name)
        for line in range(300):
            about.add_problem(line, "row", "x" * 5000)
    assert {Path(one.file).name for one in notes.problems} == {"a.csv", "b.csv"}
    assert notes.problem_count == 600
    assert max(len(one.text) for one in notes.problems) <= MAX_TEXT + 3


def test_more_rows_than_a_township_has_are_not_read(tmp_path: Path) -> None:
    notes, path = ProblemLog(), tmp_path / "cameras.csv"
    path.write_text(HEADER + WIDE * (MAX_ROWS + 1))
    rows = read_table(
        path, required=CAMERA_REQUIRED, optional=CAMERA_OPTIONAL, notes=notes.for_file(path)
    )
    assert rows is not None
    assert len(rows) == MAX_ROWS
    assert [one.text for one in notes.problems] == [
        f"has more than {MAX_ROWS} rows, no township has so many"
    ]


def far_apart() -> bytes:
    """A workbook of 5 kB with a cell in each of two corners: 17,000,000,000 cells between."""
    xlsxwriter = pytest.importorskip("xlsxwriter", reason="pip install 'patrol[reports]'")
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True}) as book:
        sheet = book.add_worksheet()
        sheet.write_string(0, 0, "camera_id")
        sheet.write_string(1_048_575, 16_383, "x")
    return out.getvalue()


def lying_size() -> bytes:
    """A workbook whose sheet unpacks to 100 MB and announces 100 bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(far_apart())) as whole, zipfile.ZipFile(out, "w") as packed:
        for name in whole.namelist():
            content = b" " * 100_000_000 if "sheet1" in name else whole.read(name)
            packed.writestr(name, content, zipfile.ZIP_DEFLATED)
    real, lie = (size.to_bytes(4, "little") for size in (100_000_000, 100))
    return out.getvalue().replace(real, lie)


@pytest.mark.parametrize("make", [far_apart, lying_size])
def test_a_workbook_that_unpacks_to_gigabytes_is_refused(make: Callable[[], bytes]) -> None:
    data = make()
    assert len(data) < 200_000
    refused = """
try: _rows_by_camera(data)
except ConfigProblems as exc: assert exc.count == 1 and "workbook" in str(exc), exc
else: sys.exit("read")
"""
    assert added_peak_mb(SETUP, refused, stdin=data) < 60
