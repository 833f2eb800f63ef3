"""Cases: seen within one's scope, moved by whom it belongs to, with a reason."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from patrol.domain.case import CaseState

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


def test_a_move_needs_its_right_and_its_reason(log_in: LogIn, town: Any) -> None:
    path = f"/api/cases/{town.case.id}/move"
    asked = {"move": "void", "note": "误报"}
    assert log_in("cadre").post(path, json=asked).status_code == 403
    assert log_in("operator").post(path, json=asked).status_code == 403
    assert log_in("duty_lead").post(path, json={"move": "void"}).status_code == 422
    unknown = {"move": "reassign", "note": "x", "grid": "620902104999999"}
    assert log_in("operator").post(path, json=unknown).status_code == 404


def test_a_case_given_to_another_grid_is_seen_there(log_in: LogIn, town: Any) -> None:
    with town.store.begin_read() as uow:
        case = next(
            c
            for c in uow.cases.list(open_only=True)
            if c.state in (CaseState.DISPATCHED, CaseState.ACKNOWLEDGED, CaseState.ARRIVED)
            and c.id != town.case.id
        )
    grids = town.doors.registry.tree.grids
    to = next(code for code, grid in grids.items() if grid.parent == grids[case.grid].parent
              and code != case.grid)  # fmt: skip
    asked = {"move": "reassign", "note": "不在本组", "grid": to}
    said = log_in("operator").post(f"/api/cases/{case.id}/move", json=asked)
    assert said.json() == {"state": "dispatched"}
    with town.store.begin_read() as uow:
        moved = uow.cases.get(case.id)
    assert moved.grid == to
    assert moved.entries[-1].by == "operator"
    assert "不在本组" in moved.entries[-1].note
    again = {"move": "reopen", "note": "x"}
    assert log_in("duty_lead").post(f"/api/cases/{case.id}/move", json=again).status_code == 409


def test_an_unknown_case_is_not_found(log_in: LogIn) -> None:
    assert log_in("operator").get("/cases/C20200101-0001").status_code == 404
