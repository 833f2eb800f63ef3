"""What differs from the reference, and what does not."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from patrol.domain.camera import PictureAreas, area_hash
from patrol.ports import Detection
from patrol.vision.change import Cause, Explanation, compare, explain_by_objects
from patrol.vision.geometry import iou
from patrol.vision.reference import (
    SceneMemory,
    SceneState,
    accept_as_reference,
    learn_sample,
    suspend_reference,
)

Picture = NDArray[np.uint8]
Shoot = Callable[..., Picture]
BOX = (250, 200, 110, 80)  # 3.8 % of 640×360
FRACTIONS = (250 / 640, 200 / 360, 110 / 640, 80 / 360)


@pytest.mark.parametrize("gain", [0.6, 1.0, 1.4])
@pytest.mark.parametrize("shift", [(0, 0), (2.7, 0), (-1.9, 1.9)])  # 2.7 px of 640: 8 px of 1920
def test_a_heap_is_found_under_other_light_and_a_nudge(
    yard: Picture, yard_memory: SceneMemory, shoot: Shoot, put_heap: Shoot, later: datetime,
    gain: float, shift: tuple[float, float],
) -> None:  # fmt: skip
    picture = shoot(put_heap(yard, BOX), 3, gain=gain, shift=shift)
    found = compare(
        yard_memory, [picture, shoot(put_heap(yard, BOX), 4, gain=gain, shift=shift)], later
    )
    assert len(found.new_objects) == 1
    assert iou(found.new_objects[0].box, FRACTIONS) > 0.4
    assert found.new_objects[0].score > 0.5


@pytest.mark.parametrize("seed", range(6))
def test_nothing_new_is_nothing(
    yard: Picture, yard_memory: SceneMemory, shoot: Shoot, later: datetime, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    pictures = [
        shoot(yard, seed, gain=rng.uniform(0.6, 1.4), shift=rng.uniform(-1.9, 1.9, 2), noise=3)
    ]
    found = compare(yard_memory, pictures, later)
    assert found.new_objects == ()
    assert found.frame_wide is None
    assert found.shift is not None
    assert not found.shift.moved


def test_a_hard_shadow_is_no_thing(
    yard: Picture, yard_memory: SceneMemory, shoot: Shoot, later: datetime
) -> None:
    dark = yard.astype(np.float32)
    dark[150:330, 60:260] *= (0.62, 0.55, 0.52)
    found = compare(yard_memory, [shoot(dark.astype(np.uint8), 5)], later)
    assert found.new_objects == ()


def test_who_walks_through_is_not_in_both_pictures(
    yard: Picture, yard_memory: SceneMemory, shoot: Shoot, put_heap: Shoot, later: datetime
) -> None:
    first, second = put_heap(yard, BOX), put_heap(yard, (60, 230, 110, 80))
    found = compare(yard_memory, [shoot(first, 1), shoot(second, 2)], later)
    assert found.new_objects == ()
    assert {region.explained_by for region in found.regions} == {Explanation.MOVING}


def test_a_detected_person_is_no_news_but_a_car_that_stays_is(
    yard: Picture, yard_memory: SceneMemory, shoot: Shoot, put_heap: Shoot, later: datetime
) -> None:
    picture = shoot(put_heap(yard, BOX), 1)
    labels = []
    memory = yard_memory
    for visit in range(3):
        report = compare(memory, [picture], later + visit * timedelta(hours=12))
        assert report.memory is not None
        memory = report.memory
        person = explain_by_objects(report, [Detection(label="person", score=0.9, box=FRACTIONS)])
        car = explain_by_objects(report, [Detection(label="car", score=0.9, box=FRACTIONS)])
        assert person.new_objects == ()
        labels.append([region.label for region in car.new_objects])
    assert labels == [[], [], ["car"]]


@pytest.mark.parametrize(
    ("seen", "is_new"),
    [
        pytest.param(Detection(label="person", score=0.9, box=FRACTIONS), True,
                     id="nobody stands still to the pixel"),
        pytest.param(Detection(label="car", score=0.9, box=FRACTIONS), False, id="a car does"),
        pytest.param(Detection(label="car", score=0.4, box=FRACTIONS), True, id="a doubtful car"),
        pytest.param(Detection(label="car", score=0.9, box=(0, 0, 1, 1)), True,
                     id="a box round everything"),
        pytest.param(Detection(label="vase", score=0.9, box=FRACTIONS), True, id="not passing"),
    ],
)  # fmt: skip
def test_what_a_detection_explains_of_a_still_thing(
    yard: Picture, yard_memory: SceneMemory, shoot: Shoot, put_heap: Shoot, later: datetime,
    seen: Detection, *, is_new: bool,
) -> None:  # fmt: skip
    pictures = [shoot(put_heap(yard, BOX), seed) for seed in (1, 2)]
    report = explain_by_objects(compare(yard_memory, pictures, later), [seen])
    assert bool(report.new_objects) is is_new


def test_a_small_thing_is_told_when_it_persists(
    yard: Picture, yard_memory: SceneMemory, shoot: Shoot, put_heap: Shoot, later: datetime
) -> None:
    picture = put_heap(yard, (300, 220, 44, 40))  # 0.8 %
    first = compare(yard_memory, [shoot(picture, 1), shoot(picture, 2)], later)
    again = compare(
        first.memory, [shoot(picture, 3), shoot(picture, 4)], later + timedelta(hours=12)
    )
    assert first.new_objects == ()
    assert [region.visits for region in again.new_objects] == [2]
    assert again.new_objects[0].score > first.regions[0].score


@pytest.mark.parametrize(
    "move",
    [
        pytest.param({"shift": (40, 0)}, id="turned aside"),
        pytest.param({"shift": (150, 40)}, id="turned far"),
        pytest.param({"turn_deg": 6}, id="tilted"),
        pytest.param({"zoom": 1.15}, id="zoomed"),
    ],
)
def test_a_moved_camera_says_so_and_nothing_else(
    yard: Picture, yard_memory: SceneMemory, shoot: Shoot, later: datetime,
    move: dict[str, float],
) -> None:  # fmt: skip
    found = compare(yard_memory, [shoot(yard, 2, **move)], later)
    assert found.shift is not None
    assert found.shift.moved
    assert found.shift.value >= found.shift.threshold
    assert found.new_objects == ()


def test_another_view_altogether_is_a_moved_camera(
    yard_memory: SceneMemory, shoot: Shoot, later: datetime
) -> None:
    from_elsewhere = np.random.default_rng(9).integers(0, 255, (36, 64, 3)).astype(np.uint8)
    other = np.asarray(cv2.resize(from_elsewhere, (640, 360), interpolation=cv2.INTER_NEAREST))
    found = compare(yard_memory, [shoot(other)], later)
    assert found.shift is not None
    assert found.shift.moved


@pytest.mark.parametrize("days", [1, 400], ids=["fresh", "expired long ago"])
@pytest.mark.parametrize("seen", ["moved", "a wall", "back"])
def test_a_suspended_reference_never_goes_silent(
    yard: Picture, yard_memory: SceneMemory, shoot: Shoot, later: datetime, days: int, seen: str
) -> None:
    pictures = {
        "moved": shoot(yard, 2, shift=(150, 40)),
        "a wall": shoot(np.full_like(yard, 140)),
        "back": shoot(yard, 3),
    }
    away = suspend_reference(yard_memory, "scene_shift")
    found = compare(away, [pictures[seen]], later + timedelta(days=days))
    assert found.shift is not None
    assert found.shift.moved is (seen != "back")
    assert found.state is (SceneState.READY if seen == "back" else SceneState.SUSPENDED)


def test_leaves_that_hide_every_corner_are_no_other_view(
    yard: Picture, yard_memory: SceneMemory, shoot: Shoot, later: datetime
) -> None:
    grown = yard.astype(np.float32)
    blades = np.random.default_rng(5).normal(0, 30, (120, 213)).astype(np.float32)
    grown += cv2.resize(blades, (640, 360), interpolation=cv2.INTER_NEAREST)[..., None]
    found = compare(yard_memory, [shoot(np.clip(grown, 0, 255).astype(np.uint8))], later)
    assert found.shift is not None
    assert not found.shift.moved


def test_fog_is_weather_and_no_moved_camera(
    yard: Picture, yard_memory: SceneMemory, shoot: Shoot, later: datetime
) -> None:
    fog = np.full_like(yard, 185)
    foggy = cv2.addWeighted(yard, 0.12, fog, 0.88, 0)
    found = compare(yard_memory, [shoot(foggy, noise=1)], later)
    assert found.shift is not None
    assert not found.shift.moved
    assert found.new_objects == ()


def test_snow_is_one_cause(
    yard: Picture, yard_memory: SceneMemory, shoot: Shoot, later: datetime
) -> None:
    rng = np.random.default_rng(3)
    cover = cv2.resize(rng.normal(225, 9, (60, 80)).astype(np.float32), (640, 240))
    snowy = yard.copy()
    snowy[120:] = np.clip(cover[..., None] * (1.0, 0.99, 0.97), 0, 255).astype(np.uint8)
    found = compare(yard_memory, [shoot(snowy)], later)
    assert found.new_objects == ()
    assert found.frame_wide is not None
    assert found.frame_wide.cause is Cause.SNOW


def test_outside_the_visible_area_nothing_counts(
    yard: Picture, yard_memory: SceneMemory, shoot: Shoot, put_heap: Shoot, later: datetime
) -> None:
    left_half = ((0.0, 0.0), (0.35, 0.0), (0.35, 1.0), (0.0, 1.0))
    picture = shoot(put_heap(yard, BOX), 1)
    memory = replace(yard_memory, area=area_hash(left_half))
    found = compare(memory, [picture], later, areas=PictureAreas(visible=left_half))
    assert found.state is SceneState.READY
    assert found.new_objects == ()


def test_what_stands_in_an_ignored_area_is_no_news(
    yard: Picture, yard_memory: SceneMemory, shoot: Shoot, put_heap: Shoot, later: datetime
) -> None:
    round_it = ((0.3, 0.5), (0.65, 0.5), (0.65, 0.9), (0.3, 0.9))
    elsewhere = ((0.0, 0.0), (0.2, 0.0), (0.2, 0.2), (0.0, 0.2))
    picture = shoot(put_heap(yard, BOX), 1)
    ignoring = compare(yard_memory, [picture], later, areas=PictureAreas(ignore=(round_it,)))
    assert ignoring.new_objects == ()
    assert compare(
        yard_memory, [picture], later, areas=PictureAreas(ignore=(elsewhere,))
    ).new_objects


def test_a_reference_of_another_visible_area_waits_for_a_person(
    yard: Picture, yard_memory: SceneMemory, shoot: Shoot, put_heap: Shoot, later: datetime
) -> None:
    wider = PictureAreas(visible=((0.0, 0.0), (1.0, 0.0), (1.0, 0.9), (0.0, 0.9)))
    picture = shoot(put_heap(yard, BOX), 1)
    found = compare(yard_memory, [picture], later, areas=wider)
    assert found.state is SceneState.SUSPENDED
    assert found.new_objects == ()
    kept = found.memory
    assert kept is not None
    assert kept.why == "visible_area"
    again = SceneMemory.from_bytes(
        learn_sample(kept, picture, later, visible=wider.visible).to_bytes()
    )
    assert again.state is SceneState.SUSPENDED
    approved = accept_as_reference(shoot(yard, 2), later, visible=wider.visible)
    assert compare(approved, [picture], later, areas=wider).new_objects
    drawn_back = compare(again, [picture], later)
    assert drawn_back.state is SceneState.READY
    assert drawn_back.new_objects


@pytest.mark.parametrize(
    "picture",
    [
        pytest.param(np.zeros((1, 1, 3), np.uint8), id="one pixel"),
        pytest.param(np.zeros((360, 640), np.uint8), id="grey"),
        pytest.param(np.zeros((360, 640, 4), np.uint16), id="16 bit with alpha"),
        pytest.param(np.full((361, 641, 3), np.nan, np.float32), id="all NaN"),
        pytest.param(np.zeros((640, 360, 3), np.uint8), id="rotated"),
        pytest.param(np.zeros((4320, 7680, 3), np.uint8), id="8K"),
    ],
)
def test_any_picture_gets_an_answer(
    yard_memory: SceneMemory, later: datetime, picture: Picture
) -> None:
    found = compare(yard_memory, [picture, picture], later)
    assert found.memory is not None
    assert found.new_objects == ()


def test_a_reference_of_another_shape_says_nothing(
    yard_memory: SceneMemory, later: datetime
) -> None:
    found = compare(yard_memory, [np.zeros((640, 360, 3), np.uint8)], later)
    assert found.state is SceneState.LEARNING
    assert found.shift is None


def test_a_view_that_one_accepted_picture_shows_is_no_other_view(
    yard: Picture, shoot: Shoot, later: datetime
) -> None:
    """Grass grows: the median agrees with no day, but each day with the last ones."""
    on_its_side = np.ascontiguousarray(np.rot90(yard))
    grown = np.asarray(cv2.resize(on_its_side, (yard.shape[1], yard.shape[0])), np.uint8)
    for accepted, is_another in (([yard] * 8, True), ([yard] * 8 + [grown], False)):
        memory: SceneMemory | None = None
        for turn, scene in enumerate(accepted):
            memory = learn_sample(memory, shoot(scene, turn), later - timedelta(days=9 - turn))
        found = compare(memory, [shoot(grown, 50)], later)
        assert found.shift is not None
        assert found.shift.moved is is_another


@pytest.mark.parametrize("still_there", [0.0, 0.15, 1.0])  # of the ground's own pattern
def test_where_the_rest_of_the_scene_is_another_nothing_is_new(
    yard: Picture, yard_memory: SceneMemory, shoot: Shoot, put_heap: Shoot, later: datetime,
    still_there: float,
) -> None:  # fmt: skip
    other = np.ascontiguousarray(yard[:, ::-1]).astype(np.float32)
    top = yard.shape[0] // 2  # straw lies otherwise on all of the ground; the wall stands
    grown = yard.astype(np.float32)
    own = cv2.GaussianBlur(grown, (0, 0), 6)
    straw = (other - cv2.GaussianBlur(other, (0, 0), 6)) * (1 - still_there)
    grown[top:] = (own + (grown - own) * still_there + straw)[top:]
    scene = put_heap(np.clip(grown, 0, 255).astype(np.uint8), BOX)
    found = compare(yard_memory, [shoot(scene, 3), shoot(scene, 4)], later)
    assert found.shift is not None
    assert not found.shift.moved
    assert bool(found.new_objects) is (still_there == 1.0)
