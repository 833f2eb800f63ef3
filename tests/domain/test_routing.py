"""Who is told, in which order, and what is said about every gap."""

from dataclasses import replace

import pytest

from patrol.domain.ids import GridCode, PersonId
from patrol.domain.observation import Subject
from patrol.domain.registry import Registry, Role
from patrol.domain.routing import route, routing_gaps
from simulators import small_site

CHAIN = ("leader", "worker", "cadre", "duty")


def recipients(
    registry: Registry, grid: GridCode, subject: Subject = Subject.SCENE
) -> tuple[str, ...]:
    return tuple(stop.person.id for stop in route(registry, grid, subject).recipients)


@pytest.mark.parametrize(
    ("without", "expected"),
    [
        pytest.param((), CHAIN, id="leader, substitute, village, town"),
        pytest.param(("worker",), ("leader", "party", "cadre", "duty"), id="party-group leader"),
        pytest.param(("worker", "party"), ("leader", "cadre", "duty"), id="no substitute"),
        pytest.param(("leader",), ("party", "cadre", "duty"), id="no leader"),
        pytest.param(("cadre",), ("leader", "worker", "duty"), id="no cadre"),
        pytest.param(("leader", "worker", "party", "cadre"), ("duty",), id="only the town"),
        pytest.param(("leader", "worker", "party", "cadre", "duty"), (), id="nobody"),
    ],
)
def test_the_ladder_of_a_group(without: tuple[str, ...], expected: tuple[str, ...]) -> None:
    assert recipients(small_site.registry(*without), small_site.GROUP) == expected


def test_each_recipient_is_notified_under_its_own_grid() -> None:
    stops = route(small_site.registry(), small_site.GROUP, Subject.SCENE).recipients
    assert [stop.grid for stop in stops] == [
        small_site.GROUP,
        small_site.GROUP,
        small_site.VILLAGE,
        small_site.TOWN,
    ]


def test_a_cadre_counted_in_the_groups_team_answers_for_the_village() -> None:
    plain = small_site.registry("cadre")
    in_team = replace(small_site.registry().people[PersonId("cadre")], grid=small_site.GROUP)
    registry = replace(plain, people={**plain.people, in_team.id: in_team})
    stops = route(registry, small_site.GROUP, Subject.SCENE).recipients
    assert [(s.person.id, s.grid) for s in stops][2] == ("cadre", small_site.VILLAGE)


@pytest.mark.parametrize(
    ("grid", "expected"),
    [(small_site.VILLAGE, ("cadre", "duty")), (small_site.TOWN, ("duty",))],
)
def test_a_camera_of_a_village_or_the_town(grid: GridCode, expected: tuple[str, ...]) -> None:
    assert recipients(small_site.registry(), grid) == expected


def test_a_camera_fault_goes_to_the_maintainer_and_never_to_the_yards_people() -> None:
    assert recipients(small_site.registry(), small_site.GROUP, Subject.EQUIPMENT) == (
        "fixer",
        "duty",
    )
    near = replace(
        small_site.registry().people[PersonId("fixer")],
        id=PersonId("near"),
        grid=small_site.VILLAGE,
    )
    plain = small_site.registry()
    registry = replace(plain, people={**plain.people, near.id: near})
    assert recipients(registry, small_site.GROUP, Subject.EQUIPMENT) == ("near", "fixer", "duty")


def test_a_whole_chain_has_no_problem() -> None:
    assert routing_gaps(small_site.registry()) == []


@pytest.mark.parametrize(
    ("without", "grid", "message"),
    [
        pytest.param(("leader",), small_site.GROUP, "grid_leader", id="leader"),
        pytest.param(("worker", "party"), small_site.GROUP, "substitute", id="substitute"),
        pytest.param(("cadre",), small_site.VILLAGE, "village_cadre", id="cadre"),
        pytest.param(("duty",), small_site.TOWN, "town_duty", id="duty"),
        pytest.param(("fixer",), small_site.TOWN, "maintainer", id="maintainer"),
    ],
)
def test_a_gap_is_named_once_however_many_chains_it_breaks(
    without: tuple[str, ...], grid: GridCode, message: str
) -> None:
    found = [p for p in routing_gaps(small_site.registry(*without)) if message in p.what]
    assert [problem.grid for problem in found] == [grid]
    assert grid in found[0].message


def test_cameras_and_people_that_hang_in_the_air_are_named() -> None:
    plain = small_site.registry()
    nowhere = GridCode("620902104999001")
    lost = replace(plain.cameras[small_site.CAMERA], grid=nowhere)
    ghost = replace(plain.people[PersonId("worker")], substitute_for=PersonId("nobody"))
    registry = replace(
        plain,
        cameras={**plain.cameras, lost.id: lost},
        people={**plain.people, ghost.id: ghost},
    )
    problems = routing_gaps(registry)
    assert any(p.camera == small_site.CAMERA and p.grid == nowhere for p in problems)
    assert any(p.person == "worker" and "nobody" in p.what for p in problems)


def test_roles_are_those_of_the_contract() -> None:
    assert {role.value for role in Role} == {
        "town_duty",
        "village_cadre",
        "grid_leader",
        "party_group_leader",
        "grid_worker",
        "respected_villager",
        "maintainer",
        "helper",
        "town_official",
        "village_police",
        "village_group_cadre",
        "joint_defence_household",
        "unit_guard",
    }
