"""The cells of one row → values, each problem noted under its column.

Every method answers with the value, or with None (or the stated default) after a problem was
noted; `ok` tells whether the row may be used. Nothing is half-loaded.
"""

import math
import re
from collections.abc import Callable, Mapping
from datetime import date
from typing import TypeVar

from patrol.settings.csv_file import Row
from patrol.settings.problems import FileNotes

T = TypeVar("T")
_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})", re.ASCII)
_OTHER_DATE = re.compile(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?", re.ASCII)
_NOT_ON_A_LINE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_SCIENTIFIC = re.compile(r"\d(\.\d+)?[eE]\+?\d+", re.ASCII)


class Cells:
    """Reads one row."""

    def __init__(self, row: Row, notes: FileNotes) -> None:
        self.row = row
        self.ok = True
        self._notes = notes

    def wrong(self, column: str, text: str) -> None:
        """Note a problem of this row."""
        self.ok = False
        self._notes.problem(self.row.line, column, text)

    def notice(self, column: str, text: str) -> None:
        """Note something legal and worth a look."""
        self._notes.notice(self.row.line, column, text)

    def text(self, column: str) -> str:
        """The cell as it is; may be empty."""
        return self.row.cells[column]

    def words(self, column: str) -> str:
        """Free words on one line: they stand in lists, in messages and on pictures."""
        text = self.row.cells[column]
        if _NOT_ON_A_LINE.search(text):
            self.wrong(column, f"{text!r} holds a line break or a control character, delete it")
        return text

    def needed(self, column: str, example: str) -> str:
        """A cell that must not be empty."""
        text = self.row.cells[column]
        if not text:
            self.wrong(column, f"is empty, give {example}")
        return text

    def code(self, column: str, problem: Callable[[str], str | None], example: str) -> str:
        """An identifier, checked by one of the domain's `*_problem` functions."""
        text = self.needed(column, example)
        if not text:
            return text
        if _SCIENTIFIC.fullmatch(text):
            self.wrong(
                column,
                f"{text!r} was a code until Excel made it a number, format the column as text"
                f" and give {example}",
            )
        elif (reason := problem(text)) is not None:
            self.wrong(column, reason)
        return text

    def choice(self, column: str, words: Mapping[str, T], default: T | None = None) -> T | None:
        """One word of a vocabulary, whatever its case; empty is the default where there is one."""
        text = self.row.cells[column]
        if not text and default is not None:
            return default
        value = words.get(text.lower())
        if value is None:
            said = f"{text!r} is unknown" if text else "is empty"
            self.wrong(column, f"{said}, give one of {', '.join(words)}")
        return value

    def day(self, column: str) -> date | None:
        """A date written YYYY-MM-DD; None where the cell is empty or bad."""
        text = self.row.cells[column]
        if not text:
            return None
        match = _DATE.fullmatch(text)
        value = _as_date(match) if match else None
        if value is None:
            other = _OTHER_DATE.fullmatch(text)
            meant = _as_date(other) if other else None
            right = meant.isoformat() if meant else "YYYY-MM-DD"
            self.wrong(column, f"{text!r} is not a date, write {right}")
        return value

    def degrees(self, column: str, limit: int) -> float | None:
        """Decimal degrees within ±limit; None where the cell is empty or bad."""
        text = self.row.cells[column]
        if not text:
            return None
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not -limit <= value <= limit:  # NaN falls through as well
            self.wrong(
                column, f"{text!r} is not in decimal degrees WGS-84, give -{limit} to {limit}"
            )
            return None
        return value


def _as_date(match: re.Match[str]) -> date | None:
    year, month, day = (int(part) for part in match.groups())
    try:
        return date(year, month, day)
    except ValueError:
        return None


class Once:
    """Notes values that stand in a column twice, naming the line of the first."""

    def __init__(self) -> None:
        self._lines: dict[str, int] = {}

    def check(self, cells: Cells, column: str) -> None:
        """Note a problem when this row repeats a value."""
        text = cells.text(column)
        if not text:
            return
        first = self._lines.setdefault(text, cells.row.line)
        if first != cells.row.line:
            cells.wrong(column, f"{text!r} stands on line {first} already, each only once")

    def __contains__(self, text: object) -> bool:
        return text in self._lines

    def line(self, text: str) -> int:
        """Where the value stands first."""
        return self._lines[text]
