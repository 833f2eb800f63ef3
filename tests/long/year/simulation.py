"""The course of a simulated year: what happens when, on a clock moved by hand.

The clock jumps to the next moment at which something is due. Escalations and rechecks are not
polled: `ObservedPayloadBuilder` notes every case message that is built, and the simulation
schedules a tick for the moment at which that case falls due.
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

from patrol.cases.escalator import Escalator
from patrol.cases.reply_handler import ReplyHandler
from patrol.cases.save_and_send import SEND_AT_ONCE
from patrol.domain.case import Case
from patrol.domain.ids import PersonId
from patrol.domain.outbox import OutboxMessage
from patrol.messaging import OutboxRelay, PayloadBuilder
from patrol.messaging.payloads import NO_REPLIES, ReceivedReplies
from patrol.pictures import sweep_pictures
from patrol.review import expire_undecided
from patrol.rounds.recorder import HealthNotifier, RecorderPolicy
from patrol.settings import Site
from patrol.store import Store
from simulators.people.reply_profile import ReplyProfile
from tests.long.year.audit import YearAudit, audit_year
from tests.long.year.leave import LeaveCalendar
from tests.long.year.rosters import YearRosters, with_points
from tests.long.year.rounds import RoundSetup, VisitSimulator
from tests.long.year.staff import Staff
from tests.long.year.town import Households, ReportArchive, TownTruth, YearLeaders
from tests.support.clock import ManualClock
from tests.support.memory_broker import MemoryBroker
from tests.support.memory_pictures import MemoryPictureStore

ZONE: Final = ZoneInfo("Asia/Shanghai")
FIRST_DAY: Final = datetime(2026, 1, 1, tzinfo=ZONE)
NEW_PROBLEMS: Final = (4, 9)  # go wrong between two rounds: with reports some 5,000 cases a year
MACHINE_OFF_SHARE: Final = (
    0.01  # the centre's machine is off: both rounds are missed, with the reason
)
TICK: Final = timedelta(hours=1)  # besides one when an escalation or a recheck falls due
OUTAGES_A_YEAR: Final = 24
LONGEST_OUTAGE_H: Final = 8
ROUND_HOURS: Final = range(9, 19)  # o'clock: before and after no plan of the site is due
STAFF_HOURS: Final = (8, 12, 17)  # o'clock: waiting cases are handled
REPORTS_A_DAY: Final = 1
LEAVE_DAYS: Final = 366  # planned from the first day on, however few of them are simulated
SITE: Final = "shangba"


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedPayloadBuilder(PayloadBuilder):
    """Payload builder that reports every case it is asked for, so that ticks are scheduled."""

    on_case: Callable[[Case], None]

    @override
    def case_messages(
        self, case: Case, now: datetime, received: ReceivedReplies = NO_REPLIES
    ) -> Sequence[OutboxMessage]:
        self.on_case(case)
        return PayloadBuilder.case_messages(self, case, now, received)


class YearSimulation:
    """`pass_days` simulates, `audit` checks the result."""

    def __init__(
        self, store: Store, site: Site, seed: int, on_day: Callable[[int], None] = lambda _: None
    ) -> None:
        self._on_day, self._days = on_day, 0
        self.rng = random.Random(f"year/{seed}")
        self.clock = ManualClock(FIRST_DAY.astimezone(UTC))
        self.store, self.broker = store, MemoryBroker()
        self.leave = LeaveCalendar.plan(
            site.registry, self.clock.now(), LEAVE_DAYS, random.Random(f"leave/{seed}")
        )
        registry = self.leave.registry
        self.payload_builder = ObservedPayloadBuilder(
            site=SITE, zone=ZONE, registry=registry, site_name="上坝镇", on_case=self._case_seen
        )
        self.inbox = ReplyHandler(store, self.payload_builder, registry, SITE, ZONE)
        self.escalator = Escalator(store, self.payload_builder)
        self._has_unsent = False
        self._ticks: set[datetime] = set()
        self.truth = TownTruth(self.rng)
        self.leaders = YearLeaders(
            self.truth, ReplyProfile(), seed, self.rng, self.clock.now, self.at,
            self._receive_reply, is_away=self.leave.is_away,
            on_sick=self._call_in_sick,
        )  # fmt: skip
        self.staff = Staff(
            store, self.payload_builder, registry, self.truth, self.leaders.case_subjects, self.rng
        )
        self.broker.subscribe(f"patrol/v1/{SITE}/grid/+/case/+", self.leaders.handle_message)
        self.households = Households(store, registry, self.rng)
        self.visits = VisitSimulator(self.truth, registry, MemoryPictureStore(), self.rng)
        self.scheduler = self._round_setup(site).make_scheduler()
        self.reports = ReportArchive(store, registry, ZONE, tuple(site.settings.plans))
        self.replies: Counter[str] = Counter()
        self.rosters = YearRosters(
            store, with_points(site.registry), ZONE, random.Random(f"rosters/{seed}"),
            self.clock.now, self.at, self.leave.is_away, self._note_unsent,
        )  # fmt: skip
        self._off_until = self.clock.now()
        self._weather = random.Random(f"weather/{seed}")
        self._due: list[tuple[datetime, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._relays = itertools.count(1)
        self._new_relay()

    def at(self, when: datetime, work: Callable[[], None]) -> None:
        """Schedule work for a moment; works of the same moment keep their order."""
        heapq.heappush(self._due, (when, next(self._order), work))

    def pass_days(self, days: int) -> None:
        """Simulate so many days: rounds, work, replies and silences by the clock."""
        start = self.clock.now()
        end = start + timedelta(days=days)
        for day in range(days):
            self._plan_day(start + timedelta(days=day))
        for _ in range(round(OUTAGES_A_YEAR * days / 365)):
            self.at(start + timedelta(days=self.rng.uniform(0, days)), self._stop_broker)
        for moment in self.leave.changes(start, end):
            self.at(moment, lambda now=moment: self._change_of_leave(now))  # type: ignore[misc]
        for hour in range(1, 24 * days):
            self.at(start + hour * TICK, self._tick)
        while self._due and self._due[0][0] <= end:
            self._next()
        self._set_clock(end)
        self._start_broker(forgets=True)
        self._relay_all()
        self.reports.write_month(end)

    def _plan_day(self, midnight: datetime) -> None:
        for _ in range(REPORTS_A_DAY):
            self.at(midnight + timedelta(hours=self.rng.uniform(7, 20)), self._report)
        self.at(midnight + timedelta(hours=1), self._midnight)
        self.at(midnight + timedelta(hours=3.5), self._upkeep)
        if self.rng.random() < MACHINE_OFF_SHARE:
            self.at(midnight + timedelta(hours=8.5), self._switch_machine_off)

    def audit(self) -> YearAudit:
        """Audit the store as it stands now."""
        now = self.clock.now()
        audit = audit_year(self.store, self.broker.retained, self.reports, now, self.leave)
        with self.store.begin_read() as uow:
            audit.problems.extend(self.rosters.problems(uow))
        return audit

    def _note_unsent(self) -> None:
        self._has_unsent = True

    def _next(self) -> None:
        when, _, work = heapq.heappop(self._due)
        self._set_clock(when)
        work()
        self._relay_all()

    def _set_clock(self, when: datetime) -> None:
        self.clock.sleep(max(0.0, (when - self.clock.now()).total_seconds()))

    def _relay_all(self) -> None:
        while self._has_unsent and self.broker.is_up:
            batch = self.relay.run_batch()
            self._has_unsent = bool(batch.problem) or batch.leased >= self.relay.options.batch
            if batch.problem:
                return

    def _midnight(self) -> None:
        """Let consents change; on the first of a month write the last month's report."""
        now = self.clock.now()
        self._days += 1
        self._on_day(self._days)
        self.households.pass_day(now)
        if now.astimezone(ZONE).day == 1:
            self.reports.write_month(now)

    def _change_of_leave(self, now: datetime) -> None:
        """Somebody's leave begins or ends: who is away is not waited for from now on."""
        self.leave.move_to(now)
        self.escalator.run_due(self.clock.now())

    def _call_in_sick(self, person: PersonId) -> None:
        """Enter a sick leader's leave until the next morning; a neighbour stands in."""
        now = self.clock.now()
        until = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
        if not self.leave.is_away(person, now):
            self.leave.call_in_sick(person, now, until)
            self.at(until, lambda: self._change_of_leave(until))
        self.escalator.run_due(now)

    def _switch_machine_off(self) -> None:
        self._off_until = self.clock.now() + timedelta(hours=9.5)

    def _run_due_rounds(self, now: datetime) -> None:
        """Run rounds that are due; the review follows minutes later."""
        if now < self._off_until:
            return
        visits_before = self.visits.visit_count
        self.scheduler.run_due()
        if self.visits.visit_count > visits_before:
            self._has_unsent = True
            visited = self.households.visited(now)
            self.truth.add_problems(visited, self.rng.randint(*NEW_PROBLEMS))
            self.at(now + timedelta(minutes=self.rng.uniform(5, 60)), self._review)

    def _review(self) -> None:
        self.staff.review(self.clock.now())

    def _upkeep(self) -> None:
        now = self.clock.now()
        expire_undecided(self.store, now)
        sweep_pictures(self.store, self.visits.evidence, now)

    def _report(self) -> None:
        grid = self.rng.choice(
            [g for g in self.payload_builder.registry.tree.grids if not g.endswith("000")]
        )
        body = {"v": 1, "key": f"report-{next(self._order)}", "category": "dumping", "text": "渠边"}
        self._receive_reply(f"patrol/v1/{SITE}/grid/{grid}/report", json.dumps(body).encode())

    def _receive_reply(self, topic: str, payload: bytes) -> None:
        """Handle a reply; while the broker is down it waits in the leader's phone."""
        if not self.broker.is_up:
            later = self.clock.now() + timedelta(hours=self.rng.uniform(1, LONGEST_OUTAGE_H))
            self.at(later, lambda: self._receive_reply(topic, payload))
            return
        handled = self.inbox.handle(topic, payload, self.clock.now())
        self.replies[handled.outcome] += 1
        if handled.reason:
            self.replies[f"refused: {handled.reason}"] += 1

    def _tick(self) -> None:
        now = self.clock.now()
        local = now.astimezone(ZONE)
        if local.hour in ROUND_HOURS:
            self._run_due_rounds(now)
        if local.minute == 0:
            self.rosters.run()
            self.truth.heal(self._weather)
        self.escalator.run_due(now)
        for case in self.staff.recheck_due(now):
            self._case_seen(case)  # a recheck that failed sends no message
        if local.hour in STAFF_HOURS and local.minute == 0:
            self.staff.handle_waiting_cases(now)

    def _case_seen(self, case: Case) -> None:
        """Note that a message is unsent, and schedule ticks for when the case falls due."""
        self._has_unsent = True
        for due in (case.ladder_due_at, case.recheck_due_at):
            if due is not None and due >= self.clock.now() and due not in self._ticks:
                self._ticks.add(due)
                self.at(due, self._tick)

    def _stop_broker(self) -> None:
        """Stop the broker in the middle of a batch, perhaps with lost acknowledgements."""
        self.broker.lose_acks = self.rng.randint(0, 3)
        self.broker.is_up = False
        back = self.clock.now() + timedelta(hours=self.rng.uniform(0.1, LONGEST_OUTAGE_H))
        forgets = self.rng.random() < 0.5
        self.at(back, lambda: self._start_broker(forgets=forgets))

    def _start_broker(self, *, forgets: bool) -> None:
        self.broker.restart(loses_retained=forgets)
        self._new_relay()  # the old one was killed; its leases run out
        self.clock.sleep(60.0)
        self.relay.republish_retained()
        self._has_unsent = True

    def _round_setup(self, site: Site) -> RoundSetup:
        health_notifier = HealthNotifier(payloads=self.payload_builder, policy=site.settings.health)
        policy = RecorderPolicy(
            rules=site.rules,
            health=health_notifier,
            auto_confirm=lambda *_: 0,  # no rule of this site lets anything out unreviewed
            keep_evidence=timedelta(days=site.settings.retention.evidence_days),
            send_gate=SEND_AT_ONCE,
        )
        return RoundSetup(
            store=self.store,
            clock=self.clock,
            zone=ZONE,
            cameras=lambda: self.households.cameras,
            policy=policy,
            payloads=self.payload_builder,
            tree=site.registry.tree,
            visits=self.visits,
            rng=self.rng,
            calendar=site.settings.calendar,
        )

    def _new_relay(self) -> None:
        name = f"relay-{next(self._relays)}"
        self.relay = OutboxRelay(self.store, self.broker, self.clock, holder=name)
