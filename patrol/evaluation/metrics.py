"""Precision, recall and F1 of counted hits and misses, each with its 95 % interval."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from patrol.domain.statistics import wilson_interval


def wilson_or_none(hits: int, trials: int) -> tuple[float, float] | None:
    """Wilson's score interval of a proportion, 95 %; None where nothing was tried."""
    return wilson_interval(hits, trials) if trials > 0 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """True positives, false positives, false negatives of one kind."""

    tp: int = 0
    fp: int = 0
    fn: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(tp=self.tp + other.tp, fp=self.fp + other.fp, fn=self.fn + other.fn)

    @property
    def precision(self) -> float | None:
        """The share of proposals that were right; None without any."""
        return self.tp / (self.tp + self.fp) if self.tp + self.fp else None

    @property
    def recall(self) -> float | None:
        """The share of what was there that was proposed; None where nothing was."""
        return self.tp / (self.tp + self.fn) if self.tp + self.fn else None

    @property
    def f1(self) -> float | None:
        """None where the kind neither was there nor was proposed."""
        total = 2 * self.tp + self.fp + self.fn
        return 2 * self.tp / total if total else None

    @property
    def f1_interval(self) -> tuple[float, float] | None:
        """F1 = 2J ÷ (1 + J), J = tp ÷ (tp + fp + fn) a proportion: Wilson's ends, carried over."""
        found = wilson_or_none(self.tp, self.tp + self.fp + self.fn)
        if found is None:
            return None
        low, high = (2 * j / (1 + j) for j in found)
        return low, high

    def as_document(self) -> Mapping[str, Any]:
        """As `--json` prints it."""
        return {
            "tp": self.tp, "fp": self.fp, "fn": self.fn,
            "precision": _round(self.precision), "recall": _round(self.recall),
            "f1": _round(self.f1),
            "precision_interval": _pair(wilson_or_none(self.tp, self.tp + self.fp)),
            "recall_interval": _pair(wilson_or_none(self.tp, self.tp + self.fn)),
            "f1_interval": _pair(self.f1_interval),
        }  # fmt: skip


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _pair(interval: tuple[float, float] | None) -> list[float] | None:
    return None if interval is None else [round(interval[0], 4), round(interval[1], 4)]


def rate_document(hits: int, trials: int, *, per: int = 1) -> Mapping[str, Any]:
    """A plain share with its interval, as `--json` prints it."""
    found = wilson_or_none(hits, trials)
    return {
        "count": hits, "of": trials,
        "rate": None if not trials else round(per * hits / trials, 4),
        "interval": None if found is None else [round(per * found[0], 4), round(per * found[1], 4)],
    }  # fmt: skip
