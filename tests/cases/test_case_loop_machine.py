"""The loop under any order of events: cases, outbox, broker, replies, silences, looks, kills.

The machine plays operator, leaders, relay, broker and clock. Whatever it does: a leader who drops
repeats by key ends up seeing exactly the case as it stands; nothing is told twice under two keys;
history only grows; a closed case is cleared everywhere; the ladder never runs after an answer; a
word that is held was told to nobody, and goes out in the end.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from patrol.cases import actions
from patrol.cases.actions import apply_recheck, reschedule_recheck
from patrol.cases.escalator import Escalator
from patrol.cases.reply_handler import ReplyHandler, ReplyOutcome
from patrol.cases.save_and_send import HeldCaseReleaser, SendGate
from patrol.domain.approval import ApprovalImpossible
from patrol.domain.case import ENDED_STATES, Case, CaseEvent, CaseState, IllegalCaseTransition
from patrol.domain.case_timers import ApprovalKind, ApprovalRequest
from patrol.domain.escalation import announced_grids
from patrol.domain.ids import CaseId, FindingId, MessageKey
from patrol.domain.outbox import DeliveryState
from patrol.domain.send_policy import SendLimits
from patrol.messaging import OutboxRelay, PayloadBuilder, RelayOptions
from patrol.review import confirm
from simulators import small_site
from tests.support.clock import ManualClock
from tests.support.memory_broker import MemoryBroker
from tests.support.store import new_store

ZONE = ZoneInfo("Asia/Shanghai")
CATEGORIES = ("blocking_vehicle", "dumping")
REPLY_KINDS = (
    ("received", None),
    ("opened", None),
    ("acknowledge", None),
    ("arrive", None),
    ("extend", None),
    ("feedback", "handled"),
    ("feedback", "false_alarm"),
    ("feedback", "not_my_grid"),
    ("feedback", "need_help"),
    ("feedback", "cannot_reach"),
    ("feedback", "in_progress"),
)
LIMITS = (
    SendLimits(new_per_hour=0, repeat_every=timedelta()),  # nothing waits
    SendLimits(new_per_hour=1),
)
GRIDS = (small_site.GROUP, small_site.VILLAGE, small_site.TOWN, small_site.OTHER_GROUP)


@dataclass
class Phone:
    """A leader's application: drops repeats by key, shows the rest."""

    shown: dict[str, dict[str, Any]] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    revisions: dict[str, int] = field(default_factory=dict)
    received: dict[str, list[str]] = field(default_factory=dict)

    def receive(self, topic: str, payload: bytes) -> None:
        if not payload:
            self.shown.pop(topic, None)
            return
        body = json.loads(payload)
        if body["key"] in self.seen:
            return
        self.seen.add(body["key"])
        before, received = self.revisions.get(topic, -1), body["received_replies"]
        # docs/mqtt.md: the same revision comes again for a reply that only had to be acknowledged.
        acknowledges = bool(received) and received[-1] not in self.received.get(topic, ())
        is_newer = body["revision"] > before or (body["revision"] == before and acknowledges)
        assert is_newer, "an older word came after a newer"
        self.revisions[topic], self.received[topic] = body["revision"], received
        self.shown[topic] = body


