"""The second channel: told when not even the device has the message, and only then."""

import json
from datetime import timedelta
from typing import Any

import pytest

from patrol.dispatch.notices import Target, Unheard
from patrol.domain.delivery import Delivery
from simulators import hamlet

SILENCE = timedelta(hours=2)
DUTY = Target("notify:duty", frozenset({"unheard"}))


@pytest.fixture
def unheard(house: Any) -> Unheard:
    quiet = Target("notify:quiet", frozenset({"alarm"}))
    return Unheard(store=house.store, registry=house.registry, targets=[DUTY, quiet])


def queued(house: Any) -> list[Delivery]:
    with house.store.begin() as uow:
        assert set(uow.deliveries.waiting()) <= {DUTY.name}
        return list(
            uow.deliveries.lease(DUTY.name, holder="h", now=house.clock.now(), lease_s=1, limit=50)
        )


def test_nobody_s_device_has_it(house: Any, unheard: Unheard) -> None:
    case = house.confirm()
    house.relay.drain(1.0)
    house.after(SILENCE - timedelta(seconds=1))
    assert unheard.tick(house.clock.now()) == 0
    house.after(timedelta(seconds=1))
    assert unheard.tick(house.clock.now()) == 1
    (notice,) = queued(house)
    body = json.loads(notice.payload)
    assert (notice.case, body["person"]) == (case.id, "leader")
    assert "手机尚未收到" in body["body"]
    assert "上坝镇" in body["body"]
    for never in (hamlet.HOUSEHOLD, "rtsp", hamlet.CAMERA):
        assert never not in notice.payload.decode()


def test_the_broker_never_had_it(house: Any, unheard: Unheard) -> None:
    house.confirm()
    house.after(SILENCE)
    assert unheard.tick(house.clock.now()) == 1
    assert "代理尚未收到" in json.loads(queued(house)[0].payload)["body"]


@pytest.mark.parametrize("receipt", ["received", "opened"])
def test_a_device_that_has_it_is_the_ladder_s_affair(
    house: Any, unheard: Unheard, receipt: str
) -> None:
    case = house.confirm()
    house.relay.drain(1.0)
    house.reply(case.id, receipt)
    house.after(SILENCE)
    assert unheard.tick(house.clock.now()) == 0
    assert queued(house) == []


def test_an_answer_stops_it(house: Any, unheard: Unheard) -> None:
    case = house.confirm()
    house.relay.drain(1.0)
    house.reply(case.id, "acknowledge")
    house.after(SILENCE * 10)
    assert unheard.tick(house.clock.now()) == 0


def test_killed_before_the_ladder_moved_it_is_told_once(house: Any, unheard: Unheard) -> None:
    house.confirm()
    house.relay.drain(1.0)
    house.after(SILENCE)
    unheard.tick(house.clock.now())
    unheard.tick(house.clock.now())
    assert len(queued(house)) == 1


def test_each_rung_that_is_not_reached_is_told_again(house: Any, unheard: Unheard) -> None:
    house.confirm()
    people = []
    for _ in range(4):
        house.relay.drain(1.0)
        house.after(SILENCE)
        unheard.tick(house.clock.now())
        house.ladder.tick(house.clock.now())
    people = [json.loads(one.payload)["person"] for one in queued(house)]
    assert people == ["leader", "worker", "cadre", "duty"]


def test_without_a_channel_nothing_is_read_or_written(house: Any) -> None:
    house.confirm()
    house.after(SILENCE)
    assert (
        Unheard(store=house.store, registry=house.registry, targets=[]).tick(house.clock.now()) == 0
    )
