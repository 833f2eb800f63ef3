"""A year of the town in minutes: `python -m simulators.year --seed S [--days 365] [--out DIR]`.

The real review and dispatch code on a real store, a clock by hand, a broker in memory that breaks
down now and then, leaders with the habits of the domain, operators and a duty lead with theirs.
Prints one JSON document; exit code 1 when the books do not balance. The same seed is the same year.
"""

import argparse
import heapq
import itertools
import json
import logging
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import structlog
from typing_extensions import override

from patrol.clock import SystemClock
from patrol.dispatch import Inbox, Ladder, Relay, Wire
from patrol.domain.case import Case
from patrol.domain.ids import FindingId
from patrol.domain.message import OutboxMessage
from patrol.domain.registry import Registry
from patrol.domain.working_time import OfficeHours
from patrol.ports import Store
from patrol.review import age
from patrol.settings import load_site
from patrol.store import check, open_store, upgrade
from simulators.broker import MemoryBroker
from simulators.clock import ManualClock
from simulators.habits import Habits
from simulators.town.build import build_town
from simulators.town.config import Place, write_config
from simulators.year_books import Books, Outcome, balance
from simulators.year_desk import Desk
from simulators.year_town import Leaders, Truth

ZONE: Final = ZoneInfo("Asia/Shanghai")
FIRST_DAY: Final = datetime(2026, 1, 1, tzinfo=ZONE)
ROUNDS_AT: Final = (timedelta(hours=9, minutes=20), timedelta(hours=15, minutes=20))
CANDIDATES: Final = (40, 75)  # of a round: 8-15 % of some 500 views
TRUE_ONES: Final = (4, 9)  # of them: with the ground's reports some 5,000 cases a year
TICK: Final = timedelta(hours=1)  # besides one at the moment of every silence and every look
OUTAGES_A_YEAR: Final = 24
LONGEST_OUTAGE_H: Final = 8
SITTINGS: Final = (8, 12, 17)  # o'clock: the desk is cleared
REPORTS_A_DAY: Final = 1
SITE: Final = "shangba"


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedWire(Wire):
    """Tells the year when something falls due, so that the bell need not ring every second."""

    seen: Callable[[Case], None]

    @override
    def case(self, case: Case, now: datetime) -> Sequence[OutboxMessage]:
        self.seen(case)
        return Wire.case(self, case, now)