class CaseLoop(RuleBasedStateMachine):
    cases = Bundle("cases")
    sent = Bundle("sent")

    @initialize(limits=st.sampled_from(LIMITS))
    def build(self, limits: SendLimits) -> None:
        self.registry = small_site.registry()
        self.clock = ManualClock(small_site.NOON)
        self.store = new_store()
        self.broker = MemoryBroker()
        self.phone = Phone()
        self.broker.subscribe("patrol/v1/shangba/grid/+/case/+", self.phone.receive)
        self.payload_builder = PayloadBuilder(site="shangba", zone=ZONE, registry=self.registry)
        self.ladder = Escalator(self.store, self.payload_builder)
        self.gate = SendGate(site="shangba", registry=self.registry, limits=limits)
        self.release = HeldCaseReleaser(
            store=self.store, send_gate=self.gate, payloads=self.payload_builder
        )
        self.inbox = ReplyHandler(self.store, self.payload_builder, self.registry, "shangba", ZONE)
        self.relays = 0
        self.numbers = 0
        self.histories: dict[str, tuple[Any, ...]] = {}
        self.new_relay()

    def new_relay(self) -> None:
        self.relays += 1
        self.relay = OutboxRelay(
            self.store,
            self.broker,
            self.clock,
            holder=f"relay-{self.relays}",
            options=RelayOptions(batch=3),
        )

    @rule(
        target=cases,
        camera=st.sampled_from([small_site.CAMERA, small_site.SECOND_CAMERA]),
        category=st.sampled_from(CATEGORIES),
    )
    def confirm(self, camera: Any, category: str) -> str:
        self.numbers += 1
        grid = self.registry.cameras[camera].grid
        finding = small_site.finding(
            f"F{self.numbers:06d}", camera=camera, grid=grid, category=category
        )
        with self.store.begin() as uow:
            uow.findings.add(finding)
            case = confirm(
                uow,
                FindingId(finding.id),
                by="op",
                now=self.clock.now(),
                registry=self.registry,
                payloads=self.payload_builder,
                send_gate=self.gate,
            )
            uow.commit()
        return case.id

    @rule()
    def held_messages_are_released(self) -> None:
        self.release.run_due(self.clock.now())

    @rule(
        target=sent,
        case=cases,
        kind_and_result=st.sampled_from(REPLY_KINDS),
        grid=st.sampled_from(GRIDS),
    )
    def reply(
        self, case: str, kind_and_result: tuple[str, str | None], grid: str
    ) -> tuple[str, bytes]:
        self.numbers += 1
        kind, result = kind_and_result
        body = {"v": 1, "key": f"k{self.numbers}", "type": kind, "result": result}
        topic = f"patrol/v1/shangba/grid/{grid}/reply/{case}"
        payload = json.dumps({k: v for k, v in body.items() if v is not None}).encode()
        before = self.of(case)
        handled = self.inbox.handle(topic, payload, self.clock.now())
        if grid not in announced_grids(before):
            assert handled.reason == "another_grid"
        if handled.outcome is ReplyOutcome.REFUSED:
            assert self.of(case) == before
        return topic, payload

    @rule(again=sent)
    def the_broker_delivers_it_again(self, again: tuple[str, bytes]) -> None:
        case = again[0].rpartition("/")[2]
        before = self.of(case)
        handled = self.inbox.handle(*again, self.clock.now())
        # Accepted before: nothing. Refused before: it may have become possible meanwhile.
        if handled.outcome in (ReplyOutcome.REPEATED, ReplyOutcome.REFUSED):
            assert self.of(case) == before

    @rule(minutes=st.integers(1, 200))
    def time_passes(self, minutes: int) -> None:
        self.clock.sleep(minutes * 60.0)
        self.ladder.run_due(self.clock.now())

    @rule(case=cases, gone=st.sampled_from([True, False, None]))
    def look_again(self, case: str, *, gone: bool | None) -> None:
        now = self.clock.now()
        with self.store.begin() as uow:
            if gone is None:
                reschedule_recheck(
                    uow, CaseId(case), by="eye", now=now, why="dark", payloads=self.payload_builder
                )
            else:
                apply_recheck(
                    uow, CaseId(case), gone=gone, by="eye", now=now, payloads=self.payload_builder
                )
            uow.commit()

    @rule(case=cases, approval_kind=st.sampled_from(list(ApprovalKind)))
    def somebody_asks(self, case: str, approval_kind: ApprovalKind) -> None:
        span_s = 3600.0 if approval_kind is ApprovalKind.EXTENSION else 0.0
        now = self.clock.now()
        request = ApprovalRequest(kind=approval_kind, by="op", at=now, why="封路", span_s=span_s)
        self.apply_action(
            lambda uow: actions.request_approval(
                uow, CaseId(case), request, payloads=self.payload_builder
            )
        )

    @rule(case=cases, by=st.sampled_from(["op", "lead"]), granted=st.booleans())
    def the_supervisor_answers(self, case: str, by: str, *, granted: bool) -> None:
        now, ident = self.clock.now(), CaseId(case)
        before = self.of(case)
        if granted:
            self.apply_action(
                lambda uow: actions.approve(
                    uow, ident, by=by, now=now, payloads=self.payload_builder
                )
            )
        else:
            self.apply_action(
                lambda uow: actions.reject(
                    uow, ident, by=by, now=now, payloads=self.payload_builder, note="不行"
                )
            )
        if before.request is None or (granted and before.request.by == by):
            assert self.of(case) == before, "nobody grants a wish of one's own"

    @rule(case=cases)
    def a_suspended_case_goes_on(self, case: str) -> None:
        now = self.clock.now()
        self.apply_action(
            lambda uow: actions.resume_case(
                uow, CaseId(case), by="lead", now=now, payloads=self.payload_builder
            )
        )

    @rule(case=cases, grid=st.sampled_from(GRIDS))
    def it_is_given_to_another_grid(self, case: str, grid: Any) -> None:
        now, registry = self.clock.now(), self.registry
        self.apply_action(
            lambda uow: actions.reassign_case(
                uow,
                CaseId(case),
                grid,
                by="op",
                now=now,
                registry=registry,
                payloads=self.payload_builder,
            )
        )

    @rule(
        case=cases,
        event=st.sampled_from([CaseEvent.CLOSE, CaseEvent.VOID]),
        by=st.sampled_from(["op", "lead"]),
    )
    def an_operator_ends_it(self, case: str, event: CaseEvent, by: str) -> None:
        now = self.clock.now()
        self.apply_action(
            lambda uow: actions.end_case(
                uow, CaseId(case), event, by=by, now=now, payloads=self.payload_builder, note="x"
            )
        )

    @rule(again=sent)
    def the_process_dies_before_the_inbox_commits(self, again: tuple[str, bytes]) -> None:
        """The broker was told nothing, so it delivers again; the dead one left no trace."""
        before = self.all_cases()
        with self.store.begin() as uow:
            uow.inbox.remember_key(MessageKey(f"half-{self.numbers}"), self.clock.now())
            for case in before:
                if case.is_open:
                    uow.cases.put(case.apply_event(CaseEvent.PROGRESS, at=self.clock.now(), by="x"))
        assert self.all_cases() == before
        self.the_broker_delivers_it_again(again)

    def apply_action(self, move: Callable[[Any], object]) -> None:
        """A move that is not possible is said, and changes nothing."""
        before = self.all_cases()
        try:
            with self.store.begin() as uow:
                move(uow)
                uow.commit()
        except (ApprovalImpossible, IllegalCaseTransition):
            assert self.all_cases() == before

    @rule()
    def relay_works(self) -> None:
        self.relay.run_batch()

    @rule(count=st.integers(0, 3))
    def the_broker_breaks_after(self, count: int) -> None:
        self.broker.refuse_after = count

    @rule(count=st.integers(1, 3))
    def acknowledgements_are_lost(self, count: int) -> None:
        self.broker.lose_acks = count

    @rule()
    def the_broker_is_back(self) -> None:
        self.broker.is_up, self.broker.refuse_after = True, None

    @rule(forgets=st.booleans())
    def the_broker_is_killed_and_started(self, *, forgets: bool) -> None:
        self.broker.restart(loses_retained=forgets)
        self.relay.republish_retained()

    @rule()
    def the_relay_is_killed_with_leases_in_hand(self) -> None:
        with self.store.begin() as uow:
            leased = uow.outbox.lease(
                holder=self.relay.holder, now=self.clock.now(), lease_s=20.0, limit=3
            )
            uow.commit()
        if self.broker.is_up:
            self.broker.publish(leased[:2], 1.0)  # taken by the broker, never marked
        self.new_relay()

    def of(self, case: str) -> Case:
        with self.store.begin_read() as uow:
            return uow.cases.get(CaseId(case))

    def all_cases(self) -> list[Case]:
        with self.store.begin_read() as uow:
            return list(uow.cases.list())

    @invariant()
    def history_only_grows(self) -> None:
        for case in self.all_cases():
            known = self.histories.get(case.id, ())
            assert case.entries[: len(known)] == known
            self.histories[case.id] = case.entries

    @invariant()
    def an_ended_case_waits_for_nothing(self) -> None:
        for case in self.all_cases():
            if case.state in ENDED_STATES:
                assert (case.ladder_due_at, case.recheck_due_at) == (None, None)
                assert (case.request, case.suspension, case.hold) == (None, None, None)
            if case.is_unannounced:
                assert (case.ladder_due_at, case.rung, announced_grids(case)) == (None, 0, ())
                with self.store.begin_read() as uow:
                    assert uow.outbox.of_case(case.id) == []
            if case.suspension is not None:
                assert (case.ladder_due_at, case.recheck_due_at) == (None, None), "no clock runs"
            if case.state in (CaseState.ACKNOWLEDGED, CaseState.ARRIVED, CaseState.RETURNED):
                helped = {CaseEvent.NEED_HELP, CaseEvent.CANNOT_REACH} & {
                    entry.what for entry in case.entries
                }
                assert case.ladder_due_at is None or helped

    @invariant()
    def same_camera_and_category_is_one_open_case(self) -> None:
        open_ones = [(c.camera, c.category) for c in self.all_cases() if c.is_open]
        assert len(open_ones) == len(set(open_ones))

    def teardown(self) -> None:
        """Whatever happened: once the broker is back, every phone shows what stands."""
        if not hasattr(self, "relay"):
            return
        self.clock.sleep(timedelta(hours=1).total_seconds())  # the longest that anything is held
        self.release.run_due(self.clock.now())
        assert [case.id for case in self.all_cases() if case.hold] == []
        self.the_broker_is_back()
        self.broker.lose_acks = 0
        self.clock.sleep(timedelta(minutes=1).total_seconds())  # a killed relay's leases run out
        assert self.relay.run_until_empty(60.0) == 0
        expected: dict[str, int] = {}
        for case in self.all_cases():
            for grid in announced_grids(case) if case.is_open else ():
                expected[f"patrol/v1/shangba/grid/{grid}/case/{case.id}"] = case.revision
            with self.store.begin_read() as uow:
                for message in uow.outbox.of_case(case.id):
                    assert message.state is not DeliveryState.QUEUED
        shown = {topic: body["revision"] for topic, body in self.phone.shown.items()}
        assert shown == expected
        kept = {t: json.loads(payload)["revision"] for t, payload in self.broker.retained.items()}
        assert kept == expected, "whoever connects now must find the same"


TestLoop = CaseLoop.TestCase
TestLoop.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
