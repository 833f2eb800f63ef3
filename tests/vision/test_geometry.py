"""Boxes and cut-outs: what they share, and the way back into the picture."""

import numpy as np
import pytest

from patrol.vision.geometry import (
    PixelRect,
    box_in_pixels,
    clipped_box,
    evenly_spaced_starts,
    intersection_area,
    iou,
    share_inside,
)

LEFT_HALF, MIDDLE = (0.0, 0.0, 0.5, 1.0), (0.25, 0.0, 0.5, 1.0)


def test_overlaps() -> None:
    assert intersection_area(LEFT_HALF, MIDDLE) == pytest.approx(0.25)
    assert share_inside(LEFT_HALF, MIDDLE) == pytest.approx(0.5)
    assert iou(LEFT_HALF, MIDDLE) == pytest.approx(1 / 3)
    assert iou(LEFT_HALF, (0.6, 0.0, 0.1, 1.0)) == share_inside((0, 0, 0, 0), LEFT_HALF) == 0.0


def test_a_box_is_cut_at_the_picture() -> None:
    assert clipped_box((-0.1, 0.5, 0.3, 0.6)) == pytest.approx((0.0, 0.5, 0.2, 0.5))


def test_a_cut_out_knows_its_place() -> None:
    part = PixelRect(100, 50, 300, 150)
    picture = np.arange(200 * 400 * 3).reshape(200, 400, 3).astype(np.uint8)
    assert (part.cut(picture) == picture[50:150, 100:300]).all()
    box = part.box_in_picture((0.5, 0.5, 0.25, 0.5), (400, 200))
    assert box == pytest.approx((0.5, 0.5, 0.125, 0.25))
    assert box_in_pixels(box, (400, 200)) == ((200, 100), (250, 150))


@pytest.mark.parametrize(("start", "length", "piece", "count", "starts"), [
    pytest.param(10, 100, 100, 1, [10], id="one"),
    pytest.param(0, 100, 60, 2, [0, 40], id="two ends"),
    pytest.param(5, 101, 50, 3, [5, 31, 56], id="rounded"),
])  # fmt: skip
def test_pieces_cover_a_length(
    start: int, length: int, piece: int, count: int, starts: list[int]
) -> None:
    assert evenly_spaced_starts(start, length, piece, count) == starts
