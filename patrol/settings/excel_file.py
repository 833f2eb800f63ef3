"""What Excel and WPS write → records of text: workbooks, their encodings and separators.

A table is saved on a Chinese Windows as UTF-8 with a byte-order mark, GB18030, UTF-16 with tabs
(“Unicode text”), with semicolons, or as a workbook under the name of a CSV file. All are read; the
bytes decide, never the name. In a workbook the first sheet counts; a cell that Excel keeps as a
number is given back as its digits, or in scientific notation where digits are lost (CsvRow.code
names that).
"""

import csv
import io
import re
import zlib
from collections.abc import Collection, Iterator
from datetime import date, datetime, time
from typing import Any, Final
from zipfile import BadZipFile, ZipFile

from patrol.settings.config_file import (
    SAVE_AS,
    FileProblemLog,
    decode_utf8,
    line_at,
    unmarked_utf16,
)
from patrol.settings.workbook_limits import workbook_excess

WORKBOOK: Final = b"PK\x03\x04"
OLD_WORKBOOK: Final = b"\xd0\xcf\x11\xe0"  # .xls of Excel 97 to 2003
UTF16_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")
SEPARATORS: Final = (",", ";", "\t")
# Of a damaged file: zipfile seeks before its beginning, decodes names, inflates what is no stream.
UNREADABLE: Final = (
    BadZipFile, IndexError, OSError, ValueError, zlib.error, EOFError,
    NotImplementedError, RuntimeError,
)  # fmt: skip
EXACT_DIGITS: Final = 15  # of Excel's numbers, which are IEEE 754 doubles
SEPARATOR_LINE: Final = re.compile(r'"?sep=(?P<separator>.)"?\r?\n', re.IGNORECASE)
_LINES: Final = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")  # with their ends, as csv wants them
Record = tuple[int, list[str]]  # the first physical line, from 1; cells, stripped


def read_records(raw: bytes, known: Collection[str], notes: FileProblemLog) -> Iterator[Record]:
    """Every record that is not blank. `known`: columns, by which the separator is recognised."""
    if raw.startswith(WORKBOOK):
        yield from _workbook_records(raw, notes)
        return
    text = _decode(raw, notes)
    if text is not None:
        # Editors mark GB18030, too; a file that two of them saved in turn is marked twice.
        yield from _text_records(text.lstrip("\ufeff"), known, notes)


def _decode(raw: bytes, notes: FileProblemLog) -> str | None:
    if raw.startswith(OLD_WORKBOOK):
        notes.add_problem(1, "file", f"is a workbook of Excel 97, save it as .xlsx, or {SAVE_AS}")
        return None
    if raw.startswith(UTF16_MARKS):
        try:
            return raw.decode("utf-16")
        except UnicodeDecodeError as exc:
            notes.add_problem(line_at(raw, exc.start), "file", f"is no whole UTF-16, {SAVE_AS}")
            return None
    if (order := unmarked_utf16(raw)) is not None:
        notes.add_notice(1, "file", f"is read as UTF-16 without a mark ({order}), {SAVE_AS}")
        return raw.decode(order)
    if _is_gb18030(raw):
        notes.add_notice(1, "file", f"is read as GB18030, {SAVE_AS}")
        return raw.decode("gb18030")
    return decode_utf8(raw, notes)


def _is_gb18030(raw: bytes) -> bool:
    """Whether it is Chinese in GB18030; a UTF-8 file with a damaged byte is not."""
    try:
        raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    else:
        return False
    try:
        text = raw.decode("gb18030")
    except UnicodeDecodeError:
        return False
    chinese = any("\u4e00" <= character <= "\u9fff" for character in text)
    damaged = raw.decode("utf-8", "replace").count("\ufffd")
    return chinese and damaged * 4 > sum(byte >= 0x80 for byte in raw)  # noqa: PLR2004  ASCII ends


def _text_records(text: str, known: Collection[str], notes: FileProblemLog) -> Iterator[Record]:
    declared = SEPARATOR_LINE.match(text)
    start = 2 if declared else 1
    rest = text[declared.end() :] if declared else text
    del text
    separator = declared["separator"] if declared else _separator(rest, known)
    lines = (line[0] for line in _LINES.finditer(rest))  # StringIO would be four bytes a character
    reader = csv.reader(lines, strict=True, delimiter=separator)
    before = start - 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as exc:
            notes.add_problem(start, "row", f"{exc}, look for a quotation mark that is not closed")
            return
        stripped = [_without_formula(cell.strip()) for cell in cells]
        if any(stripped):  # Excel leaves rows of bare commas behind
            yield start, stripped
        start = before + reader.line_num + 1


def _separator(text: str, known: Collection[str]) -> str:
    """The separator by which the first line that is not blank has the most known columns."""
    lines = (line for line in text.splitlines() if line.strip(" ,;\t"))
    header = next(lines, "")

    def known_columns(separator: str) -> int:
        return sum(name.strip(' "') in known for name in header.split(separator))

    return max(SEPARATORS, key=known_columns)  # the comma, where none has more


def _without_formula(cell: str) -> str:
    """`="0937"` as 0937: how a code is kept from becoming a number in a CSV file."""
    return cell[2:-1] if cell.startswith('="') and cell.endswith('"') else cell


def _workbook_records(raw: bytes, notes: FileProblemLog) -> Iterator[Record]:
    try:
        from python_calamine import CalamineError, CalamineWorkbook  # noqa: PLC0415  an extra
    except ImportError:
        notes.add_problem(
            1, "file", f"is an Excel workbook, pip install 'patrol[reports]' reads it, or {SAVE_AS}"
        )
        return
    try:
        with ZipFile(io.BytesIO(raw)) as packed:
            excess = workbook_excess(packed)
        if excess:
            notes.add_problem(1, "file", f"is a workbook {excess}, {SAVE_AS}")
            return
        workbook = CalamineWorkbook.from_filelike(io.BytesIO(raw))
        rows = workbook.get_sheet_by_index(0).to_python(skip_empty_area=False)
    except (CalamineError, *UNREADABLE):
        notes.add_problem(1, "file", f"is a workbook that cannot be read, {SAVE_AS}")
        return
    for number, row in enumerate(rows, start=1):
        cells = [_cell_text(cell) for cell in row]
        if any(cells):
            yield number, cells


def _cell_text(cell: Any) -> str:
    """A workbook's cell as it would stand in a CSV file."""
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, float):
        whole = cell.is_integer() and abs(cell) < 10**EXACT_DIGITS
        return str(int(cell)) if whole else repr(cell).upper()
    if isinstance(cell, datetime) and cell.time() == time.min:
        return cell.date().isoformat()
    if isinstance(cell, date):  # a datetime, too
        return cell.isoformat(" ") if isinstance(cell, datetime) else cell.isoformat()
    return str(cell).strip()
