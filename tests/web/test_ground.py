"""Patrols on the ground and helpers over HTTP, in the API and in a browser on a telephone."""

import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from operator import itemgetter
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
from playwright.sync_api import Page, expect

from patrol.app.ground_service import GroundService
from patrol.domain.account import API_KEY_PREFIX, issue_api_key
from patrol.domain.case import Case, CaseEvent, CaseState
from patrol.domain.finding import FindingState
from patrol.domain.ground_patrol import CheckInMethod, count_stops
from patrol.domain.helping import helpers_of_grid
from patrol.domain.ids import CaseId, FindingId
from patrol.web.rate_limit import PHOTOS_AN_HOUR, REPORTS_AN_HOUR

LogIn = Callable[[str], httpx.Client]
Enter = Callable[..., Page]
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
DESK = {"viewport": {"width": 1366, "height": 768}}
CHECKED_IN = ("done", "late")  # by the hour at which the test runs
HERE = {"longitude": 98.5, "latitude": 39.7, "accuracy_m": 9.0}


def jpeg(seed: int = 1) -> bytes:
    picture = np.random.default_rng(seed).integers(0, 255, (60, 80, 3), dtype=np.uint8)
    return bytes(cv2.imencode(".jpg", picture)[1])


@pytest.fixture(scope="module")
def walk(town: Any) -> Any:
    """Today's patrol of the leader, with its two points."""
    service = GroundService(town.app)
    service.plan(town.app.clock.now().astimezone(town.app.site.settings.site.tz).date())
    with town.store.begin_read() as uow:
        leader = uow.accounts.get("leader").person
        mine = [one for one in uow.ground_patrols.list(limit=500) if leader in one.people]
        today = max(mine, key=lambda one: one.planned_at)
        return today, uow.ground_patrols.stops(today.id)


def code_of(town: Any, point: str, method: CheckInMethod = CheckInMethod.QR) -> str:
    return GroundService(town.app).codes().code(town.app.registry.points[point], method)


def stop_states(town: Any, patrol: str) -> dict[str, str]:
    with town.store.begin_read() as uow:
        return {one.point: str(one.state) for one in uow.ground_patrols.stops(patrol)}


def new_case(town: Any, number: int, **more: Any) -> Case:
    """An open case of the leader's grid."""
    case: Case = replace(
        town.case, id=CaseId(f"C20200501-{number:04}"), finding=None, request=None,
        state=CaseState.DISPATCHED, dispatched_at=town.app.clock.now(), suspension=None, **more,
    )  # fmt: skip
    with town.store.begin() as uow:
        uow.cases.add(case)
        uow.commit()
    return case


def api_key(town: Any, *scopes: str) -> dict[str, str]:
    secret = API_KEY_PREFIX + secrets.token_urlsafe(32)
    key = issue_api_key(
        name="ground", scopes=scopes, by="t", now=town.app.clock.now(), secret=secret
    )
    with town.store.begin() as uow:
        uow.api_keys.add(key)
        uow.commit()
    return {"authorization": f"Bearer {secret}"}


def test_a_code_checks_in_once_and_for_its_walker_alone(
    town: Any, log_in: LogIn, walk: Any
) -> None:
    patrol, stops = walk
    point, leader, path = stops[0].point, log_in("leader"), "/ground/api/check-in"
    form = {"key": "key-0000001", "code": code_of(town, point)}
    assert log_in("other_leader").post(path, json=form).status_code == 422  # no such patrol of his
    stolen = {**form, "patrol": patrol.id}
    assert log_in("other_leader").post(path, json=stolen).status_code == 403
    assert log_in("operator").post(path, json=form).status_code == 403
    forged = {**form, "code": form["code"][:-4] + "0000"}
    assert leader.post(path, json=forged).status_code == 422
    other = {**form, "point": stops[1].point, "patrol": patrol.id}
    assert leader.post(path, json=other).status_code == 422
    done = leader.post(path, json=form)
    assert done.json()["state"] == "accepted", done.text
    assert leader.post(path, json=form).json() == done.json()  # a repeat of its key
    assert leader.post(path, json={**form, "key": "key-0000002"}).status_code == 409
    assert stop_states(town, patrol.id)[point] in CHECKED_IN
    shown = leader.get("/ground/api/state").json()
    assert patrol.id in [one["id"] for one in shown["patrols"]]
    assert shown["cases"] == shown["reports"] == []  # a leader is no helper


