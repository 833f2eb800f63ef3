"""`python -m patrol.evaluation.fit_flames FOLDER`: fit the flame gauge's weights and judge them.

Logistic regression on piecewise linear curves (patrol/vision/fire/flame_score.py), neighbouring
knots held together. Of a burning pair only its likest region counts as a flame; of the others every
region counts against. Each scene has the same weight, however many pictures it has. What is printed
is the honest figure: each burning scene judged by weights that saw neither it nor the flameless
scenes it is held against. Deterministic; takes some minutes.
"""

import argparse
import json
import zlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from patrol.domain.observation import Box
from patrol.evaluation.fire_examples import FireExample, fire_examples
from patrol.evaluation.score import fractions, is_on_fire
from patrol.vision.fire.flame import flame_candidates
from patrol.vision.fire.flame_score import (
    FEATURES,
    WEIGHTS_FILE,
    FlameWeights,
    feature_values,
    hat_weights,
    weights_to_json,
)
from patrol.vision.fire.types import DEFAULT_FIRE_OPTIONS

KNOTS: Final = 4
STIFFNESS: Final = 1.5  # by which neighbouring knots are held together
SHRINKAGE: Final = 0.15  # of the stiffness: by which every knot is drawn to nothing
THRESHOLD: Final = 1.4  # log-odds: no real flameless pair of the folder lies above 0.9
ROUNDS: Final = 3  # of choosing the likest region and fitting again
STEPS: Final = 12  # of Newton's method
SCENE_WEIGHT, FLAMELESS_WEIGHT = 180.0, 900.0  # of a burning scene; of all flameless pairs
NEARLY_LIKEST: Final = 0.7  # log-odds below the likest: a flame too
WEIGHT_OF_KIND: Final = {"real": 6.0, "moved a little": 5.0, "flutters": 0.4}
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class MeasuredExample:
    """The candidates of one pair: their numbers, which lie on a fire, and their size."""

    scene: str
    kind: str
    burns: bool
    values: Floats  # candidates × features
    on_fire: NDArray[np.bool_]
    areas: Floats


def measure_example(example: FireExample) -> MeasuredExample:
    """What the gauge's proposer finds in a pair."""
    found = list(flame_candidates(example.pictures, None, DEFAULT_FIRE_OPTIONS))
    height, width = example.pictures[0].shape[:2]
    truth = [fractions(box, (width, height)) for box in example.flames]
    return MeasuredExample(
        scene=example.scene, kind=example.kind, burns=bool(truth),
        values=np.array([feature_values(one.features) for one in found]).reshape(-1, len(FEATURES)),
        on_fire=np.array([_lies_on(one.box, truth) for one in found], np.bool_),
        areas=np.array([one.area for one in found], np.float64),
    )  # fmt: skip


def _lies_on(box: Box, truth: Sequence[Box]) -> bool:
    return any(is_on_fire(box, one) for one in truth)


def fit(examples: Sequence[MeasuredExample]) -> FlameWeights:
    """Weights for these examples."""
    everything = np.concatenate([one.values for one in examples if len(one.values)])
    low, high = np.percentile(everything, (5, 95), axis=0)
    weights = FlameWeights(low, high, np.zeros((len(FEATURES), KNOTS)), 0.0, THRESHOLD)
    against = [one for one in examples if not one.burns and len(one.values)]
    shares = np.concatenate([
        np.full(len(one.values), WEIGHT_OF_KIND.get(one.kind, 0.8) / len(one.values) ** 0.5)
        for one in against
    ])  # fmt: skip
    shares *= FLAMELESS_WEIGHT / shares.sum()
    negatives = _basis(np.concatenate([one.values for one in against]), weights)
    for turn in range(ROUNDS):
        flames, importance = _likest(examples, weights if turn else None)
        rows = np.concatenate([_basis(flames, weights), negatives])
        truth = np.concatenate([np.ones(len(flames)), np.zeros(len(negatives))])
        fitted = _regression(rows, truth, np.concatenate([importance, shares]))
        curves = fitted[:-1].reshape(len(FEATURES), KNOTS)
        weights = FlameWeights(low, high, curves, float(fitted[-1]), THRESHOLD)
    return weights


