"""Capture structlog lines in a test, whatever an earlier test configured."""

from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

import structlog
from structlog.testing import capture_logs


@contextmanager
def captured_logs() -> Iterator[list[MutableMapping[str, Any]]]:
    """Yield the list that lines are appended to; all levels, no configured filter.

    A command under test sets its own level for the whole process (patrol.logs), and
    structlog.testing.capture_logs keeps it: what is below would not be captured.
    """
    before = structlog.get_config()
    structlog.reset_defaults()
    try:
        with capture_logs() as lines:
            yield lines
    finally:
        structlog.configure(**before)
