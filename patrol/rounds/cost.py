"""What a round cost this process: CPU seconds and peak memory, as the kernel counts them."""

import resource
import sys
import time
from dataclasses import dataclass, field, replace

from patrol.domain.round import Round
from patrol.store import UnitOfWork

KIB_PER_MB = 1000.0  # ru_maxrss is in KiB on Linux; 2 % off for decimal megabytes is below noise
BYTES_PER_MB = 1e6


@dataclass(slots=True)
class Meter:
    """Started when built; read in laps, so that what was written down is not counted again."""

    wall_from_s: float = field(default_factory=time.monotonic)
    cpu_from_s: float = field(default_factory=time.process_time)

    def lap(self) -> tuple[float, float]:
        """(wall, CPU of all threads) seconds since the lap before, or since the start."""
        wall_s, cpu_s = time.monotonic(), time.process_time()
        lap = wall_s - self.wall_from_s, cpu_s - self.cpu_from_s
        self.wall_from_s, self.cpu_from_s = wall_s, cpu_s
        return lap


def peak_rss_mb() -> float:
    """The process's high-water mark since it was started."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (BYTES_PER_MB if sys.platform == "darwin" else KIB_PER_MB)


def add_cost(uow: UnitOfWork, a_round: Round, meter: Meter) -> None:
    """What this process spent since the last time, onto what is in the round's books."""
    stored, (wall_s, cpu_s) = uow.rounds.get(a_round.id), meter.lap()
    uow.rounds.put(
        replace(
            stored,
            wall_s=stored.wall_s + wall_s,
            cpu_s=stored.cpu_s + cpu_s,
            peak_rss_mb=max(stored.peak_rss_mb, peak_rss_mb()),
        )
    )
