"""The gate and the release, on whole books: what waits, what goes, and that nothing is lost."""

from datetime import timedelta
from typing import Any

import pytest

from patrol.cases import actions
from patrol.cases.reply_handler import ReplyOutcome
from patrol.cases.save_and_send import HeldCaseReleaser, SendGate
from patrol.domain.case import Case, CaseEvent
from patrol.domain.case_timers import ApprovalKind, ApprovalRequest
from patrol.domain.observation import Subject
from patrol.domain.priority import Level
from patrol.domain.schedule import StoppageScope
from patrol.domain.send_policy import SendLimits
from patrol.integrations.notifications import NotificationTarget, UnreachedNotifier
from simulators import small_site
from tests.support.case_system import CaseSystem

MINUTE = timedelta(minutes=1)


@pytest.fixture
def send_gate(case_system: CaseSystem) -> SendGate:
    limits = SendLimits(new_per_hour=2, repeat_every=10 * MINUTE)
    return SendGate(site="shangba", registry=case_system.registry, limits=limits)


@pytest.fixture
def release(case_system: CaseSystem, send_gate: SendGate) -> HeldCaseReleaser:
    return HeldCaseReleaser(
        store=case_system.store, send_gate=send_gate, payloads=case_system.payload_builder
    )


def confirmed(case_system: CaseSystem, send_gate: SendGate, number: int, **more: Any) -> Case:
    """A case of its own category a minute after the last one."""
    case_system.after(MINUTE)
    finding = small_site.finding(f"F{number}", category=f"kind_{number}", **more.pop("lead", {}))
    return case_system.confirm(finding, send_gate=send_gate, **more)


def announced_ids(case_system: CaseSystem, *cases: Case) -> list[str]:
    return [case.id for case in cases if case_system.messages(case.id)]


def test_a_burst_goes_out_as_the_first_few_and_one_bundle(
    case_system: CaseSystem, send_gate: SendGate, release: HeldCaseReleaser
) -> None:
    cases = [confirmed(case_system, send_gate, number) for number in range(6)]
    assert announced_ids(case_system, *cases) == [case.id for case in cases[:2]]
    held = [case_system.case(case.id).hold for case in cases[2:]]
    opens = small_site.NOON + 61 * MINUTE  # an hour after the first
    assert {hold.until for hold in held} == {opens}
    case_system.clock.current = opens - timedelta(seconds=1)
    assert release.run_due(case_system.clock.now()) == 0
    case_system.clock.current = opens
    assert release.run_due(opens) == 4
    assert announced_ids(case_system, *cases) == [case.id for case in cases]
    assert release.run_due(opens) == 0
    assert case_system.retained(cases[5].id)["due"]["ack"] == "2026-11-22T07:01:00Z"
    assert send_gate.counters == {"held:grid_busy": 4, "released": 4}


def test_another_grid_urgent_ones_and_reports_from_the_ground_do_not_wait(
    case_system: CaseSystem, send_gate: SendGate
) -> None:
    for number in range(2):
        confirmed(case_system, send_gate, number)
    elsewhere = {"camera": small_site.SECOND_CAMERA, "grid": small_site.SECOND_GROUP}
    assert confirmed(case_system, send_gate, 3, lead=elsewhere).hold is None
    assert confirmed(case_system, send_gate, 4, level=Level.PRESSING).hold is None
    assert confirmed(case_system, send_gate, 5).hold is not None
    topic = f"patrol/v1/shangba/grid/{small_site.GROUP}/report"
    reported = case_system.receive(topic, {"v": 1, "key": "k", "text": "渠边有垃圾"})
    assert reported.outcome is ReplyOutcome.REPORTED
    assert announced_ids(case_system, case_system.case(reported.case)) == [reported.case]


def test_nobody_can_answer_what_nobody_was_told_and_no_silence_runs(
    case_system: CaseSystem, send_gate: SendGate, release: HeldCaseReleaser
) -> None:
    cases = [confirmed(case_system, send_gate, number) for number in range(3)]
    waits = cases[2].id
    case_system.relay.run_until_empty(1.0)
    assert case_system.reply(waits, "acknowledge").reason == "another_grid"
    unheard = UnreachedNotifier(
        store=case_system.store,
        registry=case_system.registry,
        targets=[NotificationTarget("n", frozenset({"unheard"}))],
    )
    case_system.clock.current = small_site.NOON + 61 * MINUTE
    assert unheard.run_due(case_system.clock.now()) == 0
    assert case_system.escalator.run_due(case_system.clock.now()) == []
    release.run_due(case_system.clock.now())
    sent_at = case_system.clock.now()
    case_system.relay.run_until_empty(1.0)
    case_system.after(timedelta(hours=2) - MINUTE)
    escalated = [step.case.id for step in case_system.escalator.run_due(case_system.clock.now())]
    assert escalated == [cases[0].id, cases[1].id]
    case_system.after(MINUTE)
    assert [step.case.id for step in case_system.escalator.run_due(case_system.clock.now())] == [
        waits
    ]
    assert case_system.case(waits).dispatched_at == sent_at


