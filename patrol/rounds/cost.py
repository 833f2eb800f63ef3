"""What a round cost this process: CPU seconds and peak memory, as the kernel counts them."""

import resource
import sys
import time
from dataclasses import dataclass, field

KIB_PER_MB = 1000.0  # ru_maxrss is in KiB on Linux; 2 % off for decimal megabytes is below noise
BYTES_PER_MB = 1e6


@dataclass(slots=True)
class Meter:
    """Started when built."""

    wall_from_s: float = field(default_factory=time.monotonic)
    cpu_from_s: float = field(default_factory=time.process_time)

    def wall_s(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.wall_from_s

    def cpu_s(self) -> float:
        """User and system time of all threads since the start."""
        return time.process_time() - self.cpu_from_s


def peak_rss_mb() -> float:
    """The process's high-water mark since it was started."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (BYTES_PER_MB if sys.platform == "darwin" else KIB_PER_MB)