def best_log_odds(example: MeasuredExample, weights: FlameWeights) -> float:
    """Of the likest region, on a fire where there is one; minus infinity without a region."""
    values = example.values[example.on_fire] if example.burns else example.values
    return max((weights.log_odds(one) for one in values), default=-np.inf)


def _likest(
    examples: Sequence[MeasuredExample], weights: FlameWeights | None
) -> tuple[Floats, Floats]:
    """The regions that count as flames, the largest while there are no weights; their weights."""
    burning = [one for one in examples if one.burns]
    scenes = Counter(one.scene for one in burning)
    rows, importance = [], []
    for one in burning:
        if not one.on_fire.any():
            continue
        values, areas = one.values[one.on_fire], one.areas[one.on_fire]
        if weights is None:
            chosen = values[[int(areas.argmax())]]
        else:
            odds = np.array([weights.log_odds(value) for value in values])
            chosen = values[odds >= odds.max() - NEARLY_LIKEST]
        rows.append(chosen)
        share = SCENE_WEIGHT / scenes[one.scene] / len(chosen)
        importance += [share] * len(chosen)
    return np.concatenate(rows), np.array(importance)


def _basis(values: Floats, weights: FlameWeights) -> Floats:
    return np.array([hat_weights(one, weights).ravel() for one in values])


def _regression(rows: Floats, truth: Floats, importance: Floats) -> Floats:
    """Weighted logistic regression by Newton's method; the last coefficient is the bias."""
    count = rows.shape[1]
    penalty = np.eye(count + 1) * STIFFNESS * SHRINKAGE
    penalty[-1, -1] = 1e-6
    for left in (at for at in range(count) if (at + 1) % KNOTS):
        right = left + 1
        penalty[[left, right], [left, right]] += STIFFNESS
        penalty[[left, right], [right, left]] -= STIFFNESS
    full = np.hstack([rows, np.ones((len(rows), 1))])
    fitted = np.zeros(count + 1)
    for _ in range(STEPS):
        chance = 1 / (1 + np.exp(-np.clip(full @ fitted, -30, 30)))
        curve = importance * np.maximum(chance * (1 - chance), 1e-3)
        slope = full.T @ (importance * (chance - truth)) + penalty @ fitted
        fitted -= np.linalg.solve((full * curve[:, None]).T @ full + penalty, slope)
    return fitted


def judge_by_scene(examples: Sequence[MeasuredExample]) -> dict[str, dict[str, str]]:
    """Each burning scene, and half of the flameless ones, by weights that saw neither."""
    table: dict[str, dict[str, str]] = {}
    for scene in sorted({one.scene for one in examples if one.burns}):
        hits: dict[str, list[bool]] = defaultdict(list)
        for half in (0, 1):
            seen = [
                one for one in examples
                if (one.scene != scene if one.burns else _half(one.scene) == half)
            ]  # fmt: skip
            weights = fit(seen)
            for one in examples:
                unseen = one.scene == scene if one.burns else _half(one.scene) != half
                if unseen:
                    name = f"burning, {one.kind}" if one.burns else f"flameless, {one.kind}"
                    hits[name].append(best_log_odds(one, weights) > THRESHOLD)
        table[scene] = {name: f"{sum(found)}/{len(found)}" for name, found in hits.items()}
    return table


def _half(scene: str) -> int:
    return zlib.crc32(scene.encode()) % 2


def main() -> None:
    """Fit, print the table by unseen scene, write the weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "folder", type=Path, help="has fire/, clean/ and newcomers/ with visits.csv"
    )
    parser.add_argument("--out", type=Path, default=Path("patrol/vision/fire") / WEIGHTS_FILE)
    arguments = parser.parse_args()
    examples = [measure_example(example) for example in fire_examples(arguments.folder)]
    print(json.dumps(judge_by_scene(examples), indent=1))  # noqa: T201  a command's answer
    weights = fit(examples)
    arguments.out.write_text(json.dumps(weights_to_json(weights), indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
