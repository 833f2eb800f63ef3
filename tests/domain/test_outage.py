"""One cause, one outage: tables of towns that fail, and what holds for every town."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patrol.domain.health import HealthPolicy
from patrol.domain.ids import CameraId
from patrol.domain.outage import (
    CameraReachability,
    OutageGroup,
    groups_down,
    has_recovered,
    members_of,
)

POLICY = HealthPolicy()


def reachability_of(*rows: tuple[str, str, str]) -> list[CameraReachability]:
    """(village, link, a letter a camera: x failed, . answered)."""
    return [
        CameraReachability(
            camera=CameraId(f"{row}-{n}"), link=link, village=village, failed=letter == "x"
        )
        for row, (village, link, letters) in enumerate(rows)
        for n, letter in enumerate(letters)
    ]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param([("v", "a", "xxx..")], ["link a 3"], id="60 % of a link"),
        pytest.param([("v", "a", "xx..."), ("v", "b", "....")], [], id="40 %"),
        pytest.param([("v", "a", "xx")], [], id="two are two"),
        pytest.param([("v", "a", "xxxx"), ("v", "b", ".....")], ["link a 4"], id="one of two"),
        pytest.param(
            [("v", "a", "xxxx"), ("v", "b", "xxx.")], ["village v 7"], id="both: the village"
        ),
        pytest.param(
            [("v", "a", "xxxxxxxx"), ("v", "b", "x...")], ["link a 8"],
            id="its worst link explains the village",
        ),
        pytest.param(
            [("v", "a", "xx"), ("v", "b", "xx"), ("v", "c", "x.")], ["village v 5"],
            id="a power cut over small links",
        ),
        pytest.param(
            [("v", "a", "xxx"), ("w", "a", "xxx"), ("w", "b", "....")], ["link a 6"],
            id="a link across villages",
        ),
        pytest.param(
            [("v", "a", "xxxx"), ("v", "b", "xxxx"), ("w", "a", "xxxx"), ("w", "c", "....")],
            ["village v 8", "link a 4"], id="what the village leaves of a link",
        ),
        pytest.param([("", "a", "xxxx")], ["link a 4"], id="a grid below no village"),
    ],
)  # fmt: skip
def test_what_is_down(rows: list[tuple[str, str, str]], expected: list[str]) -> None:
    found = groups_down(reachability_of(*rows), POLICY)
    assert [f"{down.group} {down.subject} {len(down.cameras)}" for down in found] == expected


@pytest.mark.parametrize(
    ("letters", "back"), [("x....", True), ("xx...", False), ("xxxxx", False), ("", False)]
)
def test_back_is_well_below_down(letters: str, *, back: bool) -> None:
    members = members_of(reachability_of(("v", "a", letters)), OutageGroup.LINK, "a")
    assert has_recovered(members, POLICY) is back


PROBES = st.lists(
    st.tuples(st.sampled_from(["u", "v", ""]), st.sampled_from("abc"), st.booleans()), max_size=40
).map(
    lambda rows: [
        CameraReachability(camera=CameraId(f"{n:02}"), village=village, link=link, failed=failed)
        for n, (village, link, failed) in enumerate(rows)
    ]
)


@given(PROBES)
def test_of_every_town(cameras: list[CameraReachability]) -> None:
    found = groups_down(cameras, POLICY)
    named = [camera for down in found for camera in down.cameras]
    failed = {one.camera for one in cameras if one.failed}
    assert len(named) == len(set(named))  # one notice a camera at most
    assert set(named) <= failed  # nobody who answers is part of an outage
    for down in found:
        assert len(down.cameras) >= POLICY.group_least
        assert not has_recovered(members_of(cameras, down.group, down.subject), POLICY) or (
            down.group is OutageGroup.LINK  # a village took the rest of it
        )
    for link in "abc":  # a link that is down is told, or its cameras are nearly all covered
        members = members_of(cameras, OutageGroup.LINK, link)
        silent = [one.camera for one in members if one.failed]
        if len(silent) >= 3 and len(silent) >= 0.6 * len(members):
            left = [camera for camera in silent if camera not in named]
            rest = [p for p in members if p.camera not in named or p.camera in left]
            assert len(left) < 3 or len(left) < 0.6 * len(rest)


@given(PROBES)
def test_order_does_not_matter(cameras: list[CameraReachability]) -> None:
    assert groups_down(cameras, POLICY) == groups_down(cameras[::-1], POLICY)
