"""Fires as cameras really show them: over-exposed, filling the picture, drifting, under smoke."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from patrol.domain.observation import Light
from patrol.evaluation.lookalikes import LOOKALIKES
from patrol.vision.fire import FireKind, detect_fire
from patrol.vision.fire.billows import find_billows
from patrol.vision.fire.flame_pair import flame_coloured, undrifted, white_hot
from patrol.vision.fire.flame_score import (
    FEATURES,
    FlameWeights,
    shipped_weights,
    weights_from_json,
    weights_to_json,
)
from patrol.vision.fire.flicker_gate import may_flicker
from patrol.vision.fire.types import DEFAULT_FIRE_OPTIONS, FireRegion

Picture = NDArray[np.uint8]
HEIGHT, WIDTH = 270, 480


def textured(seed: int = 0, level: float = 105) -> Picture:
    rng = np.random.default_rng(seed)
    coarse = cv2.resize(rng.normal(level, 25, (27, 48, 1)).astype(np.float32), (WIDTH, HEIGHT))
    noise = np.random.default_rng(seed + 100).normal(0, 2, (HEIGHT, WIDTH, 3))
    return np.clip(coarse[..., None] + noise, 0, 255).astype(np.uint8)


def white_core(seed: int, glow: tuple[int, int, int]) -> Picture:
    """A white shape, another for every seed, in a glow of this colour over a dim room."""
    rng = np.random.default_rng(seed)
    mask = np.zeros((HEIGHT, WIDTH), np.float32)
    for _ in range(12):
        at = 240 + int(rng.normal(0, 22)), 160 - int(rng.uniform(0, 70))
        cv2.ellipse(mask, at, (int(rng.uniform(4, 14)), int(rng.uniform(8, 30))), 0, 0, 360, 1, -1)
    halo = cv2.GaussianBlur(mask, (0, 0), 14)[..., None] * np.array(glow, np.float32)
    room = textured(0, 70).astype(np.float32) + halo
    room[mask > 0] = (245, 240, 254)
    return np.clip(room, 0, 255).astype(np.uint8)


def test_white_is_hot_where_what_surrounds_it_glows_red() -> None:
    fire, window = white_core(1, (60, 40, 190)), white_core(1, (190, 150, 120))
    assert white_hot(fire).sum() > 500
    assert not white_hot(window).any()
    assert not flame_coloured(fire)[fire.min(axis=2) > 235].any()  # colour alone would not tell


def test_the_coarse_test_lets_white_fires_through() -> None:
    fires = white_core(1, (60, 40, 190)), white_core(2, (60, 40, 190))
    assert may_flicker(*fires, DEFAULT_FIRE_OPTIONS)
    still = textured(1)
    assert not may_flicker(still, still, DEFAULT_FIRE_OPTIONS)


@pytest.mark.parametrize("move", [(5.0, 0.0), (-3.0, 4.0)])
def test_a_drifting_camera_is_moved_back(move: tuple[float, float]) -> None:
    first = cv2.resize(textured(3), (560, 315))
    matrix = np.array([[1, 0, move[0]], [0, 1, move[1]]], np.float32)
    last = cv2.warpAffine(first, matrix, (560, 315), borderMode=cv2.BORDER_REPLICATE)
    small = cv2.resize(first, (140, 79)), cv2.resize(last, (140, 79))
    back = undrifted(np.asarray(first, np.uint8), np.asarray(last, np.uint8), small)
    inner = slice(12, -12), slice(12, -12)
    before = cv2.absdiff(first, last)[inner].mean()
    assert cv2.absdiff(first, back)[inner].mean() < 0.5 * before


def test_a_still_camera_is_left_as_it_is() -> None:
    first, last = textured(1), textured(1)
    small = cv2.resize(first, (120, 68)), cv2.resize(last, (120, 68))
    assert undrifted(first, last, small) is last


def test_a_lookalike_in_fifty_is_proposed_at_most() -> None:
    proposed = []
    for name, make in LOOKALIKES.items():
        for number in range(10):
            first, last = make(textured(number), np.random.default_rng(number + 4000))
            noise = np.random.default_rng(number).normal(0, 2, first.shape)
            pair = [np.clip(p + noise, 0, 255).astype(np.uint8) for p in (first, last)]
            if detect_fire(pair, None, light=Light.DAY):
                proposed.append((name, number))
    assert len(proposed) <= 1, proposed


def test_the_shipped_weights_are_for_these_features_and_survive_a_round_trip() -> None:
    weights = shipped_weights()
    again = weights_from_json(weights_to_json(weights))
    assert np.allclose(again.curves, weights.curves, atol=1e-3)
    document = weights_to_json(weights)
    document["features"].pop(FEATURES[0])
    with pytest.raises(ValueError, match=r"flame_weights\.json: not for the features"):
        weights_from_json(document)


def test_one_weak_number_does_not_zero_the_rest() -> None:
    count = len(FEATURES)
    weights = FlameWeights(
        np.zeros(count), np.ones(count), np.tile([-1.0, 1.0], (count, 1)), 0.0, 0.0
    )
    values = np.ones(count)
    values[0] = 0.0
    assert weights.log_odds(np.ones(count)) == pytest.approx(count)
    assert weights.log_odds(values) == pytest.approx(count - 2)


def smoky(seed: int) -> Picture:
    """Billows over the upper middle of a patterned view."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    view = np.where(((rows // 6 + columns // 6) % 2)[..., None] > 0, 150, 70).astype(np.float32)
    rng = np.random.default_rng(seed)
    plume = np.zeros((HEIGHT, WIDTH), np.float32)
    shade = np.zeros((HEIGHT, WIDTH), np.float32)
    for _ in range(14):
        x, y, size = rng.uniform(180, 320), rng.uniform(20, 130), rng.uniform(16, 34)
        away = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / size**2)
        plume = np.maximum(plume, away)
        shade += away * rng.uniform(-45, 45)
    grey = (115 + shade)[..., None]
    mixed = view * (1 - plume[..., None]) + grey * plume[..., None]
    return np.clip(mixed, 0, 255).astype(np.uint8)


def flame_at(box: tuple[float, float, float, float]) -> FireRegion:
    return FireRegion(
        kind=FireKind.OPEN_FLAME, box=box, score=0.9, area=0.01, flicker=30.0, growth=1.0
    )


def test_smoke_is_told_over_a_flame_and_nowhere_else() -> None:
    pictures = [smoky(1), smoky(2)]
    (found,) = find_billows(pictures, [flame_at((0.45, 0.5, 0.1, 0.1))])
    assert found.kind is FireKind.SMOKE
    assert found.box[0] < 0.5 < found.box[0] + found.box[2]
    assert find_billows(pictures, [flame_at((0.0, 0.9, 0.05, 0.05))]) == []  # not beside it
    assert find_billows(pictures, []) == []
    assert find_billows([smoky(1), smoky(1)], [flame_at((0.45, 0.5, 0.1, 0.1))]) == []  # still
