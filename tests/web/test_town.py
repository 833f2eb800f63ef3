"""Supervision, approvals, hand-offs, broadcasts, meetings and signed requests over HTTP."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from patrol.app.town_service import TownService, handle_town_reply
from patrol.cases.supervision import MAX_TAGS
from patrol.domain.account import issue_api_key
from patrol.domain.broadcast import BroadcastEvent
from patrol.domain.case import Case, CaseEvent, CaseState
from patrol.domain.ids import CaseId
from patrol.domain.priority import Level
from patrol.domain.registry import GridLevel
from patrol.integrations.webhooks import sign_webhook
from patrol.settings.site_town import BroadcastSection, HandOffSection, SpeakerSection
from patrol.store import Store

LogIn = Callable[[str], httpx.Client]
SECRET = "s" * 32
ACCEPT = {"accept": "application/json"}


@pytest.fixture(scope="module")
def outside(town: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The town's application with a department, a loudspeaker and centres; as it was afterwards."""
    secret = tmp_path_factory.mktemp("secrets") / "police"
    secret.write_text(f"{SECRET}\n")
    app, site = town.app, town.app.site
    village = next(g.code for g in app.registry.tree.grids.values() if g.level is GridLevel.TOWN)
    speaker = SpeakerSection(title="全镇喇叭", grid=village, driver="mqtt", secret_file=secret)
    more = {
        "hand_off": {
            "police": HandOffSection(title="派出所", channel="print", secret_file=secret),
            "county": HandOffSection(title="县应急局", channel="mqtt"),
        },
        "broadcast": BroadcastSection(
            speakers={"loud": speaker}, quiet_from="00:00", quiet_until="00:00"
        ),
    }
    app.site = replace(site, settings=site.settings.model_copy(update=more))
    yield app
    app.site = site


def open_case(store: Store, *, but: str = "") -> Case:
    """An open case that was sent and for which nobody asks for anything."""
    with store.begin_read() as uow:
        running = uow.cases.list(open_only=True)
    return next(
        case
        for case in running
        if not case.is_unannounced and case.request is None and case.id != but
    )


def move(client: httpx.Client, case: str, name: str, **form: Any) -> httpx.Response:
    return client.post(f"/api/cases/{case}/move", json={"move": name, **form})


def test_a_duty_lead_supervises_and_urges_an_operator_does_not(town: Any, log_in: LogIn) -> None:
    case = open_case(town.store, but=town.case.id)
    for name in ("supervise", "urge"):
        form = {"note": "群众反映", "span": 4}
        assert move(log_in("operator"), case.id, name, **form).status_code == 403
        assert move(log_in("duty_lead"), case.id, name, **form).status_code == 200
    assert move(log_in("duty_lead"), case.id, "supervise", note="x", span=0).status_code == 422
    assert move(log_in("duty_lead"), case.id, "urge", note="再催").status_code == 422  # too soon
    page = log_in("duty_lead").get(f"/cases/{case.id}").text
    assert "群众反映" in page
    assert "督办" in page


def test_a_village_cadre_urges_the_own_cases_and_supervises_none(town: Any, log_in: LogIn) -> None:
    with town.store.begin_read() as uow:
        case = uow.cases.get(town.case.id)
    cadre = log_in("cadre")
    assert move(cadre, case.id, "supervise", note="x", span=4).status_code == 403
    assert move(log_in("far_cadre"), case.id, "urge", note="x").status_code == 403
    assert move(cadre, case.id, "reassign", note="x", grid=case.grid).status_code == 403
    assert move(log_in("leader"), case.id, "urge", note="x").status_code == 403
    assert move(cadre, case.id, "urge", note="请尽快").status_code == 200


def test_the_overdue_list_is_each_ones_own(town: Any, log_in: LogIn) -> None:
    with town.store.begin() as uow:
        case = uow.cases.get(town.case.id)
        old = replace(case, dispatched_at=case.dispatched_at - timedelta(days=30))
        uow.cases.put(old)
        uow.commit()
    try:
        assert case.id in log_in("operator").get("/overdue").text
        assert case.id in log_in("cadre").get("/overdue").text
        assert case.id not in log_in("far_cadre").get("/overdue").text
        assert log_in("leader").get("/overdue", headers=ACCEPT).status_code == 403
        assert log_in("operator").post("/api/overdue/send").status_code == 403
        assert log_in("cadre").post("/api/overdue/send").status_code == 422
        assert log_in("duty_lead").post("/api/overdue/send").json()["sent"] > 1
    finally:
        with town.store.begin() as uow:
            now = uow.cases.get(case.id)
            uow.cases.put(replace(now, dispatched_at=case.dispatched_at))
            uow.commit()


