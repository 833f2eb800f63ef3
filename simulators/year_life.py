"""The course of a simulated year: what happens when, in the order of a clock moved by hand.

The clock jumps to the next moment at which something is due; nothing is polled in between but an
hourly bell, because the year itself tells when a case will have to ring.
"""

import heapq
import itertools
import json
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from typing_extensions import override

from patrol.dispatch import Inbox, Ladder, Relay, Wire
from patrol.domain.case import Case
from patrol.domain.message import OutboxMessage
from patrol.evidence import sweep
from patrol.review import age
from patrol.rounds.health import HealthDesk
from patrol.rounds.record import RecordPolicy
from patrol.settings import Site
from patrol.store import Store
from simulators.broker import MemoryBroker
from simulators.clock import ManualClock
from simulators.evidence import MemoryEvidence
from simulators.habits import Habits
from simulators.year_books import Books, balance
from simulators.year_desk import Desk
from simulators.year_eyes import Eyes
from simulators.year_paper import Households, Paper
from simulators.year_town import Leaders, Truth
from simulators.year_walk import Walkers

ZONE: Final = ZoneInfo("Asia/Shanghai")
FIRST_DAY: Final = datetime(2026, 1, 1, tzinfo=ZONE)
TRUE_ONES: Final = (4, 9)  # go wrong between two rounds: with reports some 5,000 cases a year
DARK_DAYS: Final = 0.01  # the centre's machine is off: both rounds are missed, with the reason
TICK: Final = timedelta(hours=1)  # besides one at the moment of every silence and every look
OUTAGES_A_YEAR: Final = 24
LONGEST_OUTAGE_H: Final = 8
PATROLLED: Final = range(9, 19)  # o'clock: before and after no plan of the site is due
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

    def __init__(
        self, store: Store, site: Site, seed: int, tell: Callable[[int], None] = lambda _: None
    ) -> None:
        self._tell, self._days = tell, 0
        self.rng = random.Random(f"year/{seed}")  # noqa: S311  a play, and it must repeat
        self.clock = ManualClock(FIRST_DAY.astimezone(UTC))
        self.store, self.broker, registry = store, MemoryBroker(), site.registry
        self.wire = WatchedWire(
            site=SITE, zone=ZONE, registry=registry, site_name="上坝镇", seen=self._case_seen
        )
        self.inbox = Inbox(store, self.wire, registry, SITE, ZONE)
        self.ladder = Ladder(store, self.wire)
        self._news = False
        self._ticks: set[datetime] = set()
        self.truth = Truth(self.rng)
        self.leaders = Leaders(
            self.truth, Habits(), seed, self.rng, self.clock.now, self.at, self._heard
        )
        self.desk = Desk(store, self.wire, registry, self.truth, self.leaders.about, self.rng)
        self.broker.subscribe(f"patrol/v1/{SITE}/grid/+/case/+", self.leaders.hear)
        self.households = Households(store, registry, self.rng)
        self.eyes = Eyes(self.truth, registry, MemoryEvidence(), self.rng)
        self.keeper = self._walkers(site).keeper()
        self.paper = Paper(store, registry, ZONE, tuple(site.settings.plans))
        self.replies: Counter[str] = Counter()
        self._dark_until = self.clock.now()
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
            self._plan_day(start + timedelta(days=day))
        for _ in range(round(OUTAGES_A_YEAR * days / 365)):
            self.at(start + timedelta(days=self.rng.uniform(0, days)), self._broker_dies)
        for hour in range(1, 24 * days):
            self.at(start + hour * TICK, self._tick)
        while self._due and self._due[0][0] <= end:
            self._next()
        self._set_clock(end)
        self._broker_lives(forgets=True)
        self._relay_all()
        self.paper.write(end)

    def _plan_day(self, midnight: datetime) -> None:
        for _ in range(REPORTS_A_DAY):
            self.at(midnight + timedelta(hours=self.rng.uniform(7, 20)), self._report)
        self.at(midnight + timedelta(hours=1), self._midnight)
        self.at(midnight + timedelta(hours=3.5), self._upkeep)
        if self.rng.random() < DARK_DAYS:
            self.at(midnight + timedelta(hours=8.5), self._goes_dark)

    def books(self) -> Books:
        """As they stand now."""
        return balance(self.store, self.broker.retained, self.paper, self.clock.now())

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

    def _midnight(self) -> None:
        """Households change their minds; the first of a month brings the report of the last."""
        now = self.clock.now()
        self._days += 1
        self._tell(self._days)
        self.households.pass_day(now)
        if now.astimezone(ZONE).day == 1:
            self.paper.write(now)

    def _goes_dark(self) -> None:
        self._dark_until = self.clock.now() + timedelta(hours=9.5)

    def _ring(self, now: datetime) -> None:
        """Rounds as the keeper decides; who reviews them comes a while later."""
        if now < self._dark_until:
            return
        walked = self.eyes.looks
        self.keeper.ring()
        if self.eyes.looks > walked:
            self._news = True
            visited = self.households.visited(now)
            self.truth.goes_wrong(visited, self.rng.randint(*TRUE_ONES))
            self.at(now + timedelta(minutes=self.rng.uniform(5, 60)), self._review)

    def _review(self) -> None:
        self.desk.review(self.clock.now())

    def _upkeep(self) -> None:
        now = self.clock.now()
        age(self.store, now)
        sweep(self.store, self.eyes.evidence, now)

    def _report(self) -> None:
        grid = self.rng.choice([g for g in self.wire.registry.tree.grids if not g.endswith("000")])
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
        local = now.astimezone(ZONE)
        if local.hour in PATROLLED:
            self._ring(now)
        self.ladder.tick(now)
        for case in self.desk.look_again(now):
            self._case_seen(case)  # a look that failed is told to nobody
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

    def _walkers(self, site: Site) -> Walkers:
        desk = HealthDesk(announcer=self.wire, policy=site.settings.health, tree=site.registry.tree)
        policy = RecordPolicy(
            rules=site.rules,
            health=desk,
            auto_confirm=lambda *_: 0,  # no rule of this site lets anything out unreviewed
            keep_evidence=timedelta(days=site.settings.retention.evidence_days),
        )
        return Walkers(
            store=self.store,
            clock=self.clock,
            zone=ZONE,
            cameras=lambda: self.households.cameras,
            policy=policy,
            eyes=self.eyes,
            rng=self.rng,
            calendar=site.settings.calendar,
        )

    def _new_relay(self) -> None:
        name = f"relay-{next(self._relays)}"
        self.relay = Relay(self.store, self.broker, self.clock, holder=name)
