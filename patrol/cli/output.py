"""What all verbs share: where the configuration is, how answers and failures are said.

Exceptions → one line on stderr and an exit code; a traceback goes to a file, never to a person.

Known failures are matched by name along their class tree, so that saying them imports none of the
rooms they come from.

What ends by its number: a maintenance, a suppression. One verb's body for both.

A document of measured numbers → tables for people: rows as tables, the rest as pairs.
"""

import errno
import getpass
import io
import json
import logging
import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn, TextIO, cast

import typer
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from typing_extensions import override

if TYPE_CHECKING:
    from datetime import datetime
    from threading import Event

    from rich.console import Console

    from patrol.app import Application
    from patrol.settings import Site
    from patrol.store import Store, UnitOfWork


FAILED: Final = 1
BAD_INPUT: Final = 2

AsJson = Annotated[
    bool, typer.Option("--json", help="只输出一个 JSON 文档。 One JSON document on stdout.")
]
By = Annotated[
    str,
    typer.Option("--by", help="经办人,默认当前系统用户。 Who decides; the OS user if left out."),
]


@dataclass(frozen=True, slots=True)
class Options:
    """What stands before the verb."""

    config: Path


class Failure(Exception):
    """Ends the command with one line on stderr for each line of the text."""

    def __init__(self, text: str, *, code: int = FAILED) -> None:
        super().__init__(text)
        self.code = code


def bad_input(text: str) -> NoReturn:
    """What was typed cannot be done; `text` says what would be right."""
    raise Failure(text, code=BAD_INPUT)


def options(context: typer.Context) -> Options:
    """The global options of this run."""
    found = context.find_object(Options)
    return Options(Path("config")) if found is None else found


def site_of(context: typer.Context) -> "Site":
    """The site that `-c` names. Raises ConfigProblems."""
    from patrol.settings import load_site  # noqa: PLC0415  pydantic is 100 ms

    return load_site(options(context).config)


@contextmanager
def app_of(
    context: typer.Context, *, wait_s: float = 0.0, stop: "Event | None" = None
) -> Iterator["Application"]:
    """The house, built and put away; a database that is away is waited for, until `stop`."""
    from patrol.app import StartupWait, build  # noqa: PLC0415  everything concrete

    startup_wait = StartupWait(limit_s=wait_s, stop=stop) if stop is not None else None
    with build(
        site_of(context), config_dir=options(context).config, startup_wait=startup_wait
    ) as app:
        yield app


@contextmanager
def store_of(site: "Site") -> Iterator["Store"]:
    """The site's store alone; a database that does not exist yet is made."""
    from patrol.store import current_revision, open_store, upgrade  # noqa: PLC0415  sqlalchemy

    url = site.settings.database
    if current_revision(url) is None:
        upgrade(url)
    with open_store(url) as store:
        yield store


def operator(by: str) -> str:
    """Who decides: what was said, else the user of the operating system."""
    name = by.strip()
    if name:
        return name
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "operator"


class _Stderr(io.TextIOBase):
    """Whatever sys.stderr is when a line is written: a live display may stand in for it."""

    @override
    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    @override
    def flush(self) -> None:
        sys.stderr.flush()


def logs_to_stderr(level: int = logging.ERROR, *, as_lines_of_json: bool = False) -> None:
    """Log lines from `level` up go to stderr: stdout is the answer's.

    Verbs that answer at once say in their own line what a warning would; those that run log more,
    and the service in JSON where nobody sits before it.
    """
    from patrol.logs import configure  # noqa: PLC0415  with the first log line

    is_terminal = sys.stderr.isatty()
    configure(
        cast("TextIO", _Stderr()),
        level,
        for_people=is_terminal or not as_lines_of_json,
        colors=is_terminal,
    )


def print_json(document: Any) -> None:
    """The one document of `--json`."""
    sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False) + "\n")
    sys.stdout.flush()


def console() -> "Console":
    """For people, on stdout."""
    from rich.console import Console  # noqa: PLC0415  40 ms that --json need not pay

    return Console(highlight=False)


def console_err() -> "Console":
    """For people, on stderr: progress, hints."""
    from rich.console import Console  # noqa: PLC0415  40 ms that --json need not pay

    return Console(stderr=True, highlight=False)


