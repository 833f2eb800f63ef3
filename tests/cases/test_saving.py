"""Saving a case: one revision and one set of messages an action, whatever events it is made of."""

from dataclasses import replace
from datetime import timedelta

import pytest

from patrol.cases.save_and_send import (
    SEND_AT_ONCE,
    SendGate,
    merge_into_case,
    queued_message_count,
    save_case,
)
from patrol.domain.case import Case, CaseEvent
from patrol.domain.send_policy import SendLimits
from simulators import small_site
from tests.support.case_system import CaseSystem


def save(case_system: CaseSystem, before: Case, after: Case) -> Case:
    with case_system.store.begin() as uow:
        saved = save_case(uow, before, after, case_system.payload_builder, case_system.clock.now())
        uow.commit()
    return saved


def merge(case_system: CaseSystem, case: Case, gate: SendGate) -> Case:
    case_system.after(timedelta(minutes=1))
    with case_system.store.begin() as uow:
        merged = merge_into_case(
            uow, case_system.case(case.id), by="patrol", now=case_system.clock.now(), note="car",
            payloads=case_system.payload_builder, send_gate=gate,
        )  # fmt: skip
        uow.commit()
    return merged


@pytest.fixture
def send_gate(case_system: CaseSystem) -> SendGate:
    limits = SendLimits(repeat_every=timedelta(minutes=10))
    return SendGate(site="shangba", registry=case_system.registry, limits=limits)


def test_several_events_of_one_action_are_one_revision(case_system: CaseSystem) -> None:
    case, now = case_system.confirm(), case_system.clock.now()
    handled = case.apply_event(CaseEvent.HANDLE, at=now, by="leader")
    fed_back = handled.apply_event(CaseEvent.FEED_BACK, at=now, by="leader")
    assert save(case_system, case, fed_back).revision == 1
    assert case_system.case(case.id).revision == 1
    assert [m.key for m in case_system.messages(case.id)] == [
        f"{case.id}-r0-{small_site.GROUP}", f"{case.id}-r1-{small_site.GROUP}",
    ]  # fmt: skip


def test_what_leaders_do_not_see_is_saved_and_not_announced(case_system: CaseSystem) -> None:
    case = case_system.confirm()
    noted = case.apply_event(CaseEvent.PHONE, at=case_system.clock.now(), by="op")
    assert save(case_system, case, noted).revision == 0
    assert case_system.case(case.id).entries[-1].what is CaseEvent.PHONE
    assert len(case_system.messages(case.id)) == 1
    assert save(case_system, noted, replace(noted)) is noted, "unchanged: nothing is written"


def test_a_merge_is_counted_and_announced_and_the_next_ones_wait(
    case_system: CaseSystem, send_gate: SendGate
) -> None:
    case = case_system.confirm()
    first = merge(case_system, case, send_gate)
    assert (first.count, first.revision, queued_message_count(first)) == (2, 1, 1)
    second = merge(case_system, case, send_gate)
    assert (second.count, second.revision, queued_message_count(second)) == (3, 1, 0)
    assert second.hold is not None
    assert second.hold.why == "told_lately"
    assert len(case_system.messages(case.id)) == 2


def test_without_limits_no_merge_waits(case_system: CaseSystem) -> None:
    case = case_system.confirm()
    merge(case_system, case, SEND_AT_ONCE)
    assert merge(case_system, case, SEND_AT_ONCE).revision == 2
    assert len(case_system.messages(case.id)) == 3
