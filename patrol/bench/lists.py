"""What the lists of the command line cost at ten thousand findings: `patrol bench lists`.

A town of 624 cameras with 10,008 findings that wait is written first. Each list then runs as people
run it, in a process of its own, and the processor time of the whole process counts: wall time says
more of the machine's other work. Beside them stands what it costs to import SQLAlchemy and Typer
alone, measured in the same minute: of two machines compare the ratios. With
`python -m patrol.bench.lists --dir DIR` the town is kept for the next time.
"""

import argparse
import json
import os
import subprocess  # nosec B404
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from patrol.bench.child_process import ReportProgress
from patrol.clock import SystemClock
from patrol.domain.ids import FindingId
from patrol.settings import load_site
from patrol.store import open_store
from simulators.town.history import Backlog, write_history

FINDINGS: Final = 10_008  # that nobody has decided
CAMERAS: Final = 624
DAYS: Final = 3
RUNS: Final = 3  # of which the cheapest counts
LIMIT_S: Final = 0.5
BASELINE: Final = ("-c", "import sqlalchemy, typer.main")
# Lists of what the store holds; they read names of the configuration and judge nothing.
STORE_LISTS: Final = (
    "queue", "cases", "cases --open", "cases --to-verify", "overdue", "suppressions", "troubles",
    "finding list", "human-patrol list", "ground list", "ground review", "helper cases",
    "helper reports", "hand-off list", "broadcast list", "people history", "hold list",
    "deliveries list", "handover list", "user list", "key list", "audit head", "clock",
)  # fmt: skip
# Lists of what stands in the configuration, which is read and checked whole.
CONFIGURATION_LISTS: Final = (
    "people list", "leave list", "consent list", "maintenance list", "retention", "health",
    "credentials list", "models list", "assets list",
)  # fmt: skip


def run(*, report: ReportProgress, config_dir: Path | None = None) -> dict[str, Any]:
    """Processor time of each list, beside its limit. Raises RuntimeError: a list failed."""
    with _town_dir(config_dir) as town:
        if not town.exists():
            report(f"a town of {CAMERAS} cameras with {FINDINGS} findings is written first")
            write_town(town, count=FINDINGS)
        own_s = _least_cpu_s(BASELINE)
        lists = []
        for verb in (*STORE_LISTS, *CONFIGURATION_LISTS):
            taken_s = _least_cpu_s(("-m", "patrol", "-c", str(town), *verb.split()))
            lists.append(_row(verb, taken_s, own_s))
            report(f"{verb}: {taken_s:.2f} s")
    return {
        "findings": FINDINGS,
        "limit_s": LIMIT_S,
        "baseline_s": round(own_s, 3),
        "lists": lists,
        "kept": all(one["kept"] for one in lists),
    }


def main() -> int:
    """`--dir DIR` keeps the town, or takes the one that is there; 1: a limit was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dir", type=Path, help="a town that is there, or where to write one")
    result = run(
        report=lambda text: print(text, file=sys.stderr),  # noqa: T201  progress
        config_dir=parser.parse_args().dir,
    )
    print(json.dumps(result, indent=2))  # noqa: T201  its answer
    return 0 if result["kept"] else 1


def write_town(out: Path, *, count: int) -> None:
    """A town's configuration and store in which so many findings wait."""
    now = SystemClock().now()
    write_history(out, cameras=CAMERAS, days=DAYS, now=now, backlog=Backlog(waiting=CAMERAS // 2))
    with open_store(load_site(out).settings.database) as store, store.begin() as uow:
        known = list(uow.findings.queue(limit=CAMERAS))
        waiting = sum(one.count for one in uow.findings.waiting_totals())
        for number in range(count - waiting):
            again = known[number % len(known)]
            earlier = again.found_at - timedelta(seconds=number)
            uow.findings.add(replace(again, id=FindingId(f"X{number:06}"), found_at=earlier))
        uow.commit()


def _row(verb: str, taken_s: float, own_s: float) -> dict[str, Any]:
    return {
        "list": verb,
        "cpu_s": round(taken_s, 3),
        "of_baseline": round(taken_s / own_s, 2),
        "kept": taken_s <= LIMIT_S,
    }


def _least_cpu_s(arguments: Sequence[str]) -> float:
    """User and system time of the cheapest of some runs. Raises RuntimeError: it failed."""
    return min(_cpu_s(arguments) for _ in range(RUNS))


def _cpu_s(arguments: Sequence[str]) -> float:
    variables = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryFile() as errors:
        started = subprocess.Popen(  # noqa: S603  constants, and a directory of ours  # nosec B603
            [sys.executable, *arguments],
            stdout=subprocess.DEVNULL, stderr=errors, env=variables,
        )  # fmt: skip
        _, status, usage = os.wait4(started.pid, 0)
        started.returncode = os.waitstatus_to_exitcode(status)
        if started.returncode:
            errors.seek(0)
            text = errors.read()[-500:].decode(errors="replace")
            raise RuntimeError(f"{' '.join(arguments)}: {text}")
    return usage.ru_utime + usage.ru_stime


@contextmanager
def _town_dir(kept: Path | None) -> Iterator[Path]:
    if kept is not None:
        yield kept
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / "town"


if __name__ == "__main__":
    sys.exit(main())
