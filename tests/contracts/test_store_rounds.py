"""What every store promises of rounds, visits and their pictures."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from threading import Thread
from typing import Any

import pytest

from patrol.domain.round import RoundEvent, RoundState, RoundTotals, Visit, VisitOutcome
from patrol.store import Store, UnitOfWork
from tests.support.rounds import is_balanced


def write(store: Store, work: Callable[[UnitOfWork], Any]) -> Any:
    with store.begin() as unit:
        answer = work(unit)
        unit.commit()
    return answer


def test_a_round_comes_back_as_it_was_written(store: Store, make: Any) -> None:
    a_round = make.round(started_at=make.now, reason="磁盘已满", wall_s=1.5, peak_rss_mb=280.25)
    write(store, lambda unit: unit.rounds.add(a_round, make.planned(a_round)))
    with store.begin_read() as unit:
        assert unit.rounds.get(a_round.id) == a_round


def test_the_same_id_is_refused(store: Store, make: Any) -> None:
    a_round = make.round()
    write(store, lambda unit: unit.rounds.add(a_round, make.planned(a_round)))
    with store.begin() as unit, pytest.raises(ValueError, match="exists"):
        unit.rounds.add(a_round, [])


def test_what_is_not_committed_never_was(store: Store, make: Any) -> None:
    with store.begin() as unit:
        unit.rounds.add(make.round(), make.planned(make.round()))
    with store.begin_read() as unit, pytest.raises(KeyError):
        unit.rounds.get(make.round().id)


def test_an_exception_rolls_back(store: Store, make: Any) -> None:
    def add_and_fail(unit: UnitOfWork) -> None:
        unit.rounds.add(make.round(), make.planned(make.round()))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write(store, add_and_fail)
    assert write(store, lambda unit: unit.rounds.of_plan("morning")) == []


def test_a_committed_unit_is_over(store: Store, make: Any) -> None:
    with store.begin() as unit:
        unit.commit()
        with pytest.raises(RuntimeError, match="committed"):
            unit.commit()


def test_a_reading_unit_does_not_write(store: Store, make: Any) -> None:
    with store.begin_read() as unit, pytest.raises(RuntimeError, match="only reads"):
        unit.rounds.add(make.round(), [])


def test_a_changed_round_is_written(store: Store, make: Any) -> None:
    a_round = make.round()
    write(store, lambda unit: unit.rounds.add(a_round, make.planned(a_round)))
    running = a_round.apply_event(RoundEvent.START, at=make.now)
    write(store, lambda unit: unit.rounds.put(running))
    with store.begin_read() as unit:
        assert unit.rounds.get(a_round.id) == running
    with store.begin() as unit, pytest.raises(KeyError):
        unit.rounds.put(make.round(9))


def test_rounds_of_a_plan_newest_first(store: Store, make: Any) -> None:
    for number in (2, 3, 1):
        write(store, lambda unit, n=number: unit.rounds.add(make.round(n), []))
    write(store, lambda unit: unit.rounds.add(make.round(4, plan="afternoon"), []))
    with store.begin_read() as unit:
        newest = unit.rounds.of_plan("morning", limit=2)
    assert [a_round.id[-1] for a_round in newest] == ["3", "2"]


def test_rounds_of_days_oldest_first(store: Store, make: Any) -> None:
    day = make.now.date()
    for number, days in ((3, 1), (1, 0), (2, 0), (4, 2), (5, -1)):
        a_round = make.round(number, day=day + timedelta(days=days), plan=f"plan-{number % 2}")
        write(store, lambda unit, a_round=a_round: unit.rounds.add(a_round, []))
    with store.begin_read() as unit:
        found = unit.rounds.of_days(day, day + timedelta(days=2))
    assert [a_round.id[-1] for a_round in found] == ["1", "2", "3"]


@pytest.mark.parametrize("state", list(RoundState))
def test_the_unfinished_round_is_the_newest_that_can_be_taken_up(
    store: Store, make: Any, state: RoundState
) -> None:
    write(store, lambda unit: unit.rounds.add(make.round(1, state=state), []))
    write(store, lambda unit: unit.rounds.add(make.round(2, state=RoundState.FINISHED), []))
    with store.begin_read() as unit:
        unfinished = unit.rounds.unfinished("morning")
        assert unit.rounds.unfinished("afternoon") is None
    open_ = state in (RoundState.PLANNED, RoundState.RUNNING, RoundState.INTERRUPTED)
    assert (unfinished is not None) is open_


def test_pending_visits_in_the_order_of_the_plan(store: Store, make: Any) -> None:
    a_round = make.round(cameras=3)
    write(store, lambda unit: unit.rounds.add(a_round, make.planned(a_round)))
    with store.begin_read() as unit:
        pending = unit.rounds.pending(a_round.id)
    assert pending == sorted(make.planned(a_round), key=lambda visit: visit.order)


def full_visit(make: Any, a_round: Any, **fields: Any) -> Visit:
    visit: Visit = make.visit(
        a_round,
        outcome=VisitOutcome.PROBLEM,
        tries=2,
        faults=("blur", "noise"),
        readings={"luma": 120.25, "blur": 0.0},
        facts={"codec": "h264", "width_px": 1920, "clock_offset_s": None},
        freshness="live",
        light="day",
        pictures=(make.picture("a"), make.picture("b", taken_at=make.now + timedelta(seconds=3))),
        **fields,
    )
    return visit


def test_a_visit_comes_back_as_it_was_recorded(store: Store, make: Any) -> None:
    a_round = make.round()
    write(store, lambda unit: unit.rounds.add(a_round, make.planned(a_round)))
    visit = full_visit(make, a_round.id)
    assert write(store, lambda unit: unit.rounds.record_visit(visit)) is True
    with store.begin_read() as unit:
        assert list(unit.rounds.visits(a_round.id)) == [visit]
        assert list(unit.rounds.latest_visits(visit.camera)) == [visit]
        assert [one.camera for one in unit.rounds.pending(a_round.id)] == [
            make.camera(3),
            make.camera(2),
        ]


def test_a_visit_is_recorded_once(store: Store, make: Any) -> None:
    a_round = make.round()
    write(store, lambda unit: unit.rounds.add(a_round, make.planned(a_round)))
    first = full_visit(make, a_round.id)
    second = replace(first, outcome=VisitOutcome.NOT_VIEWABLE, pictures=(make.picture("c"),))
    assert write(store, lambda unit: unit.rounds.record_visit(first)) is True
    assert write(store, lambda unit: unit.rounds.record_visit(second)) is False
    with store.begin_read() as unit:
        assert list(unit.rounds.visits(a_round.id)) == [first]
        assert unit.pictures.get(make.picture("c").id) is None


def test_two_recorders_of_one_visit_one_wins(store: Store, make: Any) -> None:
    a_round = make.round(cameras=30)
    write(store, lambda unit: unit.rounds.add(a_round, make.planned(a_round)))
    won: list[int] = []

    def record_all() -> None:
        for number in range(1, 31):
            visit = make.visit(a_round.id, number)
            if write(store, lambda unit, v=visit: unit.rounds.record_visit(v)):
                won.append(number)

    threads = [Thread(target=record_all) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == list(range(1, 31))


def test_a_camera_that_was_not_planned_is_refused(store: Store, make: Any) -> None:
    a_round = make.round()
    write(store, lambda unit: unit.rounds.add(a_round, make.planned(a_round)))
    with store.begin() as unit, pytest.raises(KeyError):
        unit.rounds.record_visit(make.visit(a_round.id, 99))
    with store.begin() as unit, pytest.raises(ValueError, match="pending"):
        unit.rounds.record_visit(make.visit(a_round.id, outcome=VisitOutcome.PENDING))


def test_the_books_are_counted_from_the_rows(store: Store, make: Any) -> None:
    a_round = make.round(cameras=5)

    def work(unit: UnitOfWork) -> None:
        unit.rounds.add(a_round, make.planned(a_round))
        unit.rounds.record_visit(full_visit(make, a_round.id))
        unit.rounds.record_visit(make.visit(a_round.id, 2))
        failed = {"outcome": VisitOutcome.NOT_VIEWABLE, "usable_pictures": 0, "seen": "no route"}
        unit.rounds.record_visit(make.visit(a_round.id, 3, failure="unreachable", **failed))
        unit.rounds.record_visit(make.visit(a_round.id, 4, failure="unreachable", **failed))
        unit.findings.add_observations([make.observation(round=a_round.id), make.observation()])
        unit.findings.add(make.finding(round=a_round.id))
        unit.findings.add(make.finding(2))

    write(store, work)
    expected = RoundTotals(
        planned=5,
        pending=1,
        normal=1,
        problem=1,
        not_viewable=2,
        missed=0,
        pictures=2,
        observations=1,
        findings=1,
        failures={"unreachable": 2},
    )
    with store.begin_read() as unit:
        assert unit.rounds.totals(a_round.id) == expected
    assert is_balanced(expected)


def test_what_is_left_is_missed_with_the_reason(store: Store, make: Any) -> None:
    a_round = make.round(cameras=3)
    write(store, lambda unit: unit.rounds.add(a_round, make.planned(a_round)))
    write(store, lambda unit: unit.rounds.record_visit(make.visit(a_round.id)))
    missed = write(store, lambda unit: unit.rounds.miss_pending(a_round.id, "时间已到", make.now))
    assert missed == 2
    with store.begin_read() as unit:
        assert unit.rounds.pending(a_round.id) == []
        database = unit.rounds.totals(a_round.id)
        assert (database.normal, database.missed, is_balanced(database)) == (1, 2, True)
        by_camera = {visit.camera: visit for visit in unit.rounds.visits(a_round.id)}
        visit = by_camera[make.camera(2)]
        assert (visit.outcome, visit.seen, visit.tries) == (VisitOutcome.MISSED, "时间已到", 0)
        assert list(unit.rounds.latest_visits(make.camera(2))) == []


def test_latest_visits_newest_first_wherever_they_were_made(store: Store, make: Any) -> None:
    a_round = make.round()
    later = make.now + timedelta(hours=3)

    def work(unit: UnitOfWork) -> None:
        unit.rounds.add(a_round, make.planned(a_round))
        unit.rounds.record_visit(make.visit(None, finished_at=later, seen="second look"))
        unit.rounds.record_visit(make.visit(a_round.id, seen="in the round"))
        unit.rounds.record_visit(make.visit(None, finished_at=later, seen="third look"))

    write(store, work)
    with store.begin_read() as unit:
        seen = [visit.seen for visit in unit.rounds.latest_visits(make.camera(), limit=10)]
        assert len(unit.rounds.latest_visits(make.camera(), limit=2)) == 2
    assert seen == ["third look", "second look", "in the round"]
