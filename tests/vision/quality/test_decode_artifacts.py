"""What decoders make of damage, and what only looks like it."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from patrol.vision.quality import QualityHistory, diagnose

Picture = NDArray[np.uint8]


def drawn_out(frame: Picture) -> Picture:
    """As libavcodec conceals what is missing of an H.264 key frame."""
    picture = frame.copy()
    picture[len(frame) // 2 :] = frame[len(frame) // 2]
    return picture


def missing(frame: Picture) -> Picture:
    """As it leaves what is missing of an H.265 one: YUV(0, 0, 0)."""
    picture = frame.copy()
    picture[len(frame) // 2 :] = (0, 135, 0)
    return picture


def scattered(frame: Picture) -> Picture:
    """Every seventh macroblock green."""
    picture = frame.copy()
    height, width = frame.shape[:2]
    for number in range(0, (height // 16) * (width // 16), 7):
        y, x = divmod(number, width // 16)
        picture[y * 16 : y * 16 + 16, x * 16 : x * 16 + 16] = (0, 135, 0)
    return picture


@pytest.mark.parametrize("damage", [drawn_out, missing, scattered])
def test_damage_is_seen_with_and_without_a_memory(
    damage: Callable[[Picture], Picture], street: list[Picture], baseline: QualityHistory
) -> None:
    for history in (None, baseline):
        assert diagnose([damage(street[25])], history=history).faults == ("artifacts",)


def test_a_green_cast_is_no_fill(street: list[Picture], baseline: QualityHistory) -> None:
    green = np.clip(street[25] * (0.4, 1.2, 0.4), 0, 255).astype(np.uint8)
    assert diagnose([green], history=baseline).faults == ("color_cast",)


def test_an_overcast_sky_of_middle_grey_is_no_fill(street: list[Picture]) -> None:
    rng = np.random.default_rng(4)
    sky = street[25].copy()
    sky[:200] = np.clip(rng.normal(128, 0.8, (200, sky.shape[1], 1)), 0, 255).astype(np.uint8)
    assert diagnose([sky]).faults == ()


def test_an_edge_on_the_grid_of_macroblocks_is_no_seam(street: list[Picture]) -> None:
    boxed = np.asarray(cv2.resize(street[25], (1280, 720)), np.uint8)
    boxed[:, :256] = 30
    artifacts = diagnose([boxed]).features[0].artifacts
    assert artifacts.seams == 0.0


def speckled(frame: Picture, rng: np.random.Generator) -> Picture:
    ycc = cv2.cvtColor(frame, cv2.COLOR_BGR2YCrCb).astype(np.float32)
    half = rng.normal(0, 45, (frame.shape[0] // 2, frame.shape[1] // 2, 2)).astype(np.float32)
    ycc[..., 1:] += cv2.resize(half, (frame.shape[1], frame.shape[0]))
    return np.asarray(
        cv2.cvtColor(np.clip(ycc, 0, 255).astype(np.uint8), cv2.COLOR_YCrCb2BGR), np.uint8
    )


def blotched(frame: Picture, rng: np.random.Generator) -> Picture:
    half = rng.normal(0, 40, (frame.shape[0] // 2, frame.shape[1] // 2)).astype(np.float32)
    grain = cv2.resize(half, (frame.shape[1], frame.shape[0]))
    return np.asarray(np.clip(frame + np.asarray(grain)[..., None], 0, 255), np.uint8)


@pytest.mark.parametrize("spoil", [speckled, blotched])
def test_noise_that_single_pixels_do_not_show(
    spoil: Callable[[Picture, np.random.Generator], Picture],
    street: list[Picture],
    baseline: QualityHistory,
) -> None:
    picture = spoil(street[25], np.random.default_rng(3))
    assert diagnose([picture], history=baseline).faults == ("noise",)
