"""Polling the silences; verification and the desk's own moves."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from patrol.dispatch import approvals, desk
from patrol.dispatch.verification import LOOK_AGAIN_AFTER, MOST_LOOKS, look_failed, verified
from patrol.domain.approval import NotPossible
from patrol.domain.case import CaseEvent, CaseState, IllegalMove, Request, Wish
from patrol.domain.escalation import Why
from patrol.domain.ids import Sha256
from patrol.domain.message import DeliveryState
from simulators import hamlet

SILENCE = timedelta(hours=2)
AFTER = Sha256("b" * 64)


def test_silence_tells_the_next_person_as_another_row_of_the_outbox(house: Any) -> None:
    case = house.confirm()
    house.relay.drain(1.0)
    assert house.ladder.tick(house.clock.now()) == []
    house.after(SILENCE)
    (climbed,) = house.ladder.tick(house.clock.now())
    assert climbed.why is Why.SILENCE
    assert house.retained(case.id)["rung"]["person"] == "worker"
    assert house.messages(case.id)[0].state is DeliveryState.OVERDUE
    house.after(SILENCE)
    house.ladder.tick(house.clock.now())
    assert house.retained(case.id, hamlet.VILLAGE)["rung"]["person"] == "cadre"


def test_a_restart_loses_no_silence(house: Any) -> None:
    """The due time is in the store: a ladder made this moment finds it."""
    case = house.confirm()
    house.after(timedelta(days=3))
    climbed = type(house.ladder)(house.store, house.wire).tick(house.clock.now())
    assert [step.case.id for step in climbed] == [case.id]


def test_at_the_end_it_is_supervised_once_and_stays_visible(house: Any) -> None:
    case = house.confirm()
    for _ in range(12):
        house.after(SILENCE)
        house.ladder.tick(house.clock.now())
    events = Counter(entry.what for entry in house.case(case.id).entries)
    assert events[CaseEvent.ESCALATE] == 3
    assert events[CaseEvent.SUPERVISE] == 1
    with house.store.begin_read() as uow:
        assert [c.id for c in uow.cases.list(open_only=True)] == [case.id]
    assert house.retained(case.id, hamlet.TOWN) is not None


def test_a_group_without_people_is_told_and_the_village_at_the_first_tick(house: Any) -> None:
    bare = type(house)(registry=hamlet.registry("leader", "worker", "party"))
    case = bare.confirm()
    assert bare.retained(case.id) is not None
    bare.ladder.tick(bare.clock.now())
    assert bare.retained(case.id, hamlet.VILLAGE)["rung"]["person"] == "cadre"


class TestVerification:
    @pytest.fixture
    def fed_back(self, house: Any) -> Any:
        case = house.confirm()
        house.after(SILENCE)
        house.ladder.tick(house.clock.now())
        house.after(SILENCE)
        house.ladder.tick(house.clock.now())
        house.reply(case.id, "feedback", result="handled")
        return house.case(case.id)

    def look(self, house: Any, case: Any, *, gone: bool) -> Any:
        with house.store.begin() as uow:
            after = verified(
                uow,
                case.id,
                gone=gone,
                by="eye",
                now=house.clock.now(),
                announcer=house.wire,
                after=AFTER,
            )
            uow.commit()
        return after

    def test_gone_closes_and_clears_every_topic(self, house: Any, fed_back: Any) -> None:
        assert house.retained(fed_back.id, hamlet.VILLAGE) is not None
        closed = self.look(house, fed_back, gone=True)
        assert closed.state is CaseState.CLOSED
        assert closed.after == AFTER
        assert (closed.look_due_at, closed.ladder_due_at) == (None, None)
        for grid in (hamlet.GROUP, hamlet.VILLAGE):
            assert house.retained(closed.id, grid) is None

    def test_still_there_is_reworked_and_the_ladder_runs_again(
        self, house: Any, fed_back: Any
    ) -> None:
        rework = self.look(house, fed_back, gone=False)
        assert rework.state is CaseState.REWORK
        assert house.retained(rework.id)["state"] == "rework"
        house.after(SILENCE)
        house.ladder.tick(house.clock.now())
        assert house.retained(rework.id, hamlet.TOWN)["rung"]["person"] == "duty"

    def test_twice_is_once(self, house: Any, fed_back: Any) -> None:
        closed = self.look(house, fed_back, gone=True)
        assert self.look(house, fed_back, gone=False) == closed

    def test_a_blind_camera_is_tried_later_and_in_the_end_a_person_looks(
        self, house: Any, fed_back: Any
    ) -> None:
        waits = []
        for _ in range(MOST_LOOKS):
            with house.store.begin() as uow:
                now = house.clock.now()
                case = look_failed(
                    uow,
                    fed_back.id,
                    by="eye",
                    now=now,
                    why="unreachable",
                    announcer=house.wire,
                )
                uow.commit()
            waits.append(case.look_due_at - now if case.look_due_at else None)
        assert waits == [*(LOOK_AGAIN_AFTER * 2**n for n in range(MOST_LOOKS - 1)), None]
        assert case.state is CaseState.FED_BACK
        assert case.entries[-1].what is CaseEvent.SUPERVISE


class TestDesk:
    def test_reassigned_it_leaves_one_grid_and_enters_another(self, house: Any) -> None:
        case = house.confirm()
        house.reply(case.id, "feedback", result="not_my_grid")
        assert house.retained(case.id)["state"] == "returned"
        with house.store.begin() as uow:
            desk.reassign(
                uow,
                case.id,
                hamlet.OTHER_GROUP,
                by="op",
                now=house.clock.now(),
                registry=house.registry,
                wire=house.wire,
            )
            uow.commit()
        assert house.retained(case.id) is None
        shown = house.retained(case.id, hamlet.OTHER_GROUP)
        assert (shown["state"], shown["rung"]["person"]) == ("dispatched", "leader3")
        assert house.reply(case.id, "acknowledge", grid=hamlet.OTHER_GROUP).reason == ""
        assert house.reply(case.id, "arrive").reason == "another_grid"

    def test_an_unknown_grid_is_refused_before_anything_changes(self, house: Any) -> None:
        case = house.confirm()
        with house.store.begin() as uow, pytest.raises(KeyError):
            desk.reassign(
                uow,
                case.id,
                "620902104999001",
                by="op",
                now=house.clock.now(),
                registry=house.registry,
                wire=house.wire,
            )

    def test_voided_with_a_reason_it_is_cleared_and_may_not_come_back(self, house: Any) -> None:
        case = house.confirm()
        self.end(house, case.id, CaseEvent.VOID)
        assert house.case(case.id).is_open, "one person has only asked for it"
        assert house.retained(case.id)["state"] == "dispatched"
        with pytest.raises(NotPossible, match="somebody else"):
            self.end(house, case.id, CaseEvent.VOID)
        self.end(house, case.id, CaseEvent.VOID, by="lead")
        assert house.retained(case.id) is None
        with pytest.raises(IllegalMove):
            self.reopen(house, case.id)

    def test_a_closed_case_comes_back_for_rework(self, house: Any) -> None:
        case = house.confirm()
        house.reply(case.id, "feedback", result="false_alarm")
        self.end(house, case.id, CaseEvent.CLOSE)
        assert house.retained(case.id) is None
        self.reopen(house, case.id)
        assert house.retained(case.id)["state"] == "rework"
        keys = [message.key for message in house.messages(case.id)]
        assert len(keys) == len(set(keys))

    def end(self, house: Any, case_id: str, event: CaseEvent, by: str = "op") -> None:
        with house.store.begin() as uow:
            now = house.clock.now()
            desk.end(uow, case_id, event, by=by, now=now, wire=house.wire, note="twice")
            uow.commit()

    def reopen(self, house: Any, case_id: str) -> None:
        with house.store.begin() as uow:
            desk.reopen(uow, case_id, by="op", now=house.clock.now(), wire=house.wire, note="x")
            uow.commit()


class TestApprovals:
    def test_a_leaders_extend_is_a_wish_that_the_desk_grants(self, house: Any) -> None:
        case = house.confirm()
        house.reply(case.id, "extend", text="等配件")
        request = house.case(case.id).request
        assert (request.wish, request.why) == (Wish.EXTENSION, "等配件")
        close_before = house.retained(case.id)["due"]["close"]
        with house.store.begin() as uow:
            approvals.grant(uow, case.id, by="lead", now=house.clock.now(), announcer=house.wire)
            uow.commit()
        assert house.retained(case.id)["due"]["close"] > close_before, "the leader sees it"

    def test_suspended_it_is_left_alone_until_it_goes_on(self, house: Any) -> None:
        case = house.confirm()
        self.suspend(house, case.id)
        house.after(timedelta(days=20))
        assert house.ladder.tick(house.clock.now()) == []
        with house.store.begin() as uow:
            approvals.resume(uow, case.id, by="lead", now=house.clock.now(), announcer=house.wire)
            uow.commit()
        house.after(SILENCE)
        assert [step.why for step in house.ladder.tick(house.clock.now())] == [Why.SILENCE]

    def test_handled_ends_the_pause_and_is_looked_at(self, house: Any) -> None:
        case = house.confirm()
        self.suspend(house, case.id)
        house.reply(case.id, "opened")
        assert house.case(case.id).suspension is not None
        house.reply(case.id, "feedback", result="handled")
        after = house.case(case.id)
        assert (after.state, after.suspension) == (CaseState.FED_BACK, None)
        assert after.look_due_at == house.clock.now()

    def suspend(self, house: Any, case_id: str) -> None:
        now = house.clock.now()
        wish = Request(wish=Wish.SUSPENSION, by="op", at=now, why="封路")
        with house.store.begin() as uow:
            approvals.ask(uow, case_id, wish)
            approvals.grant(uow, case_id, by="lead", now=now, announcer=house.wire)
            uow.commit()
