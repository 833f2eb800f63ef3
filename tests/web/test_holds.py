"""Legal holds in console and API: set with a reference, seen at the case, ended by a person."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

LogIn = Callable[[str], httpx.Client]
ORDER = {"reference": "酒公调〔2026〕12号", "reason": "案件侦办"}


@pytest.fixture
def case_id(town: Any) -> str:
    """Any case of the town."""
    with town.store.begin_read() as uow:
        return str(uow.cases.list(limit=1)[0].id)


def test_a_supervisor_sets_and_ends_a_hold_and_the_case_shows_it(
    log_in: LogIn, town: Any, case_id: str
) -> None:
    lead = log_in("duty_lead")
    form = {"scope": "case", "subject": case_id, **ORDER}
    made = lead.post("/api/holds", json=form)
    assert (made.status_code, made.json()["in_force"]) == (201, True)
    page = lead.get("/holds").text
    assert ORDER["reference"] in page
    assert ORDER["reason"] in lead.get(f"/cases/{case_id}").text
    assert ORDER["reason"] not in log_in("cadre").get(f"/cases/{case_id}").text
    assert ORDER["reference"] in log_in("auditor").get("/holds").text
    number = made.json()["number"]
    ended = lead.post("/api/holds/end", json={"number": number, "reason": "解除"})
    assert ended.json()["ended_by"] == "duty_lead"
    assert lead.post("/api/holds/end", json={"number": number, "reason": "x"}).status_code == 422
    assert "解除" in lead.get("/holds?which=all").text
    with town.store.begin_read() as uow:
        assert [e.what for e in uow.access.entries(limit=2, who="duty_lead")] == [
            "end_hold",
            "set_hold",
        ]


@pytest.mark.parametrize(
    "form",
    [
        {"scope": "case", "subject": "C19990101-0001", **ORDER},
        {"scope": "camera", "subject": "1" * 20, **ORDER},
        {"scope": "camera", "subject": "{camera}", "reference": "  ", "reason": "x"},
        {"scope": "camera", "subject": "{camera}", "reference": "1", "reason": ""},
        {"scope": "town", "subject": "x", **ORDER},
        {"scope": "case", "subject": "x", "reference": "1" * 121, "reason": "x"},
    ],
)
def test_what_says_too_little_is_refused(log_in: LogIn, town: Any, form: dict[str, str]) -> None:
    camera = next(iter(town.app.registry.cameras))
    body = {name: value.format(camera=camera) for name, value in form.items()}
    assert log_in("duty_lead").post("/api/holds", json=body).status_code == 422


@pytest.mark.parametrize("who", ["operator", "auditor", "cadre", "leader", "maintainer"])
def test_nobody_else_sets_one(log_in: LogIn, case_id: str, who: str) -> None:
    form = {"scope": "case", "subject": case_id, **ORDER}
    assert log_in(who).post("/api/holds", json=form).status_code == 403
