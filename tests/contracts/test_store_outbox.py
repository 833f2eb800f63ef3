"""What every store promises of messages on their way out."""

from datetime import timedelta
from typing import Any

import pytest

from patrol.domain.case import CaseEntry, CaseEvent, CaseState
from patrol.domain.outbox import (
    EVENT_TIME_FIELDS,
    MESSAGE_TRANSITIONS,
    DeliveryEvent,
    DeliveryState,
)
from patrol.domain.priority import Level
from patrol.store import Store

LEASE_S = 30.0


def queue(store: Store, *messages: Any) -> None:
    with store.begin() as unit:
        for message in messages:
            unit.outbox.add(message)
        unit.commit()


def lease(
    store: Store, make: Any, *, holder: str = "relay", after_s: float = 0, limit: int = 99
) -> Any:
    with store.begin() as unit:
        taken = unit.outbox.lease(
            holder=holder,
            now=make.now + timedelta(seconds=after_s),
            lease_s=LEASE_S,
            limit=limit,
        )
        unit.commit()
    return [message.key for message in taken]


def mark(store: Store, make: Any, event: DeliveryEvent, *keys: str) -> None:
    with store.begin() as unit:
        unit.outbox.apply_event(keys, event, make.now)
        unit.commit()


def test_a_message_comes_back_as_it_was_queued(store: Store, make: Any) -> None:
    message = make.message(
        payload=b"\x00\xff", retain=True, case="C1", expires_at=make.now + timedelta(hours=1)
    )
    queue(store, message)
    with store.begin() as unit:
        (taken,) = unit.outbox.lease(holder="relay", now=make.now, lease_s=LEASE_S, limit=9)
        assert unit.outbox.of_case("C1") == [taken]
        assert unit.outbox.of_case("C2") == []
    assert taken.order > 0
    assert taken == make.message(
        payload=b"\x00\xff",
        retain=True,
        case="C1",
        expires_at=make.now + timedelta(hours=1),
        order=taken.order,
        tried_at=make.now,
    )


def test_a_key_is_queued_once_ever(store: Store, make: Any) -> None:
    with store.begin() as unit:
        assert unit.outbox.add(make.message(payload=b"first")) is True
        assert unit.outbox.add(make.message(payload=b"second")) is False
        unit.commit()
    mark(store, make, DeliveryEvent.BROKER_TOOK_IT, "key-1")
    with store.begin() as unit:
        assert unit.outbox.add(make.message(payload=b"third")) is False
        assert unit.outbox.unsent() == 0


def test_leases_are_in_order_exclusive_and_run_out(store: Store, make: Any) -> None:
    queue(store, *(make.message(number, f"t{number}") for number in (1, 2, 3)))
    assert lease(store, make, limit=2) == ["key-1", "key-2"]
    assert lease(store, make) == ["key-3"]
    assert lease(store, make, holder="other", after_s=LEASE_S - 1) == []
    assert lease(store, make, holder="other", after_s=LEASE_S) == ["key-1", "key-2", "key-3"]


def test_an_uncommitted_lease_is_none(store: Store, make: Any) -> None:
    queue(store, make.message())
    with store.begin() as unit:
        assert len(unit.outbox.lease(holder="a", now=make.now, lease_s=9, limit=9)) == 1
    assert lease(store, make, holder="b") == ["key-1"]


def test_nobody_overtakes_on_a_topic(store: Store, make: Any) -> None:
    queue(
        store,
        make.message(1, "case"),
        make.message(2, "case"),
        make.message(3, "health"),
        make.message(4, "case"),
    )
    assert lease(store, make, holder="a", limit=1) == ["key-1"]
    assert lease(store, make, holder="b") == ["key-3"]
    mark(store, make, DeliveryEvent.BROKER_TOOK_IT, "key-1")
    assert lease(store, make, holder="b") == ["key-2", "key-4"]


def test_one_holder_leases_on_while_it_publishes(store: Store, make: Any) -> None:
    queue(store, make.message(1), make.message(2))
    assert lease(store, make, limit=1) == ["key-1"]
    assert lease(store, make, limit=1) == ["key-2"]


def test_an_expired_lease_in_front_blocks_nobody(store: Store, make: Any) -> None:
    queue(store, make.message(1), make.message(2))
    assert lease(store, make, holder="dead", limit=1) == ["key-1"]
    assert lease(store, make, holder="alive", after_s=LEASE_S) == ["key-1", "key-2"]


