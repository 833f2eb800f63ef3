"""The second channel: told when not even the device has the message, and only then."""

import json
from datetime import timedelta

import pytest

from patrol.domain.outbox import Delivery
from patrol.integrations.notifications import NotificationTarget, UnreachedNotifier
from simulators import small_site
from tests.support.case_system import CaseSystem

SILENCE = timedelta(hours=2)
DUTY = NotificationTarget("notify:duty", frozenset({"unheard"}))


@pytest.fixture
def unreached_notifier(case_system: CaseSystem) -> UnreachedNotifier:
    quiet = NotificationTarget("notify:quiet", frozenset({"alarm"}))
    return UnreachedNotifier(
        store=case_system.store, registry=case_system.registry, targets=[DUTY, quiet]
    )


def queued(case_system: CaseSystem) -> list[Delivery]:
    with case_system.store.begin() as uow:
        assert set(uow.deliveries.waiting()) <= {DUTY.name}
        return list(
            uow.deliveries.lease(
                DUTY.name, holder="h", now=case_system.clock.now(), lease_s=1, limit=50
            )
        )


def test_nobody_s_device_has_it(
    case_system: CaseSystem, unreached_notifier: UnreachedNotifier
) -> None:
    case = case_system.confirm()
    case_system.relay.run_until_empty(1.0)
    case_system.after(SILENCE - timedelta(seconds=1))
    assert unreached_notifier.run_due(case_system.clock.now()) == 0
    case_system.after(timedelta(seconds=1))
    assert unreached_notifier.run_due(case_system.clock.now()) == 1
    (notice,) = queued(case_system)
    body = json.loads(notice.payload)
    assert (notice.case, body["person"]) == (case.id, "leader")
    assert "手机尚未收到" in body["body"]
    assert "上坝镇" in body["body"]
    for never in (small_site.HOUSEHOLD, "rtsp", small_site.CAMERA):
        assert never not in notice.payload.decode()


def test_the_broker_never_had_it(
    case_system: CaseSystem, unreached_notifier: UnreachedNotifier
) -> None:
    case_system.confirm()
    case_system.after(SILENCE)
    assert unreached_notifier.run_due(case_system.clock.now()) == 1
    assert "代理尚未收到" in json.loads(queued(case_system)[0].payload)["body"]


@pytest.mark.parametrize("receipt", ["received", "opened"])
def test_a_device_that_has_it_is_the_ladder_s_affair(
    case_system: CaseSystem, unreached_notifier: UnreachedNotifier, receipt: str
) -> None:
    case = case_system.confirm()
    case_system.relay.run_until_empty(1.0)
    case_system.reply(case.id, receipt)
    case_system.after(SILENCE)
    assert unreached_notifier.run_due(case_system.clock.now()) == 0
    assert queued(case_system) == []


def test_an_answer_stops_it(case_system: CaseSystem, unreached_notifier: UnreachedNotifier) -> None:
    case = case_system.confirm()
    case_system.relay.run_until_empty(1.0)
    case_system.reply(case.id, "acknowledge")
    case_system.after(SILENCE * 10)
    assert unreached_notifier.run_due(case_system.clock.now()) == 0


def test_killed_before_the_ladder_moved_it_is_told_once(
    case_system: CaseSystem, unreached_notifier: UnreachedNotifier
) -> None:
    case_system.confirm()
    case_system.relay.run_until_empty(1.0)
    case_system.after(SILENCE)
    unreached_notifier.run_due(case_system.clock.now())
    unreached_notifier.run_due(case_system.clock.now())
    assert len(queued(case_system)) == 1


def test_each_rung_that_is_not_reached_is_told_again(
    case_system: CaseSystem, unreached_notifier: UnreachedNotifier
) -> None:
    case_system.confirm()
    people = []
    for _ in range(4):
        case_system.relay.run_until_empty(1.0)
        case_system.after(SILENCE)
        unreached_notifier.run_due(case_system.clock.now())
        case_system.escalator.run_due(case_system.clock.now())
    people = [json.loads(one.payload)["person"] for one in queued(case_system)]
    assert people == ["leader", "worker", "cadre", "duty"]


def test_without_a_channel_nothing_is_read_or_written(case_system: CaseSystem) -> None:
    case_system.confirm()
    case_system.after(SILENCE)
    assert (
        UnreachedNotifier(
            store=case_system.store, registry=case_system.registry, targets=[]
        ).run_due(case_system.clock.now())
        == 0
    )
