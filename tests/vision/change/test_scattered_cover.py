"""Drops and threads on the glass take the scene's detail in many places; nothing else does."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from patrol.domain.ids import CameraId
from patrol.domain.observation import Light
from patrol.vision.camera_memory import CameraMemory
from patrol.vision.change import compare
from patrol.vision.change.scattered_cover import scattered_cover
from patrol.vision.judge import SCATTERED_GAUGE, judge_visit
from patrol.vision.quality import QualityHistory, QualityThresholds
from patrol.vision.reference import SceneMemory
from patrol.vision.reference.small_picture import SmallPicture, small_picture
from patrol.vision.types import VisitInput

Picture = NDArray[np.uint8]
Shoot = Callable[..., Picture]
LIMIT = QualityThresholds().occluded_scattered


def drops(picture: Picture, seed: int = 2, number: int = 25) -> Picture:
    """The scene blurred in round places."""
    rng = np.random.default_rng(seed)
    height, width = picture.shape[:2]
    wet = np.zeros((height, width), np.float32)
    for _ in range(number):
        centre = int(rng.integers(width)), int(rng.integers(height))
        cv2.circle(wet, centre, int(width * rng.uniform(0.02, 0.045)), 1.0, -1)
    mask = cv2.GaussianBlur(wet, (0, 0), width * 0.004)[..., None]
    inside = cv2.GaussianBlur(picture[::-1], (0, 0), width * 0.02)
    return np.asarray(picture * (1 - mask) + inside * mask, np.uint8)


def web(picture: Picture, seed: int = 3) -> Picture:
    """Pale threads, wide for want of focus, from a hub."""
    rng = np.random.default_rng(seed)
    height, width = picture.shape[:2]
    threads = np.zeros((height, width), np.float32)
    hub = (int(width * 0.4), int(height * 0.45))
    for angle in rng.uniform(0, 2 * np.pi, 45):
        far = width * rng.uniform(0.3, 1.0)
        end = int(hub[0] + far * np.cos(angle)), int(hub[1] + far * np.sin(angle))
        cv2.line(threads, hub, end, 1.0, 5, cv2.LINE_AA)
    mask = np.minimum(cv2.GaussianBlur(threads, (0, 0), width * 0.006) * 1.1, 1)[..., None]
    return np.asarray(picture * (1 - mask) + 165 * mask, np.uint8)


def shadow(picture: Picture) -> Picture:
    darker = picture.astype(np.float32)
    for left in range(0, picture.shape[1], 120):
        darker[:, left : left + 60] *= 0.45
    return np.asarray(darker, np.uint8)


def lorry(picture: Picture) -> Picture:
    there = picture.copy()
    there[150:330, 180:460] = (200, 205, 210)
    return there


def read(memory: SceneMemory, picture: Picture) -> float | None:
    assert memory.model is not None
    small = small_picture(picture)
    where = np.ones(small.grey.shape, bool)
    return scattered_cover(small, memory.model.picture, where)


@pytest.mark.parametrize("gain", [0.6, 1.0, 1.3])
@pytest.mark.parametrize(
    ("change", "told"),
    [(drops, True), (web, True), (np.copy, False), (shadow, False), (lorry, False)],
)
def test_what_is_scattered_on_the_glass_takes_detail(
    yard: Picture, yard_memory: SceneMemory, shoot: Shoot, gain: float,
    change: Callable[[Picture], Picture], *, told: bool,
) -> None:  # fmt: skip
    share = read(yard_memory, shoot(change(yard), 5, gain=gain))
    assert share is not None
    assert (share >= LIMIT) is told


def test_people_and_things_bring_detail_of_their_own(
    yard: Picture, yard_memory: SceneMemory, shoot: Shoot, put_heap: Shoot
) -> None:
    crowded = yard
    for place in range(6):
        crowded = put_heap(crowded, (40 + 95 * place, 150 + 20 * (place % 3), 60, 90), seed=place)
    share = read(yard_memory, shoot(crowded, 4))
    assert share is not None
    assert share < LIMIT


def test_another_view_and_an_empty_one_prove_nothing(
    yard: Picture, yard_memory: SceneMemory
) -> None:
    assert read(yard_memory, np.asarray(yard[:, ::-1])) is None
    assert read(yard_memory, np.full_like(yard, 120)) is None
    plain = SmallPicture(np.full_like(small_picture(yard).bgr, 120))
    assert scattered_cover(plain, plain, np.ones(plain.grey.shape, bool)) is None
    nowhere = np.zeros(plain.grey.shape, bool)
    assert scattered_cover(small_picture(yard), small_picture(yard), nowhere) is None


def test_only_what_both_pictures_show_lies_on_the_glass(
    yard: Picture, yard_memory: SceneMemory, shoot: Shoot, later: datetime
) -> None:
    wet, dry = shoot(drops(yard), 1), shoot(yard, 2)
    assert (compare(yard_memory, [wet, wet], later).scattered or 0) >= LIMIT
    assert (compare(yard_memory, [wet, dry], later).scattered or 0) < LIMIT


def test_drops_are_reported_as_a_cover_and_not_learned(
    yard: Picture, yard_memory: SceneMemory, shoot: Shoot, later: datetime
) -> None:
    stored = CameraMemory(history=QualityHistory(light=Light.DAY), scene=yard_memory).to_bytes()
    for picture, told in ((shoot(drops(yard), 1), True), (shoot(yard, 2), False)):
        judged = judge_visit(
            VisitInput(
                camera=CameraId("1"), round=None, pictures=[picture], at=later,
                local=later + timedelta(hours=8), light=Light.DAY, freshness="single",
                memories={Light.DAY: stored},
            )
        )  # fmt: skip
        gauges = {one.gauge for one in judged.observations if one.kind == "occlusion"}
        assert ("occlusion" in judged.faults) is told
        assert (gauges == {SCATTERED_GAUGE}) is told
        assert judged.learned is not told


def test_where_accepted_pictures_lost_as_much_nothing_is_told(
    yard: Picture, yard_memory: SceneMemory, shoot: Shoot, later: datetime
) -> None:
    wet = shoot(drops(yard), 1)
    sample = cv2.imencode(".jpg", small_picture(wet).bgr)[1].tobytes()
    busy = replace(yard_memory, samples=(*yard_memory.samples[1:], sample))
    assert (compare(yard_memory, [wet], later).scattered or 0) >= LIMIT
    assert compare(busy, [wet], later).scattered == 0.0
