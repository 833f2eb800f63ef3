"""`patrol run` as a child process of a chaos run: killed, restarted, its clock stepped.

The same application, built and served as the command does; its wall clock adds the seconds that
stand in the file `offset`, as a clock does that was set wrong. Processes are forked from one that
has imported everything already, so that a run can kill its service ten times without paying for
ten starts of Python.
"""

import math
import multiprocessing
import os
import resource
import signal
import threading
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Final

from patrol.app import StartupWait, build
from patrol.app.service import run_service
from patrol.clock import SystemClock
from patrol.domain.wall_clock import LONGEST_STEP
from patrol.settings import load_site

READY: Final = "ready"  # a file that is there once the service listens
LOG: Final = "service.log"
OFFSET: Final = "offset"
READY_WITHIN_S: Final = 20.0  # many runs at once on two cores
MAX_UNEXPECTED_EXITS: Final = 25
LONGEST_STEP_S: Final = LONGEST_STEP.total_seconds()
UNLIMITED: Final = resource.RLIM_INFINITY
_forkserver = multiprocessing.get_context("forkserver")


@dataclass
class SteppedClock:
    """A `patrol.ports.Clock` that adds the file's seconds to the wall clock."""

    file: Path
    _true: SystemClock

    def now(self) -> datetime:
        """The true time and the file's seconds."""
        text = self.file.read_text("ascii").strip()
        return self._true.now() + timedelta(seconds=float(text or 0))

    def monotonic_s(self) -> float:
        """The true monotonic time, which never steps."""
        return self._true.monotonic_s()

    def sleep(self, seconds: float) -> None:
        """Sleep in real time."""
        self._true.sleep(seconds)


def run_chaos_service(folder: Path) -> None:
    """Serve until SIGTERM; output goes to the folder's log."""
    log = os.open(folder / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    clock = SteppedClock(folder / OFFSET, SystemClock())
    startup_wait = StartupWait(limit_s=math.inf, stop=stop)
    with build(load_site(folder), clock=clock, startup_wait=startup_wait) as app:
        run_service(app, stop, with_rounds=False, ready=(folder / READY).touch)


@dataclass
class ServiceProcess:
    """Starts the service when it is dead, as systemd does; `counts` what was done to it."""

    folder: Path
    counts: Counter[str] = field(default_factory=Counter)
    cpu_s: float = 0.0
    _process: BaseProcess | None = None

    def ensure_running(self) -> None:
        """Start it unless it runs."""
        if self.is_alive:
            return
        if self._process is not None:
            self._count_unexpected_exit()
        self.counts["service started"] += 1
        (self.folder / READY).unlink(missing_ok=True)
        _forkserver.set_forkserver_preload(["tests.long.chaos.service_process"])
        self._process = _forkserver.Process(
            target=run_chaos_service, args=(self.folder,), daemon=True
        )
        self._process.start()

    def _count_unexpected_exit(self) -> None:
        """Count an exit, on a full disk for one. Raises RuntimeError for too many."""
        self.counts["service ended by itself"] += 1
        if self.counts["service ended by itself"] > MAX_UNEXPECTED_EXITS:
            lines = (self.folder / LOG).read_text("utf-8", "replace").splitlines()
            raise RuntimeError(f"the service does not stay: {lines[-1] if lines else 'no output'}")

    @property
    def is_alive(self) -> bool:
        """Whether the process exists; it may not be ready yet."""
        return self._process is not None and self._process.is_alive()

    @property
    def is_ready(self) -> bool:
        """Whether it serves."""
        return self.is_alive and (self.folder / READY).exists()

    def wait_ready(self) -> None:
        """Wait until it serves or has ended by itself (on a full disk it cannot start)."""
        clock = SystemClock()
        until_s = clock.monotonic_s() + READY_WITHIN_S
        while self.is_alive and not self.is_ready and clock.monotonic_s() < until_s:
            clock.sleep(0.01)

    def kill(self) -> None:
        """SIGKILL."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.is_alive():
            at_work = (self.folder / READY).exists()
            self.counts["service killed at work" if at_work else "service killed at its start"] += 1
            self.cpu_s += cpu_s(process.pid)
        process.kill()
        process.join(10)

    def set_clock(self, seconds: int) -> None:
        """Put its wall clock wrong by so many seconds from now on."""
        if self.is_ready:
            self.counts["clock set"] += 1
            self.counts["clock set by more than an hour"] += abs(seconds) > LONGEST_STEP_S
        (self.folder / OFFSET).write_text(f"{seconds}", "ascii")

    def boot_with_clock(self, seconds: int) -> None:
        """Kill it, and let its next start find the wall clock wrong by so many seconds."""
        self.kill()
        self.set_clock(seconds)
        self.counts["clock set at a start"] += 1

    def limit_files(self, limit: int = UNLIMITED) -> None:
        """Limit the size of its files: a full disk for this process alone."""
        if self._process is not None and self._process.pid and self._process.is_alive():
            resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, (limit, UNLIMITED))


def cpu_s(pid: int | None) -> float:
    """CPU seconds that a running process has used; 0 for one that has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
