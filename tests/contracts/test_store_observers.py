"""Observers of a store: told inside the transaction, with what was there before."""

from typing import Any

import pytest

from patrol.store import (
    AfterCommit,
    CaseChanged,
    FindingChanged,
    Store,
    StoreEvent,
    UnitOfWork,
    VisitRecorded,
)


class RecordingObserver:
    def __init__(self) -> None:
        self.events: list[StoreEvent] = []
        self.counted = 0

    def observe(self, uow: UnitOfWork, changes: StoreEvent) -> AfterCommit:
        self.events.append(changes)
        if isinstance(changes, CaseChanged):
            assert uow.cases.get(changes.after.id) == changes.after
        return self._count

    def _count(self) -> None:
        self.counted += 1


@pytest.fixture
def observer(store: Store) -> RecordingObserver:
    observer = RecordingObserver()
    store.add_observers([observer.observe])
    return observer


def test_what_is_new_and_what_changed_is_told_with_what_was_before(
    store: Store, observer: RecordingObserver, make: Any
) -> None:
    first, second = make.finding(), make.finding(score=0.9)
    with store.begin() as uow:
        uow.findings.add(first)
        uow.findings.put(second)
        uow.commit()
    assert observer.events == [FindingChanged(None, first), FindingChanged(first, second)]


def test_an_observer_reads_what_it_is_told_and_counts_after_the_commit(
    store: Store, observer: RecordingObserver, make: Any
) -> None:
    with store.begin() as uow:
        uow.cases.add(make.case())
        assert (len(observer.events), observer.counted) == (1, 0)
        uow.commit()
    assert observer.counted == 1


def test_what_is_rolled_back_is_not_counted(
    store: Store, observer: RecordingObserver, make: Any
) -> None:
    with store.begin() as uow:
        uow.cases.add(make.case())
    assert observer.counted == 0


def test_a_visit_that_was_recorded_before_is_no_news(
    store: Store, observer: RecordingObserver, make: Any
) -> None:
    a_round = make.round()
    with store.begin() as uow:
        uow.rounds.add(a_round, make.planned(a_round))
        assert uow.rounds.record_visit(make.visit(a_round.id))
        assert not uow.rounds.record_visit(make.visit(a_round.id))
        uow.commit()
    assert [changes for changes in observer.events if isinstance(changes, VisitRecorded)] == [
        VisitRecorded(make.visit(a_round.id))
    ]