def print_err(text: str) -> None:
    """One line on stderr."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


_CODES: Final[Mapping[str, int]] = {
    "ConfigProblems": BAD_INPUT,
    "BadAccount": BAD_INPUT,
    "BadAddress": BAD_INPUT,
    "BadLabels": BAD_INPUT,
    "NoFootage": FAILED,
    "IntegrationsProblem": BAD_INPUT,
    "UnknownPlan": BAD_INPUT,
    "WeakPassword": BAD_INPUT,
    "UnknownCategory": BAD_INPUT,
    "StoreUnavailable": FAILED,
    "StoreFull": FAILED,
    "PictureStoreFull": FAILED,
    "NotConnected": FAILED,
    "ReferenceNotAccepted": FAILED,
    "ProcessBusy": FAILED,
    "ConsoleFailed": FAILED,
    "ServiceFailed": FAILED,
    "AlreadyDecided": FAILED,
    "FindingClaimed": FAILED,
    "TroubleAlreadyTaken": FAILED,
    "NotShiftOwner": FAILED,
    "IllegalCaseTransition": FAILED,
    "IllegalRoundTransition": FAILED,
    "StreamError": FAILED,
}
# What a server's socket meets; asyncio puts the address into its words.
_LISTENING: Final = frozenset({errno.EADDRINUSE, errno.EADDRNOTAVAIL})


def report_failure(exc: BaseException) -> int:
    """Tell a person what went wrong; the exit code."""
    if isinstance(exc, BrokenPipeError):
        _detach_stdout()
        return FAILED
    while isinstance(exc, BaseExceptionGroup) and len(exc.exceptions) == 1:
        exc = exc.exceptions[0]  # a task group's wrapping says nothing to a person
    text, code = _foreseen(exc) or (_unexpected_text(exc), FAILED)
    for line in text.splitlines():
        print_err(line)
    return code


def _foreseen(exc: BaseException) -> tuple[str, int] | None:
    """What to say of a failure that we foresaw, and its exit code."""
    if isinstance(exc, Failure):
        return str(exc), exc.code
    if isinstance(exc, KeyboardInterrupt):
        return "已中断 interrupted", FAILED
    code = next((_CODES[k.__name__] for k in type(exc).__mro__ if k.__name__ in _CODES), None)
    if code is not None:
        return str(exc) or type(exc).__name__, code
    if (usage := usage_problem(exc)) is not None:
        return f"patrol: {usage}" if usage else "", BAD_INPUT  # empty: its help was shown
    message = _os_error_text(exc) if isinstance(exc, OSError) else None
    return None if message is None else (message, FAILED)


def _os_error_text(exc: OSError) -> str | None:
    """What the system did not let us do, where that is all there is to say."""
    if exc.filename is not None:
        return f"{exc.filename}: {exc.strerror}"
    if exc.errno in _LISTENING:
        return f"patrol: {exc.strerror}, give another address or port"
    return None


def _unexpected_text(exc: BaseException) -> str:
    where = _write_traceback(exc)
    return f"patrol: 内部错误 internal error: {type(exc).__name__}: {_first_line(exc)} ({where})"


def usage_problem(exc: BaseException) -> str | None:
    """The one-line message of a command line that cannot be parsed; None for anything else."""
    message = getattr(exc, "format_message", None)
    return " ".join(str(message()).split()) if callable(message) else None


def _first_line(exc: BaseException) -> str:
    lines = str(exc).splitlines()
    return lines[0][:200] if lines else ""


def _write_traceback(exc: BaseException) -> str:
    """Write the traceback where an engineer finds it; where that is, in words."""
    text = "".join(traceback.format_exception(exc))
    for directory in (Path("var"), Path(tempfile.gettempdir())):
        path = directory / "patrol-error.log"
        try:
            directory.mkdir(exist_ok=True)
            descriptor = os.open(
                path, os.O_CREAT | os.O_APPEND | os.O_WRONLY | os.O_NOFOLLOW, 0o600
            )
            with os.fdopen(descriptor, "a", encoding="utf-8") as log:
                log.write(text + "\n")
        except OSError:
            continue
        return f"see {path}"
    return "its traceback could not be written"


def _detach_stdout() -> None:
    """The reader hung up (`| head`): say nothing more, not even at interpreter exit."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, sys.stdout.fileno())


@dataclass(frozen=True, slots=True, kw_only=True)
class EndAction:
    """How one kind of thing ends, and how that is said."""

    end: "Callable[[UnitOfWork, int, str, datetime], bool]"  # False: there is none that stands
    done: str  # `ended`: the key of `--json`
    done_zh: str
    none: str  # what to say of a number that stands for nothing


def end_by_number(
    context: typer.Context, number: int, action: EndAction, *, by: str, as_json: bool
) -> None:
    """End it, in one transaction; a number that stands for nothing is bad input."""
    from patrol.clock import SystemClock  # noqa: PLC0415  with the rooms

    who = operator(by)
    with store_of(site_of(context)) as store, store.begin() as uow:
        ended = action.end(uow, number, who, SystemClock().now())
        uow.commit()
    if not ended:
        bad_input(f"{number}: {action.none}")
    if as_json:
        print_json({action.done: number, "by": who})
    else:
        console().print(f"{number} {action.done_zh} {action.done}", markup=False)


def render_document(document: Mapping[str, Any]) -> RenderableType:
    """Every list of mappings is a table under its name; nested mappings are pairs."""
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
