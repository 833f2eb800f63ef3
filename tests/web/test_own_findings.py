"""Own findings, decided findings and their undo over HTTP: rights, evidence, the live frame."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from patrol.domain.case import CaseState
from patrol.domain.finding import FindingState, Origin
from patrol.domain.ids import FindingId
from patrol.domain.priority import Level
from patrol.web.live_frames import MAX_FRAMES, LiveFrames, SentFrame

LogIn = Callable[[str], httpx.Client]
FILE = "/api/findings/own"


@pytest.fixture
def seen_camera(town: Any) -> tuple[str, str]:
    """(camera, round) of a visit whose picture is stored."""
    with town.store.begin_read() as uow:
        for plan in ("morning", "afternoon"):
            for a_round in uow.rounds.of_plan(plan):
                for visit in uow.rounds.visits(a_round.id):
                    if any(uow.pictures.get(one.id) for one in visit.pictures):
                        return visit.camera, a_round.id
    raise AssertionError("the town has no picture")


def test_a_tile_becomes_a_case_with_its_picture(
    town: Any, log_in: LogIn, seen_camera: tuple[str, str]
) -> None:
    camera, a_round = seen_camera
    desk = log_in("operator")
    shown = desk.get(f"{FILE}/picture", params={"camera": camera, "round": a_round}).json()
    assert desk.get(shown["url"]).headers["content-type"] == "image/jpeg"
    form = {
        "category": "sewage", "source": "wall", "camera": camera, "round": a_round,
        "picture": shown["picture"], "box": [0.1, 0.2, 0.3, 0.4], "text": "沟里有污水",
        "to": "case", "level": "I", "phoned": "李网格长接的",
    }  # fmt: skip
    answer = desk.post(FILE, json=form)
    assert answer.status_code == 201, answer.text
    with town.store.begin_read() as uow:
        finding = uow.findings.get(answer.json()["finding"])
        case = uow.cases.get(answer.json()["case"])
        picture = uow.pictures.get(shown["picture"])
    assert (finding.origin, finding.filed_by, finding.round) == (
        Origin.OPERATOR, "operator", a_round,
    )  # fmt: skip
    assert (case.before, case.box, case.level) == (shown["picture"], (0.1, 0.2, 0.3, 0.4), "I")
    assert any(entry.note == "李网格长接的" for entry in case.entries)
    assert picture.purpose == "before"


def test_a_repeat_under_its_key_files_once(town: Any, log_in: LogIn) -> None:
    form = {
        "category": "gate_open", "source": "phone", "grid": town.case.grid, "text": "大门开着",
    }  # fmt: skip
    headers = {"idempotency-key": "own-finding-0001"}
    first = log_in("operator").post(FILE, json=form, headers=headers)
    again = log_in("operator").post(FILE, json=form, headers=headers)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == {"repeated": True}


@pytest.mark.parametrize("name", ["leader", "cadre", "maintainer", "auditor", "admin"])
def test_nobody_else_files_or_reads_the_lists(name: str, log_in: LogIn, town: Any) -> None:
    client = log_in(name)
    form = {"category": "other", "source": "phone", "grid": town.case.grid, "text": "x"}
    assert client.post(FILE, json=form).status_code == 403
    for path in ("/decided", "/api/alarms", f"{FILE}/choices", f"{FILE}/picture?camera=1"):
        assert client.get(path, headers={"accept": "application/json"}).status_code == 403
    assert client.post("/api/findings/F000001/undo", json={}).status_code == 403


def test_a_camera_page_shows_its_picture_only_to_who_may_see_it(
    log_in: LogIn, seen_camera: tuple[str, str]
) -> None:
    camera, _ = seen_camera
    params = {"camera": camera}
    assert log_in("operator").get(f"{FILE}/picture", params=params).json()["url"] == ""
    assert log_in("duty_lead").get(f"{FILE}/picture", params=params).json()["url"]


def test_a_picture_of_another_camera_is_refused(
    town: Any, log_in: LogIn, seen_camera: tuple[str, str]
) -> None:
    camera, a_round = seen_camera
    desk = log_in("operator")
    shown = desk.get(f"{FILE}/picture", params={"camera": camera, "round": a_round}).json()
    other = next(one for one in town.app.registry.cameras if one != camera)
    form = {"category": "other", "source": "wall", "camera": other, "picture": shown["picture"]}
    answer = desk.post(FILE, json=form)
    assert answer.status_code == 422
    assert "picture" in answer.json()["detail"]


def test_only_a_frame_of_the_own_live_view_is_evidence(town: Any, log_in: LogIn) -> None:
    camera = next(iter(town.app.registry.cameras))
    form = {"category": "smoke", "source": "live", "camera": camera, "frame": "a" * 64}
    answer = log_in("operator").post(FILE, json=form)
    assert answer.status_code == 422


def test_frames_belong_to_a_session_and_are_forgotten(town: Any) -> None:
    frames, now = LiveFrames(), town.app.clock.now()
    first = SentFrame(camera="c", jpeg=b"0", taken_at=now, sent_at=now)
    digest = frames.remember("mine", first)
    assert frames.find("mine", digest, now) == first
    assert frames.find("another", digest, now) is None
    for number in range(MAX_FRAMES):
        frames.remember("mine", replace(first, jpeg=b"%d" % (number + 1)))
    assert frames.find("mine", digest, now) is None
    late = frames.remember("mine", first)
    assert frames.find("mine", late, now + timedelta(minutes=3)) is None
    gone = frames.remember("mine", first)
    frames.forget_camera("c")
    assert frames.find("mine", gone, now) is None


def decided(town: Any, log_in: LogIn, name: str) -> str:
    form = {"category": "film_waste", "source": "phone", "grid": town.case.grid, "text": name}
    ident = log_in(name).post(FILE, json=form).json()["finding"]
    form = {"id": ident, "decision": "dismiss", "reason": "duplicate"}
    assert log_in(name).post("/api/review/decide", json=form).status_code == 200
    return str(ident)


def test_the_own_decision_is_undone_and_anothers_by_the_duty_lead(town: Any, log_in: LogIn) -> None:
    ident = decided(town, log_in, "operator")
    path = f"/api/findings/{ident}/undo"
    assert ident in log_in("operator").get("/decided?mine=1").text
    assert ident not in log_in("operator2").get("/decided?mine=1").text
    assert log_in("operator2").post(path, json={}).status_code == 409
    assert log_in("duty_lead").post(path, json={"note": "看错了"}).status_code == 200
    assert log_in("duty_lead").post(path, json={}).status_code == 409
    with town.store.begin_read() as uow:
        assert uow.findings.get(FindingId(ident)).state is FindingState.CANDIDATE
        history = uow.finding_history.of_finding(FindingId(ident))
    assert [entry.what for entry in history] == ["file", "undo"]


def test_a_case_without_a_camera_is_shown(town: Any, log_in: LogIn) -> None:
    form = {
        "category": "structure", "source": "phone", "grid": town.case.grid, "place": "老戏台",
        "text": "墙裂了", "to": "case",
    }  # fmt: skip
    answer = log_in("operator").post(FILE, json=form)
    with town.store.begin_read() as uow:
        case = uow.cases.get(answer.json()["case"])
    assert (case.state, case.camera, case.place) == (CaseState.DISPATCHED, None, "老戏台")
    assert "老戏台" in log_in("operator").get(f"/cases/{case.id}").text


def test_urgent_findings_alarm_until_they_are_decided(town: Any, log_in: LogIn) -> None:
    form = {
        "category": "open_flame", "source": "phone", "grid": town.case.grid, "level": "I",
        "text": "麦场起火",
    }  # fmt: skip
    ident = log_in("operator").post(FILE, json=form).json()["finding"]
    found = log_in("operator").get("/api/alarms").json()
    assert ident in [one["id"] for one in found["findings"]]
    assert found["count"] >= 1
    assert found["words"]
    log_in("operator").post(
        "/api/review/decide", json={"id": ident, "decision": "dismiss", "reason": "duplicate"}
    )
    found = log_in("operator").get("/api/alarms").json()
    assert ident not in [one["id"] for one in found["findings"]]
    with town.store.begin_read() as uow:
        assert uow.findings.get(FindingId(ident)).level is Level.URGENT


def test_a_call_is_judged_without_camera_and_picture(town: Any, log_in: LogIn) -> None:
    form = {
        "category": "railway_protection", "source": "phone", "grid": town.case.grid,
        "text": "有人穿越铁路", "place": "道口",
    }  # fmt: skip
    ident = log_in("operator").post(FILE, json=form).json()["finding"]
    batch = log_in("operator").post("/api/review/hand", json={"first": ident}).json()
    html = next(one["html"] for one in batch["new"] if one["id"] == ident)
    assert "道口" in html
    assert "reference." not in html
    doubt = {"id": ident, "decision": "unsure", "note": "听不清"}
    answer = log_in("operator").post("/api/review/decide", json=doubt)
    assert "电话报告" in answer.json()["words"]
    town.app.rechecks.findings.run_due()  # nothing is visited, nothing fails
    with town.store.begin_read() as uow:
        assert uow.findings.get(FindingId(ident)).recheck is None
    settle = {"id": ident, "decision": "confirm"}
    assert log_in("operator2").post("/api/review/decide", json=settle).json()["case"]
