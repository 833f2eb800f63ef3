"""The house under chaos as a process: started, killed with SIGKILL, started again as systemd does.

Its processes are forked from one that has imported everything already, so that a run can kill its
service ten times without paying for ten starts of Python.
"""

import multiprocessing
import os
import resource
from collections import Counter
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Final

from patrol.clock import SystemClock
from simulators.chaos_child import LOG, OFFSET, READY, live

READY_WITHIN_S: Final = 20.0  # many runs at once on two cores
MOST_ENDS: Final = 25
UNLIMITED: Final = resource.RLIM_INFINITY
_nursery = multiprocessing.get_context("forkserver")


@dataclass
class Service:
    """`tend` starts it when it is dead; `toll` counts what was done to it."""

    folder: Path
    toll: Counter[str] = field(default_factory=Counter)
    cpu_s: float = 0.0
    _process: BaseProcess | None = None

    def tend(self) -> None:
        """Running, or started."""
        if self.is_alive:
            return
        if self._process is not None:
            self._ended_by_itself()
        self.toll["service started"] += 1
        (self.folder / READY).unlink(missing_ok=True)
        _nursery.set_forkserver_preload(["simulators.chaos_child"])
        self._process = _nursery.Process(target=live, args=(self.folder,), daemon=True)
        self._process.start()

    def _ended_by_itself(self) -> None:
        """It may: on a full disk, say. Raises RuntimeError when it does nothing else."""
        self.toll["service ended by itself"] += 1
        if self.toll["service ended by itself"] > MOST_ENDS:
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
            self.toll["service killed at work" if at_work else "service killed at its start"] += 1
            self.cpu_s += cpu_s(process.pid)
        process.kill()
        process.join(10)

    def set_clock(self, seconds: int) -> None:
        """How far its wall clock is wrong from now on."""
        if self.is_ready:
            self.toll["clock set"] += 1
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