def test_tags_are_put_on_and_taken_off(town: Any, log_in: LogIn) -> None:
    case = open_case(town.store)
    assert move(log_in("operator"), case.id, "tag", tags="四网融合，铁路 铁路").status_code == 200
    with town.store.begin_read() as uow:
        assert set(uow.cases.get(case.id).tags) == {"四网融合", "铁路"}
    many = " ".join(map(str, range(MAX_TAGS + 1)))
    assert move(log_in("operator"), case.id, "tag", tags=many).status_code == 422
    assert move(log_in("cadre"), town.case.id, "tag", tags="x").status_code == 403
    assert move(log_in("operator"), case.id, "tag", tags="").status_code == 200
    with town.store.begin_read() as uow:
        assert uow.cases.get(case.id).tags == ()


def test_approvals_are_one_list_without_the_own(outside: Any, town: Any, log_in: LogIn) -> None:
    case = open_case(town.store)
    assert move(log_in("operator"), case.id, "extend", note="路远", hours=2).status_code == 200
    asked = move(log_in("operator"), case.id, "broadcast", template="tidy")
    assert asked.status_code == 200, asked.text
    page = log_in("duty_lead").get("/approvals").text
    assert "路远" in page
    with town.store.begin_read() as uow:
        (broadcast,) = uow.broadcasts.of_case(case.id)
    assert broadcast.id in page
    assert log_in("operator").get("/approvals", headers=ACCEPT).status_code == 403
    path = f"/api/broadcasts/{broadcast.id}/approve"
    assert log_in("operator").post(path, json={}).status_code == 403
    assert log_in("duty_lead").post(path, json={}).json()["state"] == "sent"
    assert log_in("duty_lead").post(path, json={}).status_code == 409
    assert move(log_in("duty_lead"), case.id, "grant").status_code == 200
    assert "路远" not in log_in("duty_lead").get("/approvals").text
    topic = "patrol/v1/shangba/speaker/loud/reply"
    site = outside.site.settings.site.id
    body = json.dumps({"v": 1, "id": broadcast.id, "type": "played"}).encode()
    assert handle_town_reply(outside, topic.replace("shangba", site), body)
    with town.store.begin_read() as uow:
        assert uow.broadcasts.get(broadcast.id).played_at is not None
        assert uow.cases.get(case.id).entries[-1].what is CaseEvent.BROADCAST_PLAYED
    history = log_in("operator").get(f"/cases/{case.id}").text
    assert "全镇喇叭" in history.partition("经过与回执")[2].partition("<aside>")[0]
    assert "speaker:" not in history


def test_a_printed_hand_off_has_a_sheet_and_its_answer(
    outside: Any, town: Any, log_in: LogIn
) -> None:
    case, desk = open_case(town.store), log_in("operator")
    assert move(desk, case.id, "hand_off", recipient="army", note="x").status_code == 422
    assert move(desk, case.id, "hand_off", recipient="police", note="涉嫌违法").status_code == 200
    with town.store.begin_read() as uow:
        hand_off = uow.hand_offs.of_case(case.id)[-1]
    page = desk.get(f"/hand-offs/{hand_off.id}")
    assert "涉嫌违法" in page.text
    assert str(case.camera) not in page.text
    code = desk.get(f"/hand-offs/{hand_off.id}/qr.svg")
    assert code.headers["content-type"].startswith("image/svg")
    assert b"<svg" in code.content
    path = f"/api/hand-offs/{hand_off.id}/answer"
    assert log_in("cadre").post(path, json={"event": "receive"}).status_code == 403
    assert desk.post(path, json={"event": "receive"}).json()["state"] == "received"
    assert desk.post(path, json={"event": "answer"}).status_code == 422
    answer = {"event": "answer", "text": "已立案"}
    assert desk.post(path, json=answer).json()["state"] == "answered"
    assert desk.post(path, json=answer).status_code == 409
    assert "已立案" in desk.get(f"/cases/{case.id}").text
    for name in ("leader", "cadre", "auditor", "admin", "maintainer"):
        assert log_in(name).get("/hand-offs", headers=ACCEPT).status_code == 403


