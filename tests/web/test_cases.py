"""Cases: seen within one's scope, moved by whom it belongs to, with a reason."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest

from patrol.domain.case import Case, CaseEvent, CaseState
from patrol.domain.ids import CaseId

LogIn = Callable[[str], httpx.Client]


@pytest.mark.parametrize(
    ("who", "status"),
    [
        ("operator", 200),
        ("duty_lead", 200),
        ("cadre", 200),
        ("far_cadre", 403),
        ("leader", 403),  # the phone page is the leader's; the desk's pages are not
        ("maintainer", 403),  # a scene in somebody's yard
        ("auditor", 403),
        ("admin", 403),
    ],
)
def test_who_sees_a_case(log_in: LogIn, town: Any, who: str, status: int) -> None:
    for path in (f"/cases/{town.case.id}", f"/cases/{town.case.id}/part"):
        assert log_in(who).get(path).status_code == status


def test_the_board_shows_each_only_what_is_theirs(log_in: LogIn, town: Any) -> None:
    assert town.case.id in log_in("operator").get("/cases").text
    assert town.case.id in log_in("cadre").get("/cases/part").text
    assert town.case.id not in log_in("far_cadre").get("/cases").text
    assert town.case.id not in log_in("maintainer").get("/cases").text
    assert town.case.id not in log_in("operator").get("/cases?text=没有这样的").text


@pytest.fixture
def copy(town: Any) -> Case:
    """A case just dispatched, that nobody else looks at, whatever other tests did to theirs."""
    with town.store.begin() as uow:
        number = uow.next_number("copies of the test")
        again = replace(
            town.case, id=CaseId(f"C20200101-{number:04d}"), finding=None, after=None,
            state=CaseState.DISPATCHED, rung=0, recheck_due_at=None, recheck_count=0,
            request=None, suspension=None, hold=None, supervision=None,
        ).dispatched(by="operator", note="copy")  # fmt: skip
        uow.cases.add(again)
        for message in town.app.payloads.case_messages(again, town.app.clock.now()):
            uow.outbox.add(message)  # the outbox must stay consistent
        uow.commit()
    return again


def test_a_move_needs_its_right_and_its_reason(log_in: LogIn, town: Any) -> None:
    path = f"/api/cases/{town.case.id}/move"
    asked = {"move": "void", "note": "误报"}
    assert log_in("cadre").post(path, json=asked).status_code == 403
    assert log_in("auditor").post(path, json=asked).status_code == 403
    assert log_in("operator").post(path, json={"move": "close", "note": "x"}).status_code == 403
    assert log_in("operator").post(path, json={"move": "void"}).status_code == 422
    assert log_in("operator").post(path, json={"move": "burn", "note": "x"}).status_code == 404
    unknown = {"move": "reassign", "note": "x", "grid": "620902104999999"}
    assert log_in("operator").post(path, json=unknown).status_code == 404


def test_a_request_is_granted_by_another_person(log_in: LogIn, town: Any, copy: Case) -> None:
    path = f"/api/cases/{copy.id}/move"
    operator, supervisor = log_in("operator"), log_in("duty_lead")
    request = {"move": "extend", "note": "等吊车", "hours": 24}
    assert operator.post(path, json=request).status_code == 200
    assert operator.post(path, json=request).status_code == 409
    assert "等吊车" in supervisor.get(f"/cases/{copy.id}").text
    assert operator.post(path, json={"move": "grant"}).status_code == 403
    assert 'data-move="grant"' not in operator.get(f"/cases/{copy.id}").text
    assert 'data-move="grant"' in supervisor.get(f"/cases/{copy.id}").text
    assert supervisor.post(path, json={"move": "grant"}).status_code == 200
    with town.store.begin_read() as uow:
        granted = uow.cases.get(copy.id)
    assert granted.request is None
    assert granted.policy.limits.close > copy.policy.limits.close


def test_nobody_grants_an_own_request(log_in: LogIn, town: Any, copy: Case) -> None:
    path = f"/api/cases/{copy.id}/move"
    supervisor = log_in("duty_lead")
    assert supervisor.post(path, json={"move": "void", "note": "重复"}).status_code == 200
    assert supervisor.post(path, json={"move": "grant"}).status_code == 403
    assert log_in("operator").post(path, json={"move": "withdraw"}).status_code == 403
    assert supervisor.post(path, json={"move": "withdraw"}).status_code == 200
    with town.store.begin_read() as uow:
        assert uow.cases.get(copy.id).is_open
        assert uow.cases.get(copy.id).request is None


def test_a_suspended_case_shows_no_time_until_it_goes_on(
    log_in: LogIn, town: Any, copy: Case
) -> None:
    path = f"/api/cases/{copy.id}/move"
    asked = {"move": "suspend", "note": "等水利站放水"}
    assert log_in("operator").post(path, json=asked).status_code == 200
    assert log_in("duty_lead").post(path, json={"move": "grant"}).status_code == 200
    assert "挂起（暂停计时）" in log_in("operator").get(f"/cases/{copy.id}").text
    assert "挂起</span>" in log_in("operator").get(f"/cases?text={copy.id}").text
    assert log_in("operator").post(path, json={"move": "resume"}).status_code == 403
    assert log_in("duty_lead").post(path, json={"move": "resume"}).status_code == 200
    assert "挂起（暂停计时）" not in log_in("operator").get(f"/cases/{copy.id}").text


def test_a_person_verifies_whether_it_is_done(log_in: LogIn, town: Any, copy: Case) -> None:
    with town.store.begin() as uow:
        done = copy.apply_event(CaseEvent.FEED_BACK, at=town.app.clock.now(), by="leader")
        uow.cases.put(replace(done, recheck_due_at=None, after=copy.before))
        uow.commit()
    operator = log_in("operator")
    page = operator.get(f"/cases/{copy.id}").text
    assert "等待人工核查" in page
    assert page.count('src="/picture/') == 2
    assert "待人工核查" in operator.get(f"/cases?text={copy.id}").text
    answer = operator.post(f"/api/cases/{copy.id}/move", json={"move": "gone"})
    assert answer.json() == {"state": "closed"}
    with town.store.begin_read() as uow:
        assert uow.cases.get(copy.id).entries[-2].by == "operator"


def test_every_message_stands_in_the_timeline(log_in: LogIn, town: Any) -> None:
    with town.store.begin_read() as uow:
        messages = uow.outbox.of_case(town.case.id)
    assert messages
    html = log_in("operator").get(f"/cases/{town.case.id}").text
    assert html.count('<span class="dimmed">→ ') == len(messages)


@pytest.mark.parametrize("event", [None, CaseEvent.ACKNOWLEDGE, CaseEvent.ARRIVE])
def test_a_case_given_to_another_grid_is_seen_there(
    log_in: LogIn, town: Any, copy: Case, event: CaseEvent | None
) -> None:
    case = copy
    if event is not None:
        case = copy.apply_event(event, at=town.app.clock.now(), by="leader")
        with town.store.begin() as uow:
            uow.cases.put(case)
            uow.commit()
    grids = town.app.registry.tree.grids
    to = next(code for code, grid in grids.items() if grid.parent == grids[case.grid].parent
              and code != case.grid)  # fmt: skip
    asked = {"move": "reassign", "note": "不在本组", "grid": to}
    noted = log_in("operator").post(f"/api/cases/{case.id}/move", json=asked)
    assert noted.json() == {"state": "dispatched"}
    with town.store.begin_read() as uow:
        moved = uow.cases.get(case.id)
    assert moved.grid == to
    assert moved.entries[-1].by == "operator"
    assert "不在本组" in moved.entries[-1].note
    again = {"move": "reopen", "note": "x"}
    assert log_in("duty_lead").post(f"/api/cases/{case.id}/move", json=again).status_code == 409


def test_an_unknown_case_is_not_found(log_in: LogIn) -> None:
    assert log_in("operator").get("/cases/C20190101-0001").status_code == 404
