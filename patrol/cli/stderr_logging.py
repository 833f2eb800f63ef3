"""Log lines of a command on stderr; apart from output.py, as structlog costs 130 ms to import."""

import io
import logging
import sys
from typing import TextIO, cast

from typing_extensions import override

from patrol.logs import configure


class _Stderr(io.TextIOBase):
    """Writes to the sys.stderr of the moment: a live display may have replaced it."""

    @override
    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    @override
    def flush(self) -> None:
        sys.stderr.flush()


def logs_to_stderr(level: int = logging.ERROR, *, as_lines_of_json: bool = False) -> None:
    """Send log lines from `level` up to stderr.

    Verbs that answer at once print what a warning would tell as their own line; those that run log
    more, and the service logs JSON when stderr is no terminal.
    """
    is_terminal = sys.stderr.isatty()
    configure(
        cast("TextIO", _Stderr()),
        level,
        for_people=is_terminal or not as_lines_of_json,
        colors=is_terminal,
    )
