"""A job scheduler in a process of its own, whose wall clock libfaketime sets; asked over stdin.

Each line is how many seconds to wait at most until every job ran as often as `WANTED` says; the
answer is what ran meanwhile, as JSON.
"""

import json
import resource
import sys
import threading
from collections import Counter
from functools import partial
from zoneinfo import ZoneInfo

from patrol.app.scheduler import JobScheduler, ScheduledJob
from patrol.clock import SystemClock

EVERY_S = {"often": 0.2, "each second": 1.0}
WANTED = Counter({"often": 5, "each second": 1})


def main() -> None:
    """Answer until stdin ends."""
    failures: list[str] = []
    runs: Counter[str] = Counter()
    ran = threading.Condition()

    def run(name: str) -> None:
        with ran:
            runs[name] += 1
            ran.notify_all()

    scheduler = JobScheduler(
        ZoneInfo("Asia/Shanghai"), lambda name, why: failures.append(f"{name}: {why!r}")
    )
    for name, every_s in EVERY_S.items():
        scheduler.add(ScheduledJob(name=name, run=partial(run, name), every_s=every_s))
    scheduler.start()
    for line in sys.stdin:
        with ran:
            runs.clear()
            ran.wait_for(lambda: runs >= WANTED, float(line))
            seen = dict(runs)
        answer = {
            "wall": SystemClock().now().isoformat(),
            "runs": seen,
            "failures": failures,
            "frozen": scheduler.frozen(),
            "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        }
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    scheduler.stop()


if __name__ == "__main__":
    main()
