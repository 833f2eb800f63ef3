"""Polling the silences; verification and the desk's own moves."""

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from patrol.cases import actions
from patrol.cases.actions import apply_recheck, reschedule_recheck
from patrol.domain.account import Account, AccountRole
from patrol.domain.approval import ApprovalImpossible
from patrol.domain.case import CaseEvent, CaseState, IllegalCaseTransition
from patrol.domain.case_timers import MAX_RECHECKS, RECHECK_AFTER, ApprovalKind, ApprovalRequest
from patrol.domain.escalation import EscalationReason
from patrol.domain.ids import PersonId, Sha256
from patrol.domain.outbox import DeliveryState
from patrol.domain.registry import Person
from simulators import small_site
from tests.support.case_system import CaseSystem

SILENCE = timedelta(hours=2)
AFTER = Sha256("b" * 64)


def test_silence_tells_the_next_person_as_another_row_of_the_outbox(
    case_system: CaseSystem,
) -> None:
    case = case_system.confirm()
    case_system.relay.run_until_empty(1.0)
    assert case_system.escalator.run_due(case_system.clock.now()) == []
    case_system.after(SILENCE)
    (escalated,) = case_system.escalator.run_due(case_system.clock.now())
    assert escalated.reason is EscalationReason.SILENCE
    assert case_system.retained(case.id)["rung"]["person"] == "worker"
    assert case_system.messages(case.id)[0].state is DeliveryState.OVERDUE
    case_system.after(SILENCE)
    case_system.escalator.run_due(case_system.clock.now())
    assert case_system.retained(case.id, small_site.VILLAGE)["rung"]["person"] == "cadre"


def test_a_restart_loses_no_silence(case_system: CaseSystem) -> None:
    """The due time is in the store: a ladder made this moment finds it."""
    case = case_system.confirm()
    case_system.after(timedelta(days=3))
    escalated = type(case_system.escalator)(case_system.store, case_system.payload_builder).run_due(
        case_system.clock.now()
    )
    assert [step.case.id for step in escalated] == [case.id]


def test_at_the_end_it_is_supervised_once_and_stays_visible(case_system: CaseSystem) -> None:
    case = case_system.confirm()
    for _ in range(12):
        case_system.after(SILENCE)
        case_system.escalator.run_due(case_system.clock.now())
    events = Counter(entry.what for entry in case_system.case(case.id).entries)
    assert events[CaseEvent.ESCALATE] == 3
    assert events[CaseEvent.SUPERVISE] == 1
    with case_system.store.begin_read() as uow:
        assert [c.id for c in uow.cases.list(open_only=True)] == [case.id]
    assert case_system.retained(case.id, small_site.TOWN) is not None


def test_a_group_without_people_is_told_and_the_village_at_the_first_tick(
    case_system: CaseSystem,
) -> None:
    bare = type(case_system)(registry=small_site.registry("leader", "worker", "party"))
    case = bare.confirm()
    assert bare.retained(case.id) is not None
    bare.escalator.run_due(bare.clock.now())
    assert bare.retained(case.id, small_site.VILLAGE)["rung"]["person"] == "cadre"


