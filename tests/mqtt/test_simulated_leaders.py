"""The whole loop over a real broker: confirmed, told, answered, looked at again, closed."""

import json
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from zoneinfo import ZoneInfo

import jsonschema
import pytest

from patrol.cases.actions import apply_recheck
from patrol.cases.escalator import Escalator
from patrol.cases.reply_handler import ReplyHandler
from patrol.clock import SystemClock
from patrol.domain.case import Case, CaseEvent, CaseState
from patrol.domain.ids import FindingId
from patrol.domain.observation import Subject
from patrol.messaging import OutboxRelay, PayloadBuilder, RelayOptions, inbox_filters
from patrol.mqtt import BrokerAddress, MqttPublisher, ReplySubscriber
from patrol.review import confirm
from patrol.store import Store
from simulators import small_site
from simulators.mosquitto import Mosquitto
from simulators.people.leaders import ReplySimulator, ReplySimulatorOptions
from simulators.people.operator import decide_finding
from simulators.people.reply_profile import OBEDIENT, ReplyProfile, awaits_reply, plan_replies
from tests.support.store import new_store

SITE = "shangba"
WAIT_S = 40.0
CATEGORIES = ("blocking_vehicle", "dumping", "sewage", "clutter", "obstruction", "livestock")


@dataclass
class CentreService:
    """What `patrol run` keeps going, around a store of its own."""

    address: BrokerAddress
    store: Store = field(default_factory=new_store)
    clock: SystemClock = field(default_factory=SystemClock)
    gone: set[tuple[str, str]] = field(default_factory=set)  # what leaders really removed

    def __post_init__(self) -> None:
        self.registry = small_site.registry()
        self.payload_builder = PayloadBuilder(
            site=SITE, zone=ZoneInfo("Asia/Shanghai"), registry=self.registry
        )
        self.inbox = ReplyHandler(
            self.store, self.payload_builder, self.registry, SITE, self.payload_builder.zone
        )
        self.escalator = Escalator(self.store, self.payload_builder)

    @contextmanager
    def running(self) -> Iterator["CentreService"]:
        stop = threading.Event()
        with ExitStack() as stack:
            publisher = stack.enter_context(MqttPublisher(self.address))
            options = RelayOptions(lease_s=1.0, publish_timeout_s=1.0, poll_s=0.2)
            relay = OutboxRelay(self.store, publisher, self.clock, holder="centre", options=options)
            self.inbox.on_queued = relay.wake
            service = ReplySubscriber(
                self.address,
                client_id="patrol-shangba",
                filters=inbox_filters(SITE),
                handler=self.handle,
            )
            stack.enter_context(service)
            threads = [
                threading.Thread(target=relay.run, args=(stop,), daemon=True),
                threading.Thread(target=self.recheck_loop, args=(stop,), daemon=True),
            ]
            for thread in threads:
                thread.start()
            assert service.wait_up(WAIT_S)
            try:
                yield self
            finally:
                stop.set()
                for thread in threads:
                    thread.join(5.0)

    def handle(self, topic: str, payload: bytes) -> None:
        self.inbox.handle(topic, payload, self.clock.now())

    def recheck_loop(self, stop: threading.Event) -> None:
        """The second look: what was removed is gone."""
        while not stop.wait(0.05):
            now = self.clock.now()
            with self.store.begin() as uow:
                for case in uow.cases.recheck_due(now):
                    seen = (str(case.camera)[-6:], case.category) in self.gone
                    apply_recheck(
                        uow, case.id, gone=seen, by="eye", now=now, payloads=self.payload_builder
                    )
                uow.commit()

    def clear(self, case: Mapping[str, Any]) -> None:
        self.gone.add((case["camera_last6"], case["category"]["id"]))

    def confirm_all(self) -> None:
        for number, category in enumerate(CATEGORIES):
            finding = small_site.finding(f"F{number:06d}", category=category)
            with self.store.begin() as uow:
                uow.findings.add(finding)
                confirm(
                    uow,
                    FindingId(finding.id),
                    by="op",
                    now=self.clock.now(),
                    registry=self.registry,
                    payloads=self.payload_builder,
                )
                uow.commit()

    def cases(self) -> list[Case]:
        with self.store.begin_read() as uow:
            return list(uow.cases.list())

    def all_closed(self) -> bool:
        cases = self.cases()
        return len(cases) == len(CATEGORIES) and all(c.state is CaseState.CLOSED for c in cases)


def simulator_for(centre: CentreService, port: int, profile: ReplyProfile) -> ReplySimulator:
    options = ReplySimulatorOptions(
        host="127.0.0.1", port=port, site=SITE, profile=profile, speed=600
    )
    return ReplySimulator(options, centre.clock.now, centre.clock.monotonic_s, centre.clear)


def until(ready: Any) -> bool:
    nap = threading.Event()
    return any(ready() or nap.wait(0.05) for _ in range(int(WAIT_S / 0.05)))


@pytest.mark.slow
@pytest.mark.parametrize("killed", [False, True], ids=["calm", "the broker is killed twice"])
def test_every_case_ends_closed(mosquitto: Mosquitto, *, killed: bool) -> None:
    lazy_once = replace(OBEDIENT, reworked=0.5, sent_twice=0.3)
    centre = CentreService(BrokerAddress.parse(mosquitto.url))
    with centre.running(), simulator_for(centre, mosquitto.port, lazy_once) as crowd:
        centre.confirm_all()
        for enough in (2, 4) if killed else ():
            assert until(lambda: crowd.sent["acknowledge"] >= enough)  # noqa: B023  used at once
            mosquitto.kill()
            mosquitto.start()
        assert until(centre.all_closed), [(c.id, c.state) for c in centre.cases()]
    assert crowd.received["unreadable"] == 0
    assert {k for k in centre.inbox.counters if k.startswith("refused")} <= {
        "refused:not_possible"  # a word that outlived its case
    }
    for case in centre.cases():
        happened = Counter(entry.what for entry in case.entries)
        assert happened[CaseEvent.CLOSE] == 1
        assert happened[CaseEvent.FEED_BACK] == 1 + happened[CaseEvent.NOT_VERIFIED]


