"""What calls to the screen: overdue cases, replies, urgent findings; each account's own choice."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from patrol.domain.attention import LOUD, QUIET, AttentionChoice, AttentionKind
from patrol.domain.attention_cases import new_replies, overdue_cases
from patrol.domain.case import Case, CaseEvent, CaseState

LogIn = Callable[[str], httpx.Client]
ALL = [str(kind) for kind in AttentionKind]


@pytest.fixture
def case(town: Any) -> Iterator[Case]:
    """A case just sent, gone afterwards."""
    now = town.app.clock.now()
    with town.store.begin() as uow:
        number = uow.next_number("test-attention")
        made = replace(
            town.case, id=f"C20990201-{number:04}", finding=None, category=f"test_calls_{number}",
            state=CaseState.DISPATCHED, entries=(), dispatched_at=now, suspension=None, hold=None,
        )  # fmt: skip
        uow.cases.add(made)
        uow.commit()
    yield made
    with town.store.begin() as uow:
        known = uow.cases.get(made.id)
        if known.is_open:
            uow.cases.put(known.apply_event(CaseEvent.VOID, at=now, by="test"))
            uow.commit()


def items(client: httpx.Client, kind: str, since: str = "") -> list[dict[str, Any]]:
    answer = client.get("/api/attention", params={"since": since} if since else {})
    assert answer.status_code == 200, answer.text
    return [one for one in answer.json()["items"] if one["kind"] == kind]


def put(town: Any, case: Case) -> None:
    with town.store.begin() as uow:
        uow.cases.put(case)
        uow.commit()


def test_a_case_past_its_limit_calls_once_by_its_key(log_in: LogIn, town: Any, case: Case) -> None:
    client = log_in("operator")
    assert case.id not in [one["id"] for one in items(client, "overdue")]
    long_ago = town.app.clock.now() - timedelta(days=9)
    put(town, replace(case, dispatched_at=long_ago))
    [found] = [one for one in items(client, "overdue") if one["id"] == case.id]
    assert found["url"] == f"/cases/{case.id}"
    assert "已超" in found["text"]
    again = [one for one in items(client, "overdue") if one["id"] == case.id]
    assert again[0]["key"] == found["key"], "told once"


def test_a_reply_calls_until_it_is_read(log_in: LogIn, town: Any, case: Case) -> None:
    client = log_in("operator")
    before = client.get("/api/attention").json()["now"]
    now = town.app.clock.now()
    helped = case.apply_event(CaseEvent.NEED_HELP, at=now, by="leader-1", note="要铲车")
    put(town, helped)
    [found] = [one for one in items(client, "reply", before) if one["id"] == case.id]
    assert "请求支援" in found["title"]
    read = client.get("/api/attention").json()["now"]
    assert case.id not in [one["id"] for one in items(client, "reply", read)]
    put(town, helped.apply_event(CaseEvent.PHONE, at=town.app.clock.now(), by="operator"))
    assert case.id not in [one["id"] for one in items(client, "reply", read)], "the centre's own"


@pytest.mark.parametrize("who", ["auditor", "admin", "display", "leader"])
def test_it_calls_nobody_whose_business_it_is_not(log_in: LogIn, who: str) -> None:
    assert log_in(who).get("/api/attention").status_code == 403


def test_nobody_is_called_for_what_they_may_not_see(log_in: LogIn, town: Any, case: Case) -> None:
    put(town, replace(case, dispatched_at=town.app.clock.now() - timedelta(days=9)))
    for who in ("maintainer", "far_cadre"):
        assert case.id not in [one["id"] for one in items(log_in(who), "overdue")]
        assert not items(log_in(who), "finding")
    assert case.id in [one["id"] for one in items(log_in("cadre"), "overdue")]


def test_each_account_chooses_for_itself(log_in: LogIn) -> None:
    operator, other = log_in("operator"), log_in("operator2")
    try:
        chosen: dict[str, Any]
        for chosen in (
            {"sound": False, "desktop": False, "kinds": []},
            {"sound": False, "desktop": True, "kinds": ["overdue"]},
            {"sound": True, "desktop": False, "kinds": ["reply", "finding"]},
        ):
            assert operator.post("/api/account/attention", json=chosen).status_code == 204
            told = operator.get("/api/attention").json()
            assert (told["sound"], told["desktop"]) == (chosen["sound"], chosen["desktop"])
            assert sorted(told["kinds"]) == sorted(chosen["kinds"])
            assert other.get("/api/attention").json()["kinds"] == ALL
            assert not told["alarm_sound"] or "finding" in chosen["kinds"]
        page = operator.get("/account").text
        assert page.count('name="kinds"') == len(ALL)
    finally:
        loud = {"sound": True, "desktop": True, "kinds": ALL}
        assert operator.post("/api/account/attention", json=loud).status_code == 204
    for wrong in (
        {"sound": True, "desktop": True, "kinds": ["horn"]},
        {"sound": True},
        {"kinds": ALL},
    ):
        assert operator.post("/api/account/attention", json=wrong).status_code == 422


def test_what_is_overdue_and_what_a_reply(town: Any, case: Case) -> None:
    now = town.app.clock.now()
    late = replace(case, dispatched_at=now - timedelta(days=9))
    assert overdue_cases([case, late], now) == [late]
    closed = replace(late, state=CaseState.CLOSED)
    assert overdue_cases([closed], now) == []
    replied = case.apply_event(CaseEvent.ACKNOWLEDGE, at=now, by="leader-1")
    replied = replied.apply_event(CaseEvent.PROGRESS, at=now + timedelta(minutes=1), by="leader-1")
    earlier = now - timedelta(seconds=1)
    [reply] = new_replies([case, replied], earlier, {})
    assert reply.what is CaseEvent.PROGRESS, "the newest of a case"
    assert new_replies([replied], now + timedelta(minutes=1), {}) == []
    assert new_replies([replied], earlier, {"leader-1": None}) == []
    assert QUIET.is_quiet
    assert not LOUD.is_quiet
    assert AttentionChoice(kinds=()).is_quiet
