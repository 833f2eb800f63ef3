"""What a command prints: its answer on stdout, for a person or as JSON; notes on stderr.

Log lines go to stderr as well, so that stdout holds the answer and nothing else.
"""

import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any, Final

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")  # RFC 3339
_NO_LIMIT: Final = 10_000  # columns: how wide a table would like to be


def print_json(document: Any) -> None:
    """Print the one document of `--json`."""
    sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False) + "\n")
    sys.stdout.flush()


def print_err(text: str) -> None:
    """Print one line on stderr."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def console() -> Console:
    """A Rich console on stdout: the answer for a person."""
    return Console(highlight=False)


def console_err() -> Console:
    """A Rich console on stderr: progress and hints."""
    return Console(stderr=True, highlight=False)


def render_document(document: Mapping[str, Any], zone: tzinfo | None = None) -> RenderableType:
    """A document as tables: a list of mappings is a table, nested mappings are pairs.

    Moments are shown on the clock of `zone`. A table that is wider than the terminal becomes a
    paragraph a row, so that no id is cut.
    """
    blocks: list[RenderableType] = []
    plain = {key: value for key, value in document.items() if not _is_nested(value)}
    if plain:
        blocks.append(_pairs(plain, zone))
    for key, value in document.items():
        if isinstance(value, Mapping) and value:
            blocks.append(_pairs(value, zone, title=key))
        elif _is_rows(value):
            blocks.append(_rows(value, zone, title=key))
    return Group(*blocks)


def value_text(value: Any, zone: tzinfo | None = None) -> str:
    """A value of a document as a person reads it: no braces, no quotes, the zone's clock."""
    if value is None or value in ({}, [], ()):
        return "—"
    if isinstance(value, Mapping):
        return " · ".join(f"{key} {value_text(item, zone)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(value_text(item, zone) for item in value)
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"  # noqa: PLR2004
    if zone is not None and isinstance(value, str) and _MOMENT.fullmatch(value):
        return f"{datetime.fromisoformat(value).astimezone(zone):%Y-%m-%d %H:%M}"
    return str(value)


def _is_rows(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and isinstance(value[0], Mapping)


def _is_nested(value: Any) -> bool:
    return isinstance(value, Mapping) or _is_rows(value)


@dataclass(frozen=True, slots=True)
class _Fitted:
    """A table where it fits the console, else its content as lines, which cut no word."""

    table: Table
    title: str
    lines: Sequence[str]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Called by Rich with the console's width."""
        natural = console.measure(self.table, options=options.update(max_width=_NO_LIMIT))
        if natural.maximum <= options.max_width:
            yield self.table
            return
        if self.title:
            yield Text(self.title, style="italic")
        for line in self.lines:
            yield Text(f"  {line}")


def _rows(rows: Sequence[Mapping[str, Any]], zone: tzinfo | None, title: str) -> _Fitted:
    columns = list(dict.fromkeys(key for row in rows for key in row))
    table = Table(title=title, title_justify="left")
    for column in columns:
        numeric = any(isinstance(row.get(column), int | float) for row in rows)
        table.add_column(column, justify="right" if numeric else "left")
    for row in rows:
        table.add_row(*(Text(value_text(row.get(column), zone)) for column in columns))
    lines = [
        "  ".join(f"{key} {value_text(value, zone)}" for key, value in row.items()) for row in rows
    ]
    return _Fitted(table, title, lines)


def _pairs(pairs: Mapping[str, Any], zone: tzinfo | None, title: str = "") -> _Fitted:
    table = Table(title=title or None, title_justify="left", show_header=False)
    table.add_column(style="dim")
    table.add_column(justify="right")
    told = {key: value_text(value, zone) for key, value in pairs.items()}
    for key, text in told.items():
        table.add_row(str(key), Text(text))
    return _Fitted(table, title, [f"{key} {text}" for key, text in told.items()])
