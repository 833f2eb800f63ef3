"""A line of burnt-in text → the moment that it shows, by the template's format.

Only digits are read. Marks between them (`-`, `:`, `/`) are low and left out; a letter or a Chinese
character of the format stands for any few glyphs. What has not exactly the digits of the format
is not read.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Final

USUAL: Final = "%Y-%m-%d %H:%M:%S"
FIELDS: Final = {"%Y": 4, "%y": 2, "%m": 2, "%d": 2, "%H": 2, "%I": 2, "%M": 2, "%S": 2}
LOW_MARKS: Final = "-:. ,_"
TALL_MARK: Final = "/"  # as high as a digit in most fonts: a glyph, or low and left out
_PARTS: Final = re.compile(r"%.|.", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockTemplate:
    """Where a camera burns its clock into the picture, and how it writes it."""

    box: tuple[float, float, float, float]  # x, y, width, height in fractions of the picture
    format: str = USUAL


@dataclass(frozen=True)
class Pattern:
    """How a clock writes: `%Y-%m-%d %H:%M:%S`, and the like of it."""

    format: str

    @staticmethod
    def problem(text: str) -> str | None:
        """Why this is no format of a clock, or None."""
        fields = [part for part in _PARTS.findall(text) if part.startswith("%")]
        unknown = [field for field in fields if field not in FIELDS]
        if unknown:
            return f"{unknown[0]!r} is unknown, known are {' '.join(FIELDS)}"
        if len(set(fields)) < len(fields):
            return "has a field twice"
        if not {"%M"} <= set(fields) or not {"%H", "%I"} & set(fields):
            return f"has no hour and minute, give e.g. {USUAL}"
        return None

    @cached_property
    def fields(self) -> tuple[str, ...]:
        """The fields in their order."""
        return tuple(part for part in _PARTS.findall(self.format) if part in FIELDS)

    @property
    def has_date(self) -> bool:
        """Whether a day can be read; else only the time of day counts."""
        return bool({"%Y", "%y"} & set(self.fields)) and {"%m", "%d"} <= set(self.fields)

    @cached_property
    def shapes(self) -> tuple[re.Pattern[str], ...]:
        """Over a line's glyphs, `d` for a digit and `x` for what is none."""
        ways = (True, False) if TALL_MARK in self.format else (False,)
        return tuple(self._shape(tall=tall) for tall in ways)

    def _shape(self, *, tall: bool) -> re.Pattern[str]:
        parts = []
        for part in _PARTS.findall(self.format):
            if part in FIELDS:
                parts.append(f"(d{{{FIELDS[part]}}})")
            elif part == TALL_MARK:
                parts.append("[dx]" if tall else "")
            elif part not in LOW_MARKS:
                parts.append("[dx]{1,2}" if part.isascii() else "[dx]{1,4}")
        return re.compile("(?<!d)" + "".join(parts) + "(?!d)")

    def moment(self, digits: tuple[str, ...], near: datetime) -> datetime | None:
        """The fields' digits as a wall clock's moment; what is not written is taken from `near`."""
        written = dict(zip(self.fields, map(int, digits), strict=True))
        year = written.get("%Y", 2000 + written["%y"] if "%y" in written else near.year)
        hour = written.get("%H", written.get("%I", 0))
        try:
            return near.replace(
                year=year, month=written.get("%m", near.month), day=written.get("%d", near.day),
                hour=hour, minute=written["%M"], second=written.get("%S", near.second),
                microsecond=0,
            )  # fmt: skip
        except ValueError:
            return None
