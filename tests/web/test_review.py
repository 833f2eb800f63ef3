"""The review queue: one finding, one person; the first decision wins."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest

from patrol.domain.finding import Decision, Finding, FindingState, Origin
from patrol.domain.observation import Subject
from patrol.domain.priority import Level
from patrol.domain.round import VisitOutcome

LogIn = Callable[[str], httpx.Client]


def ask(client: httpx.Client, **asked: Any) -> dict[str, Any]:
    answer = client.post("/api/review/hand", json=asked)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


@pytest.fixture(autouse=True)
def free_hands(town: Any) -> None:
    """Nobody holds anything before a test."""
    with town.store.begin() as uow:
        for finding in uow.claims.active(town.app.clock.now()):
            uow.claims.drop(finding)
        uow.commit()


def test_two_operators_never_get_the_same_item(log_in: LogIn) -> None:
    one, two = ask(log_in("operator")), ask(log_in("operator2"))
    assert len(one["mine"]) == 3
    assert not set(one["mine"]) & set(two["mine"])
    again = ask(log_in("operator"), keep=one["mine"])
    assert again["mine"] == one["mine"]
    assert again["new"] == []


def test_what_is_given_back_goes_to_the_next(log_in: LogIn) -> None:
    first = ask(log_in("operator"))["mine"][0]
    assert first not in ask(log_in("operator2"))["mine"]
    log_in("operator").post("/api/review/release", json={"ids": [first]})
    assert first in ask(log_in("operator2"))["mine"]


def test_nobody_decides_what_another_has_in_hand(log_in: LogIn, town: Any) -> None:
    first = ask(log_in("operator"))["mine"][0]
    body = {"id": first, "decision": "dismiss", "reason": "shadow"}
    refused = log_in("operator2").post("/api/review/decide", json=body)
    assert refused.status_code == 409
    assert "operator" in refused.json()["words"]
    with town.store.begin_read() as uow:
        assert uow.findings.get(first).is_open


def test_the_second_decision_hears_who_was_first(log_in: LogIn, town: Any) -> None:
    ident = ask(log_in("operator"))["mine"][-1]
    body = {"id": ident, "decision": "dismiss", "reason": "animal"}
    assert log_in("operator").post("/api/review/decide", json=body).status_code == 200
    late = log_in("duty_lead").post("/api/review/decide", json={**body, "decision": "confirm"})
    assert late.status_code == 409
    assert "operator" in late.json()["words"]
    with town.store.begin_read() as uow:
        finding = uow.findings.get(ident)
        assert (finding.state, finding.reason) == (FindingState.DISMISSED, "animal")
        assert ident not in uow.claims.active(town.app.clock.now())


def test_confirming_opens_a_case_of_the_chosen_kind(log_in: LogIn, town: Any) -> None:
    ident = ask(log_in("operator"))["mine"][-1]
    body = {"id": ident, "decision": "confirm", "category": "clutter", "level": "IV", "note": "看"}
    answer = log_in("operator").post("/api/review/decide", json=body).json()
    with town.store.begin_read() as uow:
        case = uow.cases.get(answer["case"])
        assert (case.category, case.level.value, case.note) == ("clutter", "IV", "看")
        assert case.entries[0].by == "operator"
        assert uow.outbox.of_case(case.id)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"decision": "dismiss", "reason": ""}, id="a dismissal without a reason"),
        pytest.param({"decision": "confirm", "category": "gathering"}, id="an unknown category"),
        pytest.param({"decision": "confirm", "level": "V"}, id="an unknown level"),
        pytest.param({"decision": "delete"}, id="an unknown decision"),
    ],
)
def test_what_cannot_be_is_refused_with_its_reason(
    log_in: LogIn, town: Any, body: dict[str, str]
) -> None:
    ident = ask(log_in("operator"))["mine"][0]
    answer = log_in("operator").post("/api/review/decide", json={"id": ident, **body})
    assert answer.status_code == 422
    with town.store.begin_read() as uow:
        assert uow.findings.get(ident).is_open


def test_an_unknown_finding_is_not_found(log_in: LogIn) -> None:
    body = {"id": "F999999", "decision": "confirm"}
    assert log_in("operator").post("/api/review/decide", json=body).status_code == 404


def test_doubt_goes_to_another_pair_of_eyes(log_in: LogIn, town: Any) -> None:
    ident = ask(log_in("operator"))["mine"][0]
    body = {"id": ident, "decision": "unsure", "note": "看不清"}
    assert log_in("operator").post("/api/review/decide", json=body).status_code == 200
    assert ident not in ask(log_in("operator"), first=ident)["mine"]
    theirs = ask(log_in("operator2"), first=ident)
    assert theirs["mine"][0] == ident
    assert "看不清" in theirs["new"][0]["html"]
    with town.store.begin() as uow:  # as it was, for the other tests
        doubted = uow.findings.get(ident)
        uow.findings.put(replace(doubted, state=FindingState.CANDIDATE, decided_by=""))
        uow.commit()


def test_only_those_who_judge_may_ask(log_in: LogIn) -> None:
    for who in ("leader", "cadre", "maintainer", "auditor", "admin"):
        assert log_in(who).post("/api/review/hand", json={}).status_code == 403
        assert log_in(who).get("/review").status_code == 403


def test_the_wall_does_not_tell_the_blind_sample_from_the_rest(log_in: LogIn, town: Any) -> None:
    with town.store.begin() as uow:
        a_round = uow.rounds.of_plan("afternoon", limit=1)[0]
        known = {finding.camera for finding in uow.findings.of_round(a_round.id)}
        visit = next(
            v for v in uow.rounds.visits(a_round.id)
            if v.outcome is VisitOutcome.NORMAL and v.camera not in known and v.pictures
        )  # fmt: skip
        drawn = Finding(
            id="F900001", camera=visit.camera, grid=town.case.grid, round=a_round.id,
            subject=Subject.SCENE, kind="scene_change", category="scene_change", score=0.6,
            found_at=visit.finished_at, why="?", level=Level.ORDINARY, origin=Origin.SAMPLE,
            picture=visit.pictures[-1].id,
        )  # fmt: skip
        uow.findings.add(drawn)
        uow.commit()
    operator = log_in("operator")

    def tile() -> str:
        html = operator.get(f"/rounds/{a_round.id}").text
        return next(one for one in re.split(r"<a\s", html) if f'/camera/{visit.camera}"' in one)

    def page() -> str:
        return operator.get(f"/rounds/{a_round.id}/camera/{visit.camera}").text.partition("<h2>")[0]

    assert 'class="tile problem has-candidate"' in tile()
    assert "正常" not in page()
    with town.store.begin() as uow:
        now = town.app.clock.now()
        uow.findings.put(drawn.decide(Decision.DISMISS, by="operator", now=now, reason="other"))
        uow.commit()
    assert 'class="tile normal has-dismissed"' in tile()
    assert "正常" in page()


def waiting_of(town: Any, **changes: Any) -> Finding:
    """A finding that waits for a person, like the first of the queue but for the changes."""
    with town.store.begin() as uow:
        first = next(one for one in uow.findings.queue() if one.picture and one.box)
        number = uow.next_number("test-strip")
        fresh = replace(
            first, id=f"F6{number:05}", round=None, state=FindingState.CANDIDATE, decided_by="",
            decided_at=None, case=None, level=Level.ORDINARY, category=f"test_{number}",
            origin=Origin.MACHINE,
        )  # fmt: skip
        finding: Finding = replace(fresh, **changes)
        uow.findings.add(finding)
        uow.commit()
    return finding


def strip(client: httpx.Client, **wanted: str) -> dict[str, Any]:
    answer = client.get("/api/review/strip", params=wanted)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def test_the_strip_shows_what_is_wanted_and_claims_nothing(log_in: LogIn, town: Any) -> None:
    mine = waiting_of(town, level=Level.NOTE, kind="blur", subject=Subject.EQUIPMENT)
    client = log_in("operator")
    everything = strip(client)
    assert everything["count"] >= len(everything["lines"]) > 1
    tree = town.app.registry.tree
    village = tree.village_of(mine.grid) or mine.grid
    for wanted in (
        {"level": "IV"}, {"kind": mine.category}, {"kind": "blur"}, {"subject": "equipment"},
        {"village": village},
    ):  # fmt: skip
        found = strip(client, **wanted)
        assert mine.id in [line["id"] for line in found["lines"]], wanted
        assert found["count"] <= everything["count"]
        assert ask(client, **wanted, first=mine.id)["mine"][0] == mine.id
        client.post("/api/review/release", json={"ids": [mine.id]})
    assert mine.id not in [line["id"] for line in strip(client, level="I")["lines"]]
    assert mine.id not in ask(client, level="I")["mine"]
    assert strip(client, level="IV")["choices"] == everything["choices"]
    with town.store.begin_read() as uow:
        assert mine.id not in uow.claims.active(town.app.clock.now())
    shown = next(line for line in strip(client, level="IV")["lines"] if line["id"] == mine.id)
    assert client.get(shown["thumbnail"]).status_code == 200
    assert log_in("cadre").get("/api/review/strip").status_code == 403


def test_a_batch_is_dismissed_one_by_one_and_undone_one_by_one(log_in: LogIn, town: Any) -> None:
    first, second, held = (waiting_of(town) for _ in range(3))
    ask(log_in("operator2"), first=held.id)
    items = [{"id": one.id, "seen": one.revision} for one in (first, second, held)]
    items.append({"id": first.id, "seen": "not as it is"})
    items.append({"id": "F999999", "seen": ""})
    client = log_in("operator")
    answer = client.post("/api/review/dismiss", json={"items": items, "reason": "shadow"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["done"] == [first.id, second.id]
    refused = {one["id"]: one["words"] for one in answer.json()["refused"]}
    assert set(refused) == {held.id, first.id, "F999999"}
    assert "operator2" in refused[held.id]
    for one in (second, first):
        undone = client.post(f"/api/findings/{one.id}/undo", json={"note": ""})
        assert undone.json()["state"] == "candidate", undone.text


def test_other_needs_words(log_in: LogIn, town: Any) -> None:
    finding, client = waiting_of(town), log_in("operator")
    body = {"id": finding.id, "decision": "dismiss", "reason": "other"}
    assert client.post("/api/review/decide", json=body).status_code == 422
    batch = {"items": [{"id": finding.id, "seen": finding.revision}], "reason": "other"}
    assert client.post("/api/review/dismiss", json=batch | {"note": "  "}).status_code == 422
    said = client.post("/api/review/decide", json=body | {"note": "村里办喜事"})
    assert said.status_code == 200, said.text
    with town.store.begin_read() as uow:
        assert uow.findings.get(finding.id).reason == "村里办喜事"


@pytest.mark.parametrize(("given", "code"), [
    ({}, 422), ({"note": " "}, 422), ({"category": "scene_change"}, 422),
    ({"note": "看看墙边堆了什么"}, 200), ({"category": "dumping"}, 200),
])  # fmt: skip
def test_a_change_without_a_name_is_not_sent(
    given: dict[str, str], code: int, log_in: LogIn, town: Any
) -> None:
    finding = waiting_of(town, kind="scene_change", category="scene_change", camera="")
    body = {"id": finding.id, "decision": "confirm", **given}
    answer = log_in("operator").post("/api/review/decide", json=body)
    assert answer.status_code == code, answer.text


def test_each_reason_says_what_it_teaches(log_in: LogIn, town: Any) -> None:
    finding = waiting_of(town)
    (item,) = [one for one in ask(log_in("operator"), first=finding.id)["new"]
               if one["id"] == finding.id]  # fmt: skip
    assert "14 天内不再提出" in item["html"]
    assert "180 天内不再提出" in item["html"]
    assert "18 小时内不再提出" in item["html"]  # weather, of the whole picture
    assert "只排除这一条" in item["html"]
