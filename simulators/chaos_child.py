"""`patrol run` with a clock that can be stepped: `python -m simulators.chaos_child DIR OFFSET`.

The same house, built and served as the command does; only its wall clock adds the seconds that
stand in the file OFFSET, as a clock does that somebody sets wrong.
"""

import math
import signal
import sys
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from patrol.app import Patience, build
from patrol.app.service import serve
from patrol.clock import SystemClock
from patrol.settings import load_site


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


def main() -> int:
    """Serve until SIGTERM."""
    folder, offset = Path(sys.argv[1]), Path(sys.argv[2])
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    clock = SteppedClock(offset, SystemClock())
    patience = Patience(limit_s=math.inf, stop=stop)
    with build(load_site(folder), clock=clock, patience=patience) as app:
        serve(app, stop, with_rounds=False, ready=_say_ready)
    return 0


def _say_ready() -> None:
    sys.stdout.write("ready\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
