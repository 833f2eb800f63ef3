"""A CSV file → rows that know their physical line, every structural problem noted on the way.

Structure only: encoding, delimiter, header, ragged rows. What a cell means is `cells.py`.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from patrol.settings.problems import FileNotes, did_you_mean
from patrol.settings.text_file import read_text

OTHER_DELIMITERS = {";": "';'", "\t": "a tab", "|": "'|'", "，": "a Chinese comma"}


@dataclass(frozen=True, slots=True)
class Row:
    """One record: where it starts, and its cells by column, stripped; absent columns are ''."""

    line: int
    cells: dict[str, str]


def read_table(
    path: Path, *, required: Sequence[str], optional: Sequence[str], notes: FileNotes
) -> list[Row] | None:
    """All well-formed rows, or None when the file has no usable table."""
    text = read_text(path, notes)
    if text is None:
        return None
    records = _records(text, notes)
    first = next(records, None)
    if first is None:
        return None
    line, header = first
    if not _header_fits(header, line, (tuple(required), tuple(optional)), notes):
        for _record in records:  # broken quoting further down is told in the same go
            pass
        return None
    absent = dict.fromkeys((column for column in optional if column not in header), "")
    rows = list(_rows(records, header, absent, notes))
    if not rows and not any(p.file == notes.file for p in notes.notes.problems):
        notes.problem(line, "file", "has a header and no rows, add at least one")
    return rows


def _records(text: str, notes: FileNotes) -> Iterator[tuple[int, list[str]]]:
    """(first physical line, cells) of every record that is not blank."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    start = 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as exc:
            notes.problem(start, "row", f"{exc}, look for a quotation mark that is not closed")
            return
        stripped = [cell.strip() for cell in cells]
        if any(stripped):  # Excel leaves rows of bare commas behind
            yield start, stripped
        start = reader.line_num + 1


def _header_fits(
    header: list[str],
    line: int,
    columns: tuple[tuple[str, ...], tuple[str, ...]],
    notes: FileNotes,
) -> bool:
    required, optional = columns
    known = [*required, *optional]
    wrong = list(_wrong_columns(header, known))
    if len(header) == 1 and wrong:
        marks = [name for mark, name in OTHER_DELIMITERS.items() if mark in header[0]]
        if marks:
            notes.problem(line, "header", f"columns are separated by {marks[0]}, use ','")
            return False
    wrong += [f"column {name!r} is missing, add it" for name in required if name not in header]
    for text in wrong:
        notes.problem(line, "header", text)
    return not wrong


def _wrong_columns(header: list[str], known: list[str]) -> Iterator[str]:
    for position, column in enumerate(header, start=1):
        if not column:
            yield f"column {position} has no name, name it or delete it"
        elif column not in known:
            yield f"unknown column {column!r}{did_you_mean(column, known)}"
        elif column in header[: position - 1]:
            yield f"column {column!r} stands there twice, delete one"


def _rows(
    records: Iterator[tuple[int, list[str]]],
    header: list[str],
    absent: dict[str, str],
    notes: FileNotes,
) -> Iterator[Row]:
    for line, cells in records:
        if len(cells) != len(header):
            notes.problem(
                line,
                "row",
                f"has {len(cells)} cells, the header has {len(header)}; "
                "quote cells that hold a comma",
            )
            continue
        yield Row(line, absent | dict(zip(header, cells, strict=True)))
