"""What all verbs share: where the configuration is, how answers and failures are said."""

import getpass
import io
import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn, TextIO, cast

import typer
from typing_extensions import override

if TYPE_CHECKING:
    from threading import Event

    from rich.console import Console

    from patrol.app import App
    from patrol.settings import Site
    from patrol.store import Store

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
) -> Iterator["App"]:
    """The house, built and put away; a database that is away is waited for, until `stop`."""
    from patrol.app import Patience, build  # noqa: PLC0415  everything concrete

    patience = Patience(limit_s=wait_s, stop=stop) if stop is not None else None
    with build(site_of(context), config_dir=options(context).config, patience=patience) as app:
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


def say_err(text: str) -> None:
    """One line on stderr."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
