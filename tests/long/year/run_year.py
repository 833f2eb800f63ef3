"""Simulate a year of the town: `python -m tests.long.year.run_year --seed S [--days 365]`.

Real rounds, review, cases, messages, retention and reports on a real store; a clock that jumps to
the next moment at which something is due, a broker in memory that breaks down now and then,
leaders, operators and a duty lead who act by the shares of a real township. Prints one JSON
document; exit code 1 when the audit finds a problem. The same seed is the same year. Power cuts
are the subject of tests/long/chaos: commits here do not wait for the disk.
"""

import argparse
import json
import logging
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

import structlog

from patrol.clock import SystemClock
from patrol.domain.office_hours import OfficeHours
from patrol.settings import Site, load_site
from patrol.store import Store, check, open_store, upgrade
from simulators.town.build import build_town
from simulators.town.config_files import SiteAddresses, write_config
from tests.long.year.audit import YearOutcome
from tests.long.year.simulation import FIRST_DAY, YearSimulation

PROMISE_S: Final = 300.0  # a year, on two cores
BAR: Final = 30
CAMERAS: Final = 208  # a third of the town's, all of its people: `bench round` has the cameras


def run_year(
    store: Store,
    site: Site,
    *,
    seed: int,
    days: int,
    on_day: Callable[[int], None] = lambda _: None,
) -> YearOutcome:
    """Simulate and audit; `on_day` gets the number of days gone by. The caller checks the store."""
    clock = SystemClock()
    started_s, cpu_before_s = clock.monotonic_s(), time.process_time()
    year = YearSimulation(store, site, seed, on_day)
    year.pass_days(days)
    audit = year.audit()
    return YearOutcome(
        seed=seed,
        days=days,
        rounds=_plain(audit.rounds),
        visits=_plain(audit.visits),
        findings=_plain(audit.findings),
        cases=_plain(audit.cases),
        responsible=_plain(audit.responsible),
        messages=_plain(audit.messages),
        inbox=_plain(year.replies),
        ground=_plain(year.rosters.counts),
        leader_counts=_plain(year.leaders.counts + year.staff.done),
        wall_s=round(clock.monotonic_s() - started_s, 1),
        cpu_s=round(time.process_time() - cpu_before_s, 1),
        problems=audit.problems,
    )


def make_site(folder: Path, seed: int, cameras: int = CAMERAS) -> Site:
    """Write and load a town's configuration, with office hours and the year's public holidays."""
    addresses = SiteAddresses(
        url=lambda _camera, _sub: "rtsp://127.0.0.1:9/none",
        mqtt_url="mqtt://127.0.0.1:9",
        profile="town",
    )
    built = build_town(count=cameras, seed=seed, today=FIRST_DAY.date(), profile=addresses.profile)
    write_config(folder, built, addresses)
    holidays = [(10, day) for day in range(1, 8)] + [(5, day) for day in range(1, 4)]
    days_off = frozenset(FIRST_DAY.date().replace(month=m, day=d) for m, d in holidays)
    site = load_site(folder)
    office = OfficeHours(days_off=days_off)
    return replace(site, registry=replace(site.registry, office=office))


@contextmanager
def _folder(given: Path | None) -> Iterator[Path]:
    if given is not None:
        given.mkdir(parents=True, exist_ok=True)
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="patrol-year-") as folder:
        yield Path(folder)


def main(arguments: Sequence[str] | None = None) -> int:
    """Simulate one year on SQLite, or on the database given."""
    parser = argparse.ArgumentParser(
        prog="tests.long.year.run_year", description="a year in minutes"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--cameras", type=int, default=CAMERAS)
    parser.add_argument("--out", type=Path, help="keep the store here")
    parser.add_argument("--database", default="", help="another store's URL")
    given = parser.parse_args(arguments)
    quiet = structlog.make_filtering_bound_logger(logging.WARNING)
    structlog.configure(
        wrapper_class=quiet, logger_factory=structlog.PrintLoggerFactory(sys.stderr)
    )
    with _folder(given.out) as folder:
        url = given.database or f"sqlite:///{folder / 'year.db'}"
        upgrade(url)
        with open_store(url, durable=False) as store:
            site = make_site(folder, given.seed, given.cameras)
            outcome = run_year(
                store, site, seed=given.seed, days=given.days, on_day=_bar(given.days)
            )
            fsck = [f"{p.where}: {p.what}" for p in check(store)]
    document: dict[str, Any] = {**asdict(outcome), "total_cases": outcome.total_cases}
    document["problems"] = [*outcome.problems, *fsck]
    document["within"] = outcome.wall_s <= PROMISE_S
    json.dump(document, sys.stdout, ensure_ascii=False, indent=2)
    sys.stdout.write("\n")
    return 1 if document["problems"] else 0


def _bar(days: int) -> Callable[[int], None]:
    """A function that shows progress on stderr: in place on a terminal, else a line a month."""
    here = sys.stderr.isatty()

    def show_day(day: int) -> None:
        done = round(BAR * day / days)
        if here or day % 30 == 0 or day == days:
            line = f"{'█' * done}{'·' * (BAR - done)} day {day}/{days}"
            sys.stderr.write(f"\r{line}" if here and day < days else f"{line}\n")
            sys.stderr.flush()

    return show_day


def _plain(counts: Counter[str]) -> dict[str, int]:
    return {str(name): count for name, count in sorted(counts.items())}


if __name__ == "__main__":
    raise SystemExit(main())
