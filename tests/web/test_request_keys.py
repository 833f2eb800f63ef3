"""Requests of the console that come twice, late, or from a page of another login."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from patrol.domain.case import Case, CaseState
from patrol.domain.finding import FindingState
from patrol.web.auth import csrf_token

LogIn = Callable[[str], httpx.Client]
KEY = "0123456789abcdef0123456789abcdef"


@pytest.fixture(autouse=True)
def no_claims(town: Any) -> None:
    with town.store.begin() as uow:
        for finding in uow.claims.active(town.app.clock.now()):
            uow.claims.drop(finding)
        uow.commit()


def claimed(client: httpx.Client) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = client.post("/api/review/hand", json={}).json()["new"]
    return items


def decide(client: httpx.Client, key: str, **body: Any) -> httpx.Response:
    return client.post("/api/review/decide", json=body, headers={"idempotency-key": key})


def state_of(town: Any, ident: str) -> FindingState:
    with town.store.begin_read() as uow:
        state: FindingState = uow.findings.get(ident).state
        return state


@pytest.fixture
def fed_back(town: Any) -> Case:
    """A case of the test's own that waits for verification."""
    with town.store.begin() as uow:
        number = 1 + uow.next_number("test-cases")
        case = replace(
            town.case, id=f"C20200301-{number:04}", finding=None, request=None,
            state=CaseState.FED_BACK,
        )  # fmt: skip
        uow.cases.add(case)
        uow.commit()
    return case


def test_a_repeated_decision_is_answered_as_the_first_was(log_in: LogIn, town: Any) -> None:
    operator = log_in("operator")
    lead = claimed(operator)[0]
    body = {"id": lead["id"], "decision": "confirm", "seen": lead["seen"], "level": "III"}
    first = decide(operator, f"{KEY[:-1]}1", **body)
    with town.store.begin_read() as uow:
        case = uow.cases.get(first.json()["case"])
    again = decide(operator, f"{KEY[:-1]}1", **body)
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.json() == first.json()
    with town.store.begin_read() as uow:
        assert uow.cases.get(case.id).entries == case.entries


@pytest.mark.parametrize("decision", ["dismiss", "unsure"])
def test_other_decisions_repeat_too(log_in: LogIn, town: Any, decision: str) -> None:
    operator, key = log_in("operator"), f"{KEY[:-2]}2{decision[0]}"
    lead = claimed(operator)[0]
    body = {"id": lead["id"], "decision": decision, "seen": lead["seen"], "reason": "animal"}
    assert [decide(operator, key, **body).status_code for _ in range(2)] == [200, 200]
    expected = {"dismiss": FindingState.DISMISSED, "unsure": FindingState.UNSURE}[decision]
    assert state_of(town, lead["id"]) is expected
    with town.store.begin() as uow:  # as it was, for the other tests
        found = uow.findings.get(lead["id"])
        uow.findings.put(replace(found, state=FindingState.CANDIDATE, decided_by=""))
        uow.commit()


def test_a_key_never_decides_another_finding(log_in: LogIn, town: Any) -> None:
    operator, key = log_in("operator"), f"{KEY[:-1]}3"
    one, other, *_ = claimed(operator)
    body = {"decision": "dismiss", "reason": "shadow"}
    assert decide(operator, key, id=one["id"], **body).status_code == 200
    late = decide(operator, key, id=other["id"], **body)
    assert late.status_code == 409
    assert state_of(town, other["id"]) is FindingState.CANDIDATE
    # nor another decision on the same one
    assert decide(operator, key, id=one["id"], decision="unsure").status_code == 409
    # another account's key of the same text is its own
    theirs = decide(log_in("duty_lead"), key, id=one["id"], **body)
    assert theirs.status_code == 409
    assert "operator" in theirs.json()["words"]


