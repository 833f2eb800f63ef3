"""Outbox.latest_retained: what a broker that forgot everything has to be told again."""

from datetime import UTC, datetime, timedelta

import pytest

from patrol.domain.ids import MessageKey
from patrol.domain.outbox import DeliveryEvent, OutboxMessage
from patrol.store import Store

NOON = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)


def message(key: str, topic: str, *, age_d: int = 0, retain: bool = True) -> OutboxMessage:
    return OutboxMessage(
        key=MessageKey(key),
        topic=topic,
        payload=key.encode(),
        queued_at=NOON - timedelta(days=age_d),
        retain=retain,
    )


def latest(store: Store) -> list[str]:
    with store.begin_read() as uow:
        return [m.key for m in uow.outbox.latest_retained(NOON - timedelta(days=30))]


@pytest.fixture
def filled(store: Store) -> Store:
    with store.begin() as uow:
        for each in (
            message("old", "a", age_d=31),
            message("b1", "b", age_d=2),
            message("c1", "c", age_d=1),
            message("b2", "b"),
            message("word", "d", retain=False),
        ):
            uow.outbox.add(each)
        uow.commit()
    return store


def mark(store: Store, event: DeliveryEvent, *keys: str) -> None:
    with store.begin() as uow:
        uow.outbox.apply_event([MessageKey(key) for key in keys], event, NOON)
        uow.commit()


def test_only_the_newest_of_each_topic_and_only_if_it_went_out(filled: Store) -> None:
    assert latest(filled) == []
    mark(filled, DeliveryEvent.BROKER_TOOK_IT, "old", "b1", "c1", "word")
    assert latest(filled) == ["c1"], "b2 waits, so b1 must not come after it"
    mark(filled, DeliveryEvent.BROKER_TOOK_IT, "b2")
    assert latest(filled) == ["c1", "b2"]


def test_an_answered_message_counts_and_an_expired_one_does_not(filled: Store) -> None:
    mark(filled, DeliveryEvent.PERSON_ANSWERED, "c1")
    mark(filled, DeliveryEvent.TOO_OLD, "b2")
    assert latest(filled) == ["c1"]