def test_a_fault_is_not_told_while_somebody_repairs_it(
    case_system: CaseSystem, send_gate: SendGate, release: HeldCaseReleaser
) -> None:
    now = case_system.clock.now()
    with case_system.store.begin() as uow:
        stoppage = uow.stoppages.add(
            scope=StoppageScope.GRID,
            subject=small_site.VILLAGE,
            start=now,
            until=None,
            reason="换交换机",
            by="op",
            now=now,
        )
        uow.commit()
    fault = {"subject": Subject.EQUIPMENT, "kind": "blur"}
    case = confirmed(case_system, send_gate, 1, lead=fault, category="equipment", level=Level.NOTE)
    assert case.hold is not None
    assert case.hold.why == "in_maintenance"
    case_system.after(15 * MINUTE)
    assert release.run_due(case_system.clock.now()) == 0
    with case_system.store.begin() as uow:
        uow.stoppages.end(stoppage.number, by="op", now=case_system.clock.now())
        uow.commit()
    case_system.after(15 * MINUTE)
    assert release.run_due(case_system.clock.now()) == 1
    assert [e.what for e in case_system.case(case.id).entries] == [
        CaseEvent.DISPATCH,
        CaseEvent.HOLD,
        CaseEvent.RELEASE,
    ]
    assert case_system.retained(case.id, small_site.TOWN)["rung"]["person"] == "fixer"


def test_repeats_are_notified_together(
    case_system: CaseSystem, send_gate: SendGate, release: HeldCaseReleaser
) -> None:
    case = confirmed(case_system, send_gate, 1)
    for number in range(2, 6):
        case_system.after(MINUTE)
        case_system.confirm(
            small_site.finding(f"F{number}", category="kind_1"), send_gate=send_gate
        )
    assert case_system.retained(case.id)["count"] == 2
    assert case_system.case(case.id).count == 5
    case_system.after(10 * MINUTE)
    assert release.run_due(case_system.clock.now()) == 1
    assert case_system.retained(case.id)["count"] == 5
    assert len(case_system.messages(case.id)) == 3


def test_reassigned_while_it_waits_it_goes_at_once(
    case_system: CaseSystem, send_gate: SendGate
) -> None:
    waits = [confirmed(case_system, send_gate, number) for number in range(3)][2]
    case_system.after(9 * MINUTE)
    with case_system.store.begin() as uow:
        actions.reassign_case(
            uow, waits.id, small_site.OTHER_GROUP, by="op", now=case_system.clock.now(),
            registry=case_system.registry, payloads=case_system.payload_builder,
        )  # fmt: skip
        uow.commit()
    case = case_system.case(waits.id)
    assert (case.hold, case.dispatched_at) == (None, case_system.clock.now())
    assert case.ladder_due_at == case_system.clock.now() + timedelta(hours=2)
    assert case_system.retained(case.id, small_site.OTHER_GROUP)["rung"]["person"] == "leader3"


def test_voided_while_it_waits_nobody_hears_of_it(
    case_system: CaseSystem, send_gate: SendGate, release: HeldCaseReleaser
) -> None:
    waits = [confirmed(case_system, send_gate, number) for number in range(3)][2]
    for by in ("op", "lead"):
        with case_system.store.begin() as uow:
            now = case_system.clock.now()
            actions.end_case(
                uow,
                waits.id,
                CaseEvent.VOID,
                by=by,
                now=now,
                payloads=case_system.payload_builder,
                note="重复",
            )
            uow.commit()
    case_system.after(timedelta(hours=2))
    assert release.run_due(case_system.clock.now()) == 0
    assert case_system.retained(waits.id) is None


def test_suspended_is_seen_on_the_wire_and_extended_moves_its_limits(
    case_system: CaseSystem,
) -> None:
    case, now = case_system.confirm(), case_system.clock.now()
    before = case_system.retained(case.id)
    assert before["suspended"] is None
    with case_system.store.begin() as uow:
        asked(case_system, uow, case, "extension")
        extended = actions.approve(
            uow, case.id, by="lead", now=now, payloads=case_system.payload_builder
        )
        uow.commit()
    after = case_system.retained(case.id)
    assert after["due"]["ack"] == "2026-11-22T07:00:00Z"
    assert before["due"]["ack"] == "2026-11-22T06:00:00Z"
    assert after["revision"] == extended.revision
    with case_system.store.begin() as uow:
        asked(case_system, uow, case, "suspension")
        actions.approve(uow, case.id, by="lead", now=now, payloads=case_system.payload_builder)
        uow.commit()
    assert case_system.retained(case.id)["suspended"] == {"since": "2026-11-22T04:00:00Z"}
    case_system.after(timedelta(days=1))
    with case_system.store.begin() as uow:
        actions.resume_case(
            uow,
            case.id,
            by="lead",
            now=case_system.clock.now(),
            payloads=case_system.payload_builder,
        )
        uow.commit()
    assert case_system.retained(case.id)["suspended"] is None
    assert case_system.retained(case.id)["due"]["ack"] == "2026-11-23T07:00:00Z"


def asked(case_system: CaseSystem, uow: Any, case: Case, approval_kind: str) -> None:
    request = ApprovalRequest(
        kind=ApprovalKind(approval_kind),
        by="op",
        at=case_system.clock.now(),
        why="大雪",
        span_s=3600,
    )
    actions.request_approval(uow, case.id, request, payloads=case_system.payload_builder)
