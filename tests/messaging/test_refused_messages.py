"""A message that the broker refuses holds nothing back but its own topic, and is named."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from patrol.domain.ids import MessageKey
from patrol.domain.outbox import (
    MAX_REFUSAL_DELAY,
    MAX_REFUSALS,
    DeliveryEvent,
    DeliveryState,
    OutboxMessage,
    PublishRefusal,
    RefusalKind,
    topic_problem,
)
from patrol.messaging.outbox_relay import OutboxRelay, RelayOptions
from patrol.store import Store
from simulators import small_site
from tests.support.clock import ManualClock
from tests.support.logs import captured_logs
from tests.support.memory_broker import MemoryBroker
from tests.support.store import new_store

BAD = "case/bad"
TOO_LARGE = PublishRefusal("Packet too large (0x95)", RefusalKind.MESSAGE)
NO_RIGHT = PublishRefusal("Not authorized (0x87)", RefusalKind.BROKER)


def message(number: int, topic: str = "", **more: Any) -> OutboxMessage:
    return OutboxMessage(
        key=MessageKey(f"k{number}"), topic=topic or f"case/{number}",
        payload=str(number).encode(), queued_at=small_site.NOON, retain=True, **more,
    )  # fmt: skip


@dataclass
class Outbox:
    """A store, a broker that has its ways, and one relay."""

    store: Store = field(default_factory=new_store)
    broker: MemoryBroker = field(default_factory=MemoryBroker)
    clock: ManualClock = field(default_factory=lambda: ManualClock(small_site.NOON))
    relay: OutboxRelay = field(init=False)

    def __post_init__(self) -> None:
        self.relay = OutboxRelay(
            self.store, self.broker, self.clock, holder="one", options=RelayOptions(batch=50)
        )

    def queue(self, *messages: OutboxMessage) -> None:
        with self.store.begin() as uow:
            for each in messages:
                uow.outbox.add(each)
            uow.commit()

    def read(self, key: str) -> OutboxMessage:
        with self.store.begin_read() as uow:
            found = uow.outbox.find(MessageKey(key))
        assert found is not None
        return found

    def sent(self) -> list[str]:
        return [payload.decode() for _, payload in self.broker.published]


@pytest.fixture
def outbox() -> Outbox:
    return Outbox()


def refuse(broker: MemoryBroker) -> None:
    broker.refuses[BAD] = TOO_LARGE


def lack_the_right(broker: MemoryBroker) -> None:
    broker.refuses[BAD] = NO_RIGHT


def ignore(broker: MemoryBroker) -> None:
    broker.ignores.add(BAD)


def hang_up(broker: MemoryBroker) -> None:
    broker.falls_over.add(BAD)


WAYS = [refuse, lack_the_right, ignore, hang_up]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("place", [0, 7, 19])
def test_the_others_go_out_within_seconds_wherever_it_stands(
    outbox: Outbox, way: Callable[[MemoryBroker], None], place: int
) -> None:
    way(outbox.broker)
    outbox.queue(*(message(n, BAD if n == place else "") for n in range(20)))
    outbox.relay.run_until_empty(5.0)
    assert sorted(set(outbox.sent()), key=int) == [str(n) for n in range(20) if n != place]
    assert outbox.read(f"k{place}").problem


def test_others_under_suspicion_go_before_the_one_that_ended_the_connection(
    outbox: Outbox,
) -> None:
    """However soon its next try is due: each of its tries costs the others a connection."""
    hang_up(outbox.broker)
    outbox.queue(message(0, BAD), *(message(n) for n in range(1, 8)))
    for _ in range(2):  # all are in flight at the end of the connection; then it falls alone
        outbox.relay.run_batch()
    assert (outbox.read("k0").tries, outbox.sent()) == (1, [])
    outbox.clock.sleep(MAX_REFUSAL_DELAY.total_seconds())
    outbox.relay.run_batch()
    assert outbox.sent() == [str(n) for n in range(1, 8)]


@pytest.mark.parametrize("way", WAYS)
def test_it_is_quarantined_with_its_reason_while_others_pass(
    outbox: Outbox, way: Callable[[MemoryBroker], None]
) -> None:
    way(outbox.broker)
    outbox.queue(message(0, BAD))
    with captured_logs() as lines:
        for number in range(1, 40):
            outbox.queue(message(number))
            outbox.relay.run_until_empty(30.0)
            outbox.clock.sleep(60.0)
    bad = outbox.read("k0")
    assert bad.state is DeliveryState.QUARANTINED
    assert bad.problem
    assert bad.due_at is None
    named = [line for line in lines if "k0 on case/bad" in str(line.get("messages"))]
    assert 1 <= len(named) <= 2, "told when it begins and when it is given up"
    with outbox.store.begin_read() as uow:
        assert uow.outbox.unsent() == 0
        assert [m.key for m in uow.outbox.quarantined(limit=9)] == ["k0"]
        assert uow.outbox.count_refused() == (0, 1)


def test_pauses_grow_and_the_broker_is_not_hammered(outbox: Outbox) -> None:
    lack_the_right(outbox.broker)
    outbox.queue(message(0, BAD))
    tries = 0
    for _ in range(600):
        outbox.relay.run_batch()
        tries = outbox.read("k0").tries
        outbox.clock.sleep(1.0)
    assert tries == MAX_REFUSALS[RefusalKind.BROKER]


def test_a_broker_that_falls_over_everything_quarantines_nothing(outbox: Outbox) -> None:
    """Then it is the broker, not the messages; when it is mended all of them go out."""
    topics = [f"case/{n}" for n in range(5)]
    outbox.broker.falls_over.update(topics)
    outbox.queue(*(message(n) for n in range(5)))
    for _ in range(500):  # some hours
        outbox.relay.run_batch()
        outbox.clock.sleep(60.0)
    with outbox.store.begin_read() as uow:
        assert uow.outbox.quarantined(limit=9) == []
        assert uow.outbox.unsent() == 5
    outbox.broker.falls_over.clear()
    outbox.clock.sleep(MAX_REFUSAL_DELAY.total_seconds())
    assert outbox.relay.run_until_empty(5.0) == 0
    assert sorted(outbox.broker.retained) == topics


def test_two_killers_among_many_are_both_found(outbox: Outbox) -> None:
    outbox.broker.falls_over.update({"case/3", "case/11"})
    outbox.queue(*(message(n) for n in range(30)))
    outbox.relay.run_until_empty(20.0)
    outbox.queue(message(30))
    outbox.relay.run_until_empty(60.0)
    outbox.clock.sleep(60.0)
    outbox.relay.run_until_empty(60.0)
    with outbox.store.begin_read() as uow:
        kept = {m.key for m in uow.outbox.quarantined(limit=9)}
    assert kept == {"k3", "k11"}
    assert len(outbox.broker.retained) == 29


def test_what_waits_behind_it_on_its_own_topic_is_not_sent_before_it(outbox: Outbox) -> None:
    outbox.broker.refuses["log"] = NO_RIGHT
    first, second = (replace(message(n, "log"), retain=False) for n in (1, 2))
    outbox.queue(first, second, message(3))
    outbox.relay.run_until_empty(0.5)
    assert outbox.sent() == ["3"]
    outbox.broker.refuses.clear()
    outbox.relay.run_until_empty(60.0)
    assert outbox.sent() == ["3", "1", "2"]


def test_a_newer_state_of_the_topic_replaces_a_refused_one(outbox: Outbox) -> None:
    refuse(outbox.broker)
    outbox.queue(message(1, BAD))
    outbox.relay.run_batch()
    outbox.broker.refuses.clear()  # the next one is smaller
    outbox.queue(message(2, BAD))
    outbox.relay.run_batch()
    assert outbox.sent() == ["2"]
    assert outbox.read("k1").state is DeliveryState.EXPIRED
    outbox.relay.run_until_empty(60.0)
    assert outbox.broker.retained[BAD] == b"2"


def test_after_a_restart_retained_cases_come_back_although_one_is_refused(outbox: Outbox) -> None:
    for way in (hang_up, refuse):
        outbox = Outbox()
        outbox.queue(*(message(n) for n in range(6)), message(6, BAD))
        outbox.relay.run_until_empty(5.0)
        outbox.broker.restart(loses_retained=True)
        way(outbox.broker)
        for _ in range(4):
            outbox.relay.republish_retained()
        assert sorted(outbox.broker.retained) == [f"case/{n}" for n in range(6)]
        assert (
            "1 retained messages are refused again: k6 on case/bad"
            in outbox.relay.republish_problem
        )


def test_the_retained_state_before_a_quarantined_one_still_comes_back(outbox: Outbox) -> None:
    outbox.queue(message(1, BAD))
    outbox.relay.run_until_empty(5.0)
    outbox.queue(message(2, BAD))
    with outbox.store.begin() as uow:
        uow.outbox.apply_event(
            [MessageKey("k2")], DeliveryEvent.BROKER_REFUSES_IT, outbox.clock.now()
        )
        uow.commit()
    outbox.broker.restart(loses_retained=True)
    outbox.relay.republish_retained()
    assert outbox.broker.retained == {BAD: b"1"}


def test_a_message_with_a_time_limit_expires_instead(outbox: Outbox) -> None:
    lack_the_right(outbox.broker)
    until = small_site.NOON + timedelta(seconds=60)
    outbox.queue(message(0, BAD, expires_at=until))
    outbox.relay.run_until_empty(300.0)
    assert outbox.read("k0").state is DeliveryState.EXPIRED
    assert "Not authorized" in outbox.read("k0").problem


@pytest.mark.parametrize(
    "topic", ["", "a/+", "#", "a\0b", "\ud800", "ä" * 32_768, "a\x7f", "a\ufffe"]
)
def test_a_topic_that_can_never_be_published_is_quarantined_when_it_is_queued(
    outbox: Outbox, topic: str
) -> None:
    outbox.queue(replace(message(1), topic=topic))
    assert topic_problem(topic)
    with outbox.store.begin_read() as uow:
        (kept,) = uow.outbox.quarantined(limit=9)
        assert uow.outbox.unsent() == 0
    assert kept.problem == topic_problem(topic)
    assert topic_problem(kept.topic), "a retry does not send it on another topic"