class TestWhoCannotBeTold:
    """A rung whose person left, was locked out or has no contact costs no limit."""

    @pytest.fixture
    def people(self) -> dict[PersonId, Person]:
        return dict(small_site.registry().people)

    @pytest.fixture
    def system(self, case_system: CaseSystem, people: dict[PersonId, Person]) -> CaseSystem:
        return type(case_system)(registry=replace(small_site.registry(), people=people))

    def tick(self, system: CaseSystem) -> list[EscalationReason]:
        return [step.reason for step in system.escalator.run_due(system.clock.now())]

    def account(self, name: str, person: str, disabled_at: datetime | None) -> Account:
        return Account(
            name=name, duty=AccountRole.GRID_LEADER, shown_as=name, password="-",
            grid=small_site.GROUP, person=PersonId(person), created_at=small_site.NOON,
            disabled_at=disabled_at,
        )  # fmt: skip

    def test_one_who_left_while_the_case_waits_is_skipped_at_once(
        self, system: CaseSystem, people: dict[PersonId, Person]
    ) -> None:
        case = system.confirm()
        assert self.tick(system) == []
        del people[PersonId("leader")]
        assert self.tick(system) == [EscalationReason.OUT_OF_REACH]
        assert system.retained(case.id)["rung"]["person"] == "worker"
        last = system.case(case.id).entries[-1]
        assert last.what is CaseEvent.ESCALATE
        assert "leader: no longer in people.csv" in last.note
        assert system.case(case.id).ladder_due_at == system.clock.now() + SILENCE
        assert self.tick(system) == []

    def test_several_in_a_row_are_one_tick(
        self, system: CaseSystem, people: dict[PersonId, Person]
    ) -> None:
        case = system.confirm()
        del people[PersonId("worker")], people[PersonId("cadre")]
        assert self.tick(system) == []  # the leader is there, and is waited for
        system.after(SILENCE)
        assert self.tick(system) == [EscalationReason.SILENCE]
        assert system.retained(case.id, small_site.TOWN)["rung"]["person"] == "duty"
        notes = [entry.note for entry in system.case(case.id).entries]
        assert sum("no longer in people.csv" in note for note in notes) == 2

    def test_when_nobody_is_left_it_is_supervised_at_once(
        self, system: CaseSystem, people: dict[PersonId, Person]
    ) -> None:
        case = system.confirm()
        people.clear()
        assert self.tick(system) == [EscalationReason.OUT_OF_REACH]
        assert system.case(case.id).entries[-1].what is CaseEvent.SUPERVISE
        assert self.tick(system) == []

    @pytest.mark.parametrize("phone", ["", "13800000001"])
    def test_one_without_account_is_waited_for_only_where_a_telephone_is_known(
        self, system: CaseSystem, people: dict[PersonId, Person], phone: str
    ) -> None:
        leader = PersonId("leader")
        people[leader] = replace(people[leader], mqtt_user="", phone=phone)
        case = system.confirm()
        assert self.tick(system) == ([] if phone else [EscalationReason.OUT_OF_REACH])
        assert system.retained(case.id)["rung"]["person"] == ("leader" if phone else "worker")

    def test_a_login_is_a_contact(self, system: CaseSystem, people: dict[PersonId, Person]) -> None:
        leader = PersonId("leader")
        people[leader] = replace(people[leader], mqtt_user="", phone="")
        with system.store.begin() as uow:
            uow.accounts.put(self.account("l", "leader", None))
            uow.commit()
        system.confirm()
        assert self.tick(system) == []

    def test_one_whose_every_account_is_disabled_is_skipped(self, system: CaseSystem) -> None:
        case = system.confirm()
        for first, skipped in ((None, []), (small_site.NOON, [EscalationReason.OUT_OF_REACH])):
            with system.store.begin() as uow:
                uow.accounts.put(self.account("one", "leader", small_site.NOON))
                uow.accounts.put(self.account("two", "leader", first))
                uow.commit()
            assert self.tick(system) == skipped
        assert "leader: the account is disabled" in system.case(case.id).entries[-1].note

    def test_an_answered_case_waits_for_nobody(
        self, system: CaseSystem, people: dict[PersonId, Person]
    ) -> None:
        case = system.confirm()
        system.reply(case.id, "acknowledge")
        people.clear()
        assert self.tick(system) == []


