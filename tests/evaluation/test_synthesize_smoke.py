"""Plumes for the evaluation: soft, half transparent, growing between the pictures."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from patrol.evaluation.labels import read_folder
from patrol.evaluation.synthesize_smoke import Plume, draw_plume, plume_box, with_plume

SIZE = (640, 360)
PLUMES = [draw_plume(np.random.default_rng(seed)) for seed in range(6)]


@pytest.mark.parametrize("plume", PLUMES)
def test_a_plume_is_soft_half_transparent_and_where_its_box_says(plume: Plume) -> None:
    yard = np.random.default_rng(1).integers(60, 190, (360, 640, 3), np.uint8)
    under = with_plume(yard, plume, 0.0)
    box = plume_box(SIZE, plume)
    assert box is not None
    x, y, w, h = (int(side) for side in box)
    changed = np.abs(under.astype(int) - yard)
    outside = changed.copy()
    outside[y : y + h, x : x + w] = 0
    assert outside.mean() < changed[y : y + h, x : x + w].mean() / 3
    veiled = under[y : y + h, x : x + w].std()
    assert 0 < veiled < yard.std()  # the ground shows through, weaker
    flat = with_plume(np.full((360, 640, 3), 40, np.uint8), plume, 0.0).astype(int)
    assert np.abs(np.diff(flat, axis=1)).max() <= 12  # no edge of its own


def test_between_the_pictures_it_moves_and_grows() -> None:
    yard = np.full((360, 640, 3), 90, np.uint8)
    grown = 0
    for plume in PLUMES:
        white = replace(plume, grey=(230.0, 230.0, 230.0))
        first, last = (with_plume(yard, white, later).astype(int) for later in (0.0, 1.0))
        assert np.abs(first - last).max() > 5
        grown += int((last > 100).sum() > (first > 100).sum())
    assert grown >= 4


def test_smoke_may_be_labelled_in_anyones_pictures(tmp_path: Path) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    cv2.imwrite(str(folder / "a.jpg"), np.zeros((36, 64, 3), np.uint8))
    rows = 'camera_id,visited_at,picture,smoke\nc,2026-06-01,a.jpg,"1,2,3,4;5,6,7,8"\n'
    (folder / "visits.csv").write_text(rows + "c,2026-06-02,a.jpg,\n", encoding="utf-8")
    first, second = read_folder(folder)
    assert first.smoke == ((1, 2, 3, 4), (5, 6, 7, 8))
    assert (second.smoke, second.flames) == ((), None)