class Year:
    """`pass_days`, then `books`."""

    def __init__(self, store: Store, registry: Registry, seed: int) -> None:
        self.rng = random.Random(f"year/{seed}")  # noqa: S311  a play, and it must repeat
        self.clock = ManualClock(FIRST_DAY.astimezone(UTC))
        self.store, self.broker = store, MemoryBroker()
        self.wire = WatchedWire(
            site=SITE, zone=ZONE, registry=registry, site_name="上坝镇", seen=self._case_seen
        )
        self.inbox = Inbox(store, self.wire, registry, SITE, ZONE)
        self.ladder = Ladder(store, self.wire)
        self._news = False
        self._ticks: set[datetime] = set()
        self.truth = Truth(registry, self.rng)
        self.leaders = Leaders(
            self.truth, Habits(), seed, self.rng, self.clock.now, self.at, self._heard
        )
        self.desk = Desk(store, self.wire, registry, self.truth, self.leaders.about, self.rng)
        self.broker.subscribe(f"patrol/v1/{SITE}/grid/+/case/+", self.leaders.hear)
        self.found: list[FindingId] = []
        self.rounds = 0
        self.replies: Counter[str] = Counter()
        self._due: list[tuple[datetime, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._relays = itertools.count(1)
        self._new_relay()

    def at(self, when: datetime, work: Callable[[], None]) -> None:
        """Do it then; what is due at the same moment keeps its order."""
        heapq.heappush(self._due, (when, next(self._order), work))

    def pass_days(self, days: int) -> None:
        """Rounds, work, answers and silences, in the order of the clock."""
        start = self.clock.now()
        end = start + timedelta(days=days)
        for day in range(days):
            for offset in ROUNDS_AT:
                self.at(start + timedelta(days=day) + offset, self._round)
            for _ in range(REPORTS_A_DAY):
                self.at(start + timedelta(days=day, hours=self.rng.uniform(7, 20)), self._report)
            self.at(start + timedelta(days=day, hours=3.5), self._age)
        for _ in range(round(OUTAGES_A_YEAR * days / 365)):
            self.at(start + timedelta(days=self.rng.uniform(0, days)), self._broker_dies)
        for hour in range(1, 24 * days):
            self.at(start + hour * TICK, self._tick)
        while self._due and self._due[0][0] <= end:
            self._next()
        self._set_clock(end)
        self._broker_lives(forgets=True)
        self._relay_all()

    def books(self) -> Books:
        """As they stand now."""
        return balance(self.store, self.found, self.broker.retained, self.clock.now())

    def _next(self) -> None:
        when, _, work = heapq.heappop(self._due)
        self._set_clock(when)
        work()
        self._relay_all()

    def _set_clock(self, when: datetime) -> None:
        self.clock.sleep(max(0.0, (when - self.clock.now()).total_seconds()))

    def _relay_all(self) -> None:
        while self._news and self.broker.is_up:
            step = self.relay.step()
            self._news = bool(step.problem) or step.leased >= self.relay.options.batch
            if step.problem:
                return

    def _round(self) -> None:
        self.rounds += 1
        now = self.clock.now()
        true_ones = self.rng.randint(*TRUE_ONES)
        found = self.truth.candidates(now, self.rng.randint(*CANDIDATES), true_ones)
        with self.store.begin() as uow:
            for finding in found:
                uow.findings.add(finding)
            uow.commit()
        self.found.extend(finding.id for finding in found)
        self.at(now + timedelta(minutes=self.rng.uniform(5, 60)), self._review)

    def _review(self) -> None:
        self.desk.review(self.clock.now())

    def _age(self) -> None:
        age(self.store, self.clock.now())

    def _report(self) -> None:
        grid = self.rng.choice([g for g in self.truth.registry.tree.grids if not g.endswith("000")])
        body = {"v": 1, "key": f"report-{next(self._order)}", "category": "dumping", "text": "渠边"}
        self._heard(f"patrol/v1/{SITE}/grid/{grid}/report", json.dumps(body).encode())

    def _heard(self, topic: str, payload: bytes) -> None:
        """The way back: while the broker is down a reply waits in the leader's telephone."""
        if not self.broker.is_up:
            later = self.clock.now() + timedelta(hours=self.rng.uniform(1, LONGEST_OUTAGE_H))
            self.at(later, lambda: self._heard(topic, payload))
            return
        handled = self.inbox.handle(topic, payload, self.clock.now())
        self.replies[handled.outcome] += 1
        if handled.reason:
            self.replies[f"refused: {handled.reason}"] += 1

    def _tick(self) -> None:
        now = self.clock.now()
        self.ladder.tick(now)
        for case in self.desk.look_again(now):
            self._case_seen(case)  # a look that failed is told to nobody
        local = now.astimezone(ZONE)
        if local.hour in SITTINGS and local.minute == 0:
            self.desk.clear_desk(now)

    def _case_seen(self, case: Case) -> None:
        """It will be told; and the bell has to ring when it falls due."""
        self._news = True
        for due in (case.ladder_due_at, case.look_due_at):
            if due is not None and due >= self.clock.now() and due not in self._ticks:
                self._ticks.add(due)
                self.at(due, self._tick)

    def _broker_dies(self) -> None:
        """In the middle of a batch, perhaps with words taken and never acknowledged."""
        self.broker.lose_acks = self.rng.randint(0, 3)
        self.broker.is_up = False
        back = self.clock.now() + timedelta(hours=self.rng.uniform(0.1, LONGEST_OUTAGE_H))
        forgets = self.rng.random() < 0.5  # noqa: PLR2004  half of them lose their disk as well
        self.at(back, lambda: self._broker_lives(forgets=forgets))

    def _broker_lives(self, *, forgets: bool) -> None:
        self.broker.restart(forgets=forgets)
        self._new_relay()  # the old one was killed; its leases run out by themselves
        self.clock.sleep(60.0)
        self.relay.remind()
        self._news = True

    def _new_relay(self) -> None:
        name = f"relay-{next(self._relays)}"
        self.relay = Relay(self.store, self.broker, self.clock, holder=name)


def play(store: Store, registry: Registry, *, seed: int, days: int) -> Outcome:
    """One run with its books; the store's own fsck is the caller's."""
    clock = SystemClock()
    started_s = clock.monotonic_s()
    year = Year(store, registry, seed)
    year.pass_days(days)
    books = year.books()
    return Outcome(
        seed=seed,
        days=days,
        rounds=year.rounds,
        findings=_plain(books.findings),
        cases=_plain(books.cases),
        desks=_plain(books.desks),
        messages=_plain(books.messages),
        inbox=_plain(year.replies),
        heard=_plain(year.leaders.heard + year.desk.done),
        wall_s=round(clock.monotonic_s() - started_s, 1),
        problems=books.problems,
    )


def town(folder: Path, seed: int) -> Registry:
    """The whole town's registry, with its office hours and the year's public holidays."""
    place = Place(
        url=lambda _camera, _sub: "rtsp://127.0.0.1:9/none",
        mqtt_url="mqtt://127.0.0.1:9",
        profile="bench",
    )
    built = build_town(count=624, seed=seed, today=FIRST_DAY.date(), profile=place.profile)
    write_config(folder, built, place)
    holidays = [(10, day) for day in range(1, 8)] + [(5, day) for day in range(1, 4)]
    days_off = frozenset(FIRST_DAY.date().replace(month=m, day=d) for m, d in holidays)
    return replace(load_site(folder).registry, office=OfficeHours(days_off=days_off))


@contextmanager
def _folder(given: Path | None) -> Iterator[Path]:
    if given is not None:
        given.mkdir(parents=True, exist_ok=True)
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="patrol-year-") as folder:
        yield Path(folder)


def main(arguments: Sequence[str] | None = None) -> int:
    """One year on SQLite."""
    parser = argparse.ArgumentParser(prog="simulators.year", description="a year in minutes")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--days", type=int, default=365)
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
        with open_store(url) as store:
            outcome = play(store, town(folder, given.seed), seed=given.seed, days=given.days)
            fsck = [f"{p.where}: {p.what}" for p in check(store)]
    document: dict[str, Any] = {**asdict(outcome), "total_cases": outcome.total_cases}
    document["problems"] = [*outcome.problems, *fsck]
    json.dump(document, sys.stdout, ensure_ascii=False, indent=2)
    sys.stdout.write("\n")
    return 1 if document["problems"] else 0


def _plain(counts: Counter[str]) -> dict[str, int]:
    return {str(name): count for name, count in sorted(counts.items())}


if __name__ == "__main__":
    raise SystemExit(main())