def test_a_decision_about_what_has_changed_is_not_applied(log_in: LogIn, town: Any) -> None:
    operator = log_in("operator")
    lead = claimed(operator)[0]
    kept = {"id": lead["id"], "decision": "confirm", "seen": lead["seen"], "category": "dumping"}
    operator.post("/api/review/release", json={"ids": [lead["id"]]})
    unsure = {"id": lead["id"], "decision": "unsure", "note": "看不清"}
    assert log_in("operator2").post("/api/review/decide", json=unsure).status_code == 200
    late = decide(operator, f"{KEY[:-1]}4", **kept)
    assert late.status_code == 409
    assert "看过" in late.json()["words"]
    assert state_of(town, lead["id"]) is FindingState.UNSURE
    with town.store.begin() as uow:
        found = uow.findings.get(lead["id"])
        assert found.revision != lead["seen"]
        uow.findings.put(replace(found, state=FindingState.CANDIDATE, decided_by=""))
        uow.commit()


def test_counting_it_once_more_leaves_the_revision(town: Any) -> None:
    with town.store.begin_read() as uow:
        finding = uow.findings.queue()[0]
    assert replace(finding, count=finding.count + 1, score=0.99).revision == finding.revision
    assert replace(finding, picture="0" * 64).revision != finding.revision


@pytest.mark.parametrize("key", ["short", "x" * 65, "spaces in the key", "键" * 8])
def test_a_key_that_is_none_is_refused(log_in: LogIn, town: Any, key: str) -> None:
    operator = log_in("operator")
    lead = claimed(operator)[0]
    headers = {b"idempotency-key": key.encode()}
    body = {"id": lead["id"], "decision": "dismiss", "reason": "shadow"}
    refused = operator.post("/api/review/decide", json=body, headers=headers)
    assert refused.status_code == 422
    assert state_of(town, lead["id"]).value == "candidate"


def test_a_case_is_verified_once(log_in: LogIn, town: Any, fed_back: Case) -> None:
    operator, path = log_in("operator"), f"/api/cases/{fed_back.id}/move"
    body, headers = {"move": "still_there", "note": "还在"}, {"idempotency-key": f"{KEY[:-1]}5"}
    assert operator.post(path, json=body, headers=headers).json() == {"state": "rework"}
    with town.store.begin_read() as uow:
        after = uow.cases.get(fed_back.id)
    assert operator.post(path, json=body, headers=headers).json() == {"repeated": True}
    phoned = {"move": "phone", "note": "已告知"}
    for _ in range(2):
        headers = {"idempotency-key": f"{KEY[:-1]}6"}
        assert operator.post(path, json=phoned, headers=headers).status_code == 200
    with town.store.begin_read() as uow:
        assert len(uow.cases.get(fed_back.id).entries) == len(after.entries) + 1


def test_an_action_belongs_to_the_case_as_it_was_shown(
    log_in: LogIn, town: Any, fed_back: Case
) -> None:
    operator, supervisor = log_in("operator"), log_in("duty_lead")
    path = f"/api/cases/{fed_back.id}/move"
    asked = operator.post(path, json={"move": "void", "note": "重复"})
    assert asked.status_code == 200

    def seen() -> str:
        page = supervisor.get(f"/cases/{fed_back.id}").text
        return page.partition(f'data-id="{fed_back.id}" data-seen="')[2].partition('"')[0]

    shown = seen()
    assert operator.post(path, json={"move": "withdraw"}).status_code == 200
    longer = {"move": "extend", "note": "等吊车", "hours": 24}
    assert operator.post(path, json=longer).status_code == 200
    # the button was pressed for the void: the extension is not granted in its place
    late = supervisor.post(path, json={"move": "grant", "seen": shown})
    assert late.status_code == 409
    with town.store.begin_read() as uow:
        assert uow.cases.get(fed_back.id).request is not None
    assert supervisor.post(path, json={"move": "grant", "seen": seen()}).status_code == 200