def case_message(**changed: Any) -> dict[str, Any]:
    plain = {
        "key": "k",
        "case": "C20261122-0001",
        "state": "dispatched",
        "revision": 0,
        "rung": {"number": 0, "person": "leader", "current": True},
    }
    return {**plain, **changed}


def test_the_habits_are_the_towns() -> None:
    plans = [plan_replies(case_message(case=f"C{n}"), ReplyProfile(), seed=1) for n in range(4000)]
    acks = [next(p.after_s for p in x if p.body["type"] == "acknowledge") for x in plans if x]
    results = Counter(x[-1].body["result"] for x in plans if x)
    share = {k: v / len(plans) for k, v in results.items()}
    assert len(acks) / len(plans) == pytest.approx(0.96, abs=0.01)
    assert sum(a <= 600 for a in acks) / len(acks) == pytest.approx(0.70, abs=0.03)
    assert sum(a <= 3600 for a in acks) / len(acks) == pytest.approx(0.90, abs=0.02)
    assert share["not_my_grid"] == pytest.approx(0.04, abs=0.01)
    assert share["false_alarm"] == pytest.approx(0.08, abs=0.015)
    for steps in plans:
        assert [p.after_s for p in steps] == sorted(p.after_s for p in steps)
        assert len({p.body["key"] for p in steps}) == len(steps)


def test_the_same_seed_says_the_same_and_a_rework_is_answered_anew() -> None:
    assert plan_replies(case_message(), ReplyProfile(), 1) == plan_replies(
        case_message(), ReplyProfile(), 1
    )
    again = plan_replies(case_message(state="rework", revision=5), OBEDIENT, 1)
    first = plan_replies(case_message(), OBEDIENT, 1)
    assert not {p.body["key"] for p in first} & {p.body["key"] for p in again}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, True),
        ({"state": "rework"}, True),
        ({"state": "acknowledged"}, False),
        ({"rung": {"number": 0, "current": False}}, False),
        ({"rung": None}, True),
    ],
)
def test_whose_turn_it_is(changed: dict[str, Any], *, expected: bool) -> None:
    assert awaits_reply(case_message(**changed)) is expected


def test_what_leaders_send_fits_the_published_schema(pytestconfig: pytest.Config) -> None:
    schema = json.loads((pytestconfig.rootpath / "docs/schemas/reply.json").read_text("utf-8"))
    validator = jsonschema.Draft202012Validator(schema)
    for number in range(60):
        for step in plan_replies(case_message(case=f"C{number}"), ReplyProfile(), seed=3):
            validator.validate({"v": 1, "at": "2026-11-22T04:00:00Z", **step.body})


@pytest.mark.parametrize(
    ("finding", "truth", "category"),
    [
        ({"category": "scene_change"}, {"problem": "dumping", "visible_problem": True}, "dumping"),
        ({}, {"problem": "dumping", "visible_problem": False}, ""),
        ({}, {"problem": None, "visible_problem": False}, ""),
        ({"subject": Subject.EQUIPMENT, "category": "equipment"}, {"fault": "black"}, "equipment"),
        ({"subject": Subject.EQUIPMENT, "category": "equipment"}, {"fault": "none"}, ""),
    ],
)
def test_the_operator_decides_by_the_truth(
    finding: dict[str, Any], truth: dict[str, Any], category: str
) -> None:
    verdict = decide_finding(small_site.finding(**finding), truth)
    assert (verdict.confirm, verdict.category) == (bool(category), category)
    assert verdict.confirm or verdict.reason


@pytest.mark.slow
def test_a_broker_that_lost_everything_loses_no_reply(mosquitto: Mosquitto) -> None:
    """Replies that only the broker had are gone with its disk; leaders send them again."""
    centre = CentreService(BrokerAddress.parse(mosquitto.url))
    centre.confirm_all()
    with centre.running():
        pass  # its session is there, the cases are published, and it goes away
    profile = replace(OBEDIENT, sent_twice=0.0)
    with simulator_for(centre, mosquitto.port, profile) as leaders:
        assert until(lambda: leaders.sent["acknowledge"] == len(CATEGORIES))
        mosquitto.kill()
        wipe(mosquitto)
        assert all(case.state is CaseState.DISPATCHED for case in centre.cases())
        mosquitto.start()
        with centre.running():
            assert until(lambda: leaders.received["session_lost"])
            assert until(centre.all_closed)
            assert until(lambda: not any(leaders._sent_replies.values()))
    assert leaders.sent["repeated"] >= len(CATEGORIES)
    assert leaders.received["acknowledged"] >= len(CATEGORIES)
    for case in centre.cases():  # once each, however often they were sent
        assert [e.what for e in case.entries].count(CaseEvent.FEED_BACK) == 1


def wipe(broker: Mosquitto) -> None:
    """Delete its sessions and retained messages, as a new disk has none."""
    kept = list(broker.folder.rglob("mosquitto.db*"))
    for file in kept:
        file.unlink()
