"""What every store promises of observations, findings and cases."""

from dataclasses import replace
from datetime import datetime, timedelta
from math import isnan, nan
from threading import Thread
from typing import Any

import pytest

from patrol.domain.case import CaseEvent, CaseState
from patrol.domain.case_timers import SendHold
from patrol.domain.finding import AlreadyDecided, Decision, FindingState
from patrol.domain.observation import Subject
from patrol.domain.priority import Level
from patrol.domain.ranking import CameraTrackRecord
from patrol.domain.round import VisitOutcome
from patrol.store import Store

HOUR = timedelta(hours=1)


def test_kinds_of_the_last_visits_newest_first(store: Store, make: Any) -> None:
    rounds = [make.round(number) for number in (1, 2, 3)]
    with store.begin() as unit:
        for number, a_round in enumerate(rounds):
            at = make.now + number * HOUR
            unit.rounds.add(a_round, make.planned(a_round))
            unit.rounds.record_visit(
                make.visit(a_round.id, started_at=at, finished_at=at + timedelta(seconds=9))
            )
            unit.findings.add_observations(
                [
                    make.observation(round=a_round.id, at=at, kind=f"kind-{number}"),
                    make.observation(round=a_round.id, at=at, kind="livestock", zone="road"),
                    make.observation(2, round=a_round.id, at=at, kind="other_camera"),
                ]
            )
        unit.commit()
    with store.begin_read() as unit:
        kinds = unit.findings.recent_kinds(make.camera(), visits=2)
        assert unit.findings.recent_kinds(make.camera(9), visits=2) == []
    assert list(kinds) == [
        frozenset({("kind-2", "gate"), ("livestock", "road")}),
        frozenset({("kind-1", "gate"), ("livestock", "road")}),
    ]


def test_a_visit_that_showed_nothing_counts_as_one(store: Store, make: Any) -> None:
    first, second = make.round(1), make.round(2)
    later = make.now + HOUR
    with store.begin() as unit:
        for a_round in (first, second):
            unit.rounds.add(a_round, make.planned(a_round))
        unit.findings.add_observations(
            [make.observation(round=first.id)]
        )  # before its visit is written
        unit.rounds.record_visit(make.visit(first.id))
        unit.rounds.record_visit(make.visit(second.id, started_at=later, finished_at=later))
        unit.commit()
    with store.begin_read() as unit:
        kinds = unit.findings.recent_kinds(make.camera(), visits=5)
    assert list(kinds) == [frozenset(), frozenset({("blocking_vehicle", "gate")})]


def test_observations_of_second_looks_belong_to_them_by_time(store: Store, make: Any) -> None:
    a_round = make.round()
    with store.begin() as unit:
        unit.rounds.add(a_round, make.planned(a_round))
        unit.rounds.record_visit(make.visit(a_round.id))
        for number in (1, 2):
            at = make.now + number * HOUR
            unit.rounds.record_visit(make.visit(None, started_at=at, finished_at=at + HOUR / 2))
            seen_at = at + timedelta(seconds=2)
            unit.findings.add_observations([make.observation(at=seen_at, kind=f"look-{number}")])
        unit.commit()
    with store.begin_read() as unit:
        kinds = unit.findings.recent_kinds(make.camera(), visits=3)
    assert list(kinds) == [
        frozenset({("look-2", "gate")}),
        frozenset({("look-1", "gate")}),
        frozenset(),
    ]


def test_a_missed_visit_is_no_look(store: Store, make: Any) -> None:
    a_round = make.round()
    with store.begin() as unit:
        unit.rounds.add(a_round, make.planned(a_round))
        unit.rounds.record_visit(make.visit(a_round.id, outcome=VisitOutcome.MISSED))
        unit.commit()
    with store.begin_read() as unit:
        assert list(unit.findings.recent_kinds(make.camera(), visits=3)) == []


def test_strange_numbers_do_not_stop_the_recorder(store: Store, make: Any) -> None:
    with store.begin() as unit:
        unit.rounds.record_visit(make.visit(None, readings={"blur": nan, "luma": 3.5}))
        unit.findings.add_observations([make.observation(value=nan, box=(0.0, 0.25, 0.5, 1.0))])
        unit.commit()
    with store.begin_read() as unit:
        (visit,) = unit.rounds.latest_visits(make.camera())
    assert visit.readings is not None
    assert isnan(visit.readings["blur"])
    assert visit.readings["luma"] == 3.5


