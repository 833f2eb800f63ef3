"""The JSON API: keys and scopes, documents as OpenAPI says, nothing that must not leave."""

import asyncio
import json
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from starlette.types import ASGIApp

from patrol.cases import actions
from patrol.domain.account import API_KEY_PREFIX, API_SCOPES, ApiKey, FindingClaim, hash_api_secret
from patrol.domain.case import Case
from patrol.domain.finding import Finding
from patrol.domain.ids import FindingId, RoundId
from patrol.domain.priority import Level
from patrol.domain.registry import Registry
from patrol.domain.round import PlannedVisit, Round, RoundEvent, Visit, VisitOutcome
from patrol.domain.schedule import Calendar
from patrol.messaging import PayloadBuilder
from patrol.review import confirm, dismiss
from patrol.settings.site_settings import default_plans
from patrol.store import StoreUnavailable
from patrol.web.api.app import create_api
from patrol.web.options import SiteProfile
from simulators import small_site
from tests.support.clock import ManualClock
from tests.support.store import new_store

ZONE = ZoneInfo("Asia/Shanghai")
ROUND = RoundId("20261122-morning-1")


@dataclass
class FakeApplication:
    """A hamlet's house."""

    store: Any = field(default_factory=new_store)
    clock: ManualClock = field(default_factory=lambda: ManualClock(small_site.NOON))
    registry: Registry = field(default_factory=small_site.registry)
    site_profile: SiteProfile = field(
        default_factory=lambda: SiteProfile(
            id="shangba", name="上坝镇", zone=ZONE, calendar=Calendar(plans=default_plans())
        )
    )

    def confirm(
        self, finding_id: str, *, by: str, category: str | None = None,
        level: Level | None = None, note: str = "", phoned: str = "",
    ) -> Case:  # fmt: skip
        with self.store.begin() as uow:
            case = confirm(
                uow, FindingId(finding_id), by=by, now=self.clock.now(), registry=self.registry,
                payloads=PayloadBuilder(site="shangba", zone=ZONE, registry=self.registry),
                category=category, level=level, note=note,
            )  # fmt: skip
            if phoned:
                case = actions.record_phone_call(
                    uow, case.id, by=by, now=self.clock.now(), note=phoned
                )
            uow.commit()
        return case

    def dismiss(self, finding_id: str, *, by: str, reason: str) -> Finding:
        with self.store.begin() as uow:
            decided = dismiss(
                uow, FindingId(finding_id), by=by, now=self.clock.now(), reason=reason
            )
            uow.commit()
        return decided


def key(fake_app: FakeApplication, *scopes: str) -> dict[str, str]:
    """A key with these scopes, as a request's headers."""
    secret = API_KEY_PREFIX + secrets.token_urlsafe(32)
    with fake_app.store.begin() as uow:
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


def add_round(fake_app: FakeApplication) -> None:
    a_round = Round(
        id=ROUND, plan="morning", day=datetime(2026, 11, 22, tzinfo=UTC).date(),
        planned_at=small_site.NOON, finish_by=small_site.NOON + timedelta(hours=1), planned=2,
        refused={"indoor": 3},
    )  # fmt: skip
    started = a_round.apply_event(RoundEvent.START, at=small_site.NOON)
    cameras = (small_site.CAMERA, small_site.SECOND_CAMERA)
    with fake_app.store.begin() as uow:
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


@pytest.fixture
def fake_app() -> FakeApplication:
    made = FakeApplication()
    add_round(made)
    return made


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
def client(fake_app: FakeApplication) -> Client:
    return Client(create_api(fake_app))


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
}


@pytest.mark.parametrize(("path", "scope"), READS.items())
def test_each_path_opens_to_its_scope_alone(
    fake_app: FakeApplication, client: Client, path: str, scope: str
) -> None:
    assert client.get(path).status_code == 401
    wrong = key(fake_app, *(set(API_SCOPES) - {scope}))
    refused = client.get(path, headers=wrong)
    assert (refused.status_code, refused.json()["detail"]) == (403, scope)
    answer = client.get(path, headers=key(fake_app, scope))
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


def test_a_revoked_key_opens_nothing_from_then_on(
    fake_app: FakeApplication, client: Client
) -> None:
    mine = key(fake_app, "rounds:read")
    assert client.get("/rounds", headers=mine).status_code == 200
    with fake_app.store.begin() as uow:
        uow.api_keys.revoke("K0", small_site.NOON)
        uow.commit()
    assert client.get("/rounds", headers=mine).status_code == 401


