"""How like a flame a region is: the sum of what each of its numbers speaks for or against.

An additive model: each number (flame_features.py) is placed between its `low` and `high`, and a
curve through equally spaced knots gives the log-odds that it adds; nothing is multiplied, so no
number alone decides. The curves are fitted by patrol/evaluation/fit_flames.py to real fires and to
real and made views without one, and kept in flame_weights.json; `threshold` is the sum from which
a region is proposed. Pure.
"""

import json
import math
from dataclasses import asdict, dataclass, fields
from functools import cache
from importlib import resources
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from patrol.vision.fire.flame_features import FlameFeatures

WEIGHTS_FILE: Final = "flame_weights.json"
FEATURES: Final = tuple(field.name for field in fields(FlameFeatures))
LARGEST: Final = 30.0  # log-odds; beyond, a score is 0 or 1
SHARPNESS: Final = 2.0  # of a score: a log-odd over the threshold is 0.88, two are 0.98


@dataclass(frozen=True, slots=True, eq=False)
class FlameWeights:
    """The fitted curves: `curves[i]` are the knots of feature i, from `low[i]` to `high[i]`."""

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    curves: NDArray[np.float64]  # features × knots
    bias: float
    threshold: float

    def log_odds(self, values: NDArray[np.float64]) -> float:
        """The sum for the features in the order of FEATURES."""
        return float((hat_weights(values, self) * self.curves).sum()) + self.bias


def hat_weights(values: NDArray[np.float64], weights: FlameWeights) -> NDArray[np.float64]:
    """For each feature the shares of its knots: at most two neighbours, in sum 1."""
    knots = weights.curves.shape[1]
    width = np.maximum(weights.high - weights.low, 1e-9)
    place = np.clip((values - weights.low) / width, 0, 1) * (knots - 1)
    hats: NDArray[np.float64] = np.maximum(0.0, 1 - np.abs(place[:, None] - np.arange(knots)))
    return hats


def feature_values(features: FlameFeatures) -> NDArray[np.float64]:
    """The numbers in the order of FEATURES."""
    values = asdict(features)
    return np.array([values[name] for name in FEATURES], np.float64)


def flame_score(features: FlameFeatures) -> float:
    """0..1; 0.5 is the threshold of the fitted weights."""
    weights = shipped_weights()
    over = SHARPNESS * (weights.log_odds(feature_values(features)) - weights.threshold)
    return 1 / (1 + math.exp(-max(-LARGEST, min(LARGEST, over))))


@cache
def shipped_weights() -> FlameWeights:
    """The weights of this product."""
    text = resources.files("patrol.vision.fire").joinpath(WEIGHTS_FILE).read_text("utf-8")
    return weights_from_json(json.loads(text))


def weights_from_json(document: dict[str, Any]) -> FlameWeights:
    """Weights as `weights_to_json` writes them. Raises ValueError: not for these features."""
    by_name = document["features"]
    if tuple(by_name) != FEATURES:
        raise ValueError(f"{WEIGHTS_FILE}: not for the features {', '.join(FEATURES)}")
    return FlameWeights(
        low=np.array([one["low"] for one in by_name.values()], np.float64),
        high=np.array([one["high"] for one in by_name.values()], np.float64),
        curves=np.array([one["curve"] for one in by_name.values()], np.float64),
        bias=float(document["bias"]),
        threshold=float(document["threshold"]),
    )


def weights_to_json(weights: FlameWeights) -> dict[str, Any]:
    """A plain document, rounded to four places."""
    return {
        "features": {
            name: {
                "low": round(float(weights.low[i]), 4), "high": round(float(weights.high[i]), 4),
                "curve": [round(float(value), 4) for value in weights.curves[i]],
            }
            for i, name in enumerate(FEATURES)
        },
        "bias": round(weights.bias, 4),
        "threshold": round(weights.threshold, 4),
    }  # fmt: skip
