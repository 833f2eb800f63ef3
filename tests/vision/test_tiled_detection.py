"""Tiles: where, how many, and that what they see comes back as one thing at its place."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import time

import numpy as np
import pytest
from numpy.typing import NDArray

from patrol.domain.camera import DailyHours, Polygon, Zone
from patrol.domain.observation import Box
from patrol.ports import Detection
from patrol.vision.objects import (
    MAX_TILES,
    detect_with_tiles,
    each_vehicle_once,
    merge_detections,
    tiles_for,
)

NOON = time(12)
INPUT = (416, 416)
WHOLE: Polygon = ((0, 0), (1, 0), (1, 1), (0, 1))
FAR: Polygon = ((0.2, 0.2), (0.8, 0.2), (0.8, 0.3), (0.2, 0.3))


def zone(polygon: Polygon = WHOLE, *, ask: bool | None = True, min_height: float = 0.0) -> Zone:
    return Zone(
        name="far", polygon=polygon, classes=frozenset({"person"}), kind="person_near_water",
        min_height=min_height, tiles=ask,
    )  # fmt: skip


def seen(box: tuple[float, float, float, float], score: float = 0.8) -> Detection:
    return Detection(label="person", score=score, box=box)


class ShortSighted:
    """Sees white squares that are at least eight pixels high in its input."""

    gauge = "fake/1"
    min_score = 0.35
    input_px = INPUT

    def __init__(self) -> None:
        self.runs = 0

    def detect(self, bgr: NDArray[np.uint8]) -> Sequence[Detection]:
        self.runs += 1
        height, width = bgr.shape[:2]
        shrink = max(width / INPUT[0], height / INPUT[1], 1e-9)
        rows, columns = np.nonzero(bgr[:, :, 0] > 200)
        if len(rows) == 0 or np.ptp(rows) + 1 < 8 * shrink:
            return ()
        top, left = rows.min(), columns.min()
        high, wide = np.ptp(rows) + 1, np.ptp(columns) + 1
        return (seen((left / width, top / height, wide / width, high / height)),)


def yard(x: int, y: int, side: int = 20) -> NDArray[np.uint8]:
    picture = np.zeros((1080, 1920, 3), np.uint8)
    picture[y : y + side, x : x + side] = 255
    return picture


@pytest.mark.parametrize(("x", "y"), [(600, 260), (1200, 300), (760, 240), (399, 222), (1500, 310)])
def test_what_is_too_small_in_the_whole_is_found_at_its_place(x: int, y: int) -> None:
    detector = ShortSighted()
    assert detector.detect(yard(x, y)) == ()
    (found,) = detect_with_tiles(detector, yard(x, y), [zone(FAR)], NOON)
    expected = (x / 1920, y / 1080, 20 / 1920, 20 / 1080)
    assert found.box == pytest.approx(expected, abs=1e-6)


def test_what_both_see_is_one_thing_and_costs_at_most_eight_more_runs() -> None:
    detector = ShortSighted()
    assert len(detect_with_tiles(detector, yard(900, 500, 120), [zone()], NOON)) == 1
    assert 1 < detector.runs <= 1 + MAX_TILES


@pytest.mark.parametrize("one", [
    pytest.param(zone(ask=False), id="not wanted"),
    pytest.param(zone(ask=None), id="nothing says that it is far"),
    pytest.param(zone(ask=None, min_height=0.2), id="what counts is large"),
])  # fmt: skip
def test_one_look_is_enough(one: Zone) -> None:
    detector = ShortSighted()
    assert detect_with_tiles(detector, yard(600, 260), [one], NOON) == ()
    assert detector.runs == 1


def test_a_small_least_height_asks_by_itself() -> None:
    far = zone(FAR, ask=None, min_height=0.03)
    assert tiles_for([far], (1920, 1080), INPUT)
    # A picture as small as the input is enlarged, twice at most: more shows nothing new.
    assert {window.height for window in tiles_for([far], (416, 234), INPUT)} == {208}


def test_a_zone_that_sleeps_asks_for_nothing() -> None:
    asleep = Zone(
        name="night", polygon=FAR, classes=frozenset({"person"}), kind="x", tiles=True,
        hours=(DailyHours(start=time(22), end=time(6)),),
    )  # fmt: skip
    detector = ShortSighted()
    detect_with_tiles(detector, yard(600, 260), [asleep], NOON)
    assert detector.runs == 1


@pytest.mark.parametrize("size", [(1920, 1080), (3840, 2160), (768, 576), (2000, 500), (417, 9000)])
@pytest.mark.parametrize("polygon", [WHOLE, FAR])
def test_tiles_lie_in_the_picture_cover_the_zone_and_are_few(
    size: tuple[int, int], polygon: Polygon
) -> None:
    tiles = tiles_for([zone(polygon)], size, INPUT)
    assert len(tiles) <= MAX_TILES
    for tile in tiles:
        assert 0 <= tile.left < tile.right <= size[0]
        assert 0 <= tile.top < tile.bottom <= size[1]
    if tiles:
        covered = np.zeros((100, 100), np.bool_)
        for left, top, right, bottom in tiles:
            rows = slice(int(top / size[1] * 100), -int(-bottom / size[1] * 100 // 1))
            columns = slice(int(left / size[0] * 100), -int(-right / size[0] * 100 // 1))
            covered[rows, columns] = True
        xs, ys = [x for x, _ in polygon], [y for _, y in polygon]
        part = covered[
            int(min(ys) * 100) : int(max(ys) * 100), int(min(xs) * 100) : int(max(xs) * 100)
        ]
        assert part.all()


@pytest.mark.parametrize(("boxes", "left"), [
    pytest.param([(0.1, 0.1, 0.2, 0.4), (0.11, 0.1, 0.2, 0.4)], 1, id="seen twice"),
    pytest.param([(0.1, 0.1, 0.2, 0.4), (0.1, 0.1, 0.2, 0.2)], 1, id="a piece of it"),
    pytest.param([(0.1, 0.1, 0.2, 0.4), (0.35, 0.1, 0.2, 0.4)], 2, id="side by side"),
])  # fmt: skip
def test_merging(boxes: list[tuple[float, float, float, float]], left: int) -> None:
    found = merge_detections([seen(box, 0.9 - 0.1 * n) for n, box in enumerate(boxes)])
    assert len(found) == left


def test_a_picture_no_larger_than_the_input_needs_no_tiles() -> None:
    assert tiles_for([zone(FAR)], (416, 416), INPUT) == ()
    assert tiles_for([zone(FAR)], (1920, 1080), INPUT)


class LongSighted(ShortSighted):
    """The same with a larger input, which it says when it is asked for it."""

    def __init__(self, *glanced: Detection) -> None:
        super().__init__()
        self.fine_runs, self.glances, self.glanced = 0, 0, glanced

    def fine_input_px(self, size_px: tuple[int, int]) -> tuple[int, int]:
        return (736, 416) if size_px[0] > size_px[1] else (416, 736)

    def glance(self, bgr: NDArray[np.uint8], part: Box) -> Sequence[Detection]:
        self.glances += 1
        self.part = part
        return self.glanced

    def detect_finely(self, bgr: NDArray[np.uint8]) -> Sequence[Detection]:
        self.fine_runs += 1
        return (seen((0.5, 0.5, 0.1, 0.1)),)


HALF_SEEN = Detection(label="person", score=0.1, box=(0.5, 0.5, 0.1, 0.1))


def test_where_a_zone_waits_for_what_a_glance_suspects_the_larger_input_looks_once() -> None:
    detector = LongSighted(HALF_SEEN)
    found = detect_with_tiles(detector, yard(900, 500), [zone(ask=None)], NOON)
    assert [one.box for one in found] == [(0.5, 0.5, 0.1, 0.1)]
    assert (detector.glances, detector.fine_runs, detector.runs) == (1, 1, 0)


@pytest.mark.parametrize(("label", "score", "found"), [
    pytest.param("dog", 0.9, 1, id="clear, but not waited for"),
    pytest.param("dog", 0.1, 0, id="neither clear nor waited for"),
])  # fmt: skip
def test_where_a_glance_suspects_nothing_that_is_waited_for_no_closer_look_is_taken(
    label: str, score: float, found: int
) -> None:
    detector = LongSighted(replace(HALF_SEEN, label=label, score=score))
    assert len(detect_with_tiles(detector, yard(900, 500), [zone(ask=None)], NOON)) == found
    assert (detector.glances, detector.fine_runs) == (1, 0)


def test_a_zone_that_trusts_no_class_has_the_closer_look_for_anything() -> None:
    from_above = replace(zone(ask=None), trust_class=False)
    detector = LongSighted(replace(HALF_SEEN, label="cell phone"))
    detect_with_tiles(detector, yard(900, 500), [from_above], NOON)
    assert detector.fine_runs == 1


def test_a_zone_for_trucks_has_the_closer_look_for_any_vehicle() -> None:
    trucks = replace(zone(ask=None), classes=frozenset({"truck"}))
    detector = LongSighted(replace(HALF_SEEN, label="car"))
    detect_with_tiles(detector, yard(900, 500), [trucks], NOON)
    assert detector.fine_runs == 1


def test_without_such_a_zone_or_at_another_hour_it_does_not() -> None:
    detector = LongSighted()
    night = Zone(
        name="night", polygon=WHOLE, classes=frozenset({"person"}), kind="other",
        hours=(DailyHours(start=time(22), end=time(5)),),
    )  # fmt: skip
    detect_with_tiles(detector, yard(900, 500), [night], NOON)
    detect_with_tiles(detector, yard(900, 500), [], NOON)
    assert (detector.fine_runs, detector.runs) == (0, 2)


def test_a_van_under_three_names_is_one_vehicle_and_a_person_before_it_stays() -> None:
    van = (0.2, 0.2, 0.3, 0.2)
    found = each_vehicle_once([
        Detection(label="car", score=0.5, box=van),
        Detection(label="truck", score=0.7, box=(0.21, 0.2, 0.3, 0.2)),
        Detection(label="bus", score=0.4, box=van),
        Detection(label="person", score=0.6, box=van),
        Detection(label="car", score=0.4, box=(0.7, 0.2, 0.1, 0.1)),
    ])  # fmt: skip
    assert [(one.label, one.score) for one in found] == [
        ("truck", 0.7), ("person", 0.6), ("car", 0.4),
    ]  # fmt: skip


POND: Polygon = ((0.4, 0.5), (0.6, 0.5), (0.6, 0.7), (0.4, 0.7))


@pytest.mark.parametrize(("polygon", "whole", "part"), [
    pytest.param(POND, False, (0.28, 0.25, 0.44, 0.51), id="a pond, and room for who stands there"),
    pytest.param(POND, True, (0, 0, 1, 1), id="a pond, and something elsewhere to explain"),
    pytest.param(WHOLE, False, (0, 0, 1, 1), id="a zone over the whole picture"),
    pytest.param(((0, 0), (0.2, 0), (0.2, 0.1)), False, (0, 0, 0.32, 0.16), id="in a corner"),
])  # fmt: skip
def test_a_glance_is_taken_at_the_zones_unless_the_whole_is_asked_for(
    polygon: Polygon, *, whole: bool, part: Box
) -> None:
    detector = LongSighted()
    zones = [zone(polygon, ask=None)]
    detect_with_tiles(detector, yard(900, 500), zones, NOON, whole=whole)
    assert detector.part == pytest.approx(part)