def test_a_doubtful_claim_waits_for_the_duty_lead(town: Any, log_in: LogIn, walk: Any) -> None:
    patrol, stops = walk
    future = (town.app.clock.now() + timedelta(hours=1)).isoformat()
    form = {"key": "key-ahead-1", "code": code_of(town, stops[1].point), "client_at": future}
    said = log_in("leader").post("/ground/api/check-in", json=form).json()
    assert said["state"] == "review"
    assert "时间在未来" in said["words"]
    page = log_in("duty_lead").get("/rosters").text
    assert "时间在未来" in page
    with town.store.begin_read() as uow:
        [waiting] = uow.ground_patrols.to_review()
    decide = {"check_in": waiting.id}
    path = "/api/rosters/review/reject"
    assert log_in("operator").post(path, json=decide).status_code == 403
    assert log_in("duty_lead").post(path, json=decide).status_code == 422  # no reason
    decided = log_in("duty_lead").post(path, json={**decide, "note": "时间不对"})
    assert decided.json()["state"] == "rejected"
    assert stop_states(town, patrol.id)[stops[1].point] == "pending"
    desk = {"person": waiting.by, "point": stops[1].point, "seen": "电话报到"}
    entered = log_in("operator").post(f"/api/rosters/{patrol.id}/check-in", json=desk)
    assert entered.status_code == 201, entered.text
    assert set(stop_states(town, patrol.id).values()) <= set(CHECKED_IN)
    with town.store.begin_read() as uow:
        assert str(uow.ground_patrols.get(patrol.id).state) == "completed"
        done = uow.access.of_no_camera("check_in", limit=50)
        assert {"operator", waiting.by} <= {one.who for one in done}
    with town.store.begin_read() as uow:
        counts = uow.ground_patrols.counts_of_day(patrol.day)
        waiting = uow.ground_patrols.stops_of(
            one.id for one in uow.ground_patrols.of_days(patrol.day, patrol.day + timedelta(days=1))
        )
    assert counts == count_stops(stop for stops in waiting.values() for stop in stops)
    today = log_in("operator").get("/today/part").text
    assert f"联动巡防签到 {counts.done + counts.late}/{counts.planned}" in today
    page = log_in("operator").get(f"/rosters/{patrol.id}").text
    for words in ("值班代录", "电话报到", "时间不对", "手机自报"):
        assert words in page


def test_the_desk_has_codes_ledger_and_coverage(town: Any, log_in: LogIn, walk: Any) -> None:
    patrol, stops = walk
    desk = log_in("operator")
    assert stops[0].name in desk.get("/rosters/codes").text
    picture = desk.get(f"/rosters/codes/{stops[0].point}/qr.svg")
    assert picture.headers["content-type"].startswith("image/svg+xml")
    days = f"from={patrol.day}&until={patrol.day}"
    book = desk.get(f"/rosters/ledger.json?{days}").json()
    assert book["planned"] == len(book["rows"]) > 100
    kinds = ("done", "late", "review", "missed", "pending")
    assert book["planned"] == sum(book[kind] for kind in kinds)
    for page in ("/rosters", f"/rosters/{patrol.id}"):
        assert "村组干部每天" in desk.get(page).text, "what the site says that 7 means"
    assert desk.get(f"/rosters/ledger.xlsx?{days}").content[:2] == b"PK"
    assert "点位编码" in desk.get(f"/rosters/ledger.csv?{days}").text
    wrong = desk.get("/rosters/ledger.csv?from=2026-01-02&until=2026-01-01")
    assert wrong.status_code == 422
    for name in ("leader", "helper", "cadre", "maintainer", "auditor", "admin"):
        for path in ("/rosters", f"/rosters/{patrol.id}", "/rosters/codes"):
            answer = log_in(name).get(path, headers={"accept": "application/json"})
            assert answer.status_code == 403, (name, path)


