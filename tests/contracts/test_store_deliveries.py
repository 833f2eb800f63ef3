"""The queue of webhooks and second channels, on every store."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from patrol.domain.outbox import MAX_TRIES, Delivery, DeliveryOutcome
from patrol.store import Store

S = timedelta(seconds=1)


def delivery(now: datetime, key: str = "k", target: str = "webhook:a", **more: Any) -> Delivery:
    fields = {"event": "case.opened", "payload": b"{}", "queued_at": now, "due_at": now, **more}
    return Delivery(key=key, target=target, **fields)


def queue(store: Store, *many: Delivery) -> list[bool]:
    with store.begin() as uow:
        added = [uow.deliveries.add(one) for one in many]
        uow.commit()
    return added


def lease(store: Store, now: datetime, holder: str = "h", target: str = "webhook:a") -> list[str]:
    with store.begin() as uow:
        got = uow.deliveries.lease(target, holder=holder, now=now, lease_s=30, limit=2)
        uow.commit()
    return [one.key for one in got]


def attempt(store: Store, one: Delivery) -> None:
    with store.begin() as uow:
        uow.deliveries.save_result(one)
        uow.commit()


def test_a_target_gets_a_key_once(store: Store, make: Any) -> None:
    one = delivery(make.now)
    assert queue(store, one, one, delivery(make.now, target="webhook:b")) == [True, False, True]


def test_what_was_not_committed_was_never_queued(store: Store, make: Any) -> None:
    with store.begin() as uow:
        uow.deliveries.add(delivery(make.now))
    assert lease(store, make.now) == []


def test_everything_that_was_said_comes_back(store: Store, make: Any) -> None:
    one = delivery(
        make.now, payload=bytes(range(256)), case="C1", expires_at=make.now + 60 * S, event="e"
    )
    queue(store, one)
    with store.begin() as uow:
        assert uow.deliveries.lease("webhook:a", holder="h", now=make.now, lease_s=1, limit=1) == [
            one
        ]


def test_leases_are_one_holders_until_they_run_out(store: Store, make: Any) -> None:
    now = make.now
    queue(store, *(delivery(now + n * S, f"k{n}") for n in range(3)))
    assert lease(store, now + 5 * S) == ["k0", "k1"]
    assert lease(store, now + 5 * S, "other") == ["k2"]
    assert lease(store, now + 6 * S, "other", "webhook:b") == []
    assert lease(store, now + 36 * S, "third") == ["k0", "k1"]


def test_not_before_it_is_due_and_not_after_it_ended(store: Store, make: Any) -> None:
    now, one = make.now, delivery(make.now)
    queue(store, one)
    attempt(store, one.failed("HTTP 503", now))
    assert lease(store, now + 9 * S) == []
    assert lease(store, now + 10 * S) == ["k"]
    attempt(store, one.delivered(now))
    assert lease(store, now + timedelta(days=1)) == []
    with store.begin_read() as uow:
        assert uow.deliveries.waiting() == {}
        assert uow.deliveries.dead() == []


def test_who_waits_and_since_when(store: Store, make: Any) -> None:
    now = make.now
    queue(store, *(delivery(now + n * S, f"k{n}") for n in (1, 0)), delivery(now, "x", "notify:b"))
    with store.begin_read() as uow:
        assert uow.deliveries.waiting() == {"webhook:a": (2, now), "notify:b": (1, now)}


def test_the_dead_are_kept_with_their_reason_and_can_be_revived(store: Store, make: Any) -> None:
    now = make.now
    first, second = delivery(now, "k1"), delivery(now, "k2", expires_at=now + S)
    queue(store, first, second)
    attempt(store, first.refused("HTTP 410", now))
    attempt(store, second.expired(now + S))
    with store.begin() as uow:
        assert [(d.key, d.problem, d.outcome) for d in uow.deliveries.dead()] == [
            ("k2", "its time is over", DeliveryOutcome.DEAD),
            ("k1", "HTTP 410", DeliveryOutcome.DEAD),
        ]
        assert [d.key for d in uow.deliveries.dead(limit=1)] == ["k2"]
        assert uow.deliveries.revive("webhook:a", "k2", now + 5 * S)
        assert not uow.deliveries.revive("webhook:a", "k2", now)
        assert not uow.deliveries.revive("webhook:b", "k1", now)
        uow.commit()
    assert lease(store, now + 5 * S) == ["k2"]


def test_the_ended_are_dropped_after_a_while(store: Store, make: Any) -> None:
    now = make.now
    ended, waiting = delivery(now, "k1"), delivery(now, "k2")
    queue(store, ended, waiting)
    attempt(store, ended.delivered(now))
    with store.begin() as uow:
        assert uow.deliveries.prune(now) == 0
        assert uow.deliveries.prune(now + S) == 1
        uow.commit()
    assert lease(store, now) == ["k2"]


def test_a_rotten_target_is_given_up_with_the_reason(make: Any) -> None:
    one, now, pauses = delivery(make.now), make.now, []
    while one.outcome is DeliveryOutcome.WAITING:
        one = one.failed("HTTP 500", now)
        pauses.append((one.due_at - now).total_seconds())
        now = one.due_at
    assert one.tries == MAX_TRIES
    assert one.problem == "HTTP 500; given up after 12 tries"
    assert pauses[:4] == [10, 20, 40, 80]
    assert max(pauses) <= 3600
    assert timedelta(hours=2) < now - make.now < timedelta(hours=6)


@pytest.mark.parametrize(
    ("left", "fate"), [(9, DeliveryOutcome.DEAD), (11, DeliveryOutcome.WAITING)]
)
def test_no_try_after_its_time(make: Any, left: int, fate: DeliveryOutcome) -> None:
    one = delivery(make.now, expires_at=make.now + left * S)
    assert one.failed("HTTP 500", make.now).outcome is fate
