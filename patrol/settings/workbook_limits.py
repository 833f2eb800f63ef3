"""What of a workbook is too large to be read, told from its XML before a cell of it is made.

The reader lays a sheet out from its first cell to its last, and gives every cell that names a
shared string a copy of it: two cells far apart, or one long text and a million cells that name it,
are a small file and more memory than a machine has, and where there is none left the reader ends
the process. Sources: ECMA-376 part 1, 18.3.1.4 (cells), 18.3.1.73 (rows), 18.4 (shared strings).
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final
from xml.parsers import expat  # nosec B407
from zipfile import BadZipFile, ZipFile

LARGEST_WORKBOOK: Final = 64 * 1024 * 1024  # unpacked; 10,000 cameras take 3 MB
MAX_ROWS: Final = 50_000  # of a table; five times the largest registry that is tested
MAX_COLUMNS: Final = 100
SHARED_STRINGS: Final = "xl/sharedstrings.xml"  # the only place where readers look for them
# `r="B7"` of a cell or `r="7"` of a row.
_CELL_NAME: Final = re.compile(rb"""\sr\s*=\s*["']\s*([A-Za-z]{0,8})([0-9]{1,12})""")
_STRING_END: Final = re.compile(rb"</(?:\w+:)?si\s*>")
_TAGS_A_CELL: Final = 4  # <c><v></v></c>, of one that names a string
_PIECE_BYTES: Final = 1024 * 1024
_INDEX_DIGITS: Final = 9


def workbook_excess(packed: ZipFile) -> str:
    """How it is too large, or "". Raises BadZipFile: a size is a lie, or a part no XML."""
    size = sum(part.file_size for part in packed.infolist())
    if size > LARGEST_WORKBOOK:
        return f"of {size >> 20} MB"
    sheets, strings = [], b""
    for part in packed.infolist():
        with packed.open(part) as file:  # by pieces: never more than it announces
            content = b"".join(iter(lambda: file.read(_PIECE_BYTES), b""))
        if part.filename.lower() == SHARED_STRINGS:
            strings += content
        elif b"sheetData" in content:  # wherever it lies: the workbook's relations name it
            rows, columns = _last_cell(content)
            if rows > MAX_ROWS or columns > MAX_COLUMNS:
                return f"of {rows} rows and {columns} columns"
            sheets.append(content)
    characters = _characters_at_most(sheets, strings)
    if characters > LARGEST_WORKBOOK:
        characters = _characters(sheets, strings)
    if characters > LARGEST_WORKBOOK:
        return f"whose cells hold {characters >> 20} MB of text"
    return ""


def _last_cell(sheet: bytes) -> tuple[int, int]:
    """(row, column) of the furthest cell that a sheet's XML names, from 1."""
    rows = columns = 0
    for letters, number in _CELL_NAME.findall(sheet):
        column = 0
        for letter in letters.upper():
            column = column * 26 + letter - ord("A") + 1
        rows, columns = max(rows, int(number)), max(columns, column)
    return rows, columns


def _characters_at_most(sheets: Sequence[bytes], strings: bytes) -> int:
    """More than the cells can hold of shared strings: each the longest. Cheap, for most files."""
    longest = max(map(len, _STRING_END.split(strings)))
    return longest * sum(sheet.count(b"<") // _TAGS_A_CELL for sheet in sheets)


def _characters(sheets: Sequence[bytes], strings: bytes) -> int:
    """What the cells hold of shared strings. Raises BadZipFile."""
    lengths = [len(text) for text in _TextReader("si", "t").read(strings)] if strings else []
    longest = max(lengths, default=0)
    count = 0
    for sheet in sheets:
        for place in _TextReader("c", "v", where=("t", "s")).read(sheet):
            number = place.strip().removeprefix("+").lstrip("0") or "0"
            is_index = number.isdecimal() and len(number) < _INDEX_DIGITS
            index = int(number) if is_index else -1
            count += lengths[index] if 0 <= index < len(lengths) else longest
    return count


class _TextReader:
    """Reads what stands in the `inner` elements of each `element` of a part's XML."""

    def __init__(self, element: str, inner: str, *, where: tuple[str, str] | None = None) -> None:
        """`where`: only of an element with this attribute of this value."""
        self._element, self._inner, self._where = element, inner, where
        self._is_within = self._is_at = False
        self._text: list[str] = []
        self._found: list[str] = []

    def read(self, document: bytes) -> Iterator[str]:
        """The texts, as they come. Raises BadZipFile: it is no XML."""
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._end
        parser.CharacterDataHandler, parser.EntityDeclHandler = self._characters, _refuse_entity
        for at in range(0, len(document), _PIECE_BYTES):
            try:
                parser.Parse(document[at : at + _PIECE_BYTES], at + _PIECE_BYTES >= len(document))
            except expat.ExpatError as exc:
                raise BadZipFile(f"a part is no XML: {exc}") from None
            yield from self._found
            self._found.clear()

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        local = _local(name)
        if local == self._element:
            wanted = self._where
            self._is_within = wanted is None or attributes.get(wanted[0]) == wanted[1]
            self._text.clear()
        self._is_at = self._is_within and local == self._inner

    def _end(self, name: str) -> None:
        self._is_at = False
        if self._is_within and _local(name) == self._element:
            self._found.append("".join(self._text))
            self._is_within = False

    def _characters(self, data: str) -> None:
        if self._is_at:
            self._text.append(data)


def _local(name: str) -> str:
    """An element's name without its namespace."""
    return name.rpartition(" ")[2]


def _refuse_entity(*_declared: object) -> None:
    raise BadZipFile("a part declares entities")