def test_a_helper_sees_what_is_open_to_helpers_and_no_more(town: Any, log_in: LogIn) -> None:
    case, helper, leader = new_case(town, 1), log_in("helper"), log_in("leader")
    assert case.id not in helper.get("/ground/api/state").text
    say = {"key": "key-going-1", "case": case.id, "step": "going"}
    assert helper.post("/ground/api/say", json=say).status_code == 403
    ask = {"key": "key-open-01", "case": case.id, "open": True}
    assert log_in("other_leader").post("/leader/api/helpers", json=ask).status_code == 403
    assert helper.post("/leader/api/helpers", json=ask).status_code == 403
    assert leader.post("/leader/api/helpers", json=ask).json()["open"] is True
    state = helper.get("/ground/api/state").json()
    [shown] = [one for one in state["cases"] if one["id"] == case.id]
    assert {"note", "picture", "history", "mine"}.isdisjoint(shown)
    assert case.id not in log_in("far_helper").get("/ground/api/state").text
    assert log_in("far_helper").post("/ground/api/say", json=say).status_code == 403
    for path in (f"/cases/{case.id}", "/leader/api/cases", "/leader", "/review", "/cases"):
        answer = helper.get(path, headers={"accept": "application/json"})
        assert answer.status_code == 403, path
    reply = {"key": "key-ack-001", "case": case.id, "type": "acknowledge"}
    assert helper.post("/leader/api/say", json=reply).status_code == 403
    photo = f"/leader/api/photo/{case.id}/key-photo-1"
    assert helper.post(photo, content=jpeg()).status_code == 403
    assert helper.post("/ground/api/say", json=say).status_code == 200
    assert helper.post("/ground/api/say", json={**say, "key": "key-going-2"}).status_code == 200
    there = {**say, "key": "key-there-1", "step": "there"}
    assert helper.post("/ground/api/say", json=there).status_code == 200
    with town.store.begin_read() as uow:
        events = [entry.what for entry in uow.cases.get(case.id).entries]
    assert events.count(CaseEvent.HELPER_GOING) == events.count(CaseEvent.HELPER_THERE) == 1
    shown = leader.get("/leader/api/cases").json()["cases"]
    (card,) = [one for one in shown if one["id"] == case.id]
    steps = {what: words for _, what, words in card["history"]}
    assert steps["群防群治前往"] == steps["群防群治到场"] != "", "who it was"
    shut = {**ask, "key": "key-open-02", "open": False}
    assert leader.post("/leader/api/helpers", json=shut).json()["open"] is False
    assert case.id not in helper.get("/ground/api/state").text
    assert helper.post("/ground/api/say", json=there).status_code == 403


