"""Several people at one queue: claims run out, the first decides, the second hears who and when."""

from collections.abc import Callable
from datetime import timedelta
from threading import Barrier, Thread
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from patrol.domain.account import FindingClaim
from patrol.domain.finding import AlreadyDecided, Finding, FindingState
from patrol.domain.ids import FindingId
from patrol.messaging import PayloadBuilder
from patrol.review import confirm, dismiss, unsure
from patrol.store import Store, UnitOfWork, open_store
from simulators import small_site

NOON = small_site.NOON
REGISTRY = small_site.registry()
PAYLOAD_BUILDER = PayloadBuilder(site="shangba", zone=ZoneInfo("Asia/Shanghai"), registry=REGISTRY)
F1, F2 = FindingId("F000001"), FindingId("F000002")
Decide = Callable[[UnitOfWork, str], object]


def confirming(uow: UnitOfWork, by: str) -> object:
    return confirm(uow, F1, by=by, now=NOON, registry=REGISTRY, payloads=PAYLOAD_BUILDER)


def dismissing(uow: UnitOfWork, by: str) -> object:
    return dismiss(uow, F1, by=by, now=NOON, reason="shadow")


def doubting(uow: UnitOfWork, by: str) -> object:
    return unsure(uow, F1, by=by, now=NOON)


@pytest.fixture
def store(sqlite_database: str) -> Any:
    with open_store(sqlite_database) as store:
        with store.begin() as uow:
            uow.findings.add(small_site.finding(F1))
            uow.findings.add(small_site.finding(F2))
            uow.commit()
        yield store


@pytest.mark.parametrize("first", [confirming, dismissing, doubting])
@pytest.mark.parametrize("second", [confirming, dismissing, doubting])
def test_two_decide_at_once(store: Store, first: Decide, second: Decide) -> None:
    """Whoever comes second hears the first one's name and time; a doubt can still be settled."""
    answers: dict[str, AlreadyDecided] = {}
    start = Barrier(2)

    def decide(by: str, how: Decide) -> None:
        start.wait()
        try:
            with store.begin() as uow:
                how(uow, by)
                uow.commit()
        except AlreadyDecided as exc:
            answers[by] = exc

    people = [
        Thread(target=decide, args=("wang", first)), Thread(target=decide, args=("li", second)),
    ]  # fmt: skip
    for person in people:
        person.start()
    for person in people:
        person.join()
    with store.begin_read() as uow:
        finding, cases = uow.findings.get(F1), uow.cases.list()
    assert len(cases) == (finding.state is FindingState.CONFIRMED), "one case, or none"
    doubts = [first, second].count(doubting)
    assert len(answers) == 1 or (doubts == 1 and not answers)
    for by, exc in answers.items():
        assert exc.finding.decided_by not in ("", by)
        assert f"by {exc.finding.decided_by} at 2026-11-22T04:00:00Z" in str(exc)


def test_a_claim_runs_out_and_somebody_else_may_have_it(store: Store) -> None:
    def take(holder: str, minutes: int) -> bool:
        now = NOON + timedelta(minutes=minutes)
        with store.begin() as uow:
            claim = FindingClaim(finding=F1, holder=holder, until=now + timedelta(minutes=2))
            taken = uow.claims.acquire(claim, now)
            uow.commit()
        return taken

    assert take("wang/1", 0)
    assert not take("li/2", 1)
    assert take("wang/1", 1), "renewed while the page is open"
    assert not take("li/2", 2)
    assert take("li/2", 4), "the page was closed without a word"
    with store.begin_read() as uow:
        standing = uow.claims.active(NOON + timedelta(minutes=5))
    assert {claim.holder for claim in standing.values()} == {"li/2"}


def test_two_leads_of_one_thing_confirmed_by_two_are_one_case(store: Store) -> None:
    def confirmed(ident: FindingId, by: str) -> None:
        with store.begin() as uow:
            confirm(uow, ident, by=by, now=NOON, registry=REGISTRY, payloads=PAYLOAD_BUILDER)
            uow.commit()

    people = [Thread(target=confirmed, args=pair) for pair in ((F1, "wang"), (F2, "li"))]
    for person in people:
        person.start()
    for person in people:
        person.join()
    with store.begin_read() as uow:
        (case,) = uow.cases.list()
        found: list[Finding] = [uow.findings.get(ident) for ident in (F1, F2)]
    assert case.count == 2
    assert {one.case for one in found} == {case.id}
    assert {one.state for one in found} == {FindingState.CONFIRMED, FindingState.MERGED}
