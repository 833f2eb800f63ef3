"""Leave: who is away, who acts instead, where routes lead meanwhile, which grids have nobody."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from patrol.domain.ids import GridCode, PersonId
from patrol.domain.leave import Leave, absences, changes_between, next_change, overlapping
from patrol.domain.observation import Subject
from patrol.domain.registry import Registry
from patrol.domain.routing import LEAVE_AHEAD, route, routing_gaps, unstaffed_within
from simulators import small_site

NOON = small_site.NOON
DAY = timedelta(days=1)


def leave(person: str, substitute: str = "", *, begins: int = -1, days: int = 3) -> Leave:
    start = NOON + begins * DAY
    return Leave(
        person=PersonId(person), begins=start, ends=start + days * DAY,
        substitute=PersonId(substitute) if substitute else None,
    )  # fmt: skip


def away(*leaves: Leave, without: tuple[str, ...] = (), at: datetime = NOON) -> Registry:
    return replace(small_site.registry(*without), leaves=leaves).at(at)


def told(
    registry: Registry, grid: GridCode = small_site.GROUP, subject: Subject = Subject.SCENE
) -> list[tuple[str, GridCode]]:
    return [(s.person.id, s.grid) for s in route(registry, grid, subject).recipients]


@pytest.mark.parametrize(
    ("leaves", "expected"),
    [
        pytest.param((), ["leader", "worker", "cadre", "duty"], id="nobody away"),
        pytest.param((leave("leader", "party"),), ["party", "worker", "cadre", "duty"],
                     id="who stands in is told first"),
        pytest.param((leave("leader", "leader2"),), ["leader2", "worker", "cadre", "duty"],
                     id="of another grid"),
        pytest.param((leave("leader"),), ["worker", "cadre", "duty"], id="the usual substitute"),
        pytest.param((leave("leader"), leave("worker")), ["party", "cadre", "duty"],
                     id="both away: the party-group leader"),
        pytest.param((leave("leader", "worker"), leave("worker", "party")),
                     ["party", "cadre", "duty"], id="the substitute's substitute"),
        pytest.param((leave("leader", "worker"), leave("worker", "leader")),
                     ["party", "cadre", "duty"], id="a circle leads to nobody"),
        pytest.param((leave("cadre", "cadre2"),), ["leader", "worker", "cadre2", "duty"],
                     id="a cadre"),
        pytest.param((leave("duty", "cadre2"),), ["leader", "worker", "cadre", "cadre2"],
                     id="the town's duty"),
        pytest.param((leave("leader", "party", begins=1),), ["leader", "worker", "cadre", "duty"],
                     id="not yet"),
        pytest.param((leave("leader", "party", begins=-5),), ["leader", "worker", "cadre", "duty"],
                     id="over"),
    ],
)  # fmt: skip
def test_routes_follow_the_calendar(leaves: tuple[Leave, ...], expected: list[str]) -> None:
    assert [person for person, _ in told(away(*leaves))] == expected


def test_who_stands_in_is_told_under_the_grid_of_the_one_who_is_away() -> None:
    assert told(away(leave("leader", "leader2")))[0] == ("leader2", small_site.GROUP)


def test_a_maintainer_on_leave_gets_no_fault() -> None:
    assert told(away(leave("fixer")), subject=Subject.EQUIPMENT) == [("duty", small_site.TOWN)]


def test_a_leave_holds_from_its_beginning_up_to_its_end() -> None:
    one = leave("leader", "party", begins=0, days=1)
    moments = [NOON - timedelta(seconds=1), NOON, NOON + DAY - timedelta(seconds=1), NOON + DAY]
    assert [bool(absences([one], at)) for at in moments] == [False, True, True, False]
    assert next_change([one], NOON - DAY) == NOON
    assert next_change([one], NOON) == NOON + DAY
    assert next_change([one], NOON + DAY) is None
    assert changes_between([one], NOON - DAY, NOON + DAY) == [NOON, NOON + DAY]


def test_overlaps_of_one_person_are_found() -> None:
    first, second, other = leave("a"), leave("a", begins=1), leave("b")
    assert overlapping([second, other, first]) == [(first, second)]
    assert overlapping([first, replace(second, begins=first.ends), other]) == []


def test_a_leave_ends_after_it_began() -> None:
    with pytest.raises(ValueError, match="ends after"):
        Leave(person=PersonId("a"), begins=NOON, ends=NOON)


def test_a_leave_with_a_substitute_leaves_no_gap_of_its_own() -> None:
    before = {gap.message for gap in routing_gaps(small_site.registry())}
    assert {gap.message for gap in routing_gaps(away(leave("leader")))} == before
    assert {gap.message for gap in routing_gaps(away(leave("leader", "party")))} == before


def test_a_grid_with_nobody_is_a_gap_that_names_who_is_away() -> None:
    registry = away(leave("leader2"), leave("party2"))
    (gap,) = [g for g in routing_gaps(registry) if "on leave" in g.what]
    assert (gap.grid, "leader2 on leave" in gap.what) == (small_site.SECOND_GROUP, True)


@pytest.mark.parametrize(
    ("leaves", "since", "until", "who"),
    [
        pytest.param((leave("leader2"), leave("party2")), None, 2, {"leader2", "party2"},
                     id="already"),
        pytest.param((leave("leader2"), leave("party2", begins=1)), 1, 2, {"leader2", "party2"},
                     id="before the leave begins"),
        pytest.param((leave("leader2", begins=3), leave("party2", begins=3)), 3, 6,
                     {"leader2", "party2"}, id="both begin"),
    ],
)  # fmt: skip
def test_a_grid_with_nobody_is_said(
    leaves: tuple[Leave, ...], since: int | None, until: int, who: set[str]
) -> None:
    registry = replace(small_site.registry(), leaves=leaves)
    (found,) = unstaffed_within(registry, NOON, LEAVE_AHEAD)
    assert found.grid == small_site.SECOND_GROUP
    assert found.since == (None if since is None else NOON + since * DAY)
    assert found.until == NOON + until * DAY
    assert set(found.away) == who


def test_a_grid_that_somebody_stands_in_for_has_somebody() -> None:
    leaves = (leave("leader2", "leader"), leave("party2"))
    assert unstaffed_within(replace(small_site.registry(), leaves=leaves), NOON, LEAVE_AHEAD) == []


def test_what_lies_beyond_the_horizon_is_not_said_yet() -> None:
    leaves = (leave("leader2", begins=20), leave("party2", begins=20))
    registry = replace(small_site.registry(), leaves=leaves)
    assert unstaffed_within(registry, NOON, LEAVE_AHEAD) == []
    assert len(unstaffed_within(registry, NOON + 7 * DAY, LEAVE_AHEAD)) == 1


def test_a_grid_without_people_is_said_without_an_end() -> None:
    registry = small_site.registry("leader3", "party3")
    (found,) = unstaffed_within(registry, NOON, LEAVE_AHEAD)
    assert (found.grid, found.since, found.until) == (small_site.OTHER_GROUP, None, None)


def test_times_are_utc_in_whatever_zone_they_were_written() -> None:
    assert leave("a").begins.tzinfo is UTC