def test_a_report_waits_in_the_queue_and_its_helper_learns_what_became_of_it(
    town: Any, log_in: LogIn
) -> None:
    helper = log_in("helper")
    photo = helper.post("/ground/api/photo", content=jpeg(5)).json()["photo"]
    form = {
        "key": "key-report-1", "category": "dumping", "place": "村口", "text": "有人倒垃圾",
        "photo": photo, "location": HERE,
    }  # fmt: skip
    filed = helper.post("/ground/api/report", json=form)
    assert filed.status_code == 201, filed.text
    assert helper.post("/ground/api/report", json=form).json() == {"finding": None}  # a repeat
    ident = FindingId(filed.json()["finding"])
    with town.store.begin_read() as uow:
        finding, stored = uow.findings.get(ident), uow.pictures.get(photo)
    assert (finding.state, finding.filed_by) == (FindingState.CANDIDATE, "helper")
    assert finding.place == "村口 (39.70000,98.50000 ±9 m)"
    assert stored is not None
    page = log_in("operator").get(f"/review?finding={ident}")
    assert page.status_code == 200
    state = helper.get("/ground/api/state").json()
    [mine] = [one for one in state["reports"] if one["id"] == ident]
    assert mine["outcome"] == "waiting"
    case = town.app.confirm(ident, by="operator")
    [mine] = [
        one for one in helper.get("/ground/api/state").json()["reports"] if one["id"] == ident
    ]
    assert (mine["outcome"], mine["case"]) == ("under_way", case.id)
    assert case.id in log_in("operator").get("/rosters/reports").text
    [shown] = [
        one for one in log_in("leader").get("/leader/api/cases").json()["cases"]
        if one["id"] == case.id
    ]  # fmt: skip
    assert shown["map"].startswith("geo:39.7,98.5")
    assert log_in("leader").get(shown["picture"]).headers["content-type"] == "image/jpeg"
    assert ident not in log_in("far_helper").get("/ground/api/state").text


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"text": "", "photo": ""}, 422),
        ({"category": "nonsense"}, 422),
        ({"photo": "0" * 64}, 422),
        ({"location": {**HERE, "latitude": 91}}, 422),
        ({"key": "short"}, 422),
    ],
)
def test_a_bad_report_is_refused(log_in: LogIn, change: dict[str, Any], status: int) -> None:
    form = {"key": f"key-{secrets.token_hex(6)}", "text": "有情况", **change}
    assert log_in("helper").post("/ground/api/report", json=form).status_code == status
    assert log_in("helper").post("/ground/api/photo", content=b"no picture").status_code == 422


def test_a_photo_as_a_telephone_makes_it_is_taken(log_in: LogIn) -> None:
    large = jpeg(6) + b"\0" * (1024 * 1024)  # bytes behind the picture's end count as its own
    assert log_in("helper").post("/ground/api/photo", content=large).status_code == 201


@pytest.mark.parametrize(
    ("name", "path", "most"),
    [
        ("busy_helper", "/ground/api/report", REPORTS_AN_HOUR),
        ("busy_helper", "/ground/api/photo", PHOTOS_AN_HOUR),
        ("busy_leader", "/leader/api/photo/none/key-photo-1", PHOTOS_AN_HOUR),
    ],
)
def test_one_account_sends_so_many_an_hour_and_the_phone_keeps_the_rest(
    log_in: LogIn, name: str, path: str, most: int
) -> None:
    client, form = log_in(name), {"key": "key-flood-01", "category": "nonsense", "text": "x"}
    sent = {"json": form} if path.endswith("report") else {"content": b"no picture"}
    statuses = [client.post(path, **sent).status_code for _ in range(most + 2)]
    assert 429 not in statuses[:most]
    assert statuses[most:] == [429, 429], "which verdict() of session.js sends again later"


def test_a_camera_picture_cannot_be_reported_as_ones_own(town: Any, log_in: LogIn) -> None:
    form = {"key": "key-stolen-1", "text": "x", "photo": str(town.case.before)}
    assert log_in("helper").post("/ground/api/report", json=form).status_code == 422


