"""One cause, one notice."""

import pytest

from patrol.vision.change import Cause, FrameWide, group_by_cause


def wide(cause: Cause) -> FrameWide:
    return FrameWide(cause=cause, changed=0.8, score=0.9)


@pytest.mark.parametrize(
    ("snowy", "clear", "groups"),
    [
        pytest.param(400, 200, 1, id="a snowed-in town is one item"),
        pytest.param(4, 3, 0, id="too few cameras"),
        pytest.param(30, 300, 0, id="one camera in ten is its own business"),
        pytest.param(5, 20, 1, id="exactly enough"),
        pytest.param(0, 0, 0, id="nobody"),
    ],
)
def test_how_many_make_a_group(snowy: int, clear: int, groups: int) -> None:
    answers = [(n, wide(Cause.SNOW)) for n in range(snowy)]
    answers += [(1000 + n, None) for n in range(clear)]  # type: ignore[misc]  # the union
    found = group_by_cause(answers)
    assert len(found) == groups
    if found:
        assert found[0].cause is Cause.SNOW
        assert len(found[0].cameras) == snowy
        assert f"{snowy}/{snowy + clear} 路" in found[0].label


def test_two_causes_are_two_groups_largest_first() -> None:
    answers = [(n, wide(Cause.DUST)) for n in range(6)]
    answers += [(10 + n, wide(Cause.SNOW)) for n in range(9)]
    assert [found.cause for found in group_by_cause(answers)] == [Cause.SNOW, Cause.DUST]
