"""Rounds by hand, doubts, checklists, findings of a patrol: what programs do as operators do."""

import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest

from patrol.domain.account import API_KEY_PREFIX, issue_api_key
from patrol.domain.finding import Finding, FindingState
from patrol.domain.human_patrol import (
    Checkpoint,
    CheckpointKind,
)
from patrol.domain.ids import FindingId
from patrol.domain.round import ADHOC
from patrol.domain.schedule import StoppageScope
from patrol.rounds.human_patrol import plan_patrol
from tests.support.human_patrols import ALL_DAY

API = "/api/v1"


@pytest.fixture
def program(town: Any, visitor: Callable[[], httpx.Client]) -> Callable[..., httpx.Client]:
    """A client with a fresh key of the given scopes."""

    def make(*scopes: str) -> httpx.Client:
        secret = API_KEY_PREFIX + secrets.token_urlsafe(32)
        now = town.app.clock.now()
        with town.store.begin() as uow:
            uow.api_keys.add(
                issue_api_key(name="desk", scopes=scopes, by="t", now=now, secret=secret)
            )
            uow.commit()
        client = visitor()
        client.headers["authorization"] = f"Bearer {secret}"
        return client

    return make


@pytest.fixture
def task(town: Any) -> str:
    """A human patrol of today over one camera, assigned to `operator`, with a checklist."""
    camera = next(iter(town.app.registry.cameras))
    stop = Checkpoint(title="渠口", kind=CheckpointKind.CAMERAS, cameras=(camera,), size=1)
    plan = replace(
        ALL_DAY, name=f"program-{secrets.token_hex(4)}", checkpoints=(stop,), assigned=("operator",)
    )
    zone, now = town.app.site.settings.site.tz, town.app.clock.now()
    with town.store.begin() as uow:
        patrol = plan_patrol(
            uow, plan, now.astimezone(zone).date(), registry=town.app.registry, zone=zone, now=now
        )
        uow.commit()
    assert patrol is not None
    return str(patrol.id)


