"""Counting: what is right, what is wrong, and how sure that is."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patrol.evaluation.metrics import Counts, wilson_or_none
from patrol.evaluation.score import match_boxes


@pytest.mark.parametrize(
    ("hits", "trials", "low", "high"),
    [
        (0, 10, 0.0, 0.2775),
        (10, 10, 0.7225, 1.0),
        (9, 10, 0.5958, 0.9821),
        (500, 1000, 0.469, 0.531),
    ],
)
def test_wilson_against_published_values(hits: int, trials: int, low: float, high: float) -> None:
    found = wilson_or_none(hits, trials)
    assert found is not None
    assert math.isclose(found[0], low, abs_tol=1e-3)
    assert math.isclose(found[1], high, abs_tol=1e-3)


@given(st.integers(0, 400), st.integers(0, 400), st.integers(0, 400))
def test_every_number_lies_in_its_interval(tp: int, fp: int, fn: int) -> None:
    tally = Counts(tp=tp, fp=fp, fn=fn)
    found = tally.f1_interval
    if tally.f1 is None:
        assert found is None
        return
    assert found is not None
    assert found[0] - 1e-9 <= tally.f1 <= found[1] + 1e-9
    assert found[0] >= 0
    assert found[1] <= 1 + 1e-9


@pytest.mark.parametrize(
    ("tally", "precision", "recall", "f1"),
    [
        (Counts(tp=8, fp=2, fn=0), 0.8, 1.0, 16 / 18),
        (Counts(), None, None, None),
        (Counts(fp=3), 0.0, None, 0.0),
        (Counts(fn=3), None, 0.0, 0.0),
    ],
)
def test_shares(
    tally: Counts, precision: float | None, recall: float | None, f1: float | None
) -> None:
    assert (tally.precision, tally.recall, tally.f1) == (precision, recall, f1)


@pytest.mark.parametrize(
    ("truth", "proposed", "expected"),
    [
        ([(0.1, 0.1, 0.2, 0.2)], [(0.12, 0.1, 0.2, 0.2)], Counts(tp=1)),
        ([(0.1, 0.1, 0.2, 0.2)], [(0.1, 0.1, 0.2, 0.2)] * 2, Counts(tp=1, fp=1)),
        ([(0.1, 0.1, 0.2, 0.2)], [(0.6, 0.6, 0.2, 0.2)], Counts(fp=1, fn=1)),
        ([], [], Counts()),
    ],
)
def test_one_box_matches_once(
    truth: list[tuple[float, float, float, float]],
    proposed: list[tuple[float, float, float, float]],
    expected: Counts,
) -> None:
    assert match_boxes(truth, proposed, 0.5) == expected
