"""A CSV file → rows that know their physical line, and cells → values; every problem is noted.

`read_table` judges the structure: header, ragged rows; excel_file.py knows encodings, separators
and workbooks. `CsvRow` reads cells:
every method returns the value, or None (or the stated default) after a problem was noted under its
column; `ok` says whether the row may be used.
"""

import math
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Final, TypeVar

from patrol.settings.config_file import FileProblemLog, ProblemLog, did_you_mean, read_bytes
from patrol.settings.excel_file import EXACT_DIGITS, Record, read_records
from patrol.settings.workbook_limits import MAX_COLUMNS, MAX_ROWS

# What a household set itself has one place, which its own link changes too (docs/adr/0021).
_BY_COMMAND: Final = "hours and pauses are in the database alone, `patrol consent` sets them"
KEPT_IN_THE_STORE: Final = dict.fromkeys(
    ("consent_hours", "hours", "pause_until", "paused_until", "consent_pause"), _BY_COMMAND
)
T = TypeVar("T")
# ISO 8601, and what Excel and WPS make of it on a Chinese Windows; midnight, where they add a time.
_DATE = re.compile(
    r"(\d{4})([-/.])(\d{1,2})\2(\d{1,2})( 0?0:00(:00)?)?|(\d{4})年(\d{1,2})月(\d{1,2})[日号]?",
    re.ASCII,
)
_NOT_ON_A_LINE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_SCIENTIFIC = re.compile(r"\d(\.\d+)?[eE]\+\d+", re.ASCII)
KEY_COLUMNS = ("camera_id", "grid_code", "person_id")  # the first of each table
OTHER_DELIMITERS = {"|": "'|'", "，": "a Chinese comma"}


@dataclass(frozen=True, slots=True)
class CsvRecord:
    """One record: where it starts, and its cells by column, stripped; absent columns are ''."""

    line: int
    cells: dict[str, str]
    missing: frozenset[str] = frozenset()  # required columns that the file has not: noted once


def read_table(
    path: Path,
    *,
    required: Sequence[str],
    optional: Sequence[str],
    notes: FileProblemLog,
    may_be_empty: bool = False,
) -> list[CsvRecord] | None:
    """All rows that have a cell for each column, or None when the file has no usable header.

    Unknown and missing columns are noted once, and the rows are read all the same, so that their
    own problems are found, too.
    """
    rows = open_table(
        path, required=required, optional=optional, notes=notes, may_be_empty=may_be_empty
    )
    return None if rows is None else list(rows)


def open_table(
    path: Path,
    *,
    required: Sequence[str],
    optional: Sequence[str],
    notes: FileProblemLog,
    may_be_empty: bool = False,
) -> Iterator[CsvRecord] | None:
    """The rows of `read_table`, one at a time: a large table is never held as cells."""
    raw = read_bytes(path, notes)
    if raw is None:
        return None
    known = (*required, *optional)
    records = read_records(raw, known, notes)
    del raw
    first = next(records, None)
    if first is None:
        return None
    line, header = first
    if not _check_header(header, line, required, known, notes):
        for _record in records:  # so that broken quoting further down is noted, too
            pass
        return None
    missing = frozenset(column for column in required if column not in header)
    absent = dict.fromkeys((column for column in known if column not in header), "")
    rows = _read_rows(islice(records, MAX_ROWS), header, (absent, missing), notes)
    return _checked_rows(rows, records, line, notes, may_be_empty=may_be_empty)


def _checked_rows(
    rows: Iterator[CsvRecord], records: Iterator[Record], line: int, notes: FileProblemLog, *,
    may_be_empty: bool,
) -> Iterator[CsvRecord]:  # fmt: skip
    """The rows; behind the last it is noted that there are too many, or none."""
    is_empty = True
    for row in rows:
        is_empty = False
        yield row
    if next(records, None) is not None:
        notes.add_problem(line, "file", f"has more than {MAX_ROWS} rows, no township has so many")
    empty = is_empty and not may_be_empty
    if empty and not any(p.file == notes.file for p in notes.notes.problems):
        notes.add_problem(line, "file", "has a header and no rows, add at least one")