def test_a_finding_comes_back_as_it_was_written(store: Store, make: Any) -> None:
    finding = make.finding(
        box=(0.1, 0.2, 0.3, 0.4), picture=make.picture().id, count=3, unreviewed_ok=True
    )
    with store.begin() as unit:
        unit.findings.add(finding)
        unit.commit()
    with store.begin() as unit:
        assert unit.findings.get(finding.id) == finding
        with pytest.raises(ValueError, match="exists"):
            unit.findings.add(finding)
    with store.begin() as unit, pytest.raises(KeyError):
        unit.findings.get(make.finding(9).id)
    with store.begin() as unit, pytest.raises(KeyError):
        unit.findings.put(make.finding(9))


def test_the_queue_has_the_worst_first_and_only_what_waits(store: Store, make: Any) -> None:
    waiting = [
        make.finding(1, level=Level.NOTE, score=1.0),
        make.finding(2, score=0.7),
        make.finding(3, score=0.8, found_at=make.now + HOUR),
        make.finding(4, score=0.8),
        make.finding(5, level=Level.URGENT, score=0.5, state=FindingState.UNSURE),
        make.finding(6, level=Level.PRESSING, score=0.5),
    ]
    with store.begin() as unit:
        for finding in waiting:
            unit.findings.add(finding)
        for number, state in enumerate(("confirmed", "dismissed", "merged"), start=7):
            unit.findings.add(make.finding(number, state=FindingState(state)))
        unit.commit()
    with store.begin_read() as unit:
        queue = unit.findings.queue()
        assert len(unit.findings.queue(limit=2)) == 2
    assert [finding.id[-1] for finding in queue] == ["5", "6", "4", "3", "2", "1"]


def test_open_like_finds_what_still_waits(store: Store, make: Any) -> None:
    with store.begin() as unit:
        unit.findings.add(make.finding(1, state=FindingState.DISMISSED))
        unit.findings.add(make.finding(2, category="clutter"))
        unit.findings.add(make.finding(3, camera=2))
        unit.commit()
    with store.begin() as unit:
        assert unit.findings.open_like(make.camera(), "blocking_vehicle") is None
        found = unit.findings.open_like(make.camera(2), "blocking_vehicle")
    assert found == make.finding(3, camera=2)


def test_findings_of_a_round_decided_or_not(store: Store, make: Any) -> None:
    a_round = make.round()
    with store.begin() as unit:
        unit.rounds.add(a_round, [])
        unit.findings.add(make.finding(1, round=a_round.id, state=FindingState.DISMISSED))
        unit.findings.add(make.finding(2, round=a_round.id))
        unit.findings.add(make.finding(3))
        unit.commit()
    with store.begin_read() as unit:
        assert [one.id[-1] for one in unit.findings.of_round(a_round.id)] == ["1", "2"]


