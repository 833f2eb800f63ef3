"""The visible area: not one pixel outside it survives."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from patrol.pixels import PicturePyramid
from patrol.vision.geometry import is_point_in_polygon, polygon_area
from patrol.vision.judge import masked_pyramid
from patrol.vision.mask import exact_visible_mask, mask_visible, mask_visible_planes
from streams.model import YuvPlanes

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


def random_planes(width: int, height: int, *, full_range: bool = False, seed: int = 3) -> YuvPlanes:
    rng = np.random.default_rng(seed)
    half = (-(-height // 2), -(-width // 2))
    luma, cb, cr = (rng.integers(20, 230, s, np.uint8) for s in ((height, width), half, half))
    return YuvPlanes(luma=luma, cb=cb, cr=cr, full_range=full_range, bt709=True)


@pytest.mark.parametrize(("width", "height"), [(160, 90), (161, 91), (96, 57), (33, 64)])
@pytest.mark.parametrize(("full_range", "black"), [(True, 0), (False, 16)])
def test_planes_are_black_outside_and_share_no_colour_with_it(
    width: int, height: int, black: int, *, full_range: bool
) -> None:
    before = random_planes(width, height, full_range=full_range)
    given = random_planes(width, height, full_range=full_range)
    masked = mask_visible_planes(given, YARD)
    assert masked.luma is given.luma  # in place
    seen = exact_visible_mask(YARD, (width, height)) > 0
    assert (masked.luma[~seen] == black).all()
    assert np.array_equal(masked.luma[seen], before.luma[seen])
    for row, column in np.ndindex(*masked.cb.shape):
        whole = seen[2 * row : 2 * row + 2, 2 * column : 2 * column + 2].all()
        for ours, theirs in ((masked.cb, before.cb), (masked.cr, before.cr)):
            assert ours[row, column] == (theirs[row, column] if whole else 128)


def test_planes_that_must_not_be_written_are_copied() -> None:
    planes = random_planes(64, 48)
    for plane in (planes.luma, planes.cb, planes.cr):
        plane.flags.writeable = False
    assert mask_visible_planes(planes, YARD).luma[0, 0] == 16
    assert planes.luma[0, 0] != 16


def test_nothing_that_is_made_of_masked_planes_depends_on_what_is_hidden() -> None:
    size = (1300, 741)
    seen = exact_visible_mask(YARD, size) > 0
    shared = np.pad(~seen, ((0, 1), (0, 0))).reshape(371, 2, 650, 2).any(axis=(1, 3))
    made = []
    for seed in (3, 4):  # two pictures that differ in what is hidden alone
        planes, other = random_planes(*size), random_planes(*size, seed=seed)
        planes.luma[~seen] = other.luma[~seen]
        planes.cb[shared], planes.cr[shared] = other.cb[shared], other.cr[shared]
        whole = np.repeat(planes.luma[:, :, np.newaxis], 3, axis=2)
        whole[~seen] = seed
        pyramid = masked_pyramid(PicturePyramid(planes=planes, to_bgr=whole.copy), YARD)
        assert pyramid.planes is not None
        small = pyramid.chroma_samples((200, 114))
        jpeg, _ = pyramid.encode_jpeg(82, 1280)
        made.append([jpeg, *(a.tobytes() for a in (pyramid.medium, pyramid.bgr, *small))])
        assert not pyramid.bgr[~seen].any()
        assert not pyramid.medium[0, 0].any()
    assert made[0] == made[1]
