"""What a command prints, and how it ends: answer on stdout; notes, logs and failures on stderr.

With `--json` stdout holds one JSON document and nothing else. The base class of an exception gives
the exit code (`patrol.domain.errors`, `streams.errors`); Typer explains a command line that cannot
be parsed. Anything else is a mistake of ours: one line for the person, and the traceback in a file
for an engineer. Imported by the command tree itself, so it imports nothing heavy.
"""

import errno
import io
import json
import logging
import os
import re
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any, Final, NoReturn, TextIO, cast

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text
from typing_extensions import override

from patrol.cli.help_text import usage_error
from patrol.domain.errors import BadInput, Failed
from patrol.domain.problem_texts import problem_text
from patrol.domain.reader_language import reader_language, translate
from patrol.lazy_imports import after_import
from streams.errors import BadAddress, StreamError

YES_OR_NO: Final = {True: ("是", "yes"), False: ("否", "no")}
_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")  # RFC 3339
_NO_LIMIT: Final = 10_000  # columns: how wide a table would like to be


LONG_LIST: Final = 200  # rows


def print_json(document: Any) -> None:
    """Print the one document of `--json`; of a long list each row on a line of its own."""
    if isinstance(document, list) and len(document) > LONG_LIST:  # indented it costs five times
        encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
        text = "[\n" + ",\n".join(f"  {encode(row)}" for row in document) + "\n]"
    else:
        text = json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False)
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def print_err(text: str) -> None:
    """Print one line on stderr, what it says of a problem in the reader's language."""
    sys.stderr.write(f"{problem_text(text, reader_language())}\n")
    sys.stderr.flush()


def warn_masked(masked: Sequence[str]) -> None:
    """Say on stderr what of a note is masked before it goes to phones."""
    if masked:
        from patrol.domain.access_labels import NOTE_MASKED  # noqa: PLC0415  all of the domain
        from patrol.domain.labels import label_text  # noqa: PLC0415

        between = translate("；", "; ")
        print_err(f"{label_text(NOTE_MASKED)}{colon()}{between.join(dict.fromkeys(masked))}")


LINES_A_PAGE: Final = 50
NO_LIMIT: Final = 100_000  # more than any list here has


def print_none() -> None:
    """Print that a list has no rows."""
    console().print(translate("无", "none"), markup=False)