@pytest.fixture
def begun(town: Any, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """What was begun, by the plan's name and the selection; nothing is visited."""
    seen: list[tuple[str, Any]] = []
    with town.store.begin_read() as uow:
        example = uow.rounds.of_plan("afternoon", limit=1)[0]

    def start(plan: str, *, by: str, adhoc: Any = None) -> Any:
        seen.append((plan, adhoc))
        return replace(example, plan=ADHOC if adhoc else plan, scope=adhoc.scope if adhoc else "")

    monkeypatch.setattr(town.app, "start_round", start)
    return seen


def test_a_round_is_begun_by_plan_or_over_what_is_named(
    town: Any, program: Callable[..., httpx.Client], begun: list[tuple[str, Any]]
) -> None:
    works = program("rounds:work")
    village = next(g.code for g in town.app.registry.tree.grids.values() if g.level == "village")
    assert works.post(f"{API}/rounds", json={"plan": "morning"}).status_code == 202
    over = works.post(f"{API}/rounds", json={"grids": [village]})
    assert (over.status_code, over.json()["plan"]) == (202, ADHOC)
    assert [(plan, chosen and set(chosen.grids)) for plan, chosen in begun] == [
        ("morning", None), ("", {village}),
    ]  # fmt: skip
    for body, named in (
        ({}, "plan"), ({"plan": "noon"}, "noon"), ({"grids": ["1"]}, "'1'"),
        ({"links": ["none"]}, "none"), ({"cameras": ["123"]}, "123"),
    ):  # fmt: skip
        refused = works.post(f"{API}/rounds", json=body)
        assert (refused.status_code, named in refused.json()["detail"]) == (422, True), body
    assert program("rounds:read").post(f"{API}/rounds", json={"plan": "x"}).status_code == 403
    assert len(begun) == 2


def test_a_round_is_not_begun_while_paused_or_another_runs(
    town: Any, program: Callable[..., httpx.Client]
) -> None:
    works, now = program("rounds:work"), town.app.clock.now()
    with town.app.round_lock():
        busy = works.post(f"{API}/rounds", json={"plan": "morning"})
    said = busy.json()["words"]
    assert (busy.status_code, "在进行" in said or "under way" in said) == (409, True), said
    with town.store.begin() as uow:
        number = uow.stoppages.add(
            scope=StoppageScope.ROUNDS, subject="", start=now, until=None, reason="平台割接",
            by="duty_lead", now=now,
        ).number  # fmt: skip
        uow.commit()
    try:
        paused = works.post(f"{API}/rounds", json={"plan": "morning"})
    finally:
        with town.store.begin() as uow:
            uow.stoppages.end(number, by="t", now=town.app.clock.now())
            uow.commit()
    assert (paused.status_code, "平台割接" in paused.json()["detail"]) == (409, True)


def waiting(town: Any) -> Finding:
    with town.store.begin_read() as uow:
        found = next(one for one in uow.findings.queue() if one.camera)
    assert isinstance(found, Finding)
    return found


def test_a_doubt_leaves_the_finding_to_somebody_else(
    town: Any, program: Callable[..., httpx.Client]
) -> None:
    fresh = replace(
        waiting(town),
        id=FindingId(f"F{secrets.randbelow(10**6) + 8_000_000}"),
        state=FindingState.CANDIDATE,
        case=None,
    )
    with town.store.begin() as uow:
        uow.findings.add(fresh)
        uow.commit()
    decides = program("findings:decide", "findings:read")
    path = f"{API}/findings/{fresh.id}"
    doubted = decides.post(f"{path}/unsure", json={"reason": "看不清"})
    assert (doubted.status_code, doubted.json()["state"]) == (200, "unsure")
    assert program("findings:read").post(f"{path}/unsure", json={}).status_code == 403
    assert decides.get(f"{path}/history").status_code == 200
    decided = decides.post(f"{path}/dismiss", json={"reason": "other"})
    assert decided.status_code == 200, decided.text
    assert decides.post(f"{path}/unsure", json={}).status_code == 409, "somebody decided"
    assert decides.post(f"{API}/findings/none/unsure", json={}).status_code == 404
    undone = decides.post(f"{path}/undo", json={"note": "看错"})
    assert undone.status_code == 200, undone.text
    history = decides.get(f"{path}/history").json()
    assert [(one["what"], one["by"]) for one in history] == [("undo", "api:desk")]
    decides.post(f"{path}/dismiss", json={"reason": "other"})


def test_a_checklist_is_ticked_and_a_finding_filed_for_who_works_the_task(
    town: Any, program: Callable[..., httpx.Client], task: str
) -> None:
    works = program("rounds:work", "findings:file")
    path, who = f"{API}/human-patrols/{task}", {"account": "operator"}
    assert works.post(f"{path}/start", json=who).status_code == 200
    ticked = works.post(f"{path}/items", json={**who, "item": 0}).json()
    assert ticked["checklist"] == [{"text": "看门窗", "checked": True}]
    back = works.post(f"{path}/items", json={**who, "item": 0, "checked": False}).json()
    assert back["checklist"] == [{"text": "看门窗", "checked": False}]
    assert works.post(f"{path}/items", json={**who, "item": 7}).status_code == 409
    other = works.post(f"{path}/items", json={"account": "operator2", "item": 0})
    assert other.status_code == 403, "assigned to somebody else"
    with town.store.begin_read() as uow:
        [check] = uow.human_patrols.checks(task)
    form = {"category": "dumping", "source": "patrol", "camera": check.camera, "text": "堆了",
            "patrol": task}  # fmt: skip
    assert works.post(f"{API}/findings", json=form).status_code == 422, "for whom?"
    stranger = {**form, "account": "operator2"}
    assert works.post(f"{API}/findings", json=stranger).status_code == 403
    filed = works.post(f"{API}/findings", json={**form, "account": "operator"})
    assert filed.status_code == 201, filed.text
    assert filed.json()["finding"]["filed_by"] == "operator"
    with town.store.begin_read() as uow:
        [check] = uow.human_patrols.checks(task)
    assert (str(check.outcome), check.finding) == ("finding", filed.json()["finding"]["id"])
    done = works.post(f"{path}/finish", json=who).json()
    assert (done["state"], done["missed"]) == ("completed", 0)
