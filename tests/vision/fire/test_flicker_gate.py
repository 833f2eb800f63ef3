"""The coarse test lets every flame through to the gauge, and keeps quiet yards from it."""

import numpy as np
import pytest

from patrol.vision.fire.flame import find_flames
from patrol.vision.fire.flicker_gate import may_flicker
from patrol.vision.fire.types import DEFAULT_FIRE_OPTIONS
from streams.model import BgrImage

SIZE = (540, 960)


def yard(seed: int) -> BgrImage:
    noise = np.random.default_rng(seed).normal(0, 2.5, (*SIZE, 3))
    return np.clip(np.array((96, 114, 120)) + noise, 0, 255).astype(np.uint8)


def with_tongues(picture: BgrImage, seed: int, side_px: int) -> BgrImage:
    """Small tongues of flame, in another shape for each seed."""
    rng, burning = np.random.default_rng(seed), picture.copy()
    for _ in range(3 * side_px):
        y, x = (int(v) for v in rng.integers(0, side_px, 2))
        burning[300 + y : 304 + y, 400 + x : 403 + x] = rng.integers((20, 90, 210), (70, 190, 255))
    return burning


def test_a_quiet_yard_and_a_passer_by_in_grey_are_kept_from_the_gauge() -> None:
    assert not may_flicker(yard(1), yard(2), DEFAULT_FIRE_OPTIONS)
    walking = yard(2)
    walking[200:400, 300:360] = (70, 70, 72)
    assert not may_flicker(yard(1), walking, DEFAULT_FIRE_OPTIONS)


def test_a_lamp_that_stays_as_it_is_needs_no_gauge() -> None:
    lamps = [yard(1), yard(2)]
    for picture in lamps:
        picture[100:140, 100:140] = (60, 160, 240)
    assert not may_flicker(lamps[0], lamps[1], DEFAULT_FIRE_OPTIONS)


@pytest.mark.parametrize("side_px", [20, 30, 60, 120])
def test_whatever_the_gauge_finds_was_let_through(side_px: int) -> None:
    pair = [with_tongues(yard(seed), seed, side_px) for seed in (1, 2)]
    assert find_flames(pair, None, None, DEFAULT_FIRE_OPTIONS)
    assert may_flicker(pair[0], pair[1], DEFAULT_FIRE_OPTIONS)


def test_pictures_of_two_sizes_are_the_gauges_to_judge() -> None:
    assert may_flicker(yard(1), yard(2)[::2, ::2], DEFAULT_FIRE_OPTIONS)
