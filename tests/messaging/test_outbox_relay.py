"""The relay: a repeat, never a loss, and never an older word on top of a newer one."""

import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from patrol.domain.ids import MessageKey
from patrol.domain.outbox import OutboxMessage
from patrol.messaging.outbox_relay import OutboxRelay, RelayOptions
from patrol.messaging.wave_sender import waves
from patrol.ports import NotConnected, PublishResult
from patrol.store import Store, StoreUnavailable, UnitOfWork
from simulators import small_site
from tests.support.clock import ManualClock
from tests.support.memory_broker import MemoryBroker
from tests.support.store import new_store


def message(number: int, topic: str = "", **more: Any) -> OutboxMessage:
    return OutboxMessage(
        key=MessageKey(f"k{number}"),
        topic=topic or f"t/{number}",
        payload=str(number).encode(),
        queued_at=small_site.NOON,
        retain=True,
        **more,
    )


@dataclass
class RelaySetup:
    """A store, a broker, and relays that come and go."""

    store: Store = field(default_factory=new_store)
    broker: MemoryBroker = field(default_factory=MemoryBroker)
    clock: ManualClock = field(default_factory=lambda: ManualClock(small_site.NOON))

    def relay(self, holder: str = "one", **options: Any) -> OutboxRelay:
        return OutboxRelay(
            self.store, self.broker, self.clock, holder=holder, options=RelayOptions(**options)
        )

    def queue(self, *messages: OutboxMessage) -> None:
        with self.store.begin() as uow:
            for each in messages:
                uow.outbox.add(each)
            uow.commit()

    def unsent(self) -> int:
        with self.store.begin_read() as uow:
            return uow.outbox.unsent()


@pytest.fixture
def relay_setup() -> RelaySetup:
    return RelaySetup()


def test_what_is_queued_goes_out_once_and_is_marked(relay_setup: RelaySetup) -> None:
    relay_setup.queue(*(message(n) for n in range(7)))
    assert relay_setup.relay(batch=3).run_until_empty(1.0) == 0
    assert [topic for topic, _ in relay_setup.broker.published] == [f"t/{n}" for n in range(7)]
    assert relay_setup.relay().run_batch().idle


def test_a_broker_that_is_away_costs_nothing_but_time(relay_setup: RelaySetup) -> None:
    relay_setup.queue(message(1))
    relay_setup.broker.is_up = False
    relay = relay_setup.relay()
    step = relay.run_batch()
    assert "down" in step.problem
    assert relay.run_until_empty(5.0) == 1
    relay_setup.broker.is_up = True
    assert relay.run_until_empty(5.0) == 0, "its leases were given back"


def test_a_connection_that_breaks_in_mid_batch(relay_setup: RelaySetup) -> None:
    relay_setup.queue(*(message(n) for n in range(5)))
    relay_setup.broker.refuse_after = 2
    relay = relay_setup.relay()
    assert relay.run_batch().published == 2
    relay_setup.broker.is_up, relay_setup.broker.refuse_after = True, None
    relay.run_until_empty(1.0)
    assert [payload for _, payload in relay_setup.broker.published] == [
        b"0",
        b"1",
        b"2",
        b"3",
        b"4",
    ]


def test_a_lost_acknowledgement_repeats_under_the_same_key(relay_setup: RelaySetup) -> None:
    relay_setup.queue(message(1))
    relay_setup.broker.lose_acks = 1
    relay_setup.relay().run_until_empty(5.0)
    assert relay_setup.broker.published == [("t/1", b"1"), ("t/1", b"1")]
    assert relay_setup.unsent() == 0


def test_an_older_word_never_covers_a_newer_one(relay_setup: RelaySetup) -> None:
    """The first of a topic loses its PUBACK: the second must wait until it is through."""
    relay_setup.queue(message(1, "case"), message(2, "case"), message(3, "other"))
    relay_setup.broker.lose_acks = 1
    relay_setup.relay().run_until_empty(5.0)
    assert relay_setup.broker.retained["case"] == b"2"
    payloads = [payload for topic, payload in relay_setup.broker.published if topic == "case"]
    assert payloads == [b"1", b"1", b"2"]


def test_killed_after_publishing_it_repeats_in_order(relay_setup: RelaySetup) -> None:
    relay_setup.queue(message(1, "case"), message(2, "case"))
    with relay_setup.store.begin() as uow:  # the killed relay had leased, published, and not marked
        uow.outbox.lease(holder="dead", now=relay_setup.clock.now(), lease_s=20, limit=10)
        uow.commit()
    relay_setup.broker.send("case", b"1", retain=True)
    relay_setup.broker.send("case", b"2", retain=True)
    heir = relay_setup.relay("heir")
    assert heir.run_batch().idle, "its lease still runs"
    relay_setup.clock.sleep(20)
    heir.run_until_empty(1.0)
    assert relay_setup.broker.retained["case"] == b"2"
    assert relay_setup.unsent() == 0


def test_a_message_whose_time_is_over_is_not_sent(relay_setup: RelaySetup) -> None:
    relay_setup.queue(message(1, expires_at=small_site.NOON + timedelta(minutes=1)), message(2))
    relay_setup.clock.sleep(60)
    relay = relay_setup.relay()
    assert relay.run_until_empty(1.0) == 0
    assert [topic for topic, _ in relay_setup.broker.published] == ["t/2"]
    assert relay.counters == {"published": 1, "expired": 1}


@dataclass
class ShakyStore:
    """A store that is away for some of its units of work."""

    inner: Store
    away: set[int]  # which ones, counted from 0
    begun: int = 0

    def begin(self) -> AbstractContextManager[UnitOfWork]:
        self.begun += 1
        if self.begun - 1 in self.away:
            raise StoreUnavailable("gone")
        return self.inner.begin()

    def begin_read(self) -> AbstractContextManager[UnitOfWork]:
        return self.inner.begin_read()