def test_a_round_balances(fake_app: FakeApplication, client: Client) -> None:
    body = client.get(f"/rounds/{ROUND}", headers=key(fake_app, "rounds:read")).json()
    assert (body["planned"], body["refused"]) == (2, 3)
    parts = ("pending", "seen", "not_viewable", "missed")
    assert sum(body[part] for part in parts) == body["planned"]
    assert body["failures"] == {"unreachable": 1}


@pytest.mark.parametrize(("action", "body"), [("confirm", {}), ("dismiss", {"reason": "shadow"})])
def test_what_a_person_is_judging_is_refused(
    fake_app: FakeApplication, client: Client, action: str, body: dict[str, str]
) -> None:
    mine, finding = key(fake_app, "findings:read", "findings:decide"), small_site.finding().id
    now = fake_app.clock.now()
    with fake_app.store.begin() as uow:
        until = now + timedelta(minutes=2)
        uow.claims.acquire(FindingClaim(finding=finding, holder="li/abc", until=until), now)
        uow.commit()
    refused = client.post(f"/findings/{finding}/{action}", headers=mine, json=body)
    assert refused.status_code == 409
    assert "is being judged by li just now" in refused.json()["detail"]
    fake_app.clock.sleep(121)
    again = client.post(f"/findings/{finding}/{action}", headers=mine, json=body)
    assert again.is_success, "the claim has run out"


def test_a_finding_is_confirmed_once(fake_app: FakeApplication, client: Client) -> None:
    mine = key(fake_app, "findings:read", "findings:decide", "cases:read")
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
    assert one == case
    assert (message["state"], message["broker_acked"], message["acknowledged"]) == (
        "queued", None, None
    )  # fmt: skip


def test_reading_does_not_decide(fake_app: FakeApplication, client: Client) -> None:
    mine = key(fake_app, "findings:read")
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
def test_what_is_not_there_is_said_so(
    fake_app: FakeApplication, client: Client, path: str, status: int
) -> None:
    answer = client.get(path, headers=key(fake_app, *API_SCOPES))
    assert answer.status_code == status
    assert answer.json()["error"] == status


@pytest.mark.parametrize("body", [{"reason": "because"}, {}, {"reason": "shadow", "more": 1}])
def test_a_bad_body_changes_nothing(
    fake_app: FakeApplication, client: Client, body: dict[str, object]
) -> None:
    mine = key(fake_app, *API_SCOPES)
    (waiting,) = client.get("/findings", headers=mine).json()
    answer = client.post(f"/findings/{waiting['id']}/dismiss", headers=mine, json=body)
    assert answer.status_code == 422
    assert len(client.get("/findings", headers=mine).json()) == 1


def test_cameras_of_a_grid_and_below(fake_app: FakeApplication, client: Client) -> None:
    mine = key(fake_app, "cameras:read")
    everywhere = client.get("/cameras", headers=mine).json()
    group = client.get(f"/cameras?grid={small_site.GROUP}", headers=mine).json()
    assert {one["grid"] for one in group} == {small_site.GROUP}
    assert client.get(f"/cameras?grid={small_site.TOWN}", headers=mine).json() == everywhere
    assert client.get(f"/cameras?grid={small_site.OTHER_GROUP}", headers=mine).json() == []


def test_a_database_that_is_away_is_503_and_says_nothing(
    client: Client, fake_app: FakeApplication
) -> None:
    mine = key(fake_app, "rounds:read")

    class Away:
        def begin_read(self) -> None:
            raise StoreUnavailable("postgresql://10.0.0.7: away")

    fake_app.store = Away()
    answer = client.get("/rounds", headers=mine)
    assert answer.status_code == 503
    assert "10.0.0.7" not in answer.text


def test_openapi_names_every_path_with_its_answer_and_the_key(client: Client) -> None:
    described = client.get("/openapi.json").json()
    assert described["openapi"].startswith("3.")
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            assert operation["security"], (path, method)
            assert {"401", "403", "404", "422", "503"} <= set(operation["responses"])
            good = next(c for c in ("200", "201") if c in operation["responses"])
            schema = operation["responses"][good]["content"]["application/json"]["schema"]
            assert "$ref" in json.dumps(schema)
    assert set(API_SCOPES) <= set(described["info"]["description"].replace("`", " ").split())