class TestVerification:
    @pytest.fixture
    def fed_back(self, case_system: CaseSystem) -> Any:
        case = case_system.confirm()
        case_system.after(SILENCE)
        case_system.escalator.run_due(case_system.clock.now())
        case_system.after(SILENCE)
        case_system.escalator.run_due(case_system.clock.now())
        case_system.reply(case.id, "feedback", result="handled")
        return case_system.case(case.id)

    def recheck(self, case_system: CaseSystem, case: Any, *, gone: bool) -> Any:
        with case_system.store.begin() as uow:
            after = apply_recheck(
                uow,
                case.id,
                gone=gone,
                by="eye",
                now=case_system.clock.now(),
                payloads=case_system.payload_builder,
                after=AFTER,
            )
            uow.commit()
        return after

    def test_gone_closes_and_clears_every_topic(
        self, case_system: CaseSystem, fed_back: Any
    ) -> None:
        assert case_system.retained(fed_back.id, small_site.VILLAGE) is not None
        closed = self.recheck(case_system, fed_back, gone=True)
        assert closed.state is CaseState.CLOSED
        assert closed.after == AFTER
        assert (closed.recheck_due_at, closed.ladder_due_at) == (None, None)
        for grid in (small_site.GROUP, small_site.VILLAGE):
            assert case_system.retained(closed.id, grid) is None

    def test_still_there_is_reworked_and_the_ladder_runs_again(
        self, case_system: CaseSystem, fed_back: Any
    ) -> None:
        rework = self.recheck(case_system, fed_back, gone=False)
        assert rework.state is CaseState.REWORK
        assert case_system.retained(rework.id)["state"] == "rework"
        case_system.after(SILENCE)
        case_system.escalator.run_due(case_system.clock.now())
        assert case_system.retained(rework.id, small_site.TOWN)["rung"]["person"] == "duty"

    def test_twice_is_once(self, case_system: CaseSystem, fed_back: Any) -> None:
        closed = self.recheck(case_system, fed_back, gone=True)
        assert self.recheck(case_system, fed_back, gone=False) == closed

    def test_a_blind_camera_is_tried_later_and_in_the_end_a_person_looks(
        self, case_system: CaseSystem, fed_back: Any
    ) -> None:
        waits = []
        for _ in range(MAX_RECHECKS):
            with case_system.store.begin() as uow:
                now = case_system.clock.now()
                case = reschedule_recheck(
                    uow,
                    fed_back.id,
                    by="eye",
                    now=now,
                    why="unreachable",
                    payloads=case_system.payload_builder,
                )
                uow.commit()
            waits.append(case.recheck_due_at - now if case.recheck_due_at else None)
        assert waits == [*(RECHECK_AFTER * 2**n for n in range(MAX_RECHECKS - 1)), None]
        assert case.state is CaseState.FED_BACK
        assert case.entries[-1].what is CaseEvent.SUPERVISE


class TestCaseActions:
    def test_reassigned_it_leaves_one_grid_and_enters_another(
        self, case_system: CaseSystem
    ) -> None:
        case = case_system.confirm()
        case_system.reply(case.id, "feedback", result="not_my_grid")
        assert case_system.retained(case.id)["state"] == "returned"
        with case_system.store.begin() as uow:
            actions.reassign_case(
                uow,
                case.id,
                small_site.OTHER_GROUP,
                by="op",
                now=case_system.clock.now(),
                registry=case_system.registry,
                payloads=case_system.payload_builder,
            )
            uow.commit()
        assert case_system.retained(case.id) is None
        shown = case_system.retained(case.id, small_site.OTHER_GROUP)
        assert (shown["state"], shown["rung"]["person"]) == ("dispatched", "leader3")
        assert case_system.reply(case.id, "acknowledge", grid=small_site.OTHER_GROUP).reason == ""
        assert case_system.reply(case.id, "arrive").reason == "another_grid"

    def test_an_unknown_grid_is_refused_before_anything_changes(
        self, case_system: CaseSystem
    ) -> None:
        case = case_system.confirm()
        with case_system.store.begin() as uow, pytest.raises(KeyError):
            actions.reassign_case(
                uow,
                case.id,
                "620902104999001",
                by="op",
                now=case_system.clock.now(),
                registry=case_system.registry,
                payloads=case_system.payload_builder,
            )

    def test_voided_with_a_reason_it_is_cleared_and_may_not_come_back(
        self, case_system: CaseSystem
    ) -> None:
        case = case_system.confirm()
        self.end(case_system, case.id, CaseEvent.VOID)
        assert case_system.case(case.id).is_open, "one person has only asked for it"
        assert case_system.retained(case.id)["state"] == "dispatched"
        with pytest.raises(ApprovalImpossible, match="somebody else"):
            self.end(case_system, case.id, CaseEvent.VOID)
        self.end(case_system, case.id, CaseEvent.VOID, by="lead")
        assert case_system.retained(case.id) is None
        with pytest.raises(IllegalCaseTransition):
            self.reopen(case_system, case.id)

    def test_a_closed_case_comes_back_for_rework(self, case_system: CaseSystem) -> None:
        case = case_system.confirm()
        case_system.reply(case.id, "feedback", result="false_alarm")
        self.end(case_system, case.id, CaseEvent.CLOSE)
        assert case_system.retained(case.id) is None
        self.reopen(case_system, case.id)
        assert case_system.retained(case.id)["state"] == "rework"
        keys = [message.key for message in case_system.messages(case.id)]
        assert len(keys) == len(set(keys))

    def end(self, case_system: CaseSystem, case_id: str, event: CaseEvent, by: str = "op") -> None:
        with case_system.store.begin() as uow:
            now = case_system.clock.now()
            actions.end_case(
                uow,
                case_id,
                event,
                by=by,
                now=now,
                payloads=case_system.payload_builder,
                note="twice",
            )
            uow.commit()

    def reopen(self, case_system: CaseSystem, case_id: str) -> None:
        with case_system.store.begin() as uow:
            actions.reopen_case(
                uow,
                case_id,
                by="op",
                now=case_system.clock.now(),
                payloads=case_system.payload_builder,
                note="x",
            )
            uow.commit()