class TestSigned:
    """Requests from outside under `/api/v1/inbound/{source}`."""

    @pytest.fixture
    def post(self, outside: Any, visitor: Callable[[], httpx.Client]) -> Callable[..., Any]:
        client = visitor()

        def send(body: Any, *, source: str = "police", **other: Any) -> httpx.Response:
            data = json.dumps(body).encode()
            ident = other.get("ident", "m-1")
            stamp = int(outside.clock.now().timestamp()) + other.get("skew", 0)
            secret = other.get("secret", SECRET).encode()
            headers = {
                "webhook-id": ident,
                "webhook-timestamp": str(stamp),
                "webhook-signature": sign_webhook(secret, ident, stamp, data),
            }
            return client.post(f"/api/v1/inbound/{source}", content=data, headers=headers)

        return send

    def test_a_department_opens_a_case_once(self, post: Any, town: Any) -> None:
        body = {"type": "open", "grid": town.case.grid, "category": "smoke", "level": "II",
                "description": "110 接报:冒烟", "place": "北头"}  # fmt: skip
        first, again = post(body, ident="open-1"), post(body, ident="open-1")
        assert (first.status_code, again.status_code) == (200, 200), first.text
        assert again.json() == {"taken": "open-1", "repeated": True}
        with town.store.begin_read() as uow:
            case = uow.cases.get(CaseId(first.json()["taken"]))
        assert (case.level, case.category, case.entries[0].by) == (
            Level.PRESSING, "smoke", "department:police",
        )  # fmt: skip

    @pytest.mark.parametrize(
        ("change", "field"),
        [({"grid": "1"}, "grid"), ({"category": "x"}, "category"), ({"level": "V"}, "level"),
         ({"description": " "}, "description"), ({"type": "close"}, "type")],
    )  # fmt: skip
    def test_what_is_wrong_is_named(
        self, post: Any, town: Any, change: dict[str, str], field: str
    ) -> None:
        body = {"type": "open", "grid": town.case.grid, "description": "x", **change}
        answer = post(body, ident=f"bad-{field}")
        assert answer.status_code == 422
        assert field in answer.json()["detail"]

    @pytest.mark.parametrize(
        "other",
        [{"secret": "other" * 8}, {"skew": -400}, {"skew": 400}, {"source": "nobody"},
         {"source": "county"}, {"ident": "x" * 65}],
    )  # fmt: skip
    def test_an_unsigned_or_old_request_is_refused(
        self, post: Any, town: Any, other: dict[str, Any]
    ) -> None:
        body = {"type": "open", "grid": town.case.grid, "description": "x"}
        assert post(body, **other).status_code == 401

    def test_only_the_own_hand_off_is_answered(self, post: Any, outside: Any, town: Any) -> None:
        case = open_case(town.store)
        service = TownService(outside)
        mine = service.hand_off(case.id, "police", by="op", why="x")
        other = service.hand_off(case.id, "county", by="op", why="x")
        answer = {"type": "answer", "text": "已处理"}
        assert post({**answer, "id": other.id}, ident="a-1").status_code == 404
        assert post({**answer, "id": mine.id}, ident="a-2").status_code == 200
        assert post({**answer, "id": mine.id}, ident="a-2").status_code == 200  # a repeat
        assert post({**answer, "id": mine.id}, ident="a-3").status_code == 409
        assert post({"type": "receive", "id": "H999999"}, ident="a-4").status_code == 404

    def test_a_loudspeaker_speaks_for_itself_alone(
        self, post: Any, outside: Any, town: Any
    ) -> None:
        service = TownService(outside)
        asked = service.ask_broadcast(open_case(town.store).id, by="op", text="请注意")
        service.decide_broadcast(asked.id, BroadcastEvent.APPROVE, by="chief")
        camera = next(iter(outside.registry.cameras))
        said = {"type": "failed", "id": asked.id, "reason": f"断电 {camera}"}
        assert post(said, source="police", ident="s-1").status_code == 404
        assert post(said, source="loud", ident="s-2").status_code == 200
        with town.store.begin_read() as uow:
            problem = uow.broadcasts.get(asked.id).problem
        assert problem.startswith("断电")
        assert camera not in problem  # masked as over MQTT