def print_page_number(page: int, count: int, size: int) -> None:
    """Print below a table which page it is, where there are several."""
    if (pages := -(-count // size)) > 1:
        console().print(
            translate(f"第 {page}/{pages} 页，用 --page 翻页。", f"Page {page} of {pages}: --page.")
        )


def colon() -> str:
    """The colon behind a word of ours: `：`, or `: `."""
    return translate("：", ": ")


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
            blocks.append(_pairs(value, zone, title=key_text(key)))
        elif _is_rows(value):
            blocks.append(_rows(value, zone, title=key_text(key)))
    return Group(*blocks)


def value_text(value: Any, zone: tzinfo | None = None) -> str:
    """A value of a document as a person reads it: no braces, no quotes, the zone's clock."""
    if value is None or value in ({}, [], ()):
        return "—"
    if isinstance(value, Mapping):
        return " · ".join(f"{_name(key)} {value_text(item, zone)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(value_text(item, zone) for item in value)
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"  # noqa: PLR2004
    if zone is not None and isinstance(value, str) and _MOMENT.fullmatch(value):
        return f"{datetime.fromisoformat(value).astimezone(zone):%Y-%m-%d %H:%M}"
    return translate(*YES_OR_NO[value]) if isinstance(value, bool) else code_text(str(value))


def key_text(key: str) -> str:
    """The name of a document's field for the reader at the terminal."""
    from patrol.domain import document_labels  # noqa: PLC0415  where a document is shown as tables

    return document_labels.key_text(key)


def code_text(value: str) -> str:
    """A code of a document for the reader at the terminal; any other text as it is."""
    from patrol.domain import document_labels  # noqa: PLC0415  as above

    return document_labels.code_text(value)


def _name(key: object) -> str:
    """A field's name, or a code that things are counted by."""
    named = key_text(str(key))
    return code_text(named) if named == str(key) else named


def _is_rows(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and isinstance(value[0], Mapping)


def _is_nested(value: Any) -> bool:
    return isinstance(value, Mapping) or _is_rows(value)


def folding_table(*titles: str) -> Table:
    """A table without a frame; what is too wide for a column goes on in its next line."""
    table = Table(box=None, pad_edge=False)
    for title in titles:
        table.add_column(title, overflow="fold")
    return table


@dataclass(frozen=True, slots=True)
class FittedTable:
    """A table where it fits the console, else its content as lines, which cut no word."""

    table: Table
    title: str
    lines: Sequence[str]
    least_width: int = _NO_LIMIT  # columns in which it can be read though some of its cells wrap

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Called by Rich with the console's width."""
        natural = console.measure(self.table, options=options.update(max_width=_NO_LIMIT))
        if min(natural.maximum, self.least_width) <= options.max_width:
            yield self.table
            return
        if self.title:
            yield Text(self.title, style="italic")
        for line in self.lines:
            yield Text(f"  {line}")


def _rows(rows: Sequence[Mapping[str, Any]], zone: tzinfo | None, title: str) -> FittedTable:
    columns = list(dict.fromkeys(key for row in rows for key in row))
    table = Table(title=title, title_justify="left")
    for column in columns:
        numeric = any(isinstance(row.get(column), int | float) for row in rows)
        table.add_column(key_text(column), justify="right" if numeric else "left")
    for row in rows:
        table.add_row(*(Text(value_text(row.get(column), zone)) for column in columns))
    lines = [
        "  ".join(f"{key_text(key)} {value_text(value, zone)}" for key, value in row.items())
        for row in rows
    ]
    return FittedTable(table, title, lines)


def _pairs(pairs: Mapping[str, Any], zone: tzinfo | None, title: str = "") -> FittedTable:
    table = Table(title=title or None, title_justify="left", show_header=False)
    table.add_column(style="dim")
    table.add_column(justify="right")
    shown = {key: value_text(value, zone) for key, value in pairs.items()}
    for key, text in shown.items():
        table.add_row(_name(key), Text(text))
    return FittedTable(table, title, [f"{_name(key)} {text}" for key, text in shown.items()])


FAILED: Final = 1
BAD_INPUT: Final = 2

# What a server's socket meets; asyncio puts the address into its text.
_LISTENING: Final = frozenset({errno.EADDRINUSE, errno.EADDRNOTAVAIL})
# A missing package and the optional extra that brings it (pyproject.toml).
_EXTRAS: Final[Mapping[str, str]] = {
    "apprise": "notify",
    "fastapi": "console",
    "iotcore": "embedded-broker",
    "jinja2": "console",
    "onnxruntime": "objects",
    "psycopg": "postgres",
    "pwdlib": "console",
    "pypinyin": "console",
    "python_multipart": "console",
    "rfc3161_client": "timestamp",
    "starlette": "console",
    "uvicorn": "console",
    "python_calamine": "reports",
    "xlsxwriter": "reports",
    "zxcvbn": "console",
}


def bad_input(text: str) -> NoReturn:
    """End the command with exit code 2; `text` says what would be right. Raises BadInput."""
    raise BadInput(text)


def exit_code(kind: type[BaseException]) -> int | None:
    """The exit code of a foreseen exception class; None for any other."""
    if issubclass(kind, BadInput | BadAddress):
        return BAD_INPUT
    if issubclass(kind, Failed | StreamError):
        return FAILED
    return None


def report_failure(exc: BaseException) -> int:
    """Print what went wrong on stderr; the exit code."""
    if isinstance(exc, BrokenPipeError):
        _detach_stdout()
        return FAILED
    while isinstance(exc, BaseExceptionGroup) and len(exc.exceptions) == 1:
        exc = exc.exceptions[0]  # the wrapping of a task group tells a person nothing
    text, code = _foreseen(exc) or (_unexpected_text(exc), FAILED)
    for line in text.splitlines():
        print_err(line)
    return code


def _foreseen(exc: BaseException) -> tuple[str, int] | None:
    """Text and exit code of a failure that we foresaw."""
    if isinstance(exc, KeyboardInterrupt):
        return translate("已中断", "interrupted"), FAILED
    code = exit_code(type(exc))
    if code is not None:
        return str(exc) or type(exc).__name__, code
    if (usage := _usage_problem(exc)) is not None:
        return (
            f"patrol: {usage_error(usage)}" if usage else "",
            BAD_INPUT,
        )  # empty: its help was shown
    message = None
    if isinstance(exc, OSError):
        message = _os_error_text(exc)
    elif isinstance(exc, ModuleNotFoundError):
        message = _missing_extra_text(exc)
    return None if message is None else (message, FAILED)


def _usage_problem(exc: BaseException) -> str | None:
    """The one-line message of a command line that cannot be parsed; None for anything else."""
    message = getattr(exc, "format_message", None)
    return " ".join(str(message()).split()) if callable(message) else None


def _os_error_text(exc: OSError) -> str | None:
    """The text of an OSError that names a file or an address; None for any other."""
    if exc.filename is not None:
        return f"{exc.filename}: {exc.strerror}"
    if exc.errno in _LISTENING:
        return f"patrol: {exc.strerror}, give another address or port"
    return None


def _missing_extra_text(exc: ModuleNotFoundError) -> str | None:
    """Which optional extra a command wants; None where the missing module is in none."""
    package = (exc.name or "").partition(".")[0]
    extra = _EXTRAS.get(package)
    return None if extra is None else f"{package} is missing, pip install 'patrol[{extra}]'"


def _unexpected_text(exc: BaseException) -> str:
    where = _write_traceback(exc)
    name, line = type(exc).__name__, _first_line(exc)
    text = translate(
        f"内部错误：{name}：{line}（{where}）", f"internal error: {name}: {line} ({where})"
    )
    return f"patrol: {text}"


def _first_line(exc: BaseException) -> str:
    lines = str(exc).splitlines()
    return lines[0][:200] if lines else ""


def _write_traceback(exc: BaseException) -> str:
    """Append the traceback to a file; the text names that file."""
    text = "".join(traceback.format_exception(exc))
    for directory in (Path("var"), Path(tempfile.gettempdir())):  # made by nobody here
        path = directory / "patrol-error.log"
        try:
            descriptor = os.open(
                path, os.O_CREAT | os.O_APPEND | os.O_WRONLY | os.O_NOFOLLOW, 0o600
            )
            with os.fdopen(descriptor, "a", encoding="utf-8") as log:
                log.write(text + "\n")
        except OSError:
            continue
        return translate(f"见 {path}", f"see {path}")
    return translate("详情未能写出", "its traceback could not be written")


def _detach_stdout() -> None:
    """The reader closed the pipe (`| head`): print nothing more, not even at interpreter exit."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, sys.stdout.fileno())


class _Stderr(io.TextIOBase):
    """Writes to the sys.stderr of the moment: a live display may have replaced it."""

    @override
    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    @override
    def flush(self) -> None:
        sys.stderr.flush()


def logs_to_stderr(level: int = logging.ERROR, *, as_lines_of_json: bool = False) -> None:
    """Send log lines from `level` up to stderr, once the verb imports what logs them.

    Verbs that answer at once print what a warning would tell as their own line; those that run log
    more, and the service logs JSON when stderr is no terminal.
    """
    is_terminal = sys.stderr.isatty()

    def configure_logs() -> None:
        from patrol.logs import configure  # noqa: PLC0415  structlog: a tenth of a second

        configure(
            cast("TextIO", _Stderr()),
            level,
            for_people=is_terminal or not as_lines_of_json,
            colors=is_terminal,
        )

    after_import("structlog", configure_logs)
