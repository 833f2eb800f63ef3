"""A job scheduler in a process of its own, whose wall clock libfaketime sets; asked over stdin.

Each line is how many seconds to run; the answer is what ran meanwhile, as JSON.
"""

import json
import resource
import sys
import threading
from collections import Counter
from zoneinfo import ZoneInfo

from patrol.app.scheduler import JobScheduler, ScheduledJob
from patrol.clock import SystemClock


def main() -> None:
    """Answer until stdin ends."""
    failures: list[str] = []
    runs: Counter[str] = Counter()
    scheduler = JobScheduler(
        ZoneInfo("Asia/Shanghai"), lambda name, why: failures.append(f"{name}: {why!r}")
    )
    for name, every_s in (("often", 0.2), ("each second", 1.0)):
        scheduler.add(ScheduledJob(name=name, run=lambda n=name: runs.update([n]), every_s=every_s))  # type: ignore[misc]
    scheduler.start()
    for line in sys.stdin:
        before = runs.copy()
        threading.Event().wait(float(line))
        answer = {
            "wall": SystemClock().now().isoformat(),
            "runs": {name: runs[name] - before[name] for name in runs},
            "failures": failures,
            "frozen": scheduler.frozen(),
            "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        }
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    scheduler.stop()


if __name__ == "__main__":
    main()
