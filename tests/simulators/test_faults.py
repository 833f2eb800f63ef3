"""Mixtures deal out exactly what they say."""

from collections import Counter

import numpy as np
import pytest

from simulators.faults import MIXTURES, CameraFault, assign_faults, mixture_problem

VILLAGES = [str(200 + i % 9) for i in range(624)]


def dealt(name: str, seed: int = 1) -> list[CameraFault]:
    return assign_faults(name, VILLAGES, np.random.default_rng(seed))


def test_none_is_none() -> None:
    assert set(dealt("none")) == {CameraFault.NONE}


def test_the_town_is_ninety_percent_online() -> None:
    counts = Counter(dealt("town"))
    offline = (
        CameraFault.REFUSES_CONNECTION,
        CameraFault.NEVER_ANSWERS,
        CameraFault.UNAUTHORIZED_401,
        CameraFault.NOT_FOUND_404,
    )
    assert sum(counts[fault] for fault in offline) / 624 == pytest.approx(0.10, abs=0.003)
    assert counts[CameraFault.FLAKY] / 624 == pytest.approx(0.04, abs=0.002)
    assert counts[CameraFault.BLURRED] == 11


def test_shares_never_exceed_the_whole() -> None:
    assert all(sum(shares.values()) <= 1 for shares in MIXTURES.values())


def test_a_storm_dims_most_pictures() -> None:
    assert Counter(dealt("storm"))[CameraFault.DUSTY] == round(0.70 * 624)


def test_a_power_cut_takes_sixty_percent_of_one_village() -> None:
    faults = dealt("power_cut")
    down = Counter(
        village
        for village, fault in zip(VILLAGES, faults, strict=True)
        if fault is CameraFault.REFUSES_CONNECTION
    )
    (_, most), (_, second) = down.most_common(2)
    assert most >= 0.6 * VILLAGES.count("200") - 1
    assert second < 0.2 * VILLAGES.count("200")


def test_each_walks_through_all_faults() -> None:
    assert set(dealt("each")) == set(CameraFault)


def test_a_single_fault_may_be_named() -> None:
    assert set(dealt("frozen")) == {CameraFault.FROZEN}


def test_which_cameras_are_hit_depends_on_the_seed_alone() -> None:
    assert dealt("town", 3) == dealt("town", 3)
    assert dealt("town", 3) != dealt("town", 4)


def test_an_unknown_mixture_is_named_with_what_there_is() -> None:
    problem = mixture_problem("hail")
    assert problem is not None
    assert "'hail'" in problem
    assert "power_cut" in problem
    assert mixture_problem("storm") is None
    assert mixture_problem("black") is None
