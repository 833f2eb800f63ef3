"""Overlaps and the border cases of reading outputs, without a model."""

import numpy as np
import pytest

from patrol.inference.manifest import shipped
from patrol.inference.output_decoders import RawBoxes, read_boxes, without_overlaps

YOLOX = shipped()["yolox_nano"]


def raw(*rows: tuple[float, float, float, float, float, int]) -> RawBoxes:
    table = np.array(rows, np.float32).reshape(-1, 6)
    return RawBoxes(table[:, :4], table[:, 4], table[:, 5].astype(np.intp))


@pytest.mark.parametrize(("rows", "kept"), [
    pytest.param([], [], id="nothing"),
    pytest.param([(0, 0, 10, 10, 0.9, 1), (1, 0, 11, 10, 0.8, 1)], [0.9], id="twice the same"),
    pytest.param([(0, 0, 10, 10, 0.9, 1), (1, 0, 11, 10, 0.8, 2)], [0.9, 0.8], id="two labels"),
    pytest.param([(0, 0, 10, 10, 0.9, 1), (6, 0, 16, 10, 0.8, 1)], [0.9, 0.8], id="side by side"),
    pytest.param(
        [(0, 0, 10, 10, 0.9, 1), (3, 0, 13, 10, 0.8, 1), (6, 0, 16, 10, 0.7, 1)], [0.9, 0.7],
        id="what a removed box overlapped stays",
    ),
    pytest.param([(5, 5, 5, 5, 0.9, 1), (5, 5, 5, 5, 0.8, 1)], [0.9, 0.8], id="no area"),
])  # fmt: skip
def test_overlaps(rows: list[tuple[float, ...]], kept: list[float]) -> None:
    found = without_overlaps(raw(*rows), 0.5)  # type: ignore[arg-type]  # rows of six
    assert found.scores == pytest.approx(kept)


def test_labels_far_apart_in_number_do_not_meet() -> None:
    far = raw((0, 0, 400, 400, 0.9, 0), (0, 0, 400, 400, 0.8, 79))
    assert len(without_overlaps(far, 0.5).scores) == 2


def test_an_output_of_nothing_but_nan_finds_nothing() -> None:
    nan = np.full((1, 3549, 85), np.nan, np.float32)
    assert len(read_boxes([nan], YOLOX, 0.3).scores) == 0


def test_an_absurd_width_stays_finite() -> None:
    rows = np.zeros((1, 3549, 85), np.float32)
    rows[0, 7, 2:6] = (1e9, 1e9, 1.0, 1.0)
    found = read_boxes([rows], YOLOX, 0.3)
    assert np.isfinite(found.boxes).all()


def test_best_first() -> None:
    rows = np.zeros((1, 3549, 85), np.float32)
    rows[0, :50, 4], rows[0, :50, 5] = np.linspace(0.4, 0.9, 50), 1.0
    scores = read_boxes([rows], YOLOX, 0.35).scores
    assert (np.diff(scores) <= 0).all()
    assert scores[0] == pytest.approx(0.9)
