"""Where a picture differs most from its reference, over the limit or below it."""

from collections.abc import Callable
from datetime import datetime

import numpy as np
import pytest
from numpy.typing import NDArray

from patrol.domain.camera import PictureAreas
from patrol.domain.observation import Box, Light
from patrol.vision.camera_memory import CameraMemory, reference_in
from patrol.vision.change import compare
from patrol.vision.change.compare import most_changed_box
from patrol.vision.quality import QualityHistory
from patrol.vision.reference import SceneMemory

Picture = NDArray[np.uint8]
Shoot = Callable[..., Picture]
HEAP = (250, 200, 36, 24)  # 0.4 % of 640×360: seen, and too small to be proposed
EVERYWHERE = PictureAreas()


def blob(scene: SceneMemory) -> bytes:
    return CameraMemory(history=QualityHistory(light=Light.DAY), scene=scene).to_bytes()


def covers(box: Box, x: float, y: float) -> bool:
    return box[0] <= x <= box[0] + box[2] and box[1] <= y <= box[1] + box[3]


def test_it_points_at_what_was_too_small_to_be_proposed(
    yard: Picture, yard_memory: SceneMemory, shoot: Shoot, put_heap: Shoot, later: datetime
) -> None:
    picture = shoot(put_heap(yard, HEAP), 3)
    assert compare(yard_memory, [picture], later).new_objects == ()
    box = most_changed_box(yard_memory, picture, EVERYWHERE)
    assert box is not None
    assert covers(box, (250 + 18) / 640, (200 + 12) / 360)
    assert box[2] * box[3] < 0.2, "a place, not the whole picture"


@pytest.mark.parametrize("seed", range(5))
def test_where_nothing_differs_it_still_names_a_place_of_a_newcomers_size(
    yard: Picture, yard_memory: SceneMemory, shoot: Shoot, seed: int
) -> None:
    picture = shoot(yard, seed, noise=3)
    box = most_changed_box(yard_memory, picture, EVERYWHERE)
    assert box is not None
    x, y, wide, tall = box
    assert 0.0 <= x <= x + wide <= 1.0
    assert 0.0 <= y <= y + tall <= 1.0
    assert min(wide, tall) >= 0.06


def test_it_never_points_at_what_is_not_to_be_looked_at(
    yard: Picture, yard_memory: SceneMemory, shoot: Shoot, put_heap: Shoot
) -> None:
    left = ((0.0, 0.0), (0.7, 0.0), (0.7, 1.0), (0.0, 1.0))
    picture = shoot(put_heap(yard, HEAP), 3)
    box = most_changed_box(yard_memory, picture, PictureAreas(ignore=(left,)))
    assert box is not None
    assert not covers(box, (250 + 18) / 640, (200 + 12) / 360)


def test_without_a_reference_there_is_no_place(
    yard: Picture, yard_memory: SceneMemory, shoot: Shoot
) -> None:
    whole = blob(yard_memory)
    kept = reference_in(whole, Light.DAY, EVERYWHERE)
    assert kept is not None
    assert most_changed_box(kept, shoot(yard, 1), EVERYWHERE) is not None
    assert most_changed_box(kept, np.ascontiguousarray(yard[:, :320]), EVERYWHERE) is None
    half = PictureAreas(visible=((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)))
    assert reference_in(whole, Light.DAY, half) is None, "made in another visible area"
    for nothing in (None, b"", b"torn"):
        assert reference_in(nothing, Light.DAY, EVERYWHERE) is None
