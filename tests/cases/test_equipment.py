"""Cases about cameras and the maintenance queue: one thing, fixed when it is seen well."""

from dataclasses import replace
from typing import Any

import pytest

from patrol.cases.equipment import settle_recovered, take_trouble
from patrol.domain.case import Case, CaseEvent, CaseState
from patrol.domain.finding import Origin
from patrol.domain.health import RECOVERED, Trouble, TroubleAlreadyTaken, TroubleKind
from patrol.domain.observation import Subject
from simulators import small_site
from tests.support.case_system import SITE, CaseSystem

CAMERA, TOWN, NOON = small_site.CAMERA, small_site.TOWN, small_site.NOON
FAULT: dict[str, Any] = {"subject": Subject.EQUIPMENT, "kind": "blur", "category": "blur"}


def open_trouble(system: CaseSystem) -> Trouble:
    with system.store.begin() as uow:
        opened = uow.troubles.open(
            Trouble(
                kind=TroubleKind.CAMERA, subject=CAMERA, state="faulty", since=NOON,
                opened_at=NOON, why="blur", cameras=(CAMERA,),
            )
        )  # fmt: skip
        uow.commit()
    assert opened is not None
    return opened


def fault(system: CaseSystem, ident: str = "F000001", **more: Any) -> Case:
    return system.confirm(replace(small_site.finding(ident), **{**FAULT, **more}))


def trouble(system: CaseSystem, number: int) -> Trouble:
    with system.store.begin_read() as uow:
        return uow.troubles.get(number)


def seen_well(system: CaseSystem) -> int:
    with system.store.begin() as uow:
        ended = settle_recovered(
            uow, CAMERA, by="patrol", now=system.clock.now(), payloads=system.payload_builder
        )
        uow.commit()
    return ended


def reply(system: CaseSystem, case: Case, kind: str, person: str = "fixer", **more: Any) -> str:
    topic = f"patrol/v1/{SITE}/grid/{TOWN}/equipment/person/{person}/reply/{case.id}"
    return system.receive(topic, {"v": 1, "key": f"{kind}-{person}", "type": kind, **more}).outcome


def test_the_queue_bears_the_case_s_number_and_the_person_who_answers(
    case_system: CaseSystem,
) -> None:
    opened = open_trouble(case_system)
    assert opened.label == f"№{opened.number}"
    case = fault(case_system)
    assert trouble(case_system, opened.number).label == case.id
    assert reply(case_system, case, "acknowledge") == "moved"
    taken = trouble(case_system, opened.number)
    assert (taken.taken_by, taken.taken_at) == ("fixer", case_system.clock.now())


def test_taking_it_from_the_queue_acknowledges_the_case_once(case_system: CaseSystem) -> None:
    opened, case = open_trouble(case_system), fault(case_system)
    with case_system.store.begin() as uow:
        take_trouble(uow, opened.number, by="fixer", now=NOON, payloads=case_system.payload_builder)
        uow.commit()
    after = case_system.case(case.id)
    assert (after.state, after.entries[-1].by) == (CaseState.ACKNOWLEDGED, "fixer")
    assert after.ladder_due_at is None
    with case_system.store.begin() as uow, pytest.raises(TroubleAlreadyTaken):
        take_trouble(uow, opened.number, by="x", now=NOON, payloads=case_system.payload_builder)


@pytest.mark.parametrize("said", [(), ("acknowledge",), ("acknowledge", "arrive"), ("feedback",)])
def test_it_is_fixed_when_a_visit_sees_the_camera_well(
    case_system: CaseSystem, said: tuple[str, ...]
) -> None:
    opened, case = open_trouble(case_system), fault(case_system)
    for kind in said:
        more = {"result": "handled"} if kind == "feedback" else {}
        assert reply(case_system, case, kind, **more) == "moved"
    assert seen_well(case_system) == 1
    after = case_system.case(case.id)
    assert after.state is CaseState.CLOSED
    assert [e.what for e in after.entries[-2:]] == [CaseEvent.RECOVER, CaseEvent.CLOSE]
    over = trouble(case_system, opened.number)
    assert (over.closed_why, over.case) == (RECOVERED, case.id)
    assert case_system.retained(case.id, TOWN) is None, "the maintainer's topic is cleared"


def test_said_to_be_handled_it_is_open_until_then(case_system: CaseSystem) -> None:
    opened, case = open_trouble(case_system), fault(case_system)
    reply(case_system, case, "feedback", result="handled")
    assert case_system.case(case.id).state is CaseState.FED_BACK
    assert trouble(case_system, opened.number).closed_at is None


def test_what_a_person_filed_the_machine_does_not_end(case_system: CaseSystem) -> None:
    case = fault(case_system, origin=Origin.OPERATOR)
    assert seen_well(case_system) == 0
    assert case_system.case(case.id).is_open


def test_what_happened_in_a_yard_is_not_ended_by_a_good_picture(case_system: CaseSystem) -> None:
    case = case_system.confirm()
    assert seen_well(case_system) == 0
    assert case_system.case(case.id).is_open


def test_with_two_faults_the_queue_goes_on_under_the_other_s_number(
    case_system: CaseSystem,
) -> None:
    opened, first = open_trouble(case_system), fault(case_system)
    second = fault(case_system, "F000002", kind="occlusion", category="occlusion")
    assert trouble(case_system, opened.number).case == first.id
    assert seen_well(case_system) == 2
    over = trouble(case_system, opened.number)
    assert (over.case, over.closed_why) == (second.id, RECOVERED)


@pytest.mark.parametrize("person", ["leader", "cadre", "party"])
def test_nobody_else_answers_on_a_maintainer_s_topic_under_the_own_grid(
    case_system: CaseSystem, person: str
) -> None:
    """The case was never told to the group; the broker forbids them the town's topic anyway."""
    case = fault(case_system)
    topic = f"patrol/v1/{SITE}/grid/{small_site.GROUP}/equipment/person/{person}/reply/{case.id}"
    body = {"v": 1, "key": "k", "type": "acknowledge"}
    assert case_system.receive(topic, body).reason == "another_grid"


def test_a_maintainer_s_topic_takes_no_reply_about_a_yard(case_system: CaseSystem) -> None:
    case = case_system.confirm()
    topic = f"patrol/v1/{SITE}/grid/{small_site.GROUP}/equipment/person/fixer/reply/{case.id}"
    body = {"v": 1, "key": "k", "type": "acknowledge"}
    assert case_system.receive(topic, body).reason == "another_grid"
    assert case_system.case(case.id).state is CaseState.DISPATCHED