def test_meeting_packs_are_each_ones_own(town: Any, log_in: LogIn) -> None:
    village = town.app.registry.tree.village_of(town.case.grid)
    month = f"{town.app.clock.now():%Y-%m}"
    query = f"scope=village:{village}&period={month}"
    for kind in ("html", "xlsx", "docx", "csv", "json"):
        answer = log_in("operator").get(f"/meetings/file.{kind}?{query}")
        assert answer.status_code == 200
        assert answer.content
    assert "一月一议" in log_in("cadre").get("/meetings").text
    assert log_in("cadre").get(f"/meetings/file.csv?{query}").status_code == 200
    assert log_in("far_cadre").get(f"/meetings/file.csv?{query}", headers=ACCEPT).status_code == 403
    town_query = f"scope=town&period={month}"
    answer = log_in("cadre").get(f"/meetings/file.csv?{town_query}", headers=ACCEPT)
    assert answer.status_code == 403
    assert log_in("leader").get("/meetings", headers=ACCEPT).status_code == 403
    assert log_in("operator").get("/meetings?period=soon", headers=ACCEPT).status_code == 422
    with town.store.begin_read() as uow:
        assert any("meeting village" in one.why for one in uow.access.entries(limit=20))


def test_a_grid_gets_its_tags_on_its_page(town: Any, log_in: LogIn) -> None:
    operator, case = log_in("operator"), open_case(town.store)
    path = f"/api/grids/{case.grid}/tags"
    given = operator.post(path, json={"tags": "四网融合，旱厕 四网融合"})
    assert given.json() == {"grid": case.grid, "tags": ["四网融合", "旱厕"]}
    assert '<span class="pill">旱厕</span>' in operator.get("/grid").text
    assert operator.post(path, json={"tags": "<b>"}).status_code == 422
    assert operator.post("/api/grids/1/tags", json={"tags": "a"}).status_code == 404
    assert log_in("cadre").post(path, json={"tags": "a"}).status_code == 403
    with town.store.begin_read() as uow:
        assert any(one.what == "tag_grid" for one in uow.access.entries(limit=5))
    assert operator.post(path, json={"tags": ""}).json()["tags"] == []


def program(town: Any, client: httpx.Client, name: str, *scopes: str) -> httpx.Client:
    """The client as a program whose key has this name and these scopes."""
    secret = f"patrol_{name:k<43}"
    key = issue_api_key(
        name=name, scopes=scopes, by="admin", now=town.app.clock.now(), secret=secret
    )
    with town.store.begin() as uow:
        uow.api_keys.add(key)
        uow.commit()
    client.headers["authorization"] = f"Bearer {secret}"
    return client


def test_programs_ask_decide_and_verify_as_the_console_does(
    outside: Any, town: Any, visitor: Callable[[], httpx.Client]
) -> None:
    base, moves = "/api/v1", ("cases:read", "cases:move")
    asks = program(town, visitor(), "asks", *moves)
    grants = program(town, visitor(), "grants", *moves, "cases:settle")
    case = fresh_case(town, 31)
    path = f"{base}/cases/{case.id}"

    def moved(client: httpx.Client, **form: Any) -> httpx.Response:
        return client.post(f"{path}/moves", json=form)

    def decided(client: httpx.Client, decision: str, note: str = "") -> httpx.Response:
        return client.post(f"{path}/decisions", json={"decision": decision, "note": note})

    assert moved(asks, move="phone", note="接了").json()["events"][-1]["what"] == "phone"
    assert moved(asks, move="extend", note="等配件").status_code == 422, "no hours"
    assert moved(asks, move="extend", hours=4).status_code == 422, "no reason"
    assert moved(asks, move="extend", note="等配件", hours=4).status_code == 200
    waiting = {one["case"]: one for one in asks.get(f"{base}/approvals").json()}
    assert (waiting[case.id]["kind"], waiting[case.id]["hours"]) == ("extension", 4)
    assert decided(asks, "grant").status_code == 403, "the key lacks the scope"
    assert decided(grants, "refuse").status_code == 422, "no reason"
    assert decided(grants, "grant").status_code == 200
    assert decided(grants, "grant").status_code == 409, "nothing waits any more"
    assert moved(grants, move="suspend", note="雪").status_code == 200
    assert decided(grants, "grant").status_code == 409, "it asked for it itself"
    assert moved(asks, move="withdraw").status_code == 409, "another's request"
    assert moved(grants, move="withdraw").status_code == 200
    assert case.id not in {one["case"] for one in asks.get(f"{base}/approvals").json()}
    assert moved(asks, move="reassign", note="错了", grid="1").status_code == 422
    group = next(g for g in outside.registry.tree.grids.values() if g.code != case.grid)
    assert moved(asks, move="reassign", note="错了", grid=group.code).json()["grid"] == group.code
    assert moved(asks, move="gone").status_code == 409, "nobody handled it yet"
    with town.store.begin() as uow:
        there = uow.cases.get(case.id)
        uow.cases.put(there.apply_event(CaseEvent.FEED_BACK, at=outside.clock.now(), by="L1"))
        uow.commit()
    assert case.id in [one["case"] for one in asks.get(f"{base}/verifications").json()]
    assert moved(asks, move="gone").json()["state"] == "closed"
    assert decided(grants, "reopen", "又堆上了").json()["state"] == "rework"
    assert decided(grants, "close", "x").status_code == 409, "it was not returned"
    assert asks.post(f"{base}/cases/none/moves", json={"move": "phone"}).status_code == 404
    with town.store.begin_read() as uow:
        seen = [e.what for e in uow.access.entries(limit=60) if e.why == f"case:{case.id}"]
    assert {"case_phone", "case_ask", "case_grant", "case_refuse", "case_reassign", "case_verify",
            "case_reopen"} <= set(seen)  # fmt: skip


