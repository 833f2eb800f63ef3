"""A CSV file → rows that know their physical line, and cells → values; every problem is noted.

`read_table` judges the structure: encoding, delimiter, header, ragged rows. `CsvRow` reads cells:
every method returns the value, or None (or the stated default) after a problem was noted under its
column; `ok` says whether the row may be used.
"""

import csv
import io
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Final, TypeVar

from patrol.settings.config_file import FileProblemLog, did_you_mean, read_text

T = TypeVar("T")
_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})", re.ASCII)
_OTHER_DATE = re.compile(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?", re.ASCII)
_NOT_ON_A_LINE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_SCIENTIFIC = re.compile(r"\d(\.\d+)?[eE]\+?\d+", re.ASCII)
MAX_ROWS: Final = 50_000  # five times the largest registry that is tested
MAX_COLUMNS: Final = 100
OTHER_DELIMITERS = {";": "';'", "\t": "a tab", "|": "'|'", "，": "a Chinese comma"}


@dataclass(frozen=True, slots=True)
class CsvRecord:
    """One record: where it starts, and its cells by column, stripped; absent columns are ''."""

    line: int
    cells: dict[str, str]


def read_table(
    path: Path, *, required: Sequence[str], optional: Sequence[str], notes: FileProblemLog
) -> list[CsvRecord] | None:
    """All well-formed rows, or None when the file has no usable table."""
    text = read_text(path, notes)
    if text is None:
        return None
    records = _read_records(text, notes)
    first = next(records, None)
    if first is None:
        return None
    line, header = first
    if not _check_header(header, line, (tuple(required), tuple(optional)), notes):
        for _record in records:  # so that broken quoting further down is noted, too
            pass
        return None
    absent = dict.fromkeys((column for column in optional if column not in header), "")
    rows = list(_read_rows(islice(records, MAX_ROWS), header, absent, notes))
    if next(records, None) is not None:
        notes.add_problem(line, "file", f"has more than {MAX_ROWS} rows, no township has so many")
    if not rows and not any(p.file == notes.file for p in notes.notes.problems):
        notes.add_problem(line, "file", "has a header and no rows, add at least one")
    return rows


def _read_records(text: str, notes: FileProblemLog) -> Iterator[tuple[int, list[str]]]:
    """(first physical line, cells) of every record that is not blank."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    start = 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as exc:
            notes.add_problem(start, "row", f"{exc}, look for a quotation mark that is not closed")
            return
        stripped = [cell.strip() for cell in cells]
        if any(stripped):  # Excel leaves rows of bare commas behind
            yield start, stripped
        start = reader.line_num + 1


def _check_header(
    header: list[str],
    line: int,
    columns: tuple[tuple[str, ...], tuple[str, ...]],
    notes: FileProblemLog,
) -> bool:
    required, optional = columns
    known = [*required, *optional]
    if len(header) > MAX_COLUMNS:
        notes.add_problem(line, "header", f"has {len(header)} columns, known: {', '.join(known)}")
        return False
    wrong = list(_wrong_columns(header, known))
    if len(header) == 1 and wrong:
        delimiters = [
            name for delimiter, name in OTHER_DELIMITERS.items() if delimiter in header[0]
        ]
        if delimiters:
            notes.add_problem(line, "header", f"columns are separated by {delimiters[0]}, use ','")
            return False
    wrong += [f"column {name!r} is missing, add it" for name in required if name not in header]
    for text in wrong:
        notes.add_problem(line, "header", text)
    return not wrong


def _wrong_columns(header: list[str], known: list[str]) -> Iterator[str]:
    for position, column in enumerate(header, start=1):
        if not column:
            yield f"column {position} has no name, name it or delete it"
        elif column not in known:
            yield f"unknown column {column!r}{did_you_mean(column, known)}"
        elif column in header[: position - 1]:
            yield f"column {column!r} stands there twice, delete one"


def _read_rows(
    records: Iterator[tuple[int, list[str]]],
    header: list[str],
    absent: dict[str, str],
    notes: FileProblemLog,
) -> Iterator[CsvRecord]:
    for line, cells in records:
        if len(cells) != len(header):
            notes.add_problem(
                line,
                "row",
                f"has {len(cells)} cells, the header has {len(header)}; "
                "quote cells that hold a comma",
            )
            continue
        yield CsvRecord(line, absent | dict(zip(header, cells, strict=True)))


class CsvRow:
    """Reads the cells of one record."""

    def __init__(self, row: CsvRecord, notes: FileProblemLog) -> None:
        self.record = row
        self.ok = True
        self._notes = notes

    def add_problem(self, column: str, text: str) -> None:
        """Note a problem of this row."""
        self.ok = False
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
        if not text:
            return text
        if _SCIENTIFIC.fullmatch(text):
            self.add_problem(
                column,
                f"{text!r} was a code until Excel made it a number, format the column as text"
                f" and give {example}",
            )
        elif (reason := problem(text)) is not None:
            self.add_problem(column, reason)
        return text

    def choice(self, column: str, choices: Mapping[str, T], default: T | None = None) -> T | None:
        """One word of a vocabulary, whatever its case; empty is the default where there is one."""
        text = self.record.cells[column]
        if not text and default is not None:
            return default
        value = choices.get(text.lower())
        if value is None:
            problem = f"{text!r} is unknown" if text else "is empty"
            self.add_problem(column, f"{problem}, give one of {', '.join(choices)}")
        return value

    def day(self, column: str) -> date | None:
        """A date written YYYY-MM-DD; None where the cell is empty or bad."""
        text = self.record.cells[column]
        if not text:
            return None
        match = _DATE.fullmatch(text)
        value = _as_date(match) if match else None
        if value is None:
            other = _OTHER_DATE.fullmatch(text)
            meant = _as_date(other) if other else None
            right = meant.isoformat() if meant else "YYYY-MM-DD"
            self.add_problem(column, f"{text!r} is not a date, write {right}")
        return value

    def degrees(self, column: str, limit: int) -> float | None:
        """Decimal degrees within ±limit; None where the cell is empty or bad."""
        text = self.record.cells[column]
        if not text:
            return None
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not -limit <= value <= limit:  # NaN falls through as well
            self.add_problem(
                column, f"{text!r} is not in decimal degrees WGS-84, give -{limit} to {limit}"
            )
            return None
        return value


def _as_date(match: re.Match[str]) -> date | None:
    year, month, day = (int(number) for number in match.groups())
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
