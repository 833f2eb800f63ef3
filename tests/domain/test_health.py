"""Health as a story: the hysteresis as a table, and what holds whatever the visits are."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patrol.domain.health import (
    CameraCondition,
    CameraHealth,
    ConnectionGrade,
    HealthPolicy,
    HealthSample,
    connection_grade,
    health_sample,
    next_health,
    should_announce,
)
from patrol.domain.ids import CameraId
from patrol.domain.round import Visit, VisitOutcome

NOW = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
POLICY = HealthPolicy(offline_after_visits=3, offline_after=timedelta(hours=30))
HALF_A_DAY = timedelta(hours=12)


def healths_after(
    visits: Sequence[CameraCondition], policy: HealthPolicy = POLICY
) -> list[CameraHealth]:
    healths: list[CameraHealth] = []
    known: CameraHealth | None = None
    for number, state in enumerate(visits):
        known = next_health(known, HealthSample(at=NOW + number * HALF_A_DAY, state=state), policy)
        healths.append(known)
    return healths


OK, BAD, OFF = CameraCondition.ONLINE, CameraCondition.FAULTY, CameraCondition.OFFLINE


@pytest.mark.parametrize(
    ("visits", "states"),
    [
        pytest.param([OFF], [OFF], id="never seen well"),
        pytest.param([OK, OFF, OFF, OFF], [OK, OK, OK, OFF], id="the third in a row"),
        pytest.param([OK, OFF, OFF, OK, OFF, OFF], [OK] * 6, id="never three in a row"),
        pytest.param([BAD, OFF, OFF, OFF], [BAD, BAD, BAD, OFF], id="a faulty one stays faulty"),
        pytest.param([OFF, OK, OFF], [OFF, OK, OK], id="one good visit brings it back"),
    ],
)
def test_the_hysteresis(visits: list[CameraCondition], states: list[CameraCondition]) -> None:
    assert [health.state for health in healths_after(visits)] == states


def test_since_is_when_it_began_to_fail_not_when_we_were_sure() -> None:
    health = healths_after([OK, OFF, OFF, OFF, OFF])[-1]
    assert (health.since, health.failures) == (NOW + HALF_A_DAY, 4)


def test_long_enough_is_enough() -> None:
    patient = HealthPolicy(offline_after_visits=20, offline_after=timedelta(hours=24))
    assert [s.state for s in healths_after([OK, OFF, OFF, OFF], patient)] == [OK, OK, OK, OFF]


@given(st.lists(st.sampled_from(CameraCondition), min_size=1, max_size=40), st.integers(1, 5))
def test_whatever_happens(visits: list[CameraCondition], patience: int) -> None:
    policy = HealthPolicy(offline_after_visits=patience, offline_after=timedelta(days=99))
    healths = healths_after(visits, policy)
    for number, (one_visit, health) in enumerate(zip(visits, healths, strict=True)):
        before = healths[number - 1] if number else None
        if one_visit is not OFF:  # a good visit is believed at once
            assert (health.state, health.failures, health.failing_since) == (one_visit, 0, None)
        elif health.state == OFF and (before is None or before.state != OFF):
            assert number == 0 or visits[number - patience + 1 : number + 1] == [OFF] * patience
        assert health.since <= NOW + number * HALF_A_DAY
        assert (health.failures > 0) == (one_visit is OFF)
        if before is not None and before.state == health.state:
            assert before.since == health.since


@pytest.mark.parametrize(
    ("state", "already_announced", "announced"),
    [
        pytest.param("online", "", False, id="first seen healthy"),
        pytest.param("offline", "", True, id="first seen dead"),
        pytest.param("offline", "offline", False, id="said already"),
        pytest.param("online", "offline", True, id="recovered"),
    ],
)
def test_what_is_announced(state: str, already_announced: str, *, announced: bool) -> None:
    assert (
        should_announce(CameraHealth(state=state, since=NOW, announced=already_announced))
        is announced
    )


@pytest.mark.parametrize(
    ("tries", "waited_s", "grade"),
    [
        pytest.param(1, 2.0, ConnectionGrade.GOOD, id="within a key-frame interval"),
        pytest.param(2, 2.0, ConnectionGrade.FAIR, id="at the second try"),
        pytest.param(1, 7.0, ConnectionGrade.FAIR, id="slow"),
        pytest.param(2, 7.0, ConnectionGrade.POOR, id="slow at the second try"),
        pytest.param(1, 11.0, ConnectionGrade.POOR, id="very slow"),
        pytest.param(1, None, ConnectionGrade.GOOD, id="no time known"),
    ],
)
def test_the_grade_of_a_connection(
    tries: int, waited_s: float | None, grade: ConnectionGrade
) -> None:
    assert connection_grade(tries, {"first_key_frame_s": waited_s}, HealthPolicy()) is grade


def visit(**fields: Any) -> Visit:
    return Visit(
        **{
            "round": None,
            "camera": CameraId("1"),
            "outcome": VisitOutcome.NOT_VIEWABLE,
            "started_at": NOW,
            "finished_at": NOW + timedelta(seconds=9),
            **fields,
        }
    )


def test_what_a_visit_shows() -> None:
    silent = health_sample(visit(failure="went_silent"), POLICY)
    assert silent == HealthSample(at=NOW + timedelta(seconds=9), state=OFF, why="went_silent")
    covered = health_sample(visit(failure="unusable_picture", faults=("occlusion",)), POLICY)
    assert covered is not None
    assert (covered.state, covered.why) == (BAD, "occlusion")
    assert health_sample(visit(outcome=VisitOutcome.MISSED), POLICY) is None
