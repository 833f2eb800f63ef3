"""The whole view moved within a visit: shake. What moves in a view that stands still is none."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from patrol.vision.quality import diagnose

Picture = NDArray[np.uint8]


def seen_from(frame: Picture, dx: float, dy: float, seed: int) -> Picture:
    """The middle of the frame, moved by these shares of its width, with a sensor's noise."""
    height, width = frame.shape[:2]
    size = (round(width * 0.8), round(height * 0.8))
    centre = (width * (0.5 + dx), height * 0.5 + width * dy)
    cut = cv2.getRectSubPix(frame, size, centre).astype(np.float32)
    noisy = cut + np.random.default_rng(seed).normal(0, 1.2, cut.shape)
    return np.asarray(np.clip(noisy, 0, 255).round(), np.uint8)


@pytest.mark.parametrize(("dx", "dy"), [(0.008, 0.0), (0.0, -0.012), (-0.03, 0.02)])
def test_a_view_that_moved_within_the_visit(street: list[Picture], dx: float, dy: float) -> None:
    pair = [seen_from(street[4], 0, 0, 1), seen_from(street[4], dx, dy, 2)]
    assert "shake" in diagnose(pair, freshness="live").faults


@pytest.mark.parametrize("gain", [0.8, 1.0, 1.15])
def test_people_who_walk_and_light_that_changes_are_no_shake(
    street: list[Picture], gain: float
) -> None:
    for number in range(0, 30, 10):
        first, second = (seen_from(street[number + later], 0, 0, later) for later in (0, 1))
        brighter = np.asarray(np.clip(second * gain, 0, 255), np.uint8)
        assert "shake" not in diagnose([first, brighter], freshness="live").faults


def test_a_lorry_that_moves_before_half_of_the_view_is_no_shake(street: list[Picture]) -> None:
    first = seen_from(street[4], 0, 0, 1)
    later = seen_from(street[4], 0, 0, 2)
    width = first.shape[1]
    part = np.s_[:, width // 4 : 3 * width // 4]
    moved = np.roll(later, round(width * 0.02), axis=1)
    later[part] = moved[part]
    assert "shake" not in diagnose([first, later], freshness="live").faults


def test_one_picture_and_a_drift_of_a_pixel_tell_nothing(street: list[Picture]) -> None:
    still = seen_from(street[4], 0, 0, 1)
    assert diagnose([still], freshness="single").reading("shake") is None
    reading = diagnose([still, seen_from(street[4], 0.0008, 0, 2)], freshness="live").reading(
        "shake"
    )
    assert reading is not None
    assert not reading.over
