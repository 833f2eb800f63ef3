"""Exceptions → one line on stderr and an exit code; a traceback goes to a file, never to a person.

Known failures are matched by name along their class tree, so that saying them imports none of the
rooms they come from.
"""

import errno
import os
import sys
import tempfile
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from patrol.cli.common import BAD_INPUT, FAILED, Failure, say_err

_CODES: Final[Mapping[str, int]] = {
    "ConfigProblems": BAD_INPUT,
    "BadAccount": BAD_INPUT,
    "BadAddress": BAD_INPUT,
    "BadLabels": BAD_INPUT,
    "NoFootage": FAILED,
    "OutwardProblem": BAD_INPUT,
    "UnknownPlan": BAD_INPUT,
    "WeakPassword": BAD_INPUT,
    "UnknownCategory": BAD_INPUT,
    "StoreUnavailable": FAILED,
    "StoreFull": FAILED,
    "EvidenceFull": FAILED,
    "NotConnected": FAILED,
    "NotAccepted": FAILED,
    "Busy": FAILED,
    "ConsoleFailed": FAILED,
    "HouseFailed": FAILED,
    "AlreadyDecided": FAILED,
    "AlreadyTaken": FAILED,
    "NotYours": FAILED,
    "IllegalMove": FAILED,
    "IllegalRoundMove": FAILED,
    "StreamError": FAILED,
}
# What a server's socket meets; asyncio puts the address into its words.
_LISTENING: Final = frozenset({errno.EADDRINUSE, errno.EADDRNOTAVAIL})


def say(exc: BaseException) -> int:
    """Tell a person what went wrong; the exit code."""
    if isinstance(exc, BrokenPipeError):
        _let_stdout_go()
        return FAILED
    while isinstance(exc, BaseExceptionGroup) and len(exc.exceptions) == 1:
        exc = exc.exceptions[0]  # a task group's wrapping says nothing to a person
    text, code = _known(exc) or (_unexpected(exc), FAILED)
    for line in text.splitlines():
        say_err(line)
    return code


def _known(exc: BaseException) -> tuple[str, int] | None:
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
    words = _refused(exc) if isinstance(exc, OSError) else None
    return None if words is None else (words, FAILED)


def _refused(exc: OSError) -> str | None:
    """What the system did not let us do, where that is all there is to say."""
    if exc.filename is not None:
        return f"{exc.filename}: {exc.strerror}"
    if exc.errno in _LISTENING:
        return f"patrol: {exc.strerror}, give another address or port"
    return None


def _unexpected(exc: BaseException) -> str:
    where = _keep(exc)
    return f"patrol: 内部错误 internal error: {type(exc).__name__}: {_first_line(exc)} ({where})"


def usage_problem(exc: BaseException) -> str | None:
    """The one-line message of a command line that cannot be parsed; None for anything else."""
    message = getattr(exc, "format_message", None)
    return " ".join(str(message()).split()) if callable(message) else None


def _first_line(exc: BaseException) -> str:
    lines = str(exc).splitlines()
    return lines[0][:200] if lines else ""


def _keep(exc: BaseException) -> str:
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


def _let_stdout_go() -> None:
    """The reader hung up (`| head`): say nothing more, not even at interpreter exit."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, sys.stdout.fileno())
