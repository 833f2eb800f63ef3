"""The JSON API: keys and scopes, documents as OpenAPI says, nothing that must not leave."""

import asyncio
import json
import secrets
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp

from patrol.app import Application, build
from patrol.domain.account import (
    API_KEY_PREFIX,
    API_SCOPES,
    Account,
    AccountRole,
    ApiKey,
    FindingClaim,
    hash_api_secret,
)
from patrol.domain.ids import FindingId, RoundId
from patrol.domain.round import PlannedVisit, Round, RoundEvent, Visit, VisitOutcome
from patrol.store import Store, StoreUnavailable
from patrol.web.api.app import create_api
from simulators import small_site
from tests.support.clock import ManualClock
from tests.support.small_files import write_small_site

ROUND = RoundId("20261122-morning-1")


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Application]:
    """The smallest site's application, at noon, with one round and one finding."""
    site = replace(write_small_site(tmp_path), registry=small_site.registry())
    with build(site, clock=ManualClock(small_site.NOON)) as built:
        add_round(built.store)
        yield built


def key(app: Application, *scopes: str) -> dict[str, str]:
    """A key with these scopes, as a request's headers."""
    secret = API_KEY_PREFIX + secrets.token_urlsafe(32)
    with app.store.begin() as uow:
        number = len(uow.api_keys.all())
        uow.api_keys.add(
            ApiKey(
                id=f"K{number}",
                name="county",
                secret=hash_api_secret(secret),
                scopes=frozenset(scopes),
                made_by="admin",
                made_at=small_site.NOON,
            )
        )
        uow.commit()
    return {"Authorization": f"Bearer {secret}"}


def add_round(store: Store) -> None:
    a_round = Round(
        id=ROUND, plan="morning", day=datetime(2026, 11, 22, tzinfo=UTC).date(),
        planned_at=small_site.NOON, finish_by=small_site.NOON + timedelta(hours=1), planned=2,
        refused={"indoor": 3},
    )  # fmt: skip
    started = a_round.apply_event(RoundEvent.START, at=small_site.NOON)
    cameras = (small_site.CAMERA, small_site.SECOND_CAMERA)
    with store.begin() as uow:
        uow.rounds.add(
            started, [PlannedVisit(round=ROUND, camera=c, order=n) for n, c in enumerate(cameras)]
        )
        for camera, outcome in zip(
            cameras, (VisitOutcome.PROBLEM, VisitOutcome.NOT_VIEWABLE), strict=True
        ):
            failure = "unreachable" if outcome is VisitOutcome.NOT_VIEWABLE else ""
            uow.rounds.record_visit(
                Visit(
                    round=ROUND,
                    camera=camera,
                    outcome=outcome,
                    failure=failure,
                    started_at=small_site.NOON,
                    finished_at=small_site.NOON,
                )
            )
        uow.findings.add(small_site.finding())
        uow.rounds.put(started.apply_event(RoundEvent.FINISH, at=small_site.NOON))
        uow.commit()


class Client:
    """Asks the application without a socket."""

    def __init__(self, app: ASGIApp) -> None:
        self._transport = httpx.ASGITransport(app=app)

    def get(self, path: str, **more: Any) -> httpx.Response:
        return asyncio.run(self._ask("GET", path, **more))

    def post(self, path: str, **more: Any) -> httpx.Response:
        return asyncio.run(self._ask("POST", path, **more))

    async def _ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        base = "http://patrol.test"
        async with httpx.AsyncClient(transport=self._transport, base_url=base) as client:
            return await client.request(method, path, **more)


@pytest.fixture
def client(app: Application) -> Client:
    return Client(create_api(app))


