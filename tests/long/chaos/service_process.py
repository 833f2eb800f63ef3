"""`patrol run` with a clock that can be stepped, as one process of a run of chaos.

The same house, built and served as the command does; only its wall clock adds the seconds that
stand in the file `offset`, as a clock does that somebody sets wrong.

The house under chaos as a process: started, killed with SIGKILL, started again as systemd does.

Its processes are forked from one that has imported everything already, so that a run can kill its
service ten times without paying for ten starts of Python.
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


def run_chaos_service(folder: Path) -> None:
    """Serve until SIGTERM or worse; what is said goes to the folder's log."""
    log = os.open(folder / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    clock = SteppedClock(folder / OFFSET, SystemClock())
    startup_wait = StartupWait(limit_s=math.inf, stop=stop)
    with build(load_site(folder), clock=clock, startup_wait=startup_wait) as app:
        run_service(app, stop, with_rounds=False, ready=(folder / READY).touch)


READY_WITHIN_S: Final = 20.0  # many runs at once on two cores
MAX_UNEXPECTED_EXITS: Final = 25
UNLIMITED: Final = resource.RLIM_INFINITY
_forkserver = multiprocessing.get_context("forkserver")


@dataclass
class ServiceProcess:
    """`tend` starts it when it is dead; `toll` counts what was done to it."""

    folder: Path
    counts: Counter[str] = field(default_factory=Counter)
    cpu_s: float = 0.0
    _process: BaseProcess | None = None

    def ensure_running(self) -> None:
        """Running, or started."""
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
        """It may: on a full disk, say. Raises RuntimeError when it does nothing else."""
        self.counts["service ended by itself"] += 1
        if self.counts["service ended by itself"] > MAX_UNEXPECTED_EXITS:
            lines = (self.folder / LOG).read_text("utf-8", "replace").splitlines()
            raise RuntimeError(f"the service does not stay: {lines[-1] if lines else 'no word'}")

    @property
    def is_alive(self) -> bool:
        """Not whether it has begun to work."""
        return self._process is not None and self._process.is_alive()

    @property
    def is_ready(self) -> bool:
        """It listens."""
        return self.is_alive and (self.folder / READY).exists()

    def wait_ready(self) -> None:
        """Until it listens, or has ended by itself (on a full disk it cannot start)."""
        clock = SystemClock()
        until_s = clock.monotonic_s() + READY_WITHIN_S
        while self.is_alive and not self.is_ready and clock.monotonic_s() < until_s:
            clock.sleep(0.01)

    def kill(self) -> None:
        """As a power cut does."""
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
        """How far its wall clock is wrong from now on."""
        if self.is_ready:
            self.counts["clock set"] += 1
        (self.folder / OFFSET).write_text(f"{seconds}", "ascii")

    def limit_files(self, limit: int = UNLIMITED) -> None:
        """How large its files may grow: a full disk, for this process alone."""
        if self._process is not None and self._process.pid and self._process.is_alive():
            resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, (limit, UNLIMITED))


def cpu_s(pid: int | None) -> float:
    """What a running process has used so far."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
