"""Confirm, dismiss, unsure: each stands or falls with what follows from it."""

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from patrol.domain.case import Case, CaseEvent, CaseState
from patrol.domain.finding import AlreadyDecided, Finding, FindingState
from patrol.domain.ids import CaseId, FindingId
from patrol.domain.observation import Subject
from patrol.domain.outbox import OutboxMessage
from patrol.domain.priority import Level
from patrol.messaging import PayloadBuilder
from patrol.messaging.payloads import NO_REPLIES, ReceivedReplies
from patrol.review import UnknownCategory, confirm, dismiss, review_queue, unsure
from patrol.store import Store
from simulators import small_site
from tests.support.store import new_store

NOON = small_site.NOON
REGISTRY = small_site.registry()
PAYLOAD_BUILDER = PayloadBuilder(site="shangba", zone=ZoneInfo("Asia/Shanghai"), registry=REGISTRY)
F1 = FindingId("F000001")


@pytest.fixture
def store() -> Store:
    store = new_store()
    add(store, small_site.finding())
    return store


def add(store: Store, *findings: Finding) -> None:
    with store.begin() as uow:
        for finding in findings:
            uow.findings.add(finding)
        uow.commit()


def decide(store: Store, finding: str = F1, by: str = "op", **more: Any) -> Case:
    with store.begin() as uow:
        case = confirm(
            uow,
            FindingId(finding),
            by=by,
            now=more.pop("now", NOON),
            registry=REGISTRY,
            payloads=more.pop("announcer", PAYLOAD_BUILDER),
            **more,
        )
        uow.commit()
    return case


def finding_of(store: Store, finding: str = F1) -> Finding:
    with store.begin_read() as uow:
        return uow.findings.get(FindingId(finding))


def test_a_confirmed_finding_becomes_a_case_and_a_word_about_it(store: Store) -> None:
    case = decide(store)
    assert case.id == "C20261122-0001"
    assert (case.state, case.finding, case.grid) == (CaseState.DISPATCHED, F1, small_site.GROUP)
    assert case.ladder_due_at == NOON + timedelta(hours=2)
    assert [(e.what, e.by) for e in case.entries] == [(CaseEvent.DISPATCH, "op")]
    decided = finding_of(store)
    assert (decided.state, decided.case) == (FindingState.CONFIRMED, case.id)
    with store.begin_read() as uow:
        assert uow.cases.get(case.id) == case
        assert [m.case for m in uow.outbox.of_case(case.id)] == [case.id]


class Speechless(PayloadBuilder):
    """Fails where the words are made."""

    def case_messages(  # type: ignore[explicit-override]  # a test's own
        self, case: Case, now: datetime, received: ReceivedReplies = NO_REPLIES
    ) -> Sequence[OutboxMessage]:
        raise RuntimeError("no words")


def test_decision_case_and_word_stand_or_fall_together(store: Store) -> None:
    mute = Speechless(site="shangba", zone=PAYLOAD_BUILDER.zone, registry=REGISTRY)
    with pytest.raises(RuntimeError):
        decide(store, announcer=mute)
    assert finding_of(store).state is FindingState.CANDIDATE
    with store.begin_read() as uow:
        assert uow.cases.list() == []
        assert uow.outbox.unsent() == 0
    assert decide(store).id == "C20261122-0001", "and no number is lost"


def test_the_number_is_of_the_local_day(store: Store) -> None:
    add(store, small_site.finding("F2", camera=small_site.SECOND_CAMERA))
    evening = NOON.replace(hour=15, minute=59)  # 23:59 in the town
    assert decide(store, now=evening).id == "C20261122-0001"
    assert decide(store, "F2", now=evening + timedelta(minutes=2)).id == "C20261123-0001"


def test_the_second_hears_who_was_first(store: Store) -> None:
    decide(store, by="wang")
    for again in (
        lambda: decide(store, by="li"),
        lambda: dismissed(store, by="li"),
    ):
        with pytest.raises(AlreadyDecided) as said:
            again()
        assert "wang" in str(said.value)
        assert "2026-11-22T04:00:00Z" in str(said.value)


def dismissed(store: Store, by: str = "op", reason: str = "shadow") -> Finding:
    with store.begin() as uow:
        done = dismiss(uow, F1, by=by, now=NOON, reason=reason)
        uow.commit()
    return done