def test_a_released_message_is_given_again(store: Store, make: Any) -> None:
    queue(store, make.message(1), make.message(2))
    assert lease(store, make, holder="a") == ["key-1", "key-2"]
    with store.begin() as unit:
        unit.outbox.release(["key-1"])
        unit.outbox.release([])
        unit.commit()
    assert lease(store, make, holder="b") == ["key-1"]


@pytest.mark.parametrize("event", list(DeliveryEvent))
def test_marks_follow_the_delivery_table(store: Store, make: Any, event: DeliveryEvent) -> None:
    states = list(DeliveryState)
    queue(
        store,
        *(make.message(n, case=state, state=state) for n, state in enumerate(states)),
        *(make.message(n, state=state) for n, state in enumerate(states, start=len(states))),
    )
    mark(store, make, event, "key-unknown", *(f"key-{n}" for n in range(len(states))))
    for state in states:
        with store.begin_read() as unit:
            (message,) = unit.outbox.of_case(state)
        assert message.state is MESSAGE_TRANSITIONS.get((state, event), state)
        broker_took_it = (
            event is DeliveryEvent.BROKER_TOOK_IT and (state, event) in MESSAGE_TRANSITIONS
        )
        assert message.published_at == (make.now if broker_took_it else None)
        set_stamps = {
            stamp for stamp in EVENT_TIME_FIELDS.values() if getattr(message, stamp) is not None
        }
        assert set_stamps == (
            {EVENT_TIME_FIELDS[event]}
            if event in EVENT_TIME_FIELDS and (state, event) in MESSAGE_TRANSITIONS
            else set()
        )
    with store.begin_read() as unit:
        moved = [MESSAGE_TRANSITIONS.get((state, event), state) for state in states]
        assert unit.outbox.unsent() == 1 + moved.count(DeliveryState.QUEUED)


def test_an_answer_can_outrun_our_own_mark(store: Store, make: Any) -> None:
    queue(store, make.message(1, case="C1"), make.message(2))
    assert lease(store, make, holder="a", limit=1) == ["key-1"]
    mark(store, make, DeliveryEvent.PERSON_ANSWERED, "key-1")
    assert lease(store, make, holder="b") == ["key-2"]
    mark(store, make, DeliveryEvent.BROKER_TOOK_IT, "key-1")
    with store.begin_read() as unit:
        (message,) = unit.outbox.of_case("C1")
    assert message.state is DeliveryState.ACKNOWLEDGED
    assert message.published_at == make.now


def test_published_once_means_the_first_time(store: Store, make: Any) -> None:
    queue(store, make.message(1, case="C1", state=DeliveryState.RECEIVED, published_at=make.now))
    with store.begin() as unit:
        later = make.now + timedelta(hours=1)
        unit.outbox.apply_event(["key-1"], DeliveryEvent.BROKER_TOOK_IT, later)
        (message,) = unit.outbox.of_case("C1")
    assert message.published_at == make.now


def test_when_a_case_was_first_pushed(store: Store, make: Any) -> None:
    later = make.now + timedelta(hours=1)
    queue(store, *(make.message(n, case=case) for n, case in enumerate(["C1", "C1", "C2", "C3"])))
    mark(store, make, DeliveryEvent.BROKER_TOOK_IT, "key-1", "key-3")
    with store.begin() as unit:
        unit.outbox.apply_event(["key-0"], DeliveryEvent.BROKER_TOOK_IT, later)
        unit.commit()
    with store.begin_read() as unit:
        assert unit.outbox.first_published_at(["C1", "C2", "C9"]) == {"C1": make.now}
        assert unit.outbox.first_published_at([]) == {}


def test_the_tally_of_a_time(store: Store, make: Any) -> None:
    minutes = [make.now + timedelta(minutes=number) for number in range(4)]
    queue(store, *(make.message(n, queued_at=at) for n, at in enumerate(minutes)))
    mark(store, make, DeliveryEvent.BROKER_TOOK_IT, "key-0", "key-1", "key-3")
    with store.begin_read() as unit:
        assert unit.outbox.count_queued_and_published(minutes[1], minutes[2]) == (2, 1)
        assert unit.outbox.count_queued_and_published(minutes[0], minutes[3]) == (4, 3)


def test_a_canary_counts_in_no_tally(store: Store, make: Any) -> None:
    queue(store, make.message(1, "patrol/v1/s/canary/case"), make.message(2))
    with store.begin_read() as unit:
        assert unit.outbox.unsent() == 2
        assert unit.outbox.count_queued_and_published(make.now, make.now) == (1, 0)


