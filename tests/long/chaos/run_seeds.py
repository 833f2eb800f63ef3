"""Run chaos for many seeds: `python -m tests.long.chaos.run_seeds --seeds 1-200`.

Several at a time, with a progress bar; `--seed N` replays one. Odd seeds run on SQLite, even ones
on PostgreSQL. A run mostly waits — for leases that run out, for brokers that come back — so four
of them share a core well. Exit code 1 when a promise was broken or a run lacked a disturbance.
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
from tests.long.chaos.databases import ChaosEnvironment, prepare_environment
from tests.long.chaos.seed_run import SeedOutcome, folder_for, outcome_document, run_seed
from tests.support.postgres import running_postgres

JOBS: Final = 4
BAR: Final = 30
BOTH: Final = "both"
DATABASES: Final = (BOTH, "sqlite", "postgresql")


def main(arguments: Sequence[str] | None = None) -> int:
    """One seed or many; prints what happened and what is wrong."""
    parser = argparse.ArgumentParser(
        prog="tests.long.chaos.run_seeds", description="seeds of chaos"
    )
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
        server = stack.enter_context(running_postgres()) if needs_server else None
        folder = stack.enter_context(folder_for(given.out))
        summary = run_seeds(
            seeds, given.database, prepare_environment(folder, server), folder, given.jobs
        )
    json.dump(summary, sys.stdout, ensure_ascii=False, indent=2)
    sys.stdout.write("\n")
    return 1 if summary["failed"] or summary["no_test"] else 0


def on_postgres(seed: int, database: str) -> bool:
    """Whether a seed runs on PostgreSQL; with `both` the even ones do."""
    return seed % 2 == 0 if database == BOTH else database == "postgresql"


def run_seeds(
    seeds: Iterable[int], database: str, environment: ChaosEnvironment, folder: Path, jobs: int
) -> dict[str, object]:
    """Run all seeds; return what happened in all, and every run that failed."""
    clock = SystemClock()
    started_s, cpu_before_s = clock.monotonic_s(), time.process_time()
    todo, done = list(seeds), list[SeedOutcome]()
    with ExitStack() as stack:
        pool = ThreadPoolExecutor(jobs, thread_name_prefix="chaos")
        stack.callback(pool.shutdown, cancel_futures=True)  # Ctrl-C: no more are begun
        run_one = partial(_run_seed, database, environment, folder)
        for outcome in as_completed([pool.submit(run_one, seed) for seed in todo]):
            done.append(outcome.result())
            _report_progress(done, len(todo), clock.monotonic_s() - started_s)
    cpu_s = time.process_time() - cpu_before_s + sum(outcome.cpu_s for outcome in done)
    return {
        "runs": dict(Counter(outcome.database for outcome in done)),
        "failed": [outcome_document(outcome) for outcome in done if outcome.problems],
        "no_test": [outcome_document(o) for o in done if o.lacking and not o.problems],
        "happened": _summarize(done),
        "wall_s": round(clock.monotonic_s() - started_s, 1),
        "cpu_s_a_run": round(cpu_s / max(len(done), 1), 2),
    }


def _run_seed(database: str, environment: ChaosEnvironment, folder: Path, seed: int) -> SeedOutcome:
    seed_folder, is_postgres = folder / f"seed-{seed}", on_postgres(seed, database)
    seed_folder.mkdir()
    try:
        return run_seed(seed, seed_folder, environment, on_postgres=is_postgres)
    except Exception as exc:  # noqa: BLE001  a failed seed, not the end of all others
        traceback.print_exc(file=sys.stderr)
        return SeedOutcome(
            seed=seed,
            database="postgresql" if is_postgres else "sqlite",
            problems=[f"the play broke off: {type(exc).__name__}: {exc}"],
        )


def _summarize(done: Sequence[SeedOutcome]) -> dict[str, dict[str, int]]:
    """How often each thing happened in all, and in how many runs."""
    times: Counter[str] = Counter()
    runs: Counter[str] = Counter()
    for outcome in done:
        times.update(outcome.happened)
        runs.update(outcome.happened.keys())
    return {what: {"times": times[what], "runs": runs[what]} for what in sorted(times)}


def _report_progress(done: Sequence[SeedOutcome], total: int, wall_s: float) -> None:
    """A bar, and a line for each run that failed."""
    last, on_terminal = done[-1], sys.stderr.isatty()
    again, end = ("\r", "") if on_terminal and len(done) < total else ("", "\n")
    if last.problems or last.lacking:
        reason = "; ".join(last.problems or [f"lacking: {', '.join(last.lacking)}"])
        replay = (
            f"python -m tests.long.chaos.run_seeds --seed {last.seed} --database {last.database}"
        )
        sys.stderr.write(f"{again}seed {last.seed}: {reason[:300]}\n  replay: {replay}\n")
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
