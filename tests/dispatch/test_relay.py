"""The relay: a repeat, never a loss, and never an older word on top of a newer one."""

import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from patrol.dispatch.relay import LONGEST_WAIT_S, Relay, RelayOptions, backoff_s, waves
from patrol.domain.ids import MessageKey
from patrol.domain.message import OutboxMessage
from patrol.ports import NotConnected
from patrol.store import Store, StoreUnavailable, UnitOfWork
from simulators import hamlet
from simulators.broker import MemoryBroker
from simulators.clock import ManualClock
from tests.support.store import new_store


def message(number: int, topic: str = "", **more: Any) -> OutboxMessage:
    return OutboxMessage(
        key=MessageKey(f"k{number}"),
        topic=topic or f"t/{number}",
        payload=str(number).encode(),
        queued_at=hamlet.NOON,
        retain=True,
        **more,
    )


@dataclass
class Post:
    """A store, a broker, and relays that come and go."""

    store: Store = field(default_factory=new_store)
    broker: MemoryBroker = field(default_factory=MemoryBroker)
    clock: ManualClock = field(default_factory=lambda: ManualClock(hamlet.NOON))

    def relay(self, holder: str = "one", **options: Any) -> Relay:
        return Relay(
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
def post() -> Post:
    return Post()


def test_what_is_queued_goes_out_once_and_is_marked(post: Post) -> None:
    post.queue(*(message(n) for n in range(7)))
    assert post.relay(batch=3).drain(1.0) == 0
    assert [topic for topic, _ in post.broker.log] == [f"t/{n}" for n in range(7)]
    assert post.relay().step().idle


def test_a_broker_that_is_away_costs_nothing_but_time(post: Post) -> None:
    post.queue(message(1))
    post.broker.is_up = False
    relay = post.relay()
    step = relay.step()
    assert "down" in step.problem
    assert relay.drain(5.0) == 1
    post.broker.is_up = True
    assert relay.drain(5.0) == 0, "its leases were given back"


def test_a_connection_that_breaks_in_mid_batch(post: Post) -> None:
    post.queue(*(message(n) for n in range(5)))
    post.broker.refuse_after = 2
    relay = post.relay()
    assert relay.step().published == 2
    post.broker.is_up, post.broker.refuse_after = True, None
    relay.drain(1.0)
    assert [payload for _, payload in post.broker.log] == [b"0", b"1", b"2", b"3", b"4"]


def test_a_lost_acknowledgement_repeats_under_the_same_key(post: Post) -> None:
    post.queue(message(1))
    post.broker.lose_acks = 1
    post.relay().drain(5.0)
    assert post.broker.log == [("t/1", b"1"), ("t/1", b"1")]
    assert post.unsent() == 0


def test_an_older_word_never_covers_a_newer_one(post: Post) -> None:
    """The first of a topic loses its PUBACK: the second must wait until it is through."""
    post.queue(message(1, "case"), message(2, "case"), message(3, "other"))
    post.broker.lose_acks = 1
    post.relay().drain(5.0)
    assert post.broker.retained["case"] == b"2"
    words = [payload for topic, payload in post.broker.log if topic == "case"]
    assert words == [b"1", b"1", b"2"]


def test_killed_after_publishing_it_repeats_in_order(post: Post) -> None:
    post.queue(message(1, "case"), message(2, "case"))
    with post.store.begin() as uow:  # the killed relay had leased, published, and not marked
        uow.outbox.lease(holder="dead", now=post.clock.now(), lease_s=20, limit=10)
        uow.commit()
    post.broker.send("case", b"1", retain=True)
    post.broker.send("case", b"2", retain=True)
    heir = post.relay("heir")
    assert heir.step().idle, "its lease still runs"
    post.clock.sleep(20)
    heir.drain(1.0)
    assert post.broker.retained["case"] == b"2"
    assert post.unsent() == 0


def test_a_message_whose_time_is_over_is_not_sent(post: Post) -> None:
    post.queue(message(1, expires_at=hamlet.NOON + timedelta(minutes=1)), message(2))
    post.clock.sleep(60)
    relay = post.relay()
    assert relay.drain(1.0) == 0
    assert [topic for topic, _ in post.broker.log] == ["t/2"]
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
    post: Post,
) -> None:
    post.queue(message(1, "case"))
    store = ShakyStore(post.store, away={1, 2})  # to settle, and to settle again
    relay = Relay(store, post.broker, post.clock, holder="one")
    assert relay.step().problem == "gone"
    post.queue(message(2, "case"))
    assert relay.step().problem == "gone"
    post.clock.sleep(3600)  # its lease has run out long ago
    assert relay.drain(1.0) == 0
    assert [payload for _, payload in post.broker.log] == [b"1", b"2"]