READS = {
    "/rounds": "rounds:read",
    f"/rounds/{ROUND}": "rounds:read",
    "/findings": "findings:read",
    "/cases": "cases:read",
    "/cameras": "cameras:read",
    f"/cameras/{small_site.CAMERA}": "cameras:read",
    "/reports/day/2026-11-22": "reports:read",
    "/reports/month/2026-11": "reports:read",
    f"/reports/round/{ROUND}": "reports:read",
    "/holds": "holds:read",
    "/approvals": "cases:read",
    "/verifications": "cases:read",
    "/broadcasts": "cases:read",
    "/ground-coverage?from=2026-11-22&until=2026-11-22": "rounds:read",
    "/check-in-codes": "rounds:work",
}
WRITES = {
    "/cases/C1/moves": "cases:move",
    "/cases/C1/decisions": "cases:settle",
    "/cases/C1/helpers/steps": "cases:move",
    "/broadcasts/B1/decision": "cases:settle",
    "/hand-offs/H1/answer": "cases:move",
    "/overdue/send": "cases:move",
    "/helper-reports": "findings:file",
    "/human-patrols/plan": "rounds:work",
}


@pytest.mark.parametrize(("path", "scope"), WRITES.items())
def test_each_act_needs_its_scope(app: Application, client: Client, path: str, scope: str) -> None:
    assert client.post(path, json={}).status_code == 401
    wrong = key(app, *(set(API_SCOPES) - {scope}))
    refused = client.post(path, json={}, headers=wrong)
    assert (refused.status_code, refused.json()["detail"]) == (403, scope)


@pytest.mark.parametrize(("path", "scope"), READS.items())
def test_each_path_opens_to_its_scope_alone(
    app: Application, client: Client, path: str, scope: str
) -> None:
    assert client.get(path).status_code == 401
    wrong = key(app, *(set(API_SCOPES) - {scope}))
    refused = client.get(path, headers=wrong)
    assert (refused.status_code, refused.json()["detail"]) == (403, scope)
    answer = client.get(path, headers=key(app, scope))
    assert answer.status_code == 200, answer.text
    text = answer.text
    for never in (small_site.HOUSEHOLD, "rtsp://", "s3cret", "10.0.0.7", "household", ".jpg"):
        assert never not in text


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer x", "Basic patrol_x", "Bearer patrol_" + "A" * 43]
)
def test_what_is_no_key_opens_nothing(client: Client, header: str) -> None:
    answer = client.get("/rounds", headers={"Authorization": header})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("", "a valid key is needed"),
        ("en-GB,en;q=0.8,zh;q=0.5", "a valid key is needed"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "需要有效的密钥"),
    ],
)
def test_an_error_is_said_in_one_language(client: Client, asked: str, said: str) -> None:
    answer = client.get("/rounds", headers={"authorization": "", "accept-language": asked})
    assert (answer.status_code, answer.json()["words"]) == (401, said)
    wrong = client.post("/cameras", headers={"accept-language": asked})
    assert wrong.headers["allow"] == "GET"
    assert ("不支持" in wrong.text, "not supported" in wrong.text) == (
        said[0] == "需",
        said[0] == "a",
    )


def test_a_revoked_key_opens_nothing_from_then_on(app: Application, client: Client) -> None:
    mine = key(app, "rounds:read")
    assert client.get("/rounds", headers=mine).status_code == 200
    with app.store.begin() as uow:
        uow.api_keys.revoke("K0", small_site.NOON)
        uow.commit()
    assert client.get("/rounds", headers=mine).status_code == 401


def test_a_round_balances(app: Application, client: Client) -> None:
    body = client.get(f"/rounds/{ROUND}", headers=key(app, "rounds:read")).json()
    assert (body["planned"], body["refused"]) == (2, 3)
    parts = ("pending", "seen", "not_viewable", "missed")
    assert sum(body[part] for part in parts) == body["planned"]
    assert body["failures"] == {"unreachable": 1}


@pytest.mark.parametrize(("action", "body"), [("confirm", {}), ("dismiss", {"reason": "shadow"})])
def test_what_a_person_is_judging_is_refused(
    app: Application, client: Client, action: str, body: dict[str, str]
) -> None:
    mine, finding = key(app, "findings:read", "findings:decide"), small_site.finding().id
    now = app.clock.now()
    with app.store.begin() as uow:
        until = now + timedelta(minutes=2)
        uow.claims.acquire(FindingClaim(finding=finding, holder="li/abc", until=until), now)
        uow.commit()
    refused = client.post(f"/findings/{finding}/{action}", headers=mine, json=body)
    assert refused.status_code == 409
    assert "is being judged by li just now" in refused.json()["detail"]
    app.clock.sleep(121)
    again = client.post(f"/findings/{finding}/{action}", headers=mine, json=body)
    assert again.is_success, "the claim has run out"


