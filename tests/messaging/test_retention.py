"""Old messages go in small parts; the books still hold, and what is open is still there."""

import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest

from patrol.domain.case import CaseEvent
from patrol.domain.ids import MessageKey
from patrol.domain.outbox import DeliveryEvent, OutboxMessage
from patrol.messaging import outbox_relay
from patrol.messaging.outbox_relay import prune_messages
from patrol.store import open_store
from patrol.store.fsck import check_store
from simulators import small_site
from tests.support.case_system import CaseSystem

KEPT = timedelta(days=400)


@pytest.fixture
def lasting(case_system: CaseSystem, sqlite_database: str) -> Iterator[CaseSystem]:
    """The same house over real books."""
    with open_store(sqlite_database) as store:
        case_system.store = case_system.relay.store = case_system.inbox.store = (
            case_system.escalator.store
        ) = store
        yield case_system


def health(number: int, case_system: CaseSystem) -> OutboxMessage:
    return OutboxMessage(
        key=MessageKey(f"h{number}"), topic=f"t/{number}", payload=b"{}", retain=True,
        queued_at=case_system.clock.now(),
    )  # fmt: skip


def test_years_later_only_what_is_needed_is_left(
    lasting: CaseSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox_relay, "PRUNE_BATCH_ROWS", 3)
    ended = lasting.confirm()
    lasting.relay.run_until_empty(1.0)
    lasting.reply(ended.id, "feedback", result="false_alarm")
    lasting.receive("patrol/v1/shangba/grid/x/reply/y", b"rubbish")
    with lasting.store.begin() as uow:
        case = uow.cases.get(ended.id)
        uow.cases.put(case.apply_event(CaseEvent.CLOSE, at=lasting.clock.now(), by="op"))
        for number in range(10):
            uow.outbox.add(health(number, lasting))
        uow.commit()
    standing = lasting.confirm(small_site.finding("F9", category="dumping"))
    lasting.relay.run_until_empty(1.0)
    assert prune_messages(lasting.store, lasting.clock.now(), KEPT, threading.Event()) == 0
    lasting.after(KEPT + timedelta(seconds=1))
    with lasting.store.begin() as uow:
        uow.outbox.add(health(99, lasting))
        uow.commit()
    stopped = threading.Event()
    stopped.set()
    assert prune_messages(lasting.store, lasting.clock.now(), KEPT, stopped) == 0
    # 10 of health, 2 of the case that ended, its reply's key, a dead letter
    assert prune_messages(lasting.store, lasting.clock.now(), KEPT, threading.Event()) == 14
    assert len(lasting.messages(standing.id)) == 1
    assert lasting.messages(ended.id) == []
    assert lasting.case(ended.id).entries, "what happened stays"
    assert lasting.dead_letters() == []
    with lasting.store.begin_read() as uow:
        assert uow.outbox.unsent() == 1
    assert check_store(lasting.store) == []
    lasting.relay.run_until_empty(1.0)
    with lasting.store.begin() as uow:
        uow.outbox.apply_event(
            [MessageKey("h99")], DeliveryEvent.BROKER_TOOK_IT, lasting.clock.now()
        )
        uow.commit()
    assert check_store(lasting.store) == []