def lines_by_first_cell(path: Path) -> dict[str, int]:
    """The line of each row by its first cell, for problems that are found later; never raises."""
    notes = ProblemLog().for_file(path)
    raw = read_bytes(path, notes)
    records = () if raw is None else read_records(raw, KEY_COLUMNS, notes)
    return {cells[0]: line for line, cells in records}


def _check_header(
    header: list[str],
    line: int,
    required: Sequence[str],
    known: Sequence[str],
    notes: FileProblemLog,
) -> bool:
    """Note every wrong column; False where none is known, so that rows would mean nothing."""
    if len(header) > MAX_COLUMNS:
        notes.add_problem(line, "header", f"has {len(header)} columns, known: {', '.join(known)}")
        return False
    wrong = list(_wrong_columns(header, list(known)))
    if len(header) == 1 and wrong:
        delimiters = [
            name for delimiter, name in OTHER_DELIMITERS.items() if delimiter in header[0]
        ]
        if delimiters:
            notes.add_problem(line, "header", f"columns are separated by {delimiters[0]}, use ','")
            return False
    wrong += [f"column {name!r} is missing, add it" for name in required if name not in header]
    is_header = any(column in known for column in header)
    if not is_header:
        wrong = [f"has none of the columns {', '.join(known)}, put their names on top"]
    for text in wrong:
        notes.add_problem(line, "header", text)
    return is_header


def _wrong_columns(header: list[str], known: list[str]) -> Iterator[str]:
    while header and not header[-1]:
        header.pop()  # separators behind the last column
    for position, column in enumerate(header, start=1):
        if not column:
            yield f"column {position} has no name, name it or delete it"
        elif column in KEPT_IN_THE_STORE:
            yield f"column {column!r} is none of this file: {KEPT_IN_THE_STORE[column]}"
        elif column not in known:
            yield f"unknown column {column!r}{did_you_mean(column, known)}"
        elif column in header[: position - 1]:
            yield f"column {column!r} stands there twice, delete one"


def _read_rows(
    records: Iterator[Record],
    header: list[str],
    without: tuple[dict[str, str], frozenset[str]],
    notes: FileProblemLog,
) -> Iterator[CsvRecord]:
    absent, missing = without
    width = len(header)
    for line, cells in records:
        if any(cells[width:]):
            notes.add_problem(
                line,
                "row",
                f"has {len(cells)} cells, the header has {width}; quote cells that hold a comma",
            )
            continue
        # Excel drops the separators behind the last cell that is filled, and adds some elsewhere.
        even = [*cells[:width], *[""] * (width - len(cells))]
        yield CsvRecord(line, absent | dict(zip(header, even, strict=True)), missing)