def test_a_shift_is_signed_once_and_only_what_was_read(log_in: LogIn, town: Any) -> None:
    goes, comes = log_in("operator"), log_in("duty_lead")
    headers, body = {"idempotency-key": f"{KEY[:-1]}7"}, {"to": "duty_lead", "note": "一"}
    with town.store.begin_read() as uow:
        before = len(uow.handovers.entries())
    given = goes.post("/api/shift/give", json=body, headers=headers).json()
    assert goes.post("/api/shift/give", json=body, headers=headers).json() == {"repeated": True}
    anew = goes.post("/api/shift/give", json={**body, "note": "二"}).json()
    stale = comes.post("/api/shift/take", json={"given": given["number"]})
    assert stale.status_code == 409
    headers = {"idempotency-key": f"{KEY[:-1]}8"}
    taking = {"given": anew["number"]}
    assert comes.post("/api/shift/take", json=taking, headers=headers).status_code == 201
    assert comes.post("/api/shift/take", json=taking, headers=headers).status_code == 200
    with town.store.begin_read() as uow:
        assert len(uow.handovers.entries()) == before + 3
    assert comes.post("/api/shift/give", json={"to": "operator"}).status_code == 201
    assert goes.post("/api/shift/take", json={}).status_code == 201


def test_a_stoppage_is_added_and_ended_once(log_in: LogIn, town: Any) -> None:
    maintainer, camera = log_in("maintainer"), next(iter(town.app.registry.cameras))
    asked = {"scope": "camera", "subject": camera, "reason": "换电源"}
    headers = {"idempotency-key": f"{KEY[:-1]}9"}
    number = maintainer.post("/api/stoppages", json=asked, headers=headers).json()["number"]
    again = maintainer.post("/api/stoppages", json=asked, headers=headers)
    assert again.json() == {"repeated": True}
    with town.store.begin_read() as uow:
        active = uow.stoppages.active(town.app.clock.now())
    assert sum(one.reason == "换电源" for one in active) == 1
    headers = {"idempotency-key": f"{KEY[:-1]}a"}
    path = f"/api/stoppages/{number}/end"
    assert [maintainer.post(path, headers=headers).status_code for _ in range(2)] == [200, 200]


def test_a_refused_request_may_come_again_under_its_key(log_in: LogIn, town: Any) -> None:
    """The key stands only with the action: after a refusal nothing is remembered."""
    maintainer, camera = log_in("maintainer"), next(iter(town.app.registry.cameras))
    headers = {"idempotency-key": f"{KEY[:-1]}b"}
    asked = {"scope": "camera", "subject": camera, "reason": " "}
    for _ in range(2):
        refused = maintainer.post("/api/stoppages", json=asked, headers=headers)
        assert refused.status_code == 422


def test_a_stale_token_is_an_error_of_its_own(log_in: LogIn, town: Any) -> None:
    operator = log_in("operator")
    secret = operator.cookies["patrol_session"]
    stale = {"x-patrol-csrf": csrf_token("an earlier session"), "accept-language": "zh"}
    lead = claimed(operator)[0]
    body = {"id": lead["id"], "decision": "dismiss", "reason": "shadow"}
    refused = operator.post("/api/review/decide", json=body, headers=stale)
    assert refused.status_code == 403
    assert refused.json()["kind"] == "csrf"
    assert state_of(town, lead["id"]) is FindingState.CANDIDATE
    session = operator.get("/api/session")
    assert session.json() == {"account": "operator", "csrf": csrf_token(secret)}
    assert session.headers["cache-control"] == "no-store"
    forbidden = operator.post("/api/accounts", json={})
    assert forbidden.status_code == 403
    assert "kind" not in forbidden.json()
    assert log_in("").get("/api/session").status_code == 401


def test_keys_are_forgotten_with_those_of_messages(log_in: LogIn, town: Any) -> None:
    maintainer, camera = log_in("maintainer"), next(iter(town.app.registry.cameras))
    asked = {"scope": "camera", "subject": camera, "reason": "清洁"}
    headers = {"idempotency-key": f"{KEY[:-1]}c"}
    made = maintainer.post("/api/stoppages", json=asked, headers=headers).json()["number"]
    with town.store.begin() as uow:
        uow.inbox.prune(town.app.clock.now() + timedelta(days=1), limit=100_000)
        uow.commit()
    again = maintainer.post("/api/stoppages", json=asked, headers=headers).json()["number"]
    assert again != made
    for number in (made, again):
        assert maintainer.post(f"/api/stoppages/{number}/end").status_code == 200
