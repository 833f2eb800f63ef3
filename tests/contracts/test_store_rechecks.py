"""What every store promises of second looks, the blind sample's lead, and of who saw what when."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from patrol.domain.finding import FindingRecheck, FindingState, Origin
from patrol.domain.ids import Sha256
from patrol.domain.round import VisitOutcome
from patrol.store import Store

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def test_a_doubt_waits_until_somebody_looked_again(store: Store, make: Any) -> None:
    expected = {"state": FindingState.UNSURE, "decided_by": "wang"}
    with store.begin() as unit:
        unit.findings.add(make.finding(1, decided_at=make.now + HOUR, **expected))
        unit.findings.add(make.finding(2, decided_at=make.now, **expected))
        unit.findings.add(make.finding(3))
        unit.commit()
    with store.begin() as unit:
        doubted = unit.findings.unsure_without_recheck()
        assert [one.id[-1] for one in doubted] == ["2", "1"], "the oldest doubt first"
        assert len(unit.findings.unsure_without_recheck(limit=1)) == 1
        again = FindingRecheck(at=make.now + HOUR, why="已复看", picture=Sha256("c" * 64))
        unit.findings.put(replace(doubted[0], recheck=again))
        unit.findings.put(replace(doubted[1], recheck=replace(again, picture=None)))
        unit.commit()
    with store.begin_read() as unit:
        assert unit.findings.unsure_without_recheck() == []
        assert unit.findings.get(doubted[0].id).recheck == again
        assert unit.findings.get(doubted[1].id).recheck == replace(again, picture=None)


def test_what_the_machine_did_not_propose_is_no_record_of_it(store: Store, make: Any) -> None:
    expected = {"state": FindingState.CONFIRMED, "decided_by": "wang"}
    with store.begin() as unit:
        unit.findings.add(make.finding(1, decided_at=make.now, **expected))
        for number, origin in ((2, Origin.SAMPLE), (3, Origin.PROBE)):
            later = make.now + number * HOUR
            unit.findings.add(make.finding(number, decided_at=later, origin=origin, **expected))
        unit.findings.add(
            make.finding(4, camera=2, decided_at=make.now, origin=Origin.SAMPLE, **expected)
        )
        waits = make.finding(5, camera=2, origin=Origin.SAMPLE)
        unit.findings.add(waits)
        unit.commit()
    with store.begin_read() as unit:
        records = unit.findings.track_records(make.now - DAY)
        confirmed = unit.findings.confirmed_since(make.now - DAY)
        open_like = unit.findings.open_like(make.camera(2), waits.category)
    first, second = (records[make.camera(n), waits.subject] for n in (1, 2))
    assert (first.confirmed, first.decided, first.last_at) == (1, 1, make.now + 3 * HOUR)
    assert (second.confirmed, second.decided, second.last_at) == (0, 0, make.now)
    assert [one.id[-1] for one in confirmed] == ["1"]
    assert open_like is None, "nothing is counted into a sample"


def test_when_each_camera_was_last_seen_and_looked_at(store: Store, make: Any) -> None:
    outcomes = (VisitOutcome.NORMAL, VisitOutcome.PROBLEM, VisitOutcome.NOT_VIEWABLE)
    planned = make.round(cameras=2)
    with store.begin() as unit:
        unit.rounds.add(planned, make.planned(planned))
        for number, outcome in enumerate(outcomes):
            at = make.now + number * HOUR
            seen = outcome is not VisitOutcome.NOT_VIEWABLE
            unit.rounds.record_visit(
                make.visit(
                    None, started_at=at, finished_at=at, outcome=outcome,
                    usable_pictures=1 if seen else 0,
                )
            )  # fmt: skip
        for who, camera, hours in (
            ("wang", 1, 0), ("li", 1, 2), ("patrol", 1, 5), ("rules", 2, 1), ("li", None, 3),
        ):  # fmt: skip
            ident = None if camera is None else make.camera(camera)
            at = make.now + hours * HOUR
            unit.access.append(at=at, who=who, what="picture", camera=ident, why="")
        unit.commit()
    with store.begin_read() as unit:
        assert unit.rounds.last_seen([planned.id], make.now + DAY) == {
            make.camera(1): make.now + HOUR
        }
        assert unit.rounds.last_seen([planned.id], make.now + HOUR) == {make.camera(1): make.now}
        assert unit.rounds.last_seen([], make.now + DAY) == {}
        assert unit.access.last_viewed(make.now + DAY) == {make.camera(1): make.now + 2 * HOUR}
        assert unit.access.last_viewed(make.now + HOUR) == {make.camera(1): make.now}


def test_what_a_round_by_hand_was_about_is_kept(store: Store, make: Any) -> None:
    a_round = replace(make.round(), plan="adhoc", scope="grid 620902104203000")
    with store.begin() as unit:
        unit.rounds.add(a_round, [])
        unit.commit()
    with store.begin_read() as unit:
        assert unit.rounds.unfinished("adhoc") == a_round
