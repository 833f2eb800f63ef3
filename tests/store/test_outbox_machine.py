"""The outbox under every order of add, lease, mark, release and crash: a hypothesis machine.

The model is written from the port's words, not from an implementation: who holds what until when.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)
from typing_extensions import override

from patrol.domain.ids import MessageKey
from patrol.domain.outbox import MESSAGE_TRANSITIONS, DeliveryEvent, DeliveryState, OutboxMessage
from patrol.store import Store, check
from tests.support.store import new_store

LEASE_S = 30
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
HOLDERS = st.sampled_from(["a", "b"])
KEYS = st.lists(st.integers(0, 11).map(str), max_size=6)


@dataclass
class Row:
    """What the port promises of one message."""

    key: str
    topic: str
    state: DeliveryState = DeliveryState.QUEUED
    holder: str = ""
    until: datetime = LONG_AGO


class OutboxMachine(RuleBasedStateMachine):
    """Drives a store and the model side by side."""

    make_store: ClassVar[Callable[[ExitStack], Store]]

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.store = type(self).make_store(self.stack)
        self.rows: dict[str, Row] = {}
        self.now = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)

    @rule(key=st.integers(0, 11).map(str), topic=st.sampled_from("xyz"), commit=st.booleans())
    def add(self, key: str, topic: str, *, commit: bool) -> None:
        message = OutboxMessage(
            key=MessageKey(key), topic=topic, payload=key.encode(), queued_at=self.now
        )
        with self.store.begin() as unit:
            assert unit.outbox.add(message) is (key not in self.rows)
            if commit:
                unit.commit()
                self.rows.setdefault(key, Row(key, topic))

    @rule(holder=HOLDERS, limit=st.integers(1, 5), commit=st.booleans())
    def lease(self, holder: str, limit: int, *, commit: bool) -> None:
        with self.store.begin() as unit:
            taken = unit.outbox.lease(holder=holder, now=self.now, lease_s=LEASE_S, limit=limit)
            if commit:  # else: killed before the commit
                unit.commit()
        expected = [row for row in self.rows.values() if self._may_have(row, holder)][:limit]
        assert [message.key for message in taken] == [row.key for row in expected]
        assert [message.payload for message in taken] == [row.key.encode() for row in expected]
        for row in expected if commit else ():
            row.holder, row.until = holder, self.now + timedelta(seconds=LEASE_S)

    def _may_have(self, row: Row, holder: str) -> bool:
        if row.state is not DeliveryState.QUEUED or row.until > self.now:
            return False
        rows = list(self.rows.values())
        earlier = (one for one in rows[: rows.index(row)] if one.topic == row.topic)
        return not any(
            one.state is DeliveryState.QUEUED and one.until > self.now and one.holder != holder
            for one in earlier
        )

    @rule(keys=KEYS, event=st.sampled_from(DeliveryEvent), commit=st.booleans())
    def mark(self, keys: list[str], event: DeliveryEvent, *, commit: bool) -> None:
        with self.store.begin() as unit:
            unit.outbox.apply_event([MessageKey(key) for key in keys], event, self.now)
            if commit:
                unit.commit()
        for key in dict.fromkeys(keys) if commit else ():
            row = self.rows.get(key)
            if row is not None:
                row.state = MESSAGE_TRANSITIONS.get((row.state, event), row.state)

    @rule(keys=KEYS)
    def release(self, keys: list[str]) -> None:
        with self.store.begin() as unit:
            unit.outbox.release([MessageKey(key) for key in keys])
            unit.commit()
        for key in keys:
            if key in self.rows:
                self.rows[key].until = self.now

    @rule(seconds=st.integers(1, 2 * LEASE_S))
    def wait(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @invariant()
    def the_count_agrees(self) -> None:
        waiting = sum(row.state is DeliveryState.QUEUED for row in self.rows.values())
        with self.store.begin_read() as unit:
            assert unit.outbox.unsent() == waiting

    @override
    def teardown(self) -> None:
        self.stack.close()


def _sound_store(stack: ExitStack) -> Store:
    store = new_store()
    stack.callback(lambda: _assert_sound(store))
    return store


def _assert_sound(store: Store) -> None:
    assert check(store) == []


def test_the_outbox_keeps_its_promises() -> None:
    machine = type("Machine", (OutboxMachine,), {"make_store": staticmethod(_sound_store)})
    limits = settings(
        max_examples=60,
        stateful_step_count=30,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(machine, settings=limits)
