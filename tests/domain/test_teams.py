"""Teams of grids, and who answers for which grid with which account."""

from dataclasses import replace
from datetime import timedelta

import pytest

from patrol.domain.account import Account, AccountRole
from patrol.domain.answering import answered_grids, grids_notified, may_see_case, reply_grid_of
from patrol.domain.case import Case, CaseEvent
from patrol.domain.ids import GridCode, PersonId
from patrol.domain.leave import Leave
from patrol.domain.observation import Subject
from patrol.domain.registry import Person, Registry, Role
from patrol.domain.teams import owner_of, team_of
from simulators import small_site
from tests.support.case_system import CaseSystem

NOON = small_site.NOON
ELDER = Person(
    id=PersonId("elder"), name="某elder", role=Role.RESPECTED_VILLAGER, grid=small_site.GROUP,
    mqtt_user="elder",
)  # fmt: skip


def with_teams(*, away: dict[str, str] | None = None, teams: bool = True) -> Registry:
    plain = small_site.registry()
    leaves = tuple(
        Leave(
            person=PersonId(who), begins=NOON - timedelta(days=1), ends=NOON + timedelta(days=1),
            substitute=PersonId(instead) if instead else None,
        )
        for who, instead in (away or {}).items()
    )  # fmt: skip
    people = {**plain.people, ELDER.id: ELDER}
    return replace(plain, people=people, teams=teams, leaves=leaves).at(NOON)


def account(duty: AccountRole, person: str, grid: GridCode | None = None) -> Account:
    return Account(
        name=person, duty=duty, shown_as=person, password="x", grid=grid, person=PersonId(person),
        created_at=NOON,
    )  # fmt: skip


def reaches(registry: Registry, grid: GridCode = small_site.GROUP) -> dict[str, str]:
    return {m.person.id: m.reach.value for m in team_of(registry, grid)}


def test_a_team_has_leader_cadre_party_worker_and_villagers() -> None:
    assert reaches(with_teams()) == {
        "leader": "act", "party": "act", "worker": "act", "cadre": "act", "elder": "see",
    }  # fmt: skip


def test_without_the_setting_nobody_but_the_ladder_is_told() -> None:
    registry = with_teams(teams=False)
    assert reaches(registry) == {}
    assert small_site.GROUP not in grids_notified(registry, Subject.SCENE)[PersonId("party")]


@pytest.mark.parametrize("grid", [small_site.VILLAGE, small_site.TOWN, GridCode("1" * 15)])
def test_only_groups_have_teams(grid: GridCode) -> None:
    assert reaches(with_teams(), grid) == {}


def test_somebody_on_leave_is_not_of_the_team_and_who_stands_in_is() -> None:
    found = reaches(with_teams(away={"leader": "leader2", "elder": "", "party": ""}))
    assert found == {"leader2": "act", "worker": "act", "cadre": "act"}


def test_those_who_act_answer_and_those_who_see_do_not() -> None:
    notified = grids_notified(with_teams(), Subject.SCENE)
    acting = {who for who in reaches(with_teams()) if small_site.GROUP in notified[PersonId(who)]}
    assert acting == {"leader", "party", "worker", "cadre"}


def test_a_cadre_of_the_team_answers_the_group_s_case_before_it_is_escalated() -> None:
    case = CaseSystem().confirm()
    cadre = account(AccountRole.VILLAGE_CADRE, "cadre", small_site.VILLAGE)
    assert reply_grid_of(cadre, case, small_site.registry()) is None
    assert reply_grid_of(cadre, case, with_teams()) == small_site.GROUP
    other = account(AccountRole.VILLAGE_CADRE, "cadre2", small_site.OTHER_VILLAGE)
    assert reply_grid_of(other, case, with_teams()) is None


def test_who_stands_in_sees_and_answers_and_who_is_away_does_neither() -> None:
    case, registry = CaseSystem().confirm(), with_teams(away={"leader": "leader3"}, teams=False)
    away = account(AccountRole.GRID_LEADER, "leader", small_site.GROUP)
    instead = account(AccountRole.GRID_LEADER, "leader3", small_site.OTHER_GROUP)
    stranger = account(AccountRole.GRID_LEADER, "leader2", small_site.SECOND_GROUP)
    assert answered_grids(away, registry, Subject.SCENE) == ()
    assert answered_grids(instead, registry, Subject.SCENE) == (
        small_site.OTHER_GROUP, small_site.GROUP,
    )  # fmt: skip
    seen = [may_see_case(one, case, registry) for one in (away, instead, stranger)]
    answering = [reply_grid_of(one, case, registry) for one in (away, instead, stranger)]
    assert (seen, answering) == ([False, True, False], [None, small_site.GROUP, None])


def test_a_maintainer_answers_faults_and_no_yard() -> None:
    registry = small_site.registry()
    scene = CaseSystem().confirm()
    fault = CaseSystem().confirm(
        replace(small_site.finding(), subject=Subject.EQUIPMENT, kind="blur", category="blur")
    )
    fixer = account(AccountRole.MAINTAINER, "fixer")
    nobody = account(AccountRole.MAINTAINER, "leader")  # a leader's person with this duty
    assert fault.subject is Subject.EQUIPMENT
    assert reply_grid_of(fixer, fault, registry) == small_site.TOWN
    assert reply_grid_of(fixer, scene, registry) is None
    assert not may_see_case(fixer, scene, registry)
    assert reply_grid_of(nobody, fault, registry) is None
    unlinked = replace(fixer, person=None)
    assert reply_grid_of(unlinked, fault, registry) is None


def moved(case: Case, *events: tuple[CaseEvent, str]) -> Case:
    for event, by in events:
        case = case.apply_event(event, at=NOON, by=by)
    return case


def test_who_is_first_owns_the_case_until_it_is_sent_out_again() -> None:
    case, e = CaseSystem().confirm(), CaseEvent
    assert owner_of(case) == ""
    first = moved(case, (e.OPENED, "cadre"), (e.ACKNOWLEDGE, "party"), (e.ACKNOWLEDGE, "leader"))
    assert owner_of(first) == "party"
    again = moved(first, (e.FEED_BACK, "leader"), (e.NOT_VERIFIED, "op"))
    assert owner_of(again) == ""
    assert owner_of(moved(again, (e.ARRIVE, "worker"))) == "worker"
