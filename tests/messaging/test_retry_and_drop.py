"""A person retries or drops what the broker refused; nothing older goes over something newer."""

from collections.abc import Sequence
from typing import Any

import pytest

from patrol.domain.ids import MessageKey
from patrol.domain.outbox import DeliveryEvent, DeliveryState, OutboxMessage
from patrol.messaging.refused_messages import (
    NotRefused,
    drop_refused,
    read_refused,
    retry_refused,
)
from patrol.store import Store
from simulators import small_site
from tests.support.store import new_store

NOW = small_site.NOON


def message(number: int, topic: str, **more: Any) -> OutboxMessage:
    return OutboxMessage(
        key=MessageKey(f"k{number}"), topic=topic, payload=b"x", queued_at=NOW, retain=True, **more
    )


def store_with(*messages: OutboxMessage) -> Store:
    store = new_store()
    with store.begin() as uow:
        for each in messages:
            uow.outbox.add(each)
        uow.commit()
    return store


def kept(number: int, topic: str) -> OutboxMessage:
    return message(number, topic, state=DeliveryState.QUARANTINED, tries=4, problem="too large")


def states(store: Store, keys: Sequence[str]) -> list[DeliveryState]:
    with store.begin_read() as uow:
        found = [uow.outbox.find(MessageKey(key)) for key in keys]
    return [one.state for one in found if one is not None]


def retry(store: Store, key: str) -> None:
    with store.begin() as uow:
        retry_refused(uow, MessageKey(key), NOW)
        uow.commit()


def test_health_names_them_quarantined_ones_first() -> None:
    store = store_with(message(1, "a", tries=1, problem="no right"), kept(2, "b"), message(3, "c"))
    with store.begin_read() as uow:
        found = read_refused(uow)
    assert (found.retrying, found.quarantined) == (1, 1)
    assert found.text.index("k2 on b: too large") < found.text.index("k1 on a: no right")
    with store_with(message(1, "a")).begin_read() as uow:
        assert read_refused(uow).text == ""


def test_a_retry_counts_from_the_start() -> None:
    store = store_with(kept(1, "a"))
    retry(store, "k1")
    with store.begin() as uow:
        (leased,) = uow.outbox.lease(holder="r", now=NOW, lease_s=9, limit=9)
    assert (leased.tries, leased.due_at) == (0, None)


def test_a_refused_one_that_waits_is_hurried() -> None:
    later = NOW.replace(hour=23)
    store = store_with(message(1, "a", tries=3, due_at=later, problem="no right"))
    retry(store, "k1")
    with store.begin_read() as uow:
        assert uow.outbox.unsent_by(NOW) == 1


@pytest.mark.parametrize("state", [DeliveryState.PUBLISHED, DeliveryState.QUEUED])
def test_nothing_older_is_retried_over_something_newer(state: DeliveryState) -> None:
    store = store_with(kept(1, "a"), message(2, "a", state=state))
    with pytest.raises(NotRefused, match="newer message"):
        retry(store, "k1")
    assert states(store, ["k1"]) == [DeliveryState.QUARANTINED]


def test_what_no_broker_can_take_is_not_retried() -> None:
    store = store_with(kept(1, "a/#"))
    with pytest.raises(NotRefused, match="drop it"):
        retry(store, "k1")


@pytest.mark.parametrize("key", ["k1", "nobody"])
def test_only_refused_ones_can_be_retried_or_dropped(key: str) -> None:
    store = store_with(message(1, "a"))
    with pytest.raises(NotRefused, match="no broker refused"):
        retry(store, key)
    with store.begin() as uow, pytest.raises(NotRefused):
        drop_refused(uow, MessageKey(key), by="op", why="old", now=NOW)


def test_a_dropped_one_is_over_and_says_who_and_why() -> None:
    store = store_with(kept(1, "a"), message(2, "b", tries=2, problem="no right"))
    with store.begin() as uow:
        for key in ("k1", "k2"):
            drop_refused(uow, MessageKey(key), by="王", why="电话已通知", now=NOW)
        uow.commit()
    assert states(store, ["k1", "k2"]) == [DeliveryState.EXPIRED] * 2
    with store.begin_read() as uow:
        assert read_refused(uow).text == ""
        dropped = uow.outbox.find(MessageKey("k1"))
    assert dropped is not None
    assert dropped.problem == "too large; dropped by 王: 电话已通知"


def test_a_reply_does_not_mark_what_was_never_sent() -> None:
    store = store_with(kept(1, "a"))
    with store.begin() as uow:
        uow.outbox.apply_event([MessageKey("k1")], DeliveryEvent.PERSON_ANSWERED, NOW)
        uow.commit()
    assert states(store, ["k1"]) == [DeliveryState.QUARANTINED]