def test_thousands_are_leased_and_marked_in_order(store: Store, make: Any) -> None:
    queue(store, *(make.message(number, f"t{number % 7}") for number in range(2500)))
    seen: list[str] = []
    while keys := lease(store, make, limit=1200):
        seen += keys
        mark(store, make, DeliveryEvent.BROKER_TOOK_IT, *keys)
    assert seen == [f"key-{number}" for number in range(2500)]


def test_since_when_the_oldest_waits(store: Store, make: Any) -> None:
    with store.begin_read() as unit:
        assert unit.outbox.oldest_unsent() is None
    later = make.now + timedelta(minutes=1)
    queue(store, make.message(1), make.message(2, queued_at=later))
    mark(store, make, DeliveryEvent.BROKER_TOOK_IT, "key-1")
    with store.begin_read() as unit:
        assert unit.outbox.oldest_unsent() == later


def test_a_lease_made_before_the_clock_was_set_back_is_over(store: Store, make: Any) -> None:
    """Its relay was killed under a clock an hour ahead: nobody may have to wait that hour."""
    queue(store, make.message(1), make.message(2))
    ahead = make.now + timedelta(hours=1)
    with store.begin() as unit:
        unit.outbox.lease(holder="killed", now=ahead, lease_s=20.0, limit=1)
        unit.commit()
    with store.begin() as unit:
        leased = unit.outbox.lease(holder="other", now=make.now, lease_s=20.0, limit=10)
        unit.commit()
    assert [message.key for message in leased] == ["key-1", "key-2"]


def add_cases(store: Store, *cases: Any) -> None:
    with store.begin() as unit:
        for case in cases:
            unit.cases.add(case)
        unit.commit()


def test_of_how_many_new_cases_a_grid_heard(store: Store, make: Any) -> None:
    now, minute = make.now, timedelta(minutes=1)
    add_cases(
        store,
        make.case(1, dispatched_at=now),
        make.case(2, dispatched_at=now + minute),
        make.case(3, dispatched_at=now, level=Level.PRESSING),
        make.case(4, dispatched_at=now - timedelta(hours=2)),
    )
    told = [
        (1, "g/1/case/1", 1, now),
        (2, "g/1/case/1", 1, now + 5 * minute),  # the same case again
        (3, "g/1/case/2", 2, now + minute),
        (4, "g/2/case/2", 2, now + 2 * minute),  # another grid
        (5, "g/1/case/3", 3, now),  # urgent ones are not counted
        (6, "g/1/case/4", 4, now),  # an old one that moved
        (7, "g/1%case/1", 1, now - minute),
    ]
    queue(
        store,
        *(
            make.message(n, topic, case=f"C20261122-{case:04d}", queued_at=at)
            for n, topic, case, at in told
        ),
    )
    with store.begin_read() as unit:
        assert unit.outbox.new_case_times("g/1/case/", now) == [now, now + minute]
        assert unit.outbox.new_case_times("g/2/case/", now) == [now + 2 * minute]
        assert unit.outbox.new_case_times("g/_/case/", now) == []
        assert unit.outbox.new_case_times("g/1/case/", now + 30 * minute) == []


def test_old_messages_go_in_small_parts_and_what_is_needed_stays(store: Store, make: Any) -> None:
    day = timedelta(days=1)
    add_cases(
        store, make.case(1), make.case(2, camera=2, state=CaseState.CLOSED, entries=closing(make))
    )
    queue(
        store,
        *(make.message(n, queued_at=make.now + n * day, state=DeliveryState.PUBLISHED)
          for n in range(5)),
        make.message(10, queued_at=make.now),  # waits
        make.message(11, queued_at=make.now, case="C20261122-0001", state=DeliveryState.OPENED),
        make.message(12, queued_at=make.now, case="C20261122-0002", state=DeliveryState.OPENED),
    )  # fmt: skip
    with store.begin() as unit:
        assert unit.outbox.prune(make.now + 3 * day, limit=2) == 2
        unit.commit()
    with store.begin() as unit:
        assert unit.outbox.prune(make.now + 3 * day, limit=99) == 2
        assert unit.outbox.prune(make.now + 3 * day, limit=99) == 0
        unit.commit()
    with store.begin_read() as unit:
        assert unit.outbox.unsent() == 1
        assert len(unit.outbox.of_case("C20261122-0001")) == 1, "it is open"
        assert unit.outbox.of_case("C20261122-0002") == []
        assert unit.outbox.count_queued_and_published(make.now, make.now + 9 * day) == (4, 0)


def closing(make: Any) -> tuple[CaseEntry, ...]:
    returned = make.case().apply_event(CaseEvent.RETURN, at=make.now, by="x")
    return tuple(returned.apply_event(CaseEvent.CLOSE, at=make.now, by="op").entries)
