"""The ledger's lines put into a workbook that xlsxwriter has made, as a stream of XML.

A month of a town is 100,000 lines of 28 cells. `write_string` takes them one by one, 16 s and
1.1 GB; here a line is joined from cells that were written before, and no line is kept. xlsxwriter
still makes everything else: formats, header, widths, print layout. It leaves one row with a blank
cell of each format, and that row's place and formats are what the lines get (ECMA-376 part 1,
18.3.1.73 `row`, 18.4.9 `sst`).
"""

import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from io import BytesIO
from itertools import islice
from typing import Final

SHEET: Final = "xl/worksheets/sheet1.xml"
STRINGS: Final = "xl/sharedStrings.xml"
COMPRESSION_LEVEL: Final = 1  # the lines are so alike that more effort saves little
LINES_A_WRITE: Final = 500
CELL_CHARS: Final = 32_767  # of Excel; the rest is left out
_ROW: Final = "\0"  # stands for the row's number in a cell's XML, where NUL cannot be
_CELL: Final = re.compile(r'<c r="[A-Z]+\d+" s="(\d+)"/>')
_COUNTS: Final = re.compile(r' count="(\d+)" uniqueCount="(\d+)"')
_NOT_IN_XML: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]|_(?=x[0-9a-fA-F]{4}_)"
)


@dataclass(slots=True)
class SharedStrings:
    """The texts of the workbook's cells, each stored once; `first`: how many it had before."""

    first: int
    references: int = 0
    number_of: dict[str, int] = field(default_factory=dict)

    def number(self, text: str) -> int:
        """The number by which cells name this text."""
        return self.number_of.setdefault(text, self.first + len(self.number_of))

    def added_xml(self) -> str:
        """The `si` elements of the texts that came here."""
        return "".join(f"<si>{_text_xml(text)}</si>" for text in self.number_of)


class _ColumnCells(dict[str, str]):
    """Text → XML of its cell in one column and format, made when a text is first met."""

    def __init__(self, letters: str, style: str, strings: SharedStrings) -> None:
        super().__init__({"": f'<c r="{letters}{_ROW}" s="{style}"/>'})
        self._start = f'<c r="{letters}{_ROW}" s="{style}" t="s"><v>'
        self._strings = strings

    def __missing__(self, text: str) -> str:
        made = self[text] = f"{self._start}{self._strings.number(text)}</v></c>"
        return made


class _UniqueCells:
    """The same for a column whose texts do not repeat: in the cell itself, nothing is kept."""

    def __init__(self, letters: str, style: str) -> None:
        self._blank = f'<c r="{letters}{_ROW}" s="{style}"/>'
        self._start = f'<c r="{letters}{_ROW}" s="{style}" t="inlineStr"><is>'

    def __getitem__(self, text: str) -> str:
        return f"{self._start}{_text_xml(text)}</is></c>" if text else self._blank


def fill_ledger(
    workbook: bytes,
    lines: Iterable[tuple[str, Sequence[str]]],
    formats: Sequence[str],
    *,
    row: int,
    columns: int,
    unique: int,
) -> bytes:
    """The workbook with `lines` from the row of this number (1 is the first) on.

    `lines`: (name of its format, cells); `formats`: names in the order of that row's blank cells.
    `unique`: the column, counted from 0, whose texts do not repeat.
    """
    out = BytesIO()
    with (
        zipfile.ZipFile(BytesIO(workbook)) as made,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=COMPRESSION_LEVEL) as filled,
    ):
        before, styles, after = _split_sheet(made.read(SHEET).decode(), row)
        old_strings = made.read(STRINGS).decode()
        references, first = map(int, _counts(old_strings).groups())
        strings = SharedStrings(first)
        cells = {
            name: _columns_of(style, columns, unique, strings)
            for name, style in zip(formats, styles, strict=True)
        }
        for part in made.infolist():
            if part.filename not in (SHEET, STRINGS):
                filled.writestr(part, made.read(part), zipfile.ZIP_DEFLATED)
        with filled.open(_like(made, SHEET), "w", force_zip64=True) as sheet:
            sheet.write(before.encode())
            for some in _row_chunks(lines, cells, row, strings):
                sheet.write(some.encode())
            sheet.write(after.encode())
        counts = f' count="{references + strings.references}"'
        counts += f' uniqueCount="{first + len(strings.number_of)}"'
        head, end = _COUNTS.sub(counts, old_strings, count=1).removesuffix("</sst>"), "</sst>"
        filled.writestr(_like(made, STRINGS), head + strings.added_xml() + end)
    return out.getvalue()


_Cells = Sequence[_ColumnCells | _UniqueCells]


def _row_chunks(
    lines: Iterable[tuple[str, Sequence[str]]],
    cells: Mapping[str, _Cells],
    row: int,
    strings: SharedStrings,
) -> Iterator[str]:
    numbered = enumerate(lines, start=row)
    while some := list(islice(numbered, LINES_A_WRITE)):
        yield "".join(
            f'<row r="{number}">'
            + "".join(
                [column[text] for column, text in zip(cells[name], texts, strict=True)]
            ).replace(_ROW, str(number))
            + "</row>"
            for number, (name, texts) in some
        )
        strings.references += sum(len(texts) - texts.count("") for _, (_, texts) in some)


def _columns_of(style: str, columns: int, unique: int, strings: SharedStrings) -> _Cells:
    return [
        _UniqueCells(_letters(number), style)
        if number == unique
        else _ColumnCells(_letters(number), style, strings)
        for number in range(columns)
    ]


def _split_sheet(sheet: str, row: int) -> tuple[str, list[str], str]:
    """(XML before the row of formats, its cells' formats, XML behind it)."""
    start = sheet.index(f'<row r="{row}"')
    end = sheet.index("</row>", start) + len("</row>")
    return sheet[:start], _CELL.findall(sheet, start, end), sheet[end:]


def _counts(strings: str) -> re.Match[str]:
    found = _COUNTS.search(strings)
    if found is None:
        raise ValueError("a workbook without shared strings")
    return found


def _like(made: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    """A new part with the old one's name and time."""
    info = zipfile.ZipInfo(name, made.getinfo(name).date_time)
    info.compress_type = zipfile.ZIP_DEFLATED
    info._compresslevel = COMPRESSION_LEVEL  # type: ignore[attr-defined]  # noqa: SLF001  public from 3.13 on
    return info


def _letters(number: int) -> str:
    """A column's letters, counted from 0: A, …, Z, AA."""
    high, low = divmod(number, 26)
    return (_letters(high - 1) if high else "") + chr(ord("A") + low)


def _text_xml(text: str) -> str:
    plain = escape(_NOT_IN_XML.sub(_escaped_character, text[:CELL_CHARS]), quote=False)
    space = ' xml:space="preserve"' if text != text.strip() else ""
    return f"<t{space}>{plain}</t>"


def _escaped_character(found: re.Match[str]) -> str:
    return f"_x{ord(found[0]):04X}_"