def test_a_finding_is_confirmed_once(app: Application, client: Client) -> None:
    mine = key(app, "findings:read", "findings:decide", "cases:read")
    (waiting,) = client.get("/findings", headers=mine).json()
    path = f"/findings/{waiting['id']}"
    made = client.post(f"{path}/confirm", headers=mine, json={"level": "I", "phoned": "老王接听"})
    assert made.status_code == 201, made.text
    case = made.json()
    assert (case["level"], case["state"]) == ("I", "dispatched")
    assert [event["what"] for event in case["events"]] == ["dispatch", "phone"]
    assert case["events"][0]["by"] == "api:county"
    again = client.post(f"{path}/dismiss", headers=mine, json={"reason": "shadow"})
    assert again.status_code == 409
    assert "by api:county" in again.json()["detail"]
    assert client.get("/findings", headers=mine).json() == []
    assert client.get(path, headers=mine).json()["case"] == case["id"]
    assert client.get("/cases?open=true", headers=mine).json() == [case]
    one = client.get(f"/cases/{case['id']}", headers=mine).json()
    (message,) = one.pop("messages")
    assert "gauge" in one, "what saw its finding, where it is known"
    one.pop("gauge")
    assert one == case
    assert (message["state"], message["broker_acked"], message["acknowledged"]) == (
        "queued", None, None
    )  # fmt: skip


def test_reading_does_not_decide(app: Application, client: Client) -> None:
    mine = key(app, "findings:read")
    (waiting,) = client.get("/findings", headers=mine).json()
    answer = client.post(f"/findings/{waiting['id']}/confirm", headers=mine, json={})
    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/rounds/none", 404),
        ("/findings/F9", 404),
        ("/cases/C9", 404),
        ("/cameras/1", 404),
        ("/reports/round/none", 404),
        ("/reports/day/2026-13-01", 422),
        ("/reports/week/1", 422),
        ("/cases?limit=0", 422),
        ("/cases?limit=99999", 422),
        ("/nothing", 404),
    ],
)
def test_an_unknown_resource_gets_its_status(
    app: Application, client: Client, path: str, status: int
) -> None:
    answer = client.get(path, headers=key(app, *API_SCOPES))
    assert answer.status_code == status
    assert answer.json()["error"] == status


@pytest.mark.parametrize("body", [{"reason": "because"}, {}, {"reason": "shadow", "more": 1}])
def test_a_bad_body_changes_nothing(
    app: Application, client: Client, body: dict[str, object]
) -> None:
    mine = key(app, *API_SCOPES)
    (waiting,) = client.get("/findings", headers=mine).json()
    answer = client.post(f"/findings/{waiting['id']}/dismiss", headers=mine, json=body)
    assert answer.status_code == 422
    assert len(client.get("/findings", headers=mine).json()) == 1


def test_cameras_of_a_grid_and_below(app: Application, client: Client) -> None:
    mine = key(app, "cameras:read")
    everywhere = client.get("/cameras", headers=mine).json()
    group = client.get(f"/cameras?grid={small_site.GROUP}", headers=mine).json()
    assert {one["grid"] for one in group} == {small_site.GROUP}
    assert client.get(f"/cameras?grid={small_site.TOWN}", headers=mine).json() == everywhere
    assert client.get(f"/cameras?grid={small_site.OTHER_GROUP}", headers=mine).json() == []


