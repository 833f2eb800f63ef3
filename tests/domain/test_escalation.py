"""Silence climbs, an answer stops; the last rung's silence is supervised once."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from patrol.domain.case import Case, CaseEvent
from patrol.domain.case_opening import open_from_finding, open_from_report
from patrol.domain.escalation import (
    NOBODY,
    EscalationReason,
    announced_grids,
    escalate_if_due,
    escalate_now,
    escalation_reason,
    policy_for,
)
from patrol.domain.finding import Finding
from patrol.domain.ids import CaseId
from patrol.domain.observation import Subject
from patrol.domain.priority import DueLight, Level, due_light
from patrol.domain.registry import Registry
from patrol.domain.routing import route
from simulators import small_site

NOON = small_site.NOON
SILENCE = timedelta(hours=2)  # level III


def opened(registry: Registry | None = None, finding: Finding | None = None) -> Case:
    new_finding = finding or small_site.finding()
    return open_from_finding(
        new_finding,
        CaseId("C20261122-0001"),
        registry or small_site.registry(),
        by="op",
        now=NOON,
        category=new_finding.category,
        level=new_finding.level,
    )


@pytest.mark.parametrize(
    ("level", "minutes"),
    [(Level.URGENT, 3), (Level.PRESSING, 10), (Level.ORDINARY, 120), (Level.NOTE, 1440)],
)
def test_each_rung_waits_the_levels_acknowledgement(level: Level, minutes: int) -> None:
    policy = policy_for(level, route(small_site.registry(), small_site.GROUP, Subject.SCENE), NOON)
    assert [step.after_s for step in policy.ladder] == [0.0] + [minutes * 60.0] * 3


def test_silence_climbs_to_the_town_and_is_supervised_once() -> None:
    case, now, whys = opened(), NOON, list[EscalationReason]()
    while case.ladder_due_at is not None:
        assert (
            escalate_if_due(case, case.ladder_due_at - timedelta(seconds=1)).reason
            is EscalationReason.NOT_YET
        )
        now = case.ladder_due_at
        step = escalate_if_due(case, now)
        assert step.moved
        whys.append(step.reason)
        case = step.case
    assert whys == [
        EscalationReason.SILENCE,
        EscalationReason.SILENCE,
        EscalationReason.SILENCE,
        EscalationReason.NO_RUNG_LEFT,
    ]
    assert now == NOON + 4 * SILENCE
    assert announced_grids(case) == (small_site.GROUP, small_site.VILLAGE, small_site.TOWN)
    assert [e.what for e in case.entries].count(CaseEvent.SUPERVISE) == 1
    assert case.is_open, "supervised, not settled"
    assert escalate_if_due(case, now + 10 * SILENCE).reason is EscalationReason.ANSWERED


def test_every_step_is_another_revision() -> None:
    case = opened()
    revisions = [case.revision]
    for rung in range(1, 5):
        case = escalate_if_due(case, NOON + rung * SILENCE).case
        revisions.append(case.revision)
    assert revisions == [0, 1, 2, 3, 4]


def test_an_answer_stops_it_whenever_it_comes() -> None:
    late = NOON + timedelta(days=1)
    escalated = escalate_if_due(opened(), late).case
    answered = escalated.apply_event(CaseEvent.ACKNOWLEDGE, at=late, by="leader")
    assert escalation_reason(answered, late + timedelta(days=9)) is EscalationReason.ANSWERED


def test_an_ended_case_never_climbs() -> None:
    voided = opened().apply_event(CaseEvent.VOID, at=NOON, by="op", note="twice")
    assert escalate_if_due(voided, NOON + timedelta(days=9)).reason is EscalationReason.ENDED


def test_a_call_for_help_climbs_at_once_and_keeps_the_clock_running() -> None:
    case = escalate_now(opened(), NOON, by="leader", note="need_help")
    assert case.rung == 1
    assert case.ladder_due_at == NOON + SILENCE


@pytest.mark.parametrize(
    ("without", "people", "silences_s"),
    [
        pytest.param(
            ("leader", "worker", "party"),
            [NOBODY, "cadre", "duty"],
            [0, 0, 7200],
            id="nobody for the group: its topic is told, the village at once",
        ),
        pytest.param(
            ("leader", "worker", "party", "cadre", "duty"),
            [NOBODY, NOBODY, NOBODY],
            [0, 0, 0],
            id="nobody at all: every grid's topic is told all the same",
        ),
        pytest.param(
            ("cadre",),
            ["leader", "worker", NOBODY, "duty"],
            [0, 7200, 7200, 0],
            id="no cadre: the village's topic is told, and the town at once",
        ),
    ],
)
def test_every_grid_on_the_way_is_told_and_nobody_is_waited_for_where_nobody_is(
    without: tuple[str, ...], people: list[str], silences_s: list[float]
) -> None:
    case = opened(small_site.registry(*without))
    assert [step.person for step in case.policy.ladder] == people
    assert [step.after_s for step in case.policy.ladder] == silences_s
    assert announced_grids(case) == (small_site.GROUP,)
    assert case.ladder_due_at == NOON + timedelta(seconds=silences_s[1])


def test_a_camera_fault_starts_with_the_maintainer() -> None:
    fault = small_site.finding(subject=Subject.EQUIPMENT, category="equipment", level=Level.NOTE)
    case = opened(finding=fault)
    assert [(s.person, s.grid) for s in case.policy.ladder] == [
        ("fixer", small_site.TOWN),
        ("duty", small_site.TOWN),
    ]
    assert small_site.GROUP not in announced_grids(case)


def test_the_policy_is_copied_so_that_a_later_edit_changes_no_running_case() -> None:
    case = opened()
    other = opened(small_site.registry("leader"))
    assert case.policy != other.policy
    assert replace(case, rung=1).policy == case.policy


def test_a_report_from_the_ground_runs_the_same_ladder() -> None:
    case = open_from_report(
        CaseId("C20261122-0002"),
        small_site.registry(),
        grid=small_site.GROUP,
        by="leader",
        now=NOON,
        category="dumping",
        level=Level.PRESSING,
        place="",
        text="渠边有垃圾",
    )
    assert (case.camera, case.finding, case.place) == (None, None, "上坝村一组")
    assert case.ladder_due_at == NOON + timedelta(minutes=10)


@pytest.mark.parametrize(
    ("used_min", "expected"),
    [
        (0, DueLight.GREEN),
        (7.9, DueLight.GREEN),
        (8, DueLight.YELLOW),
        (10, DueLight.YELLOW),
        (10.1, DueLight.RED),
    ],
)
def test_lamps(used_min: float, expected: DueLight) -> None:
    now: datetime = NOON + timedelta(minutes=used_min)
    assert due_light(NOON, timedelta(minutes=10), now) is expected
