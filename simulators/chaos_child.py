"""`patrol run` with a clock that can be stepped, as one process of a run of chaos.

The same house, built and served as the command does; only its wall clock adds the seconds that
stand in the file `offset`, as a clock does that somebody sets wrong.
"""

import math
import os
import signal
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from patrol.app import Patience, build
from patrol.app.service import serve
from patrol.clock import SystemClock
from patrol.settings import load_site

READY: Final = "ready"  # a file that is there once the service listens
LOG: Final = "service.log"
OFFSET: Final = "offset"


@dataclass
class SteppedClock:
    """Fulfils ports.Clock."""

    file: Path
    _true: SystemClock

    def now(self) -> datetime:
        """Our time and the file's seconds."""
        text = self.file.read_text("ascii").strip()
        return self._true.now() + timedelta(seconds=float(text or 0))

    def monotonic_s(self) -> float:
        """Never steps."""
        return self._true.monotonic_s()

    def sleep(self, seconds: float) -> None:
        """Really."""
        self._true.sleep(seconds)


def live(folder: Path) -> None:
    """Serve until SIGTERM or worse; what is said goes to the folder's log."""
    log = os.open(folder / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    clock = SteppedClock(folder / OFFSET, SystemClock())
    patience = Patience(limit_s=math.inf, stop=stop)
    with build(load_site(folder), clock=clock, patience=patience) as app:
        serve(app, stop, with_rounds=False, ready=(folder / READY).touch)
