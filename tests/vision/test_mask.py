"""The visible area: not one pixel outside it survives."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from patrol.vision.geometry import is_point_in_polygon, polygon_area
from patrol.vision.mask import exact_visible_mask, mask_visible

YARD = ((0.1, 0.2), (0.9, 0.1), (0.8, 0.9), (0.5, 0.5), (0.2, 0.8))
point = st.tuples(st.floats(0, 1), st.floats(0, 1))


def test_outside_is_zero_and_inside_untouched() -> None:
    picture = np.random.default_rng(1).integers(1, 255, (90, 160, 3)).astype(np.uint8)
    before = picture.copy()
    masked = mask_visible(picture, YARD)
    for y in range(0, 90, 3):
        for x in range(0, 160, 3):
            seen = is_point_in_polygon(((x + 0.5) / 160, (y + 0.5) / 90), YARD)
            assert (masked[y, x] == (before[y, x] if seen else 0)).all()


def test_it_works_in_place() -> None:
    picture = np.full((40, 60, 3), 200, np.uint8)
    assert mask_visible(picture, YARD) is picture
    assert picture[0, 0, 0] == 0


def test_a_read_only_picture_is_copied_and_left_alone() -> None:
    picture = np.full((40, 60, 3), 200, np.uint8)
    picture.flags.writeable = False
    masked = mask_visible(picture, YARD)
    assert masked[0, 0, 0] == 0
    assert picture[0, 0, 0] == 200


@pytest.mark.parametrize("view", [np.s_[:, ::-1], np.s_[::2, ::2]])
def test_views_are_masked_too(view: tuple[slice, slice]) -> None:
    whole = np.full((80, 120, 3), 200, np.uint8)
    masked = mask_visible(whole[view], YARD)
    assert masked[0, 0, 0] == 0
    assert masked[masked.shape[0] // 3, masked.shape[1] // 2, 0] == 200


def test_no_polygon_hides_nothing() -> None:
    picture = np.full((40, 60, 3), 200, np.uint8)
    assert mask_visible(picture, None) is picture
    assert (picture == 200).all()


def test_the_whole_frame_as_a_polygon_hides_nothing() -> None:
    corners = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
    assert (mask_visible(np.full((33, 47, 3), 9, np.uint8), corners) == 9).all()


@given(st.lists(point, min_size=3, max_size=8), st.integers(1, 40), st.integers(1, 40))
def test_any_polygon_agrees_with_point_in_polygon(
    corners: list[tuple[float, float]], width: int, height: int
) -> None:
    mask = exact_visible_mask(tuple(corners), (width, height))
    for y in range(0, height, 5):
        for x in range(0, width, 5):
            scaled = [(cx * width, cy * height) for cx, cy in corners]
            assert bool(mask[y, x]) == is_point_in_polygon((x + 0.5, y + 0.5), scaled)


def test_the_mask_is_as_large_as_the_polygon() -> None:
    seen = exact_visible_mask(YARD, (1000, 1000)).mean() / 255
    assert polygon_area(YARD) == pytest.approx(seen, abs=0.002)
    assert exact_visible_mask(None, (4, 3)).min() == 255


def test_a_towns_masks_take_little_memory() -> None:
    tracemalloc.start()
    for shift in range(10):
        polygon = ((0.1 + shift / 100, 0.1), (0.9, 0.12), (0.8, 0.95), (0.15, 0.9))
        exact_visible_mask(polygon, (1920, 1080))
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 10 * 20_000  # bytes; one bit per pixel would be 259,200 each
