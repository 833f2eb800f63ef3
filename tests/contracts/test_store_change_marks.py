"""What every store promises a live page: a topic's mark differs when its rows do, and only then."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from patrol.domain.account import FindingClaim
from patrol.domain.case import CaseEvent
from patrol.domain.finding import FindingState
from patrol.domain.ids import FindingId
from patrol.domain.round import RoundEvent
from patrol.store import Store, UnitOfWork
from tests.support.health import put_health

SOON = timedelta(minutes=5)
Change = Callable[[UnitOfWork, Any], object]


def tokens(store: Store) -> Mapping[str, str]:
    with store.begin_read() as unit:
        return unit.change_tokens.read()


def commit(store: Store, make: Any, change: Change) -> None:
    with store.begin() as unit:
        change(unit, make)
        unit.commit()


def before_all(unit: UnitOfWork, make: Any) -> None:
    """A round under way, a lead that waits, an open case, a camera that is well."""
    a_round = make.round().apply_event(RoundEvent.START, at=make.now)
    unit.rounds.add(a_round, make.planned(a_round))
    unit.findings.add(make.finding())
    unit.cases.add(make.case())
    put_health(unit, make.camera(), "online", make.now, "")


def decide(unit: UnitOfWork, make: Any) -> None:
    decision = {"state": FindingState.DISMISSED, "decided_by": "值班员", "decided_at": make.now}
    unit.findings.put(replace(unit.findings.get(FindingId("F000001")), **decision))


def acknowledge(unit: UnitOfWork, make: Any) -> None:
    case = unit.cases.get(make.case().id)
    unit.cases.put(case.apply_event(CaseEvent.ACKNOWLEDGE, at=make.now, by="leader"))


@pytest.mark.parametrize(
    ("topic", "change"),
    [
        pytest.param(
            "rounds",
            lambda unit, make: unit.rounds.record_visit(make.visit(make.round().id)),
            id="a visit",
        ),
        pytest.param(
            "queue", lambda unit, make: unit.findings.add(make.finding(2)), id="a new lead"
        ),
        pytest.param("queue", decide, id="a decision"),
        pytest.param("cases", lambda unit, make: unit.cases.add(make.case(2)), id="a new case"),
        pytest.param("cases", acknowledge, id="a line in a history"),
        pytest.param(
            "health",
            lambda unit, make: put_health(unit, make.camera(), "offline", make.now, "unreachable"),
            id="a camera falls silent",
        ),
        pytest.param(
            "messages", lambda unit, make: unit.outbox.add(make.message()), id="a message"
        ),
    ],
)
def test_a_mark_moves_with_its_rows(store: Store, make: Any, topic: str, change: Change) -> None:
    commit(store, make, before_all)
    before = tokens(store)
    assert tokens(store) == before, "nothing happened"
    commit(store, make, change)
    after = tokens(store)
    assert after[topic] != before[topic]
    moved = {name for name in before if before[name] != after[name]}
    assert moved == {topic}


def test_what_was_not_committed_moves_no_mark(store: Store, make: Any) -> None:
    commit(store, make, before_all)
    before = tokens(store)
    with store.begin() as unit:
        unit.findings.add(make.finding(2))
    assert tokens(store) == before


def claim(finding: str, holder: str, until: Any) -> FindingClaim:
    return FindingClaim(finding=FindingId(finding), holder=holder, until=until)


def test_a_claim_is_one_persons_until_it_runs_out(store: Store, make: Any) -> None:
    now, later = make.now, make.now + SOON
    with store.begin() as unit:
        assert unit.claims.acquire(claim("F000001", "zhang", later), now) is True
        assert unit.claims.acquire(claim("F000001", "li", later), now) is False
        unit.commit()
    with store.begin() as unit:
        assert unit.claims.acquire(claim("F000001", "zhang", later + SOON), now) is True, "renewed"
        assert unit.claims.acquire(claim("F000001", "li", later + SOON), later) is False
        unit.commit()
    with store.begin() as unit:
        standing = unit.claims.active(later)
        assert {one: held.holder for one, held in standing.items()} == {"F000001": "zhang"}
        assert unit.claims.active(later + SOON) == {}
        late = claim("F000001", "li", later + 2 * SOON)
        assert unit.claims.acquire(late, later + SOON) is True
        assert unit.claims.active(later + SOON) == {FindingId("F000001"): late}


def test_claims_are_given_back(store: Store, make: Any) -> None:
    now, until = make.now, make.now + SOON
    with store.begin() as unit:
        for number in (1, 2, 3):
            holder = "li" if number == 3 else "zhang"
            assert unit.claims.acquire(claim(f"F00000{number}", holder, until), now)
        unit.claims.drop(FindingId("F000001"))
        unit.claims.drop(FindingId("F000009"))
        assert set(unit.claims.active(now)) == {"F000002", "F000003"}
        unit.claims.drop_all("zhang")
        assert set(unit.claims.active(now)) == {"F000003"}