def test_programs_decide_broadcasts_and_enter_answers(
    outside: Any, town: Any, visitor: Callable[[], httpx.Client]
) -> None:
    base = "/api/v1"
    asks = program(town, visitor(), "asks2", "cases:read", "cases:move")
    grants = program(town, visitor(), "grants2", "cases:read", "cases:settle")
    case = fresh_case(town, 32)
    path = f"{base}/cases/{case.id}"
    asked = asks.post(f"{path}/broadcasts", json={"template": "tidy"}).json()["id"]
    assert asked in [one["broadcast"] for one in asks.get(f"{base}/approvals").json()]
    assert asked in [one["id"] for one in asks.get(f"{base}/broadcasts?asked=true").json()]
    decision = f"{base}/broadcasts/{asked}/decision"
    assert asks.post(decision, json={"decision": "approve"}).status_code == 403
    assert grants.post(decision, json={"decision": "approve"}).json()["state"] == "sent"
    assert grants.post(decision, json={"decision": "refuse"}).status_code == 409
    given = asks.post(f"{path}/hand-off", json={"recipient": "police", "why": "x"}).json()["id"]
    answer = f"{base}/hand-offs/{given}/answer"
    assert asks.post(answer, json={"event": "receive"}).json()["state"] == "received"
    said = asks.post(answer, json={"event": "answer", "text": "已到场"}).json()
    assert (said["state"], said["answered_by"]) == ("answered", "api:asks2")
    assert asks.post(answer, json={"event": "answer", "text": "再"}).status_code == 409
    assert asks.post(f"{base}/hand-offs/H9/answer", json={"event": "receive"}).status_code == 404
    assert asks.post(f"{base}/overdue/send").json()["sent"] > 0


def fresh_case(town: Any, number: int) -> Case:
    """A dispatched case of its own, in the place of an open one."""
    like = open_case(town.store)
    sent = replace(
        like, id=CaseId(f"C20200103-{number:04d}"), state=CaseState.DISPATCHED, entries=(),
        finding=None, recheck_due_at=None, supervision=None, request=None, tags=(),
        suspension=None, open_to_helpers=False,
    ).dispatched(by="op", note="x")  # fmt: skip
    with town.store.begin() as uow:
        uow.cases.add(sent)
        uow.commit()
    return sent