def test_the_phone_says_whose_move_which_clock_why_again_and_takes_an_extension(
    town: Any, log_in: LogIn
) -> None:
    leader = log_in("leader")
    other = new_case(town, 10, open_to_helpers=False)
    with town.store.begin() as uow:
        case = uow.cases.get(other.id)
        for event in (CaseEvent.ACKNOWLEDGE, CaseEvent.HANDLE, CaseEvent.FEED_BACK):
            case = case.apply_event(event, at=town.app.clock.now(), by="x")
        uow.cases.put(case)
        uow.commit()

    def card() -> tuple[dict[str, Any], list[str]]:
        cases = leader.get("/leader/api/cases").json()["cases"]
        return next(one for one in cases if one["id"] == other.id), [one["move"] for one in cases]

    shown, moves = card()
    assert (shown["move"], shown["left"][:2], shown["rework"]) == (False, "办结", "")
    assert moves == sorted(moves, reverse=True)  # my move first
    town.app.verify(other.id, gone=False, by="operator", note="垃圾还在")
    shown, _ = card()
    assert (shown["move"], shown["left"][:2], shown["rework"]) == (True, "签收", "垃圾还在")
    ask = {"key": "key-extend-1", "case": other.id, "type": "extend", "text": "等清运车"}
    assert leader.post("/leader/api/say", json=ask).status_code == 200
    shown, _ = card()
    assert shown["extension"] == "延期待批准"
    assert shown["left"][:2] == "到场"
    arrive = {"key": "key-arrive1", "case": other.id, "type": "arrive", "location": HERE}
    assert leader.post("/leader/api/say", json=arrive).status_code == 200
    with town.store.begin_read() as uow:
        note = uow.cases.get(other.id).entries[-1].note
    assert "98.5" in note or "位置距点位约" in note


def test_the_api_plans_checks_in_decides_and_opens(town: Any, log_in: LogIn, walk: Any) -> None:
    patrol, _ = walk
    client, api = log_in(""), "/api/v1"
    key = api_key(town, "rounds:read", "rounds:work", "cases:move", "findings:read")
    tomorrow = {"day": f"{patrol.day + timedelta(days=1)}"}
    planned = client.post(f"{api}/ground-patrols/plan", json=tomorrow, headers=key)
    assert planned.status_code == 201, planned.text
    again = client.post(f"{api}/ground-patrols/plan", json=tomorrow, headers=key)
    assert again.json() == []
    one = planned.json()[0]
    path = f"{api}/ground-patrols/{one['id']}"
    assert client.get(path, headers=key).json()["check_ins"] == []
    point = one["points"][0]["point"]
    form = {"key": "api-1", "person": one["people"][0], "code": code_of(town, point)}
    taken = client.post(f"{path}/check-ins", json=form, headers=key)
    assert taken.status_code == 201, taken.text
    assert taken.json()["problems"] == ["outside_window"]  # it begins tomorrow
    assert (
        client.post(f"{path}/check-ins", json={**form, "person": "nobody"}, headers=key).status_code
        == 403
    )
    waiting = client.get(f"{api}/check-ins/review", headers=key).json()
    ident = taken.json()["id"]
    assert ident in [each["id"] for each in waiting]
    decide = f"{api}/check-ins/decide"
    yes = client.post(decide, params={"id": ident}, json={"accept": True}, headers=key)
    assert yes.json()["state"] == "accepted"
    no = client.post(decide, params={"id": ident}, json={"accept": True}, headers=key)
    assert no.status_code == 409
    case = new_case(town, 20)
    opened = client.put(f"{api}/cases/{case.id}/helpers", json={"open": True}, headers=key)
    assert opened.json()["open_to_helpers"] is True
    assert client.get(f"{api}/helper-reports", headers=key).status_code == 200
    assert (
        client.get(f"{api}/ground-patrols", headers=api_key(town, "cases:read")).status_code == 403
    )