def test_a_dismissal_needs_its_reason(store: Store) -> None:
    with pytest.raises(ValueError, match="shadow"):
        dismissed(store, reason="  ")
    assert dismissed(store, reason="shadow").state is FindingState.DISMISSED
    assert finding_of(store).reason == "shadow"
    with pytest.raises(AlreadyDecided):
        decide(store)


def test_unsure_stays_in_the_queue_for_another_pair_of_eyes(store: Store) -> None:
    with store.begin() as uow:
        unsure(uow, F1, by="wang", now=NOON, reason="太远看不清")
        uow.commit()
    with store.begin_read() as uow:
        (line,) = review_queue(uow, NOON + timedelta(minutes=5)).lines
    assert (line.second_look, line.waiting) == (True, timedelta(minutes=5))
    assert decide(store, by="li").finding == F1


def test_another_category_and_level_may_be_chosen(store: Store) -> None:
    case = decide(store, category="obstruction", level=Level.URGENT, note="树倒了")
    assert (case.category, case.level, case.note) == ("obstruction", Level.URGENT, "树倒了")
    assert case.ladder_due_at == NOON + timedelta(minutes=3)
    assert finding_of(store).category == "obstruction"


def test_a_category_that_is_none_changes_nothing(store: Store) -> None:
    with pytest.raises(UnknownCategory, match="blocking_vehicle"):
        decide(store, category="beehive")
    assert finding_of(store).is_open


def test_the_same_camera_and_category_is_the_same_case(store: Store) -> None:
    first = decide(store)
    add(store, small_site.finding("F2"))
    merged = decide(store, "F2")
    assert (merged.id, merged.count, merged.revision) == (first.id, 2, 1)
    assert merged.entries[-1].what is CaseEvent.MERGE
    assert (finding_of(store, "F2").state, finding_of(store, "F2").case) == (
        FindingState.MERGED,
        first.id,
    )
    with store.begin_read() as uow:
        assert len(uow.outbox.of_case(first.id)) == 2, "the leader sees that it was counted"


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"camera": small_site.SECOND_CAMERA}, id="another camera"),
        pytest.param({"category": "dumping"}, id="another category"),
    ],
)
def test_anything_else_is_a_case_of_its_own(store: Store, other: dict[str, Any]) -> None:
    first = decide(store)
    add(store, small_site.finding("F2", **other))
    assert decide(store, "F2").id != first.id


def test_after_the_case_has_ended_it_is_a_new_one(store: Store) -> None:
    first = decide(store)
    with store.begin() as uow:
        voided = first.apply_event(CaseEvent.VOID, at=NOON, by="op", note="x")
        uow.cases.put(replace(voided, ladder_due_at=None))
        uow.commit()
    add(store, small_site.finding("F2"))
    assert decide(store, "F2").id == CaseId("C20261122-0002")


def test_an_unknown_finding_is_a_key_error(store: Store) -> None:
    with pytest.raises(KeyError):
        decide(store, "F999999")


def test_the_queue_brings_the_worst_first_and_yards_before_lenses() -> None:
    ordered = [
        small_site.finding("a", level=Level.URGENT, score=0.5),
        small_site.finding("b", level=Level.ORDINARY, score=0.9),
        small_site.finding(
            "c", level=Level.ORDINARY, score=0.6, found_at=NOON - timedelta(hours=1)
        ),
        small_site.finding("d", level=Level.ORDINARY, score=0.6),
        small_site.finding("e", level=Level.ORDINARY, score=1.0, subject=Subject.EQUIPMENT),
        small_site.finding("f", level=Level.NOTE, score=1.0),
    ]
    store = new_store()
    add(store, *random.Random(1).sample(ordered, len(ordered)))
    with store.begin_read() as uow:
        lines = review_queue(uow, NOON).lines
    assert [line.finding.id for line in lines] == list("abcdef")
    assert [line.position for line in lines] == [1, 2, 3, 4, 5, 6]


def test_the_two_queues_can_be_had_apart(store: Store) -> None:
    add(store, small_site.finding("F2", subject=Subject.EQUIPMENT))
    with store.begin_read() as uow:
        assert [x.finding.id for x in review_queue(uow, NOON, subject=Subject.EQUIPMENT).lines] == [
            "F2"
        ]
        assert [x.finding.id for x in review_queue(uow, NOON, subject=Subject.SCENE).lines] == [F1]
