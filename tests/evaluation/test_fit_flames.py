"""Fitting the flame gauge's weights: from measured pairs to curves, and what is held apart."""

import numpy as np

from patrol.evaluation.fire_examples import as_another_camera
from patrol.evaluation.fit_flames import (
    MeasuredExample,
    best_log_odds,
    fit,
    judge_by_scene,
)
from patrol.evaluation.score import clip_name
from patrol.vision.fire.flame_score import FEATURES

COUNT = len(FEATURES)


def measured(scene: str, *, burns: bool, seed: int) -> MeasuredExample:
    """Three candidates; on a fire the first feature is high, otherwise low."""
    rng = np.random.default_rng(seed)
    values = rng.normal(0, 1, (3, COUNT))
    values[0, 0] += 6 if burns else 0
    on_fire = np.array([burns, False, False])
    return MeasuredExample(
        scene=scene, kind="real", burns=burns, values=values, on_fire=on_fire,
        areas=np.array([0.1, 0.01, 0.02]),
    )  # fmt: skip


def examples() -> list[MeasuredExample]:
    burning = [measured(f"fire-{n % 3}", burns=True, seed=n) for n in range(30)]
    calm = [measured(f"view-{n % 8}", burns=False, seed=100 + n) for n in range(80)]
    return burning + calm


def test_the_curve_of_the_telling_feature_rises_and_separates_unseen_pairs() -> None:
    weights = fit(examples())
    assert weights.curves[0, -1] > weights.curves[0, 0] + 1
    assert np.abs(weights.curves[1:]).max() < weights.curves[0, -1]
    burning = best_log_odds(measured("new", burns=True, seed=900), weights)
    calm = best_log_odds(measured("new", burns=False, seed=901), weights)
    assert burning > weights.threshold > calm


def test_every_burning_scene_is_judged_by_weights_that_did_not_see_it() -> None:
    table = judge_by_scene(examples())
    assert sorted(table) == ["fire-0", "fire-1", "fire-2"]
    for row in table.values():
        found, of = row["burning, real"].split("/")
        assert of == "20"  # ten pairs, against either half of the flameless scenes
        assert int(found) >= 16


def test_another_camera_shows_both_pictures_alike_and_the_same_every_time() -> None:
    rng = np.random.default_rng(5)
    still = rng.integers(0, 255, (48, 64, 3)).astype(np.uint8)
    first, last = as_another_camera([still, still], np.random.default_rng(3))
    again, _ = as_another_camera([still, still], np.random.default_rng(3))
    assert np.array_equal(first, again)
    assert abs(float(first.mean()) - float(last.mean())) < 2
    assert not np.array_equal(first, still)


def test_visits_of_a_clip_share_its_name() -> None:
    assert clip_name("burning-car-12") == "burning-car"
    assert clip_name("flames-fire-house6") == "flames-fire-house"
    assert clip_name("42") == "42"