def test_programs_enter_what_helpers_say_and_read_codes_and_coverage(
    town: Any, log_in: LogIn, walk: Any
) -> None:
    patrol, stops = walk
    client, api, case = log_in(""), "/api/v1", new_case(town, 21)
    key = api_key(town, "rounds:read", "rounds:work", "cases:move")
    client.put(f"{api}/cases/{case.id}/helpers", json={"open": True}, headers=key)
    person = patrol.people[0]
    going = {"person": person, "step": "going"}
    steps = f"{api}/cases/{case.id}/helpers/steps"
    noted = client.post(steps, json=going, headers=key).json()
    assert noted["events"][-1]["by"] == person
    assert client.post(steps, json={**going, "person": "nobody"}, headers=key).status_code == 422
    client.put(f"{api}/cases/{case.id}/helpers", json={"open": False}, headers=key)
    assert client.post(steps, json=going, headers=key).status_code == 409
    report = {"key": "api-report-1", "grid": case.grid, "text": "渠边有人倒垃圾"}
    files = api_key(town, "findings:file")
    filed = client.post(f"{api}/helper-reports", json=report, headers=files)
    assert (filed.status_code, filed.json()["repeated"]) == (201, False)
    assert client.post(f"{api}/helper-reports", json=report, headers=files).json()["repeated"]
    wrong = {**report, "key": "api-report-2", "grid": "1"}
    assert client.post(f"{api}/helper-reports", json=wrong, headers=files).status_code == 422
    codes = client.get(f"{api}/check-in-codes", headers=key).json()
    (line,) = [line for line in codes if line["point"] == stops[0].point]
    assert line["qr"].endswith(code_of(town, stops[0].point))
    days = {"from": f"{patrol.day}", "until": f"{patrol.day}"}
    covered = client.get(f"{api}/ground-coverage", params=days, headers=key).json()
    assert sum(line["points_planned"] for line in covered["villages"]) > 0
    backwards = {"from": f"{patrol.day}", "until": "2020-01-01"}
    assert client.get(f"{api}/ground-coverage", params=backwards, headers=key).status_code == 422


def test_the_desk_enters_a_telephoned_step_and_the_leader_gets_it(
    town: Any, log_in: LogIn, matches_schema: Callable[[str, bytes], dict[str, Any]]
) -> None:
    case, desk, people = new_case(town, 22), log_in("operator"), town.app.registry.people
    helper = helpers_of_grid(town.app.registry, case.grid)[0]
    far = next(p for p in people.values() if p.grid not in (case.grid, helper.grid))
    path, say = f"/api/cases/{case.id}/helpers", {"person": helper.id, "step": "going"}
    assert desk.post(f"{path}/steps", json=say).status_code == 409, "not open to helpers"
    assert desk.post(path, json={"open": True}).status_code == 200
    page = desk.get(f"/cases/{case.id}").text
    assert helper.name in page.partition('id="helpers"')[2]
    assert desk.post(f"{path}/steps", json={**say, "person": far.id}).status_code == 422
    assert log_in("other_leader").post(f"{path}/steps", json=say).status_code == 403
    for _ in range(2):  # said twice it stands once
        assert desk.post(f"{path}/steps", json=say).status_code == 200
    with town.store.begin_read() as uow:
        entries = [e for e in uow.cases.get(case.id).entries if e.what is CaseEvent.HELPER_GOING]
        sent = [m for m in uow.outbox.of_case(case.id) if m.payload]
    assert [entry.by for entry in entries] == [helper.id]
    latest = max((matches_schema("case", m.payload) for m in sent), key=itemgetter("revision"))
    (step,) = latest["helpers"]
    assert (step["step"], step["name"]) == ("going", helper.name)
    assert desk.post(path, json={"open": False}).status_code == 200


def go_without_a_link(town: Any, page: Page, case: Case) -> None:
    """A helper says "I am going" without a connection; it is sent when there is one."""
    going = page.locator(f"#cases .case[data-id='{case.id}'] [data-step=going]")
    page.wait_for_selector("body[data-cached]")
    page.context.set_offline(True)
    going.click()
    expect(going).to_be_disabled()
    page.wait_for_selector("#link:not([hidden])")
    page.reload()  # the page opens without a link, and has not forgotten what was said
    expect(going).to_be_disabled()
    with town.store.begin_read() as uow:
        assert CaseEvent.HELPER_GOING not in {one.what for one in uow.cases.get(case.id).entries}
    with page.expect_response(lambda answer: answer.url.endswith("/ground/api/say")) as sent:
        page.context.set_offline(False)
        page.evaluate("dispatchEvent(new Event('online'))")
    assert sent.value.status == 200
    with town.store.begin_read() as uow:
        assert CaseEvent.HELPER_GOING in {one.what for one in uow.cases.get(case.id).entries}


