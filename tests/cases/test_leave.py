"""Leave and running cases: nobody waits for somebody who is away, and who stands in is told."""

from dataclasses import replace
from datetime import timedelta

import pytest

from patrol.cases.escalator import Escalator
from patrol.cases.save_and_send import save_case
from patrol.domain.case import CaseEvent, CaseState
from patrol.domain.ids import PersonId
from patrol.domain.leave import Leave
from patrol.domain.registry import Registry, Role
from simulators import small_site
from tests.support.case_system import SITE, CaseSystem

NOON = small_site.NOON


def away(*pairs: tuple[str, str], at: timedelta = timedelta()) -> Registry:
    leaves = tuple(
        Leave(
            person=PersonId(who), begins=NOON, ends=NOON + timedelta(days=2),
            substitute=PersonId(instead) if instead else None,
        )
        for who, instead in pairs
    )  # fmt: skip
    return replace(small_site.registry(), leaves=leaves).at(NOON + at)


def go_on_leave(system: CaseSystem, registry: Registry) -> None:
    """The registry of a running system as the watcher changes it when a leave begins."""
    system.payload_builder = replace(system.payload_builder, registry=registry)
    system.escalator = Escalator(system.store, system.payload_builder)


def test_a_new_case_is_told_to_who_stands_in() -> None:
    system = CaseSystem(registry=away(("leader", "leader2")))
    case = system.confirm()
    retained = system.retained(case.id)
    assert retained is not None
    assert retained["rung"]["person"] == "leader2"
    assert system.reply(case.id, "acknowledge", person="leader2").outcome == "moved"


def test_a_waiting_case_is_given_to_who_stands_in_when_the_leave_begins() -> None:
    system = CaseSystem()
    case = system.confirm()
    system.after(timedelta(minutes=5))
    assert system.escalator.run_due(system.clock.now()) == []
    go_on_leave(system, away(("leader", "leader2")))
    (moved,) = system.escalator.run_due(system.clock.now())
    after = system.case(case.id)
    assert (after.rung, after.policy.ladder[0].person) == (0, "leader2")
    assert [e.what for e in after.entries][-1] is CaseEvent.STAND_IN
    assert "leader: on leave" in after.entries[-1].note
    assert after.revision == case.revision + 1, "told anew"
    assert after.ladder_due_at == after.policy.after(system.clock.now(), after.policy.silence)
    assert moved.moved
    assert system.escalator.run_due(system.clock.now()) == [], "once"


@pytest.mark.parametrize(
    "pairs",
    [
        pytest.param([("leader", "")], id="nobody is named: the next rung"),
        pytest.param([("leader", "worker")], id="who stands in is the next rung"),
        pytest.param([("leader", "leader2"), ("leader2", "")], id="who stands in is away, too"),
    ],
)
def test_a_waiting_case_goes_up_where_nobody_else_stands_in(
    pairs: list[tuple[str, str]],
) -> None:
    system = CaseSystem()
    case = system.confirm()
    go_on_leave(system, away(*pairs))
    system.escalator.run_due(system.clock.now())
    after = system.case(case.id)
    assert (after.rung, after.policy.ladder[1].person) == (1, "worker")
    assert after.entries[-1].what is CaseEvent.ESCALATE


def test_an_acknowledged_case_stays_with_who_has_it() -> None:
    system = CaseSystem()
    case = system.confirm()
    system.reply(case.id, "acknowledge", person="leader")
    go_on_leave(system, away(("leader", "leader2")))
    assert system.escalator.run_due(system.clock.now()) == []
    assert system.case(case.id).state is CaseState.ACKNOWLEDGED


def test_the_one_on_leave_is_not_the_proven_author_of_a_claimed_reply() -> None:
    """The grid's topic carries a name; who is away does not answer there."""
    system = CaseSystem(registry=away(("leader", "leader2")))
    case = system.confirm()
    system.reply(case.id, "acknowledge", person="leader")
    entry = system.case(case.id).entries[-1]
    assert (entry.by, entry.claimed) == (f"somebody@{small_site.GROUP}", "leader")


def test_the_team_s_short_form_has_nothing_of_a_yard_and_goes_with_the_case(
    matches_schema: object,
) -> None:
    plain = small_site.registry()
    elder = replace(
        plain.people[PersonId("party")], id=PersonId("elder"), role=Role.RESPECTED_VILLAGER
    )
    registry = replace(plain, people={**plain.people, elder.id: elder}, teams=True)
    system = CaseSystem(registry=registry)
    case = system.confirm()
    topic = f"patrol/v1/{SITE}/grid/{small_site.GROUP}/team/case/{case.id}"
    system.relay.run_until_empty(1.0)
    short = matches_schema("team_case", system.broker.retained[topic])  # type: ignore[operator]
    assert short["owner"] is None
    assert set(short) & {"place", "note", "picture", "camera_last6", "summary"} == set()
    full = system.retained(case.id)
    assert full is not None
    assert {(m["person"], m["reach"]) for m in full["team"]} >= {("elder", "see"), ("party", "act")}
    system.reply(case.id, "acknowledge", person="party")
    system.relay.run_until_empty(1.0)
    short = matches_schema("team_case", system.broker.retained[topic])  # type: ignore[operator]
    assert short["owner"] == {"person": "party", "name": "某party"}
    assert system.case(case.id).ladder_due_at is None, "one acknowledgement counts for all"
    system.reply(case.id, "acknowledge", person="leader", key="late")
    full = system.retained(case.id)
    assert full is not None
    assert full["owner"]["person"] == "party"
    system.reply(case.id, "feedback", result="false_alarm", person="party")
    with system.store.begin() as uow:
        closed = system.case(case.id).apply_event(CaseEvent.CLOSE, at=NOON, by="op")
        save_case(uow, system.case(case.id), closed, system.payload_builder, system.clock.now())
        uow.commit()
    system.relay.run_until_empty(1.0)
    assert topic not in system.broker.retained


def test_without_teams_there_is_no_short_form() -> None:
    system = CaseSystem()
    case = system.confirm()
    assert [m.topic for m in system.messages(case.id) if "/team/" in m.topic] == []
    full = system.retained(case.id)
    assert full is not None
    assert (full["team"], full["owner"]) == ([], None)
