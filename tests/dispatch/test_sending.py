"""The gate and the release, on whole books: what waits, what goes, and that nothing is lost."""

from datetime import timedelta
from typing import Any

import pytest

from patrol.dispatch import approvals, desk
from patrol.dispatch.inbox import Outcome
from patrol.dispatch.notices import Target, Unheard
from patrol.dispatch.sending import Release, SendGate
from patrol.domain.case import Case, CaseEvent, Request, Wish
from patrol.domain.levels import Level
from patrol.domain.observation import Subject
from patrol.domain.sending import SendLimits
from patrol.domain.stoppage import Scope
from simulators import hamlet

MINUTE = timedelta(minutes=1)


@pytest.fixture
def gate(house: Any) -> SendGate:
    limits = SendLimits(new_per_hour=2, repeat_every=10 * MINUTE)
    return SendGate(site="shangba", registry=house.registry, limits=limits)


@pytest.fixture
def release(house: Any, gate: SendGate) -> Release:
    return Release(store=house.store, gate=gate, announcer=house.wire)


def confirmed(house: Any, gate: SendGate, number: int, **more: Any) -> Case:
    """A case of its own category a minute after the last one."""
    house.after(MINUTE)
    lead = hamlet.finding(f"F{number}", category=f"kind_{number}", **more.pop("lead", {}))
    return house.confirm(lead, gate=gate, **more)


def told(house: Any, *cases: Case) -> list[str]:
    return [case.id for case in cases if house.messages(case.id)]


def test_a_burst_goes_out_as_the_first_few_and_one_bundle(
    house: Any, gate: SendGate, release: Release
) -> None:
    cases = [confirmed(house, gate, number) for number in range(6)]
    assert told(house, *cases) == [case.id for case in cases[:2]]
    held = [house.case(case.id).hold for case in cases[2:]]
    opens = hamlet.NOON + 61 * MINUTE  # an hour after the first
    assert {hold.until for hold in held} == {opens}
    house.clock.current = opens - timedelta(seconds=1)
    assert release.tick(house.clock.now()) == 0
    house.clock.current = opens
    assert release.tick(opens) == 4
    assert told(house, *cases) == [case.id for case in cases]
    assert release.tick(opens) == 0
    assert house.retained(cases[5].id)["due"]["ack"] == "2026-11-22T07:01:00Z"
    assert gate.counters == {"held:grid_busy": 4, "released": 4}


def test_another_grid_urgent_ones_and_reports_from_the_ground_do_not_wait(
    house: Any, gate: SendGate
) -> None:
    for number in range(2):
        confirmed(house, gate, number)
    elsewhere = {"camera": hamlet.SECOND_CAMERA, "grid": hamlet.SECOND_GROUP}
    assert confirmed(house, gate, 3, lead=elsewhere).hold is None
    assert confirmed(house, gate, 4, level=Level.PRESSING).hold is None
    assert confirmed(house, gate, 5).hold is not None
    topic = f"patrol/v1/shangba/grid/{hamlet.GROUP}/report"
    said = house.say(topic, {"v": 1, "key": "k", "text": "渠边有垃圾"})
    assert said.outcome is Outcome.REPORTED
    assert told(house, house.case(said.case)) == [said.case]


def test_nobody_can_answer_what_nobody_was_told_and_no_silence_runs(
    house: Any, gate: SendGate, release: Release
) -> None:
    cases = [confirmed(house, gate, number) for number in range(3)]
    waits = cases[2].id
    house.relay.drain(1.0)
    assert house.reply(waits, "acknowledge").reason == "another_grid"
    unheard = Unheard(
        store=house.store, registry=house.registry, targets=[Target("n", frozenset({"unheard"}))]
    )
    house.clock.current = hamlet.NOON + 61 * MINUTE
    assert unheard.tick(house.clock.now()) == 0
    assert house.ladder.tick(house.clock.now()) == []
    release.tick(house.clock.now())
    sent_at = house.clock.now()
    house.relay.drain(1.0)
    house.after(timedelta(hours=2) - MINUTE)
    climbed = [step.case.id for step in house.ladder.tick(house.clock.now())]
    assert climbed == [cases[0].id, cases[1].id]
    house.after(MINUTE)
    assert [step.case.id for step in house.ladder.tick(house.clock.now())] == [waits]
    assert house.case(waits).dispatched_at == sent_at