@dataclass
class Impatient:
    """A publisher that counts its waves."""

    waves: list[int] = field(default_factory=list)
    session: int = 1

    def publish(self, messages: Sequence[OutboxMessage], timeout_s: float) -> Sequence[MessageKey]:
        self.waves.append(len(messages))
        return []


def test_a_broker_that_never_acknowledges_is_not_waited_for_wave_after_wave(post: Post) -> None:
    post.queue(*(message(n, "case") for n in range(5)))
    publisher = Impatient()
    step = Relay(post.store, publisher, post.clock, holder="one").step()
    assert publisher.waves == [1]
    assert "not acknowledged" in step.problem


def test_waves_have_each_topic_once_and_keep_the_order() -> None:
    batch = [message(1, "a"), message(2, "b"), message(3, "a"), message(4, "a"), message(5, "b")]
    split = [[m.payload for m in wave] for wave in waves(batch)]
    assert split == [[b"1", b"2"], [b"3", b"5"], [b"4"]]


@pytest.mark.parametrize(
    ("failures", "at_most_s"), [(0, 0.25), (1, 0.25), (2, 0.5), (5, 4.0), (99, LONGEST_WAIT_S)]
)
def test_back_off_grows_to_a_limit_and_is_jittered(failures: int, at_most_s: float) -> None:
    assert backoff_s(failures, lambda _low, high: high) == at_most_s
    assert backoff_s(failures, lambda low, _high: low) == at_most_s / 2


def test_running_it_wakes_for_news_and_stops_when_asked(post: Post) -> None:
    relay = post.relay(poll_s=60.0)
    sent, stop = threading.Event(), threading.Event()
    post.broker.subscribe("t/#", lambda _topic, _payload: sent.set())
    thread = threading.Thread(target=relay.run, args=(stop,))
    thread.start()
    try:
        post.queue(message(1))
        relay.wake()
        assert sent.wait(5.0)
    finally:
        stop.set()
        thread.join(5.0)
    assert not thread.is_alive()


def test_running_it_survives_a_broker_that_comes_and_goes(post: Post) -> None:
    class Flaky(MemoryBroker):
        tries = 0

        def publish(  # type: ignore[explicit-override]  # a test's own broker
            self, messages: Sequence[OutboxMessage], timeout_s: float
        ) -> Sequence[MessageKey]:
            self.tries += 1
            if self.tries < 3:
                raise NotConnected("away")
            return super().publish(messages, timeout_s)

    post.broker = Flaky()
    done, stop = threading.Event(), threading.Event()
    post.broker.subscribe("#", lambda _topic, _payload: done.set())
    post.queue(message(1))
    thread = threading.Thread(target=post.relay().run, args=(stop,))
    thread.start()
    assert done.wait(10.0)
    stop.set()
    thread.join(5.0)


class TestReminding:
    def run_until(self, relay: Relay, ready: Any) -> None:
        stop, nap = threading.Event(), threading.Event()
        thread = threading.Thread(target=relay.run, args=(stop,))
        thread.start()
        try:
            assert any(ready() or nap.wait(0.02) for _ in range(300))
        finally:
            stop.set()
            thread.join(5.0)

    def test_a_broker_that_forgot_is_told_the_newest_word_again(self, post: Post) -> None:
        post.queue(message(1, "case"), message(2, "case"), message(3, "gone"))
        cleared = replace(message(4, "gone"), payload=b"")
        post.queue(cleared)
        relay = post.relay(poll_s=0.3)
        self.run_until(relay, lambda: post.unsent() == 0)
        before = dict(post.broker.retained)
        assert before == {"case": b"2"}
        post.broker.restart(forgets=True)
        post.broker.retained["gone"] = b"3"  # an old snapshot of its own disk
        self.run_until(relay, lambda: dict(post.broker.retained) == before)
        assert relay.counters["reminded"] >= 2

    def test_what_still_waits_is_not_overtaken_by_its_own_past(self, post: Post) -> None:
        post.queue(message(1, "case"))
        relay = post.relay()
        relay.drain(1.0)
        post.queue(message(2, "case"))
        assert relay.remind() == ""
        assert relay.counters["reminded"] == 0, "the newest one waits; it will be sent"
        relay.drain(1.0)
        assert post.broker.retained["case"] == b"2"

    def test_a_message_that_is_not_retained_is_told_once(self, post: Post) -> None:
        post.queue(replace(message(1), retain=False))
        relay = post.relay()
        relay.drain(1.0)
        relay.remind()
        assert len(post.broker.log) == 1

    def test_away_again_it_says_so(self, post: Post) -> None:
        post.queue(message(1))
        relay = post.relay()
        relay.drain(1.0)
        post.broker.is_up = False
        assert "not connected" in relay.remind()