class TestApprovals:
    def test_a_leaders_extend_is_a_wish_that_the_desk_grants(self, case_system: CaseSystem) -> None:
        case = case_system.confirm()
        case_system.reply(case.id, "extend", text="等配件")
        request = case_system.case(case.id).request
        assert (request.kind, request.why) == (ApprovalKind.EXTENSION, "等配件")
        close_before = case_system.retained(case.id)["due"]["close"]
        with case_system.store.begin() as uow:
            actions.approve(
                uow,
                case.id,
                by="lead",
                now=case_system.clock.now(),
                payloads=case_system.payload_builder,
            )
            uow.commit()
        assert case_system.retained(case.id)["due"]["close"] > close_before, "the leader sees it"

    def test_suspended_it_is_left_alone_until_it_goes_on(self, case_system: CaseSystem) -> None:
        case = case_system.confirm()
        self.suspend(case_system, case.id)
        case_system.after(timedelta(days=20))
        assert case_system.escalator.run_due(case_system.clock.now()) == []
        with case_system.store.begin() as uow:
            actions.resume_case(
                uow,
                case.id,
                by="lead",
                now=case_system.clock.now(),
                payloads=case_system.payload_builder,
            )
            uow.commit()
        case_system.after(SILENCE)
        assert [step.reason for step in case_system.escalator.run_due(case_system.clock.now())] == [
            EscalationReason.SILENCE
        ]

    def test_handled_ends_the_pause_and_is_looked_at(self, case_system: CaseSystem) -> None:
        case = case_system.confirm()
        self.suspend(case_system, case.id)
        case_system.reply(case.id, "opened")
        assert case_system.case(case.id).suspension is not None
        case_system.reply(case.id, "feedback", result="handled")
        after = case_system.case(case.id)
        assert (after.state, after.suspension) == (CaseState.FED_BACK, None)
        assert after.recheck_due_at == case_system.clock.now()

    def suspend(self, case_system: CaseSystem, case_id: str) -> None:
        now = case_system.clock.now()
        request = ApprovalRequest(kind=ApprovalKind.SUSPENSION, by="op", at=now, why="封路")
        with case_system.store.begin() as uow:
            actions.request_approval(uow, case_id, request, payloads=case_system.payload_builder)
            actions.approve(uow, case_id, by="lead", now=now, payloads=case_system.payload_builder)
            uow.commit()