def test_two_operators_decide_at_once_the_first_wins(store: Store, make: Any) -> None:
    with store.begin() as unit:
        for number in range(20):
            unit.findings.add(make.finding(number))
        unit.commit()
    won: list[tuple[int, str]] = []
    results: list[str] = []

    def decide_all(who: str) -> None:
        for number in range(20):
            try:
                with store.begin() as unit:
                    finding = unit.findings.get(make.finding(number).id)
                    decided = finding.decide(Decision.CONFIRM, by=who, now=make.now)
                    unit.findings.put(decided)
                    unit.commit()
                won.append((number, who))
            except AlreadyDecided as too_late:
                results.append(str(too_late))

    threads = [Thread(target=decide_all, args=(who,)) for who in ("王", "李")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(number for number, _ in won) == list(range(20))
    assert len(results) == 20
    with store.begin_read() as unit:
        for number, who in won:
            assert unit.findings.get(make.finding(number).id).decided_by == who


def test_a_reference_to_nothing_is_refused_at_commit(store: Store, make: Any) -> None:
    with store.begin() as unit:
        unit.findings.add(make.finding(round="20261122-never-1"))
        with pytest.raises(ValueError, match="books would not hold"):
            unit.commit()
    with store.begin() as unit:
        assert unit.findings.queue() == []
        unit.cases.add(make.case(finding="F999999"))
        with pytest.raises(ValueError, match="books would not hold"):
            unit.commit()
    with store.begin_read() as unit:
        assert unit.cases.list() == []


def test_within_a_unit_the_order_of_writing_is_free(store: Store, make: Any) -> None:
    finding, case = make.finding(), make.case(finding=make.finding().id)
    with store.begin() as unit:
        unit.cases.add(case)
        unit.findings.add(replace(finding, case=case.id))
        unit.commit()
    with store.begin_read() as unit:
        assert unit.cases.get(case.id).finding == finding.id


def test_a_case_comes_back_as_it_was_written(store: Store, make: Any) -> None:
    case = make.case(
        box=(0.0, 0.5, 0.25, 0.125),
        before=make.picture("before").id,
        subject=Subject.EQUIPMENT,
        ladder_due_at=make.now + HOUR,
        recheck_due_at=make.now + 2 * HOUR,
        count=4,
    )
    with store.begin() as unit:
        unit.cases.add(case)
        unit.commit()
    with store.begin() as unit:
        assert unit.cases.get(case.id) == case
        with pytest.raises(ValueError, match="exists"):
            unit.cases.add(case)
        with pytest.raises(KeyError):
            unit.cases.get(make.case(2).id)


def test_history_grows_with_each_put(store: Store, make: Any) -> None:
    case = make.case()
    with store.begin() as unit:
        unit.cases.add(case)
        unit.commit()
    for event in (CaseEvent.ACKNOWLEDGE, CaseEvent.ARRIVE, CaseEvent.FEED_BACK):
        with store.begin() as unit:
            case = unit.cases.get(case.id).apply_event(
                event, at=make.now, by="leader-1", note="马上到"
            )
            unit.cases.put(case)
            unit.cases.put(replace(case, recheck_count=len(case.entries)))
            unit.commit()
    with store.begin_read() as unit:
        stored = unit.cases.get(case.id)
    assert stored == replace(case, recheck_count=4)
    assert stored.state is CaseState.FED_BACK
    assert len(stored.entries) == 4


@pytest.mark.parametrize("change", ["shorter", "rewritten"])
def test_history_is_never_rewritten(store: Store, make: Any, change: str) -> None:
    case = make.case().apply_event(CaseEvent.ACKNOWLEDGE, at=make.now, by="leader-1")
    with store.begin() as unit:
        unit.cases.add(case)
        unit.commit()
    entries = case.entries[:1]
    if change == "rewritten":
        entries = (*entries, replace(case.entries[1], by="somebody else"))
    with store.begin() as unit, pytest.raises(ValueError, match="history"):
        unit.cases.put(replace(case, entries=entries))
    with store.begin() as unit, pytest.raises(KeyError):
        unit.cases.put(make.case(2))


def test_cases_newest_first_and_open_ones(store: Store, make: Any) -> None:
    with store.begin() as unit:
        for number, state in enumerate(CaseState, start=1):
            unit.cases.add(make.case(number, camera=number, state=state))
        unit.commit()
    with store.begin_read() as unit:
        everything = unit.cases.list()
        open_ones = unit.cases.list(open_only=True)
        assert [case.id for case in unit.cases.list(limit=1)] == [make.case(len(CaseState)).id]
    assert [case.id for case in everything] == sorted((c.id for c in everything), reverse=True)
    ended = {case.state for case in everything} - {case.state for case in open_ones}
    assert ended == {CaseState.CLOSED, CaseState.VOIDED}
    for case in everything:
        with store.begin() as unit:
            alike = unit.cases.open_like(case.camera, case.category)
        assert (alike is not None) is case.is_open


def test_cases_dispatched_between(store: Store, make: Any) -> None:
    with store.begin() as unit:
        for number in (3, 1, 2, 4):
            unit.cases.add(make.case(number))
        unit.commit()
    minute = timedelta(minutes=1)
    with store.begin_read() as unit:
        found = unit.cases.dispatched_between(make.now + 2 * minute, make.now + 4 * minute)
    assert found == [make.case(2), make.case(3)]


def test_what_is_due_comes_oldest_first(store: Store, make: Any) -> None:
    def due(number: int, hours: int | None) -> Any:
        at = None if hours is None else make.now + hours * HOUR
        hold = at and SendHold(since=make.now, why="grid_busy", until=at, revision=0, first=True)
        return make.case(number, ladder_due_at=at, recheck_due_at=at, hold=hold)

    with store.begin() as unit:
        for number, hours in enumerate((3, 1, None, 2, 4), start=1):
            unit.cases.add(due(number, hours))
        unit.commit()
    with store.begin() as unit:
        for list_due in (unit.cases.escalation_due, unit.cases.recheck_due, unit.cases.hold_due):
            assert [c.id[-1] for c in list_due(make.now + 3 * HOUR)] == ["2", "4", "1"]
            assert [c.id[-1] for c in list_due(make.now + 3 * HOUR, limit=1)] == ["2"]
            assert [c.id[-1] for c in list_due(make.now)] == []
        assert len(unit.cases.escalation_due(make.now + 9 * HOUR)[0].entries) == 1
        (first, *_) = unit.cases.hold_due(make.now + HOUR)
        assert first == due(2, 1), "the hold came back as it was written"
        unit.cases.put(replace(first, hold=None))
        assert [c.id[-1] for c in unit.cases.hold_due(make.now + 3 * HOUR)] == ["4", "1"]


def test_observations_come_back_by_round_and_gauge_and_by_camera_and_kind(
    store: Store, make: Any
) -> None:
    a_round = make.round()
    wide = make.observation(
        round=a_round.id, gauge="frame_wide/1", kind="severe_weather", zone="", label="dust"
    )
    boxed = make.observation(2, round=a_round.id, box=(0.1, 0.2, 0.3, 0.4))
    later = make.observation(at=make.now + HOUR)
    with store.begin() as unit:
        unit.rounds.add(a_round, make.planned(a_round))
        unit.findings.add_observations([boxed, wide, later])
        unit.commit()
    with store.begin_read() as unit:
        found = unit.findings
        assert list(found.observed(a_round.id, gauge="frame_wide/1")) == [wide]
        assert list(found.observed(a_round.id, gauge=boxed.gauge)) == [boxed]
        assert list(found.observed_since(make.camera(), "blocking_vehicle", make.now)) == [later]
        assert list(found.observed_since(make.camera(), "x", make.now)) == []
        assert list(found.observed_since(make.camera(2), boxed.kind, make.now + HOUR)) == []


def test_the_track_record_is_of_what_people_decided(store: Store, make: Any) -> None:
    confirm, dismiss, merge = Decision.CONFIRM, Decision.DISMISS, Decision.MERGE
    decided = [
        (confirm, "wang", 1), (dismiss, "wang", 2), (merge, "li", 3),
        (Decision.AGE, "patrol", 4), (confirm, "rules", 5),
    ]  # fmt: skip
    with store.begin() as unit:
        for number, (decision, by, hours) in enumerate(decided, start=1):
            at = make.now + hours * HOUR
            unit.findings.add(make.finding(number).decide(decision, by=by, now=at))
        unit.findings.add(make.finding(8))
        unit.findings.add(make.finding(9, 2, subject=Subject.EQUIPMENT, found_at=make.now - HOUR))
        old = unit.findings.get(make.finding(9).id)
        unit.findings.put(old.decide(dismiss, by="li", now=make.now))
        unit.commit()
    ours = {(make.camera(), Subject.SCENE): _record(2, 3, make.now + 3 * HOUR)}
    theirs = {(make.camera(2), Subject.EQUIPMENT): _record(0, 1, make.now)}
    with store.begin_read() as unit:
        assert unit.findings.track_records(make.now - HOUR) == {**ours, **theirs}
        assert unit.findings.track_records(make.now) == ours


def _record(confirmed: int, decided: int, last_at: datetime) -> CameraTrackRecord:
    return CameraTrackRecord(confirmed=confirmed, decided=decided, last_at=last_at)