def test_what_was_published_and_could_not_be_marked_is_marked_before_anything_else(
    relay_setup: RelaySetup,
) -> None:
    relay_setup.queue(message(1, "case"))
    store = ShakyStore(relay_setup.store, away={1, 2})  # to settle, and to settle again
    relay = OutboxRelay(store, relay_setup.broker, relay_setup.clock, holder="one")
    assert relay.run_batch().problem == "gone"
    relay_setup.queue(message(2, "case"))
    assert relay.run_batch().problem == "gone"
    relay_setup.clock.sleep(3600)  # its lease has run out long ago
    assert relay.run_until_empty(1.0) == 0
    assert [payload for _, payload in relay_setup.broker.published] == [b"1", b"2"]


@dataclass
class TimeLimitRecorder:
    """A publisher that counts its waves."""

    waves: list[int] = field(default_factory=list)
    connection_count: int = 1

    def publish(self, messages: Sequence[OutboxMessage], timeout_s: float) -> PublishResult:
        self.waves.append(len(messages))
        return PublishResult(unanswered=[message.key for message in messages])


def test_a_broker_that_never_acknowledges_is_not_waited_for_wave_after_wave(
    relay_setup: RelaySetup,
) -> None:
    relay_setup.queue(*(message(n, "case") for n in range(5)))
    publisher = TimeLimitRecorder()
    step = OutboxRelay(relay_setup.store, publisher, relay_setup.clock, holder="one").run_batch()
    assert publisher.waves == [1]
    assert "not acknowledged" in step.problem


def test_waves_have_each_topic_once_and_keep_the_order() -> None:
    batch = [message(1, "a"), message(2, "b"), message(3, "a"), message(4, "a"), message(5, "b")]
    split = [[m.payload for m in wave] for wave in waves(batch)]
    assert split == [[b"1", b"2"], [b"3", b"5"], [b"4"]]


def test_running_it_wakes_for_news_and_stops_when_asked(relay_setup: RelaySetup) -> None:
    relay = relay_setup.relay(poll_s=60.0)
    sent, stop = threading.Event(), threading.Event()
    relay_setup.broker.subscribe("t/#", lambda _topic, _payload: sent.set())
    thread = threading.Thread(target=relay.run, args=(stop,))
    thread.start()
    try:
        relay_setup.queue(message(1))
        relay.wake()
        assert sent.wait(5.0)
    finally:
        stop.set()
        thread.join(5.0)
    assert not thread.is_alive()


def test_running_it_survives_a_broker_that_comes_and_goes(relay_setup: RelaySetup) -> None:
    class Flaky(MemoryBroker):
        tries = 0

        def publish(  # type: ignore[explicit-override]  # a test's own broker
            self, messages: Sequence[OutboxMessage], timeout_s: float
        ) -> PublishResult:
            self.tries += 1
            if self.tries < 3:
                raise NotConnected("away")
            return super().publish(messages, timeout_s)

    relay_setup.broker = Flaky()
    done, stop = threading.Event(), threading.Event()
    relay_setup.broker.subscribe("#", lambda _topic, _payload: done.set())
    relay_setup.queue(message(1))
    thread = threading.Thread(target=relay_setup.relay().run, args=(stop,))
    thread.start()
    assert done.wait(10.0)
    stop.set()
    thread.join(5.0)


class TestReminding:
    def run_until(self, relay: OutboxRelay, ready: Any) -> None:
        stop, nap = threading.Event(), threading.Event()
        thread = threading.Thread(target=relay.run, args=(stop,))
        thread.start()
        try:
            assert any(ready() or nap.wait(0.02) for _ in range(300))
        finally:
            stop.set()
            thread.join(5.0)

    def test_a_broker_that_forgot_is_told_the_newest_word_again(
        self, relay_setup: RelaySetup
    ) -> None:
        relay_setup.queue(message(1, "case"), message(2, "case"), message(3, "gone"))
        cleared = replace(message(4, "gone"), payload=b"")
        relay_setup.queue(cleared)
        relay = relay_setup.relay(poll_s=0.3)
        self.run_until(relay, lambda: relay_setup.unsent() == 0)
        before = dict(relay_setup.broker.retained)
        assert before == {"case": b"2"}
        relay_setup.broker.restart(loses_retained=True)
        relay_setup.broker.retained["gone"] = b"3"  # an old snapshot of its own disk
        self.run_until(relay, lambda: dict(relay_setup.broker.retained) == before)
        assert relay.counters["reminded"] >= 2

    def test_what_still_waits_is_not_overtaken_by_its_own_past(
        self, relay_setup: RelaySetup
    ) -> None:
        relay_setup.queue(message(1, "case"))
        relay = relay_setup.relay()
        relay.run_until_empty(1.0)
        relay_setup.queue(message(2, "case"))
        assert relay.republish_retained() == ""
        assert relay.counters["reminded"] == 0, "the newest one waits; it will be sent"
        relay.run_until_empty(1.0)
        assert relay_setup.broker.retained["case"] == b"2"

    def test_a_message_that_is_not_retained_is_told_once(self, relay_setup: RelaySetup) -> None:
        relay_setup.queue(replace(message(1), retain=False))
        relay = relay_setup.relay()
        relay.run_until_empty(1.0)
        relay.republish_retained()
        assert len(relay_setup.broker.published) == 1

    def test_away_again_it_says_so(self, relay_setup: RelaySetup) -> None:
        relay_setup.queue(message(1))
        relay = relay_setup.relay()
        relay.run_until_empty(1.0)
        relay_setup.broker.is_up = False
        assert "not connected" in relay.republish_retained()
