"""The shift's pages: a hand-over signed by both, what is stopped by whom, the maintenance queue."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import httpx
import pytest

from patrol.domain.health import Trouble, TroubleKind
from patrol.domain.ids import RoundId
from patrol.domain.round import ADHOC

LogIn = Callable[[str], httpx.Client]
EVERYBODY = ("operator", "duty_lead", "cadre", "leader", "maintainer", "auditor", "admin")
WHO_MAY = [
    ("/shift", {"operator", "duty_lead"}),
    ("/stoppages", {"operator", "duty_lead", "maintainer"}),
    ("/troubles", {"operator", "duty_lead", "maintainer"}),
]


@pytest.mark.parametrize(("path", "allowed"), WHO_MAY)
@pytest.mark.parametrize("who", EVERYBODY)
def test_who_may_open_what(log_in: LogIn, path: str, allowed: set[str], who: str) -> None:
    assert log_in(who).get(path).status_code == (200 if who in allowed else 403)
    for call in ("/api/shift/give", "/api/stoppages", "/api/troubles/1/take"):
        if path.split("/")[1] in call and who not in allowed:
            assert log_in(who).post(call, json={}).status_code == 403


def test_a_shift_goes_from_one_to_the_next_signed_by_both(log_in: LogIn, town: Any) -> None:
    goes, comes = log_in("operator"), log_in("duty_lead")
    assert comes.post("/api/shift/take", json={}).status_code == 409
    assert goes.post("/api/shift/give", json={"to": "operator"}).status_code == 409
    assert goes.post("/api/shift/give", json={"to": "leader"}).status_code == 422
    given = goes.post("/api/shift/give", json={"to": "duty_lead", "note": "东沟村停电"})
    assert given.status_code == 201
    assert log_in("operator2").post("/api/shift/take", json={}).status_code == 409
    page = comes.get("/shift").text
    assert "东沟村停电" in page
    assert "/api/shift/take" in page
    assert "/api/shift/take" not in goes.get("/shift").text
    taken = comes.post("/api/shift/take", json={"note": "收到"})
    assert taken.json()["digest"] == given.json()["digest"]
    assert "签字链完整" in goes.get("/shift").text
    assert goes.post("/api/shift/give", json={"to": "duty_lead"}).status_code == 409
    back = comes.post("/api/shift/give", json={"to": "operator"})
    assert back.status_code == 201
    assert goes.post("/api/shift/take", json={}).status_code == 201


def test_maintenance_is_added_and_ended(log_in: LogIn, town: Any) -> None:
    camera = next(iter(town.app.registry.cameras))
    asked = {"scope": "camera", "subject": camera, "reason": "换镜头"}
    assert log_in("operator").post("/api/stoppages", json=asked).status_code == 403
    maintainer = log_in("maintainer")
    assert maintainer.post("/api/stoppages", json={**asked, "subject": "none"}).status_code == 422
    assert maintainer.post("/api/stoppages", json={**asked, "reason": " "}).status_code == 422
    past = {**asked, "start": "2026-01-02T10:00", "until": "2026-01-01T10:00"}
    assert maintainer.post("/api/stoppages", json=past).status_code == 422
    number = maintainer.post("/api/stoppages", json=asked).json()["number"]
    assert "换镜头" in log_in("operator").get("/stoppages").text
    assert log_in("operator").post(f"/api/stoppages/{number}/end", json={}).status_code == 403
    assert maintainer.post(f"/api/stoppages/{number}/end", json={}).status_code == 200
    assert maintainer.post(f"/api/stoppages/{number}/end", json={}).status_code == 422


def test_all_rounds_are_paused_by_the_duty_lead_alone(log_in: LogIn, town: Any) -> None:
    asked = {"scope": "rounds", "reason": "平台割接"}
    assert log_in("maintainer").post("/api/stoppages", json=asked).status_code == 403
    supervisor = log_in("duty_lead")
    number = supervisor.post("/api/stoppages", json=asked).json()["number"]
    try:
        assert "平台割接" in log_in("operator").get("/").text
        denied = log_in("maintainer").post(f"/api/stoppages/{number}/end", json={})
        assert denied.status_code == 403
    finally:
        assert supervisor.post(f"/api/stoppages/{number}/end", json={}).status_code == 200
    assert "平台割接" not in log_in("operator").get("/").text


def test_a_trouble_is_taken_once(log_in: LogIn, town: Any) -> None:
    now = town.app.clock.now()
    cameras = list(town.app.registry.cameras.values())
    with town.store.begin() as uow:
        opened = uow.troubles.open(
            Trouble(
                kind=TroubleKind.LINK, subject="test-link", state="down", why="停电",
                since=now - timedelta(hours=2), opened_at=now - timedelta(hours=2),
                cameras=tuple(one.id for one in cameras[:7]),
            )
        )  # fmt: skip
        uow.commit()
    page = log_in("maintainer").get("/troubles").text
    assert "test-link" in page
    assert "7 路" in page
    assert 'href="/cameras?link=test-link"' in page
    assert page.count('href="/cameras/6') >= 5, "five of its cameras by name"
    path = f"/api/troubles/{opened.number}/take"
    assert log_in("admin").post(path, json={}).status_code == 403
    assert log_in("maintainer").post(path, json={}).status_code == 200
    assert log_in("operator").post(path, json={}).status_code == 409
    assert log_in("maintainer").post("/api/troubles/99999/take", json={}).status_code == 404
    assert "test-link" in log_in("operator").get("/").text


def test_a_round_that_somebody_asked_for_is_listed_with_the_plans(log_in: LogIn, town: Any) -> None:
    with town.store.begin() as uow:
        known = uow.rounds.of_plan("afternoon", limit=1)[0]
        asked = replace(
            known, id=RoundId("20200101-adhoc-1"), plan=ADHOC, day=date(2020, 1, 1), planned=0,
            refused={}, planned_at=known.planned_at - timedelta(days=400), scope="grid 1",
        )  # fmt: skip
        uow.rounds.add(asked, [])
        uow.commit()
    page = log_in("operator").get("/rounds").text
    assert 'href="/rounds/20200101-adhoc-1"' in page
    assert "专项" in page
    assert "/api/rounds/adhoc/start" not in page
    assert log_in("operator").get("/rounds/20200101-adhoc-1").status_code == 200


def test_a_session_ended_by_the_administrator_is_logged(
    log_in: LogIn, visitor: Callable[[], httpx.Client], town: Any
) -> None:
    with town.store.begin() as uow:
        uow.accounts.put(replace(uow.accounts.get("far_cadre"), name="lost_phone"))
        uow.commit()
    phone, form = visitor(), {"name": "lost_phone", "password": "correct-horse-9"}
    assert phone.post("/login", data=form).status_code == 303
    assert phone.get("/leader").status_code == 200
    url = "/api/accounts/lost_phone/log_out"
    assert log_in("duty_lead").post(url, json={}).status_code == 403
    assert log_in("admin").post(url, json={}).status_code == 200
    assert phone.get("/leader", headers={"accept": "text/html"}).status_code == 303
    assert "lost_phone, 1 sessions" in log_in("auditor").get("/audit?what=end_session").text