def test_the_api_supervises_tags_and_hands_off(
    outside: Any, town: Any, visitor: Callable[[], httpx.Client]
) -> None:
    api = program(
        town, visitor(), "town", "cases:read", "cases:move", "meetings:read", "findings:file",
        "findings:read", "findings:decide", "rounds:read", "rounds:work",
    )  # fmt: skip
    case = open_case(town.store)
    base, one = "/api/v1", f"/api/v1/cases/{case.id}"
    tagged = api.put(f"{one}/tags", json={"tags": ["b", "a"]})
    assert tagged.json()["tags"] == ["a", "b"]
    answer = api.post(f"{one}/supervise", json={"why": "x", "hours": 2})
    assert answer.json()["supervision"]["by"] == "api:town"
    assert api.post(f"{one}/supervise", json={"why": "", "hours": 2}).status_code == 422
    given = api.post(f"{one}/hand-off", json={"recipient": "county", "why": "x"})
    assert given.json()["channel"] == "mqtt"
    assert given.json()["id"] in [h["id"] for h in api.get(f"{base}/hand-offs").json()]
    asked = api.post(f"{one}/broadcasts", json={"template": "tidy"})
    assert asked.json()["state"] == "asked"
    assert api.get(f"{base}/overdue").status_code == 200
    month = f"{town.app.clock.now():%Y-%m}"
    assert api.get(f"{base}/meetings/town/{month}").json()["scope"] == "town"
    assert api.get(f"{base}/meetings/county/{month}").status_code == 422
    assert api.put(f"{base}/grids/{case.grid}/tags", json={"tags": ["x"]}).status_code == 200
    assert api.put(f"{base}/grids/1/tags", json={"tags": ["x"]}).status_code == 404
    filed = api.post(
        f"{base}/findings", json={"category": "other", "grid": case.grid, "text": "来电"}
    ).json()
    ident = filed["finding"]["id"]
    assert filed["finding"]["filed_by"] == "api:town"
    api.post(f"{base}/findings/{ident}/dismiss", json={"reason": "duplicate"})
    decided = api.get(f"{base}/findings/decided", params={"by": "api:town"}).json()
    assert ident in [f["id"] for f in decided]
    assert api.post(f"{base}/findings/{ident}/undo", json={}).json()["state"] == "candidate"
    assert api.post(f"{base}/findings/{ident}/undo", json={}).status_code == 409
    assert api.get(f"{base}/human-patrols").status_code == 200
    assert api.get(f"{base}/human-patrols/none").status_code == 404


def test_the_verification_queue_shows_before_and_after(town: Any, log_in: LogIn) -> None:
    with town.store.begin() as uow:
        case = uow.cases.get(town.case.id)
        fed = replace(
            case, id=CaseId("C20200102-0009"), finding=None, entries=(), recheck_due_at=None
        ).dispatched(by="op", note="x")  # fmt: skip
        fed = fed.apply_event(CaseEvent.FEED_BACK, at=town.app.clock.now(), by="L1", note="已清理")
        uow.cases.add(replace(fed, recheck_due_at=None, after=fed.before))
        uow.commit()
    queue = log_in("operator").get("/api/verify/queue").json()["cases"]
    assert fed.id in [one["id"] for one in queue]
    shown = log_in("operator").get(f"/api/verify/{fed.id}").json()
    assert shown["before"]["url"]
    assert log_in("operator").get(shown["before"]["url"]).status_code == 200
    assert shown["note"] == "已清理"
    assert shown["opinion"] == "nothing"
    assert log_in("cadre").get("/api/verify/queue").status_code == 403
    with town.store.begin_read() as uow:
        assert Path(str(uow.access.entries(limit=1)[0].why)).name.startswith("case:")


@pytest.mark.parametrize(("note", "word"), [
    ("机器仍检出:black_screen 0.98 (the machine still sees it: black_screen 0.98)", "still_there"),
    ("机器仍检出：dumping 0.7 (the machine still sees it: dumping 0.7)", "still_there"),
    ("机器未再检出 (the machine sees it no more)", "gone"),
    ("现场上报，无摄像头可看 (reported on the ground: no camera to look through)", "nothing"),
])  # fmt: skip
def test_gone_does_not_stand_out_while_the_machine_still_sees_it(
    note: str, word: str, town: Any, log_in: LogIn
) -> None:
    now = town.app.clock.now()
    with town.store.begin() as uow:
        number = uow.next_number("test-verify")
        case = replace(
            uow.cases.get(town.case.id), id=CaseId(f"C20200103-{number:04}"), finding=None,
            entries=(), recheck_due_at=None, state=CaseState.DISPATCHED,
        ).dispatched(by="op", note="x")  # fmt: skip
        fed = case.apply_event(CaseEvent.FEED_BACK, at=now, by="L1")
        looked = fed.apply_event(CaseEvent.LOOKED, at=now, by="patrol", note=note)
        uow.cases.add(replace(looked, recheck_due_at=None, after=looked.before))
        uow.commit()
    shown = log_in("operator").get(f"/api/verify/{case.id}").json()
    assert shown["opinion"] == word
    assert " (" not in shown["machine"]
    page = log_in("operator").get(f"/cases/{case.id}").text
    button = page[page.index('data-move="gone"') :].partition("</button>")[0]
    assert ("strong" in button) is (word != "still_there")