@pytest.mark.slow
def test_a_walk_and_a_report_on_a_telephone(
    town: Any, enter: Enter, artifacts: Path, walk: Any, tmp_path: Path
) -> None:
    patrol, _ = walk
    with town.store.begin_read() as uow:
        partner = next(one for one in patrol.people if one != uow.accounts.get("leader").person)
        free = [
            (one, uow.ground_patrols.stops(one.id))
            for one in uow.ground_patrols.list(limit=500)
            if one.day == patrol.day and one.id != patrol.id
        ]
        helper = uow.accounts.get("helper")
    mine, stops = free[0]
    with town.store.begin() as uow:  # the helper walks a patrol of another group today
        uow.accounts.put(replace(helper, person=mine.people[0]))
        uow.commit()
    case = new_case(town, 30, open_to_helpers=True)
    page = enter("helper", **PHONE)
    assert page.url.endswith("/ground")
    page.wait_for_selector(f".case[data-id='{mine.id}']")
    page.goto("about:blank")  # as a scanner opens it: anew
    page.goto(f"/ground#{code_of(town, stops[0].point)}")
    expect(page.locator("#said")).to_contain_text("有效")
    assert "~" not in page.url
    assert stop_states(town, mine.id)[stops[0].point] in CHECKED_IN
    go_without_a_link(town, page, case)
    page.click("#reporting summary")
    page.check(".pictures input[value=sewage]", force=True)
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(jpeg(9))
    page.set_input_files("#report input[type=file]", photo)
    page.wait_for_selector("#report .chosen:not([hidden])")
    page.fill("#report [name=text]", "渠边有污水")
    page.screenshot(path=artifacts / "ground-helper-zh.png", full_page=True)
    page.click("#report button.go")
    expect(page.locator("#reports")).to_contain_text("待指挥中心研判")
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 390
    page.goto("/language/en")
    page.goto("/ground")
    page.wait_for_selector(f".case[data-id='{mine.id}']")
    page.screenshot(path=artifacts / "ground-helper-en.png", full_page=True)
    assert partner
    with town.store.begin() as uow:
        uow.accounts.put(helper)
        uow.commit()


@pytest.mark.slow
def test_a_leader_asks_helpers_and_a_lead_reviews(
    town: Any, enter: Enter, artifacts: Path, walk: Any
) -> None:
    case = new_case(town, 40)
    phone = enter("leader", **PHONE)
    card = phone.locator(f".case[data-id='{case.id}']")
    card.wait_for()
    expect(card.locator(".move")).to_be_visible()
    expect(card.locator(".left")).to_contain_text("签收")
    card.locator("[data-helpers]").click()
    expect(card.locator(".state")).to_contain_text("已请群防群治协助")
    card.locator("[data-reply=arrive]").click()
    expect(card.locator(".arrival")).to_be_visible()
    card.locator("[data-skip]").click()
    card.locator("[data-extend]").click()
    card.locator(".extension textarea").fill("等清运车")
    card.locator(".extension button.go").click()
    expect(card.locator(".state")).to_contain_text("延期待批准")
    phone.click("#reporting summary")
    expect(phone.locator("#reporting .pictures label")).to_have_count(12)
    phone.screenshot(path=artifacts / "leader-pictures-zh.png", full_page=True)
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    desk = enter("duty_lead", **DESK)
    for language in ("zh", "en"):
        desk.goto(f"/language/{language}")
        desk.goto("/rosters")
        desk.wait_for_selector("#patrols tbody tr")
        desk.screenshot(path=artifacts / f"rosters-{language}.png", full_page=True)
        assert desk.evaluate("document.documentElement.scrollWidth") <= 1366
    desk.goto(f"/rosters/{walk[0].id}")
    desk.screenshot(path=artifacts / "roster-en.png", full_page=True)
    desk.goto("/rosters/codes")
    desk.wait_for_selector(".codes img")