class CsvRow:
    """Reads the cells of one record."""

    def __init__(self, row: CsvRecord, notes: FileProblemLog) -> None:
        self.record = row
        self.ok = True
        self._notes = notes

    def add_problem(self, column: str, text: str) -> None:
        """Note a problem of this row; one of a column that is not there stands at the header."""
        self.ok = False
        if column not in self.record.missing:
            self._notes.add_problem(self.record.line, column, text)

    def add_notice(self, column: str, text: str) -> None:
        """Note something legal that a person should know."""
        self._notes.add_notice(self.record.line, column, text)

    def text(self, column: str) -> str:
        """The cell as it is; may be empty."""
        return self.record.cells[column]

    def one_line_text(self, column: str) -> str:
        """Free text on one line: it stands in lists, in messages and on pictures."""
        text = self.record.cells[column]
        if _NOT_ON_A_LINE.search(text):
            self.add_problem(
                column, f"{text!r} holds a line break or a control character, delete it"
            )
        return text

    def required_text(self, column: str, example: str) -> str:
        """A cell that must not be empty."""
        text = self.record.cells[column]
        if not text:
            self.add_problem(column, f"is empty, give {example}")
        return text

    def code(self, column: str, problem: Callable[[str], str | None], example: str) -> str:
        """An identifier, checked by one of the domain's `*_problem` functions."""
        text = self.required_text(column, example)
        made_a_number = self.is_made_a_number(column, f"give {example}")
        if text and not made_a_number and (reason := problem(text)) is not None:
            self.add_problem(column, reason)
        return text

    def is_made_a_number(self, column: str, fix: str) -> bool:
        """Whether Excel took a code for a number (6.2E+19); noted, its digits are lost."""
        text = self.record.cells[column]
        if _SCIENTIFIC.fullmatch(text) is None:
            return False
        self.add_problem(
            column,
            f"{text!r} was a code until Excel made it a number,"
            f" format the column as text and {fix}",
        )
        return True

    def choice(
        self,
        column: str,
        choices: Mapping[str, T],
        default: T | None = None,
        *,
        aliases: Mapping[str, T] | None = None,
    ) -> T | None:
        """One word of a vocabulary, whatever its case; empty is the default where there is one.

        `aliases`: other words that are understood and not listed.
        """
        text = self.record.cells[column]
        if not text and default is not None:
            return default
        value = vocabulary_value(text, choices, aliases or {})
        if value is None:
            problem = f"{text!r} is unknown" if text else "is empty"
            self.add_problem(column, f"{problem}, give one of {', '.join(choices)}")
        return value

    def day(self, column: str) -> date | None:
        """A date, YYYY-MM-DD or as Excel writes it; None where the cell is empty or bad."""
        text = self.record.cells[column]
        if not text:
            return None
        value = read_date(text)
        if value is None:
            self.add_problem(column, f"{text!r} is not a date, write YYYY-MM-DD")
        return value

    def degrees(self, column: str, limit: int) -> float | None:
        """Decimal degrees within ±limit; None where the cell is empty or bad."""
        text = self.record.cells[column]
        if not text:
            return None
        try:
            value = float(text.replace(",", "."))  # where Excel writes decimals with a comma
        except ValueError:
            value = math.nan
        if not -limit <= value <= limit:  # NaN falls through as well
            self.add_problem(
                column, f"{text!r} is not in decimal degrees WGS-84, give -{limit} to {limit}"
            )
            return None
        return value


def vocabulary_value(text: str, choices: Mapping[str, T], aliases: Mapping[str, T]) -> T | None:
    """What a word means, whatever its case and width; None for a word that is neither's."""
    spelling = unicodedata.normalize("NFKC", text).lower()
    return choices.get(spelling, aliases.get(spelling))


def is_rounded(text: str) -> bool:
    """More digits than Excel's numbers have, and nothing but zeros behind those."""
    return text.isdecimal() and len(text) > EXACT_DIGITS and not text[EXACT_DIGITS:].strip("0")


@lru_cache(maxsize=256)  # of 15,000 cameras few have a day of their own: they share one
def read_date(text: str) -> date | None:
    """The day that a cell names: 2027-06-30, 2027/6/30, 2027年6月30日; None where it is none."""
    match = _DATE.fullmatch(unicodedata.normalize("NFKC", text))
    if match is None:
        return None
    year, month, day = (
        int(number) for number in match.group(*((1, 3, 4) if match[1] else (7, 8, 9)))
    )
    try:
        return date(year, month, day)
    except ValueError:
        return None


class UniqueColumn:
    """Notes values that stand in a column twice, naming the line of the first."""

    def __init__(self) -> None:
        self._lines: dict[str, int] = {}

    def check(self, row: CsvRow, column: str) -> None:
        """Note a problem when this row repeats a value."""
        text = row.text(column)
        if not text:
            return
        first = self._lines.setdefault(text, row.record.line)
        if first != row.record.line:
            row.add_problem(column, f"{text!r} stands on line {first} already, each only once")

    def __contains__(self, text: object) -> bool:
        return text in self._lines

    def line(self, text: str) -> int:
        """Where the value stands first."""
        return self._lines[text]
