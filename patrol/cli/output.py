"""What a command prints: its answer on stdout, for a person or as JSON; notes on stderr.

Log lines go to stderr as well, so that stdout holds the answer and nothing else.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text


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


def render_document(document: Mapping[str, Any]) -> RenderableType:
    """A document of numbers as tables: a list of mappings is a table, nested mappings are pairs."""
    blocks: list[RenderableType] = []
    plain = {key: value for key, value in document.items() if not _is_nested(value)}
    if plain:
        blocks.append(_pairs(plain))
    for key, value in document.items():
        if isinstance(value, Mapping) and value:
            blocks.append(_pairs(value, title=key))
        elif _is_rows(value):
            blocks.append(_rows(value, title=key))
    return Group(*blocks)


def _is_rows(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and isinstance(value[0], Mapping)


def _is_nested(value: Any) -> bool:
    return isinstance(value, Mapping) or _is_rows(value)


def _rows(rows: Sequence[Mapping[str, Any]], title: str) -> Table:
    columns = list(dict.fromkeys(key for row in rows for key in row))
    table = Table(title=title, title_justify="left")
    for column in columns:
        numeric = any(isinstance(row.get(column), int | float) for row in rows)
        table.add_column(column, justify="right" if numeric else "left")
    for row in rows:
        table.add_row(*(_cell(row.get(column)) for column in columns))
    return table


def _pairs(pairs: Mapping[str, Any], title: str | None = None) -> Table:
    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column(style="dim")
    table.add_column(justify="right")
    for key, value in pairs.items():
        table.add_row(str(key), _cell(value))
    return table


def _cell(value: Any) -> Text:
    if value is None:
        return Text("—")
    if isinstance(value, float):
        return Text(f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}")  # noqa: PLR2004
    return Text(str(value))
