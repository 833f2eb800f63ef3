"""The log of report changes: who appends to it, what a reader gets who goes on from a cursor."""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from patrol.domain.ids import RoundId
from patrol.domain.round import Round, RoundEvent
from patrol.store import Store, UnitOfWork
from patrol.store.report_changes import BadCursor, ReportChange, ReportChanges, moment_subject
from simulators import small_site

NOON = small_site.NOON
A_ROUND = Round(
    id=RoundId("r1"), plan="morning", day=date(2026, 11, 22), planned_at=NOON,
    finish_by=NOON + timedelta(hours=1), planned=0, refused={},
)  # fmt: skip


def write(store: Store, change: Callable[[UnitOfWork], object]) -> None:
    with store.begin() as uow:
        change(uow)
        uow.commit()


def read(store: Store, cursor: str = "", limit: int = 100) -> ReportChanges:
    with store.begin_read() as uow:
        return uow.report_changes.since(cursor, limit=limit)


def subjects(found: ReportChanges) -> list[tuple[str, str]]:
    return [(one.kind, one.subject) for one in found.changes]


def test_a_change_is_read_once_and_again_when_it_changes(store: Store) -> None:
    write(store, lambda uow: uow.rounds.add(A_ROUND, []))
    first = read(store)
    assert subjects(first) == [("round", "r1")]
    assert not first.more
    assert not first.restarted
    assert subjects(read(store, first.cursor)) == []
    assert read(store, first.cursor).cursor == first.cursor
    begun = A_ROUND.apply_event(RoundEvent.START, at=NOON)
    write(store, lambda uow: uow.rounds.put(begun))
    assert subjects(read(store, first.cursor)) == [("round", "r1")]


def test_what_is_rolled_back_was_no_change(store: Store) -> None:
    with store.begin() as uow:
        uow.rounds.add(A_ROUND, [])
    assert read(store) == ReportChanges(changes=[], cursor="", more=False, restarted=False)


def test_pages_end_and_lose_nothing_that_changes_between_them(store: Store) -> None:
    for number in range(5):
        ident = RoundId(f"r{number}")
        write(store, lambda uow, ident=ident: uow.rounds.add(replace(A_ROUND, id=ident), []))
    page = read(store, limit=2)
    assert (subjects(page), page.more) == ([("round", "r0"), ("round", "r1")], True)
    for ident in ("r0", "r4"):
        a_round = replace(A_ROUND, id=RoundId(ident)).apply_event(RoundEvent.START, at=NOON)
        write(store, lambda uow, a_round=a_round: uow.rounds.put(a_round))
    rest = read(store, page.cursor)
    assert [subject for _, subject in subjects(rest)] == ["r2", "r3", "r0", "r4"]
    assert not rest.more


@pytest.mark.parametrize(
    "cursor", ["5", "1-00000000", "1-00000000.1-0000000", "-1-00000000.1-00000000", "1-00000000.x"]
)
def test_a_text_that_is_no_cursor_is_refused(store: Store, cursor: str) -> None:
    with pytest.raises(BadCursor, match="cursor"):
        read(store, cursor)


@pytest.mark.parametrize("number", [1, 99])
def test_a_cursor_of_another_history_begins_anew(store: Store, number: int) -> None:
    write(store, lambda uow: uow.rounds.add(A_ROUND, []))
    found = read(store, f"{number}-0badc0de.{number}-0badc0de")
    assert found.restarted
    assert subjects(found) == [("round", "r1")]


def test_a_decision_touches_its_round_or_its_moment(store: Store) -> None:
    write(store, lambda uow: uow.rounds.add(A_ROUND, []))
    of_round = small_site.finding("F000001", round=A_ROUND.id)
    own = small_site.finding("F000002", round=None, found_at=NOON + timedelta(minutes=7))
    cursor = read(store).cursor
    write(store, lambda uow: (uow.findings.add(of_round), uow.findings.add(own)))
    expected = [("round", "r1"), ("moment", "2026-11-22T04:00Z")]
    assert subjects(read(store, cursor)) == expected
    cursor = read(store, cursor).cursor
    write(store, lambda uow: uow.findings.put(replace(own, why="x")))
    assert subjects(read(store, cursor)) == expected[1:]


def test_entries_that_newer_ones_replace_are_deleted_and_no_other(store: Store) -> None:
    for number in range(6):
        finding = small_site.finding(f"F{number:06}")
        write(store, lambda uow, finding=finding: uow.findings.add(finding))
    write(store, lambda uow: uow.rounds.add(A_ROUND, []))
    before = read(store)
    with store.begin() as uow:
        assert uow.report_changes.delete_replaced(keep=2) == 5
        uow.commit()
    assert read(store).changes == before.changes
    assert not read(store, before.cursor).restarted


def test_writers_at_once_are_read_in_the_order_in_which_they_are_seen(store: Store) -> None:
    """A reader who always goes on from its cursor gets every change, however commits overlap."""
    seen: list[str] = []
    writers = 4

    def add(writer: int) -> None:
        for number in range(12):
            ident = RoundId(f"w{writer}-{number}")
            write(store, lambda uow, ident=ident: uow.rounds.add(replace(A_ROUND, id=ident), []))

    threads = [threading.Thread(target=add, args=(writer,)) for writer in range(writers)]
    for thread in threads:
        thread.start()
    cursor = ""
    while any(thread.is_alive() for thread in threads) or read(store, cursor).changes:
        found = read(store, cursor, limit=3)
        seen += [one.subject for one in found.changes]
        cursor = found.cursor
    assert sorted(seen) == sorted(f"w{w}-{n}" for w in range(writers) for n in range(12))


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (datetime(2026, 11, 22, 4, 14, 59, tzinfo=UTC), "2026-11-22T04:00Z"),
        (datetime(2026, 11, 22, 4, 15, tzinfo=UTC), "2026-11-22T04:15Z"),
        (datetime.fromisoformat("2026-11-23T00:05:00+08:00"), "2026-11-22T16:00Z"),
        (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00Z"),
    ],
)
def test_a_moment_is_told_by_its_quarter_in_utc(at: datetime, expected: str) -> None:
    assert moment_subject(at) == expected
    assert ReportChange(kind="moment", subject=expected).subject == moment_subject(
        datetime.fromisoformat(expected)
    )