def test_an_unreachable_database_is_503_without_detail(
    client: Client, app: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = key(app, "rounds:read")

    class Away:
        def begin_read(self) -> None:
            raise StoreUnavailable("postgresql://10.0.0.7: away")

    monkeypatch.setattr(app, "store", Away())
    answer = client.get("/rounds", headers=mine)
    assert answer.status_code == 503
    assert "10.0.0.7" not in answer.text


def test_openapi_names_every_path_with_its_answer_and_the_key(client: Client) -> None:
    described = client.get("/openapi.json").json()
    assert described["openapi"].startswith("3.")
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            scheme = "WebhookSignature" if path.startswith("/inbound/") else "HTTPBearer"
            assert operation["security"] == [{scheme: []}], (path, method)
            documented = {"401", "403", "404", "405", "413", "422", "500", "503"}
            assert documented <= set(operation["responses"])
            assert operation["operationId"].isascii()
            good = next(c for c in ("200", "201", "202") if c in operation["responses"])
            schema = operation["responses"][good]["content"]["application/json"]["schema"]
            assert "$ref" in json.dumps(schema)
    assert described["info"]["title"].isascii()
    assert "上坝镇" in described["info"]["description"]
    assert set(API_SCOPES) <= set(described["info"]["description"].replace("`", " ").split())


def test_lists_say_how_many_there_are_and_lead_to_every_page(
    app: Application, client: Client
) -> None:
    headers = key(app, *API_SCOPES)
    with app.store.begin() as uow:
        for number in range(5):
            uow.findings.add(replace(small_site.finding(), id=FindingId(f"L{number}"), round=ROUND))
        uow.commit()
    for path, least in (("/findings", 5), ("/cases", 0), (f"/findings?round={ROUND}", 5)):
        whole = client.get(path, headers=headers)
        total = int(whole.headers["x-total-count"])
        assert total == len(whole.json()) >= least
        ids = [one["id"] for one in whole.json()]
        glue = "&" if "?" in path else "?"
        pages = [
            client.get(f"{path}{glue}limit=2&offset={offset}", headers=headers)
            for offset in range(0, total + 1, 2)
        ]
        assert [one["id"] for page in pages for one in page.json()] == ids
        assert {page.headers["x-total-count"] for page in pages} == {str(total)}


def test_holds_are_set_and_ended_by_their_scope(app: Application, client: Client) -> None:
    writes, reads = key(app, "holds:write"), key(app, "holds:read")
    form = {"scope": "camera", "subject": small_site.CAMERA, "reference": "12", "reason": "x"}
    assert client.post("/holds", json=form, headers=reads).status_code == 403
    made = client.post("/holds", json=form, headers=writes)
    assert (made.status_code, made.json()["set_by"].startswith("api:")) == (201, True)
    assert client.get("/holds", headers=reads).json() == [made.json()]
    end = f"/holds/{made.json()['number']}/end"
    assert client.post(end, json={"reason": " "}, headers=writes).status_code == 422
    assert client.post(end, json={"reason": "y"}, headers=writes).status_code == 200
    assert client.post(end, json={"reason": "y"}, headers=writes).status_code == 404
    assert client.get("/holds", headers=reads).json() == []
    (ended,) = client.get("/holds?all=true", headers=reads).json()
    assert (ended["in_force"], ended["ended_why"]) == (False, "y")


def test_what_people_typed_names_no_camera_to_a_program(app: Application, client: Client) -> None:
    keys = key(app, "holds:write", "holds:read", "rounds:work", "rounds:read")
    typed = f"看 {small_site.CAMERA}"
    form = {"scope": "camera", "subject": small_site.CAMERA, "reference": "12", "reason": typed}
    made = client.post("/holds", json=form, headers=keys)
    ended = client.post(
        f"/holds/{made.json()['number']}/end", json={"reason": typed}, headers=keys
    ).json()
    assert ended["subject"] == small_site.CAMERA
    for text in (made.json()["reason"], ended["reason"], ended["ended_why"]):
        assert text == f"看 …{small_site.CAMERA[-6:]}"
    with app.store.begin() as uow:
        uow.accounts.put(
            Account(name="anna", duty=AccountRole.OPERATOR, shown_as="Anna", password="x",
                    created_at=small_site.NOON)
        )  # fmt: skip
        uow.commit()
    body = {"account": "anna", "note": typed}
    assert client.post(f"/rounds/{ROUND}/duty", json=body, headers=keys).status_code == 201
    (signed,) = client.get(f"/rounds/{ROUND}/duty", headers=keys).json()
    assert signed["note"].endswith(f"看 …{small_site.CAMERA[-6:]}")