def test_a_fault_is_not_told_while_somebody_repairs_it(
    house: Any, gate: SendGate, release: Release
) -> None:
    now = house.clock.now()
    with house.store.begin() as uow:
        stoppage = uow.stoppages.add(
            scope=Scope.GRID, subject=hamlet.VILLAGE, start=now, until=None, reason="换交换机",
            by="op", now=now,
        )  # fmt: skip
        uow.commit()
    fault = {"subject": Subject.EQUIPMENT, "kind": "blur"}
    case = confirmed(house, gate, 1, lead=fault, category="equipment", level=Level.NOTE)
    assert case.hold is not None
    assert case.hold.why == "in_maintenance"
    house.after(15 * MINUTE)
    assert release.tick(house.clock.now()) == 0
    with house.store.begin() as uow:
        uow.stoppages.end(stoppage.number, by="op", now=house.clock.now())
        uow.commit()
    house.after(15 * MINUTE)
    assert release.tick(house.clock.now()) == 1
    assert [e.what for e in house.case(case.id).entries] == [
        CaseEvent.DISPATCH,
        CaseEvent.HOLD,
        CaseEvent.RELEASE,
    ]
    assert house.retained(case.id, hamlet.TOWN)["rung"]["person"] == "fixer"


def test_repeats_are_told_together(house: Any, gate: SendGate, release: Release) -> None:
    case = confirmed(house, gate, 1)
    for number in range(2, 6):
        house.after(MINUTE)
        house.confirm(hamlet.finding(f"F{number}", category="kind_1"), gate=gate)
    assert house.retained(case.id)["count"] == 2
    assert house.case(case.id).count == 5
    house.after(10 * MINUTE)
    assert release.tick(house.clock.now()) == 1
    assert house.retained(case.id)["count"] == 5
    assert len(house.messages(case.id)) == 3


def test_reassigned_while_it_waits_it_goes_at_once(house: Any, gate: SendGate) -> None:
    waits = [confirmed(house, gate, number) for number in range(3)][2]
    house.after(9 * MINUTE)
    with house.store.begin() as uow:
        desk.reassign(
            uow, waits.id, hamlet.OTHER_GROUP, by="op", now=house.clock.now(),
            registry=house.registry, wire=house.wire,
        )  # fmt: skip
        uow.commit()
    case = house.case(waits.id)
    assert (case.hold, case.dispatched_at) == (None, house.clock.now())
    assert case.ladder_due_at == house.clock.now() + timedelta(hours=2)
    assert house.retained(case.id, hamlet.OTHER_GROUP)["rung"]["person"] == "leader3"


def test_voided_while_it_waits_nobody_hears_of_it(
    house: Any, gate: SendGate, release: Release
) -> None:
    waits = [confirmed(house, gate, number) for number in range(3)][2]
    for by in ("op", "lead"):
        with house.store.begin() as uow:
            now = house.clock.now()
            desk.end(uow, waits.id, CaseEvent.VOID, by=by, now=now, wire=house.wire, note="重复")
            uow.commit()
    house.after(timedelta(hours=2))
    assert release.tick(house.clock.now()) == 0
    assert house.retained(waits.id) is None


def test_suspended_is_seen_on_the_wire_and_extended_moves_its_limits(house: Any) -> None:
    case, now = house.confirm(), house.clock.now()
    before = house.retained(case.id)
    assert before["suspended"] is None
    with house.store.begin() as uow:
        asked(uow, case, "extension", now)
        extended = approvals.grant(uow, case.id, by="lead", now=now, announcer=house.wire)
        uow.commit()
    after = house.retained(case.id)
    assert after["due"]["ack"] == "2026-11-22T07:00:00Z"
    assert before["due"]["ack"] == "2026-11-22T06:00:00Z"
    assert after["revision"] == extended.revision
    with house.store.begin() as uow:
        asked(uow, case, "suspension", now)
        approvals.grant(uow, case.id, by="lead", now=now, announcer=house.wire)
        uow.commit()
    assert house.retained(case.id)["suspended"] == {"since": "2026-11-22T04:00:00Z"}
    house.after(timedelta(days=1))
    with house.store.begin() as uow:
        approvals.resume(uow, case.id, by="lead", now=house.clock.now(), announcer=house.wire)
        uow.commit()
    assert house.retained(case.id)["suspended"] is None
    assert house.retained(case.id)["due"]["ack"] == "2026-11-23T07:00:00Z"


def asked(uow: Any, case: Case, wish: str, now: Any) -> None:
    request = Request(wish=Wish(wish), by="op", at=now, why="大雪", span_s=3600)
    approvals.ask(uow, case.id, request)
