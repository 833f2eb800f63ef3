"""Chaos, replayable by its seed: `python -m simulators.chaos --seeds 1-200`, `--seed S --out DIR`.

Many seeds, several at a time, with a bar. Odd seeds play on SQLite, even ones on PostgreSQL.
A run mostly waits — for leases that run out, for brokers that come back — so four of them share a
core well. Exit code 1 when a promise was broken or a run had not the disturbances it should have.
"""

import argparse
import json
import logging
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Final

import structlog

from patrol.clock import SystemClock
from simulators.chaos_house import Ground, prepare
from simulators.chaos_run import Outcome, document, folder_for, play
from simulators.postgres import running

JOBS: Final = 4
BAR: Final = 30
BOTH: Final = "both"
DATABASES: Final = (BOTH, "sqlite", "postgresql")


def main(arguments: Sequence[str] | None = None) -> int:
    """One seed or many; prints what happened and what is wrong."""
    parser = argparse.ArgumentParser(prog="simulators.chaos", description="seeds of chaos")
    parser.add_argument("--seed", type=int, help="one; replays a failure")
    parser.add_argument("--seeds", default="1-200", help="first-last")
    parser.add_argument("--database", choices=DATABASES, default=BOTH)
    parser.add_argument("--jobs", type=int, default=JOBS, help="runs at a time")
    parser.add_argument("--out", type=Path, help="an empty folder to look into afterwards")
    given = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # servers and mounts are put away
    first, _, last = given.seeds.partition("-")
    seeds = [given.seed] if given.seed else range(int(first), int(last or first) + 1)
    quiet = structlog.make_filtering_bound_logger(logging.WARNING)
    structlog.configure(
        wrapper_class=quiet, logger_factory=structlog.PrintLoggerFactory(sys.stderr)
    )
    with ExitStack() as stack:
        needs_server = any(on_postgres(seed, given.database) for seed in seeds)
        server = stack.enter_context(running()) if needs_server else None
        folder = stack.enter_context(folder_for(given.out))
        summary = series(seeds, given.database, prepare(folder, server), folder, given.jobs)
    json.dump(summary, sys.stdout, ensure_ascii=False, indent=2)
    sys.stdout.write("\n")
    return 1 if summary["failed"] or summary["no_test"] else 0


def on_postgres(seed: int, database: str) -> bool:
    """Where a seed plays: on both means even ones on PostgreSQL."""
    return seed % 2 == 0 if database == BOTH else database == "postgresql"


def series(
    seeds: Iterable[int], database: str, ground: Ground, folder: Path, jobs: int
) -> dict[str, object]:
    """Play them all; the sum of what happened, and every run that failed."""
    clock = SystemClock()
    started_s, own_s = clock.monotonic_s(), time.process_time()
    todo, done = list(seeds), list[Outcome]()
    with ExitStack() as stack:
        pool = ThreadPoolExecutor(jobs, thread_name_prefix="chaos")
        stack.callback(pool.shutdown, cancel_futures=True)  # Ctrl-C: no more are begun
        one = partial(_one, database, ground, folder)
        for outcome in as_completed([pool.submit(one, seed) for seed in todo]):
            done.append(outcome.result())
            _tell(done, len(todo), clock.monotonic_s() - started_s)
    cpu_s = time.process_time() - own_s + sum(outcome.cpu_s for outcome in done)
    return {
        "runs": dict(Counter(outcome.database for outcome in done)),
        "failed": [document(outcome) for outcome in done if outcome.problems],
        "no_test": [document(o) for o in done if o.lacking and not o.problems],
        "happened": _sum(done),
        "wall_s": round(clock.monotonic_s() - started_s, 1),
        "cpu_s_a_run": round(cpu_s / max(len(done), 1), 2),
    }


def _one(database: str, ground: Ground, folder: Path, seed: int) -> Outcome:
    mine, there = folder / f"seed-{seed}", on_postgres(seed, database)
    mine.mkdir()
    try:
        return play(seed, mine, ground, on_postgres=there)
    except Exception as exc:  # noqa: BLE001  a failed seed, not the end of all others
        traceback.print_exc(file=sys.stderr)
        return Outcome(
            seed=seed,
            database="postgresql" if there else "sqlite",
            problems=[f"the play broke off: {type(exc).__name__}: {exc}"],
        )


def _sum(done: Sequence[Outcome]) -> dict[str, dict[str, int]]:
    """Of each thing: how often in all, and in how many runs."""
    times: Counter[str] = Counter()
    runs: Counter[str] = Counter()
    for outcome in done:
        times.update(outcome.happened)
        runs.update(outcome.happened.keys())
    return {what: {"times": times[what], "runs": runs[what]} for what in sorted(times)}


def _tell(done: Sequence[Outcome], total: int, wall_s: float) -> None:
    """A bar, and a line for each run that failed."""
    last, on_terminal = done[-1], sys.stderr.isatty()
    again, end = ("\r", "") if on_terminal and len(done) < total else ("", "\n")
    if last.problems or last.lacking:
        why = "; ".join(last.problems or [f"lacking: {', '.join(last.lacking)}"])
        replay = f"python -m simulators.chaos --seed {last.seed} --database {last.database}"
        sys.stderr.write(f"{again}seed {last.seed}: {why[:300]}\n  replay: {replay}\n")
    share = len(done) / total
    bar = "█" * round(BAR * share) + "·" * (BAR - round(BAR * share))
    failed = sum(bool(outcome.problems) for outcome in done)
    left_min = (wall_s / share - wall_s) / 60
    sys.stderr.write(
        f"{again}{bar} {len(done)}/{total}  {failed} failed  {left_min:.0f} min left{end}"
    )
    sys.stderr.flush()


if __name__ == "__main__":
    raise SystemExit(main())
