"""What every store promises of the shift: health's stories, stoppages, troubles, hand-overs."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from patrol.domain.health import CameraHealth, Trouble, TroubleKind
from patrol.domain.round import VisitOutcome
from patrol.domain.schedule import Stoppage, StoppageScope
from patrol.domain.shift_handover import HandoverAction
from patrol.store import Store, UnitOfWork
from tests.support.health import put_health

HOUR = timedelta(hours=1)


def test_a_camera_s_story_with_every_field(store: Store, make: Any) -> None:
    story = CameraHealth(
        state="online", since=make.now, why="", announced="online", failures=1,
        failing_since=make.now + HOUR, grade="fair",
    )  # fmt: skip
    with store.begin() as unit:
        assert unit.health.current(make.camera()) is None
        unit.health.save(make.camera(), story, changed=True)
        worse = replace(story, failures=2)
        unit.health.save(make.camera(), worse, changed=False)
        put_health(unit, make.camera(2), "offline", make.now, "unreachable")
        unit.commit()
    with store.begin_read() as unit:
        assert unit.health.current(make.camera()) == worse
        assert unit.health.get(make.camera()) == ("online", make.now, "")
        assert list(unit.health.current_by_camera()) == [make.camera(), make.camera(2)]
        assert unit.health.current_by_camera()[make.camera(2)].announced == "offline"
        assert unit.health.history(make.camera()) == [("online", make.now, "")]


def test_history_is_newest_first(store: Store, make: Any) -> None:
    with store.begin() as unit:
        for hours, state in enumerate(("online", "offline", "online")):
            put_health(unit, make.camera(), state, make.now + hours * HOUR, f"{hours}")
        assert [line[2] for line in unit.health.history(make.camera(), limit=2)] == ["2", "1"]


def test_outcomes_of_a_round_in_brief(store: Store, make: Any) -> None:
    a_round = make.round()
    with store.begin() as unit:
        unit.rounds.add(a_round, make.planned(a_round))
        failed = {"outcome": VisitOutcome.NOT_VIEWABLE, "failure": "unreachable"}
        unit.rounds.record_visit(make.visit(a_round.id, 2, usable_pictures=0, **failed))
        assert list(unit.rounds.outcomes(a_round.id)) == [
            (make.camera(3), VisitOutcome.PENDING, ""),
            (make.camera(2), VisitOutcome.NOT_VIEWABLE, "unreachable"),
            (make.camera(1), VisitOutcome.PENDING, ""),
        ]


def stop(unit: UnitOfWork, make: Any, **fields: Any) -> Stoppage:
    return unit.stoppages.add(
        **{
            "scope": StoppageScope.LINK,
            "subject": "v203-nvr01",
            "start": make.now,
            "until": make.now + HOUR,
            "reason": "换交换机",
            "by": "运维",
            "now": make.now,
            **fields,
        }
    )


def test_stoppages_stand_until_they_are_over_or_ended(store: Store, make: Any) -> None:
    with store.begin() as unit:
        first = stop(unit, make)
        pause = stop(unit, make, scope=StoppageScope.ROUNDS, subject="", until=None)
        later = stop(unit, make, start=make.now + HOUR, until=make.now + 2 * HOUR)
        assert unit.stoppages.end(pause.number, by="值班长", now=make.now) is True
        assert unit.stoppages.end(pause.number, by="值班长", now=make.now) is False
        assert unit.stoppages.end(99, by="值班长", now=make.now) is False
        assert unit.stoppages.end(first.number, by="x", now=make.now + HOUR) is False
        unit.commit()
    with store.begin_read() as unit:
        assert unit.stoppages.active(make.now) == [first, later]
        assert unit.stoppages.active(make.now + HOUR) == [later]
        newest, second, _ = unit.stoppages.list()
        assert newest == later
        assert (second.ended_by, second.ended_at) == ("值班长", make.now)
        assert len(unit.stoppages.list(limit=1)) == 1


@pytest.mark.parametrize(
    "fields", [{"reason": " "}, {"subject": ""}, {"scope": StoppageScope.ROUNDS}, {"until": None}]
)
def test_a_stoppage_that_says_too_little_is_refused(
    store: Store, make: Any, fields: dict[str, Any]
) -> None:
    if fields == {"until": None}:
        fields = {"until": make.now}
    with store.begin() as unit, pytest.raises(ValueError, match="stoppage"):
        stop(unit, make, **fields)


def a_trouble(make: Any, **fields: Any) -> Trouble:
    return Trouble(
        **{
            "kind": TroubleKind.LINK,
            "subject": "v203-nvr01",
            "state": "down",
            "since": make.now,
            "opened_at": make.now,
            "why": "unreachable",
            "cameras": (make.camera(1), make.camera(2)),
            **fields,
        }
    )


def test_one_trouble_of_a_thing_stands_at_a_time(store: Store, make: Any) -> None:
    with store.begin() as unit:
        first = unit.troubles.open(a_trouble(make))
        assert first is not None
        assert unit.troubles.open(a_trouble(make, why="again")) is None
        other = unit.troubles.open(a_trouble(make, kind=TroubleKind.VILLAGE))
        taken = first.take_over(by="运维", now=make.now + HOUR)
        unit.troubles.put(taken)
        assert unit.troubles.list_open() == [taken, other]
        closed = taken.close("recovered", make.now + 2 * HOUR)
        unit.troubles.put(closed)
        assert unit.troubles.list_open() == [other]
        again = unit.troubles.open(a_trouble(make, why="again"))
        unit.commit()
    with store.begin_read() as unit:
        assert unit.troubles.list() == [again, other, closed]
        assert unit.troubles.get(closed.number) == closed
        with pytest.raises(KeyError):
            unit.troubles.get(99)


def test_hand_overs_are_chained_and_keep_their_sheets(store: Store, make: Any) -> None:
    sheet = {"open_findings": 2, "cases": ["C20261122-0001"], "words": "交接", "nothing": None}
    with store.begin() as unit:
        given = unit.handovers.append(
            at=make.now, what=HandoverAction.GIVE, who="甲", to="乙", note="大风", sheet=sheet
        )
        unit.commit()
    with store.begin() as unit:
        taken = unit.handovers.append(
            at=make.now + HOUR,
            what=HandoverAction.TAKE,
            who="乙",
            to="",
            note="",
            sheet=given.sheet,
        )
        unit.commit()
    with store.begin_read() as unit:
        assert unit.handovers.entries() == [taken, given]
        assert unit.handovers.entries(limit=1) == [taken]
        assert unit.handovers.first_broken() is None
    assert dict(given.sheet) == sheet
    assert (given.number, taken.number, taken.previous) == (1, 2, given.hash)
    assert taken.digest == given.digest
    assert given.hash == given.expected_hash()
