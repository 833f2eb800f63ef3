"""Which detections count in which zone."""

from datetime import UTC, datetime, time

import pytest

from patrol.domain.camera import DailyHours, Zone
from patrol.domain.ids import CameraId
from patrol.domain.observation import Box, Subject
from patrol.ports import Detection
from patrol.vision.geometry import polygon_area, share_in_polygon
from patrol.vision.objects import is_ignored, zone_hits, zones_for_objects
from patrol.vision.observations import VisitRef, zone_observations

LEFT = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
SIZE = (1920, 1080)
NOON = time(12)
NIGHT = (DailyHours(start=time(22), end=time(6)),)


def zone(**changes: object) -> Zone:
    standard: dict[str, object] = {
        "name": "门前", "polygon": LEFT, "classes": frozenset({"car", "truck"}),
        "kind": "blocking_vehicle",
    }  # fmt: skip
    return Zone(**{**standard, **changes})  # type: ignore[arg-type]  # a table of fields


def seen(box: Box, label: str = "car", score: float = 0.8) -> Detection:
    return Detection(label=label, score=score, box=box)


@pytest.mark.parametrize(("box", "expected"), [
    pytest.param((0.1, 0.2, 0.2, 0.3), True, id="wholly inside"),
    pytest.param((0.45, 0.2, 0.08, 0.3), True, id="foot inside, leaning out"),
    pytest.param((0.6, 0.2, 0.2, 0.3), False, id="beside it"),
    pytest.param((0.46, 0.2, 0.2, 0.3), False, id="only a corner"),
    pytest.param((-0.1, 0.7, 0.2, 0.5), True, id="cut by the frame"),
    pytest.param((0.2, 0.2, 0.2, 0.0), False, id="no height"),
    pytest.param((float("nan"), 0.2, 0.2, 0.2), False, id="not a number"),
    pytest.param((0.2, 0.2, 0.1, 0.005), False, id="five pixels high"),
    pytest.param((1.2, 0.2, 0.1, 0.1), False, id="outside the frame"),
])  # fmt: skip
def test_where(box: Box, *, expected: bool) -> None:
    assert bool(zone_hits([seen(box)], [zone()], NOON, SIZE)) is expected


@pytest.mark.parametrize(("changes", "label", "at", "expected"), [
    pytest.param({}, "car", NOON, True, id="a class of the zone"),
    pytest.param({}, "person", NOON, False, id="another class"),
    pytest.param({"trust_class": False}, "cell phone", NOON, True, id="straight down: any class"),
    pytest.param({"classes": frozenset()}, "car", NOON, False, id="waits for changes, not objects"),
    pytest.param({"min_height": 0.5}, "car", NOON, False, id="too small for the zone"),
    pytest.param({"hours": NIGHT}, "car", NOON, False, id="by day"),
    pytest.param({"hours": NIGHT}, "car", time(23), True, id="dark"),
])  # fmt: skip
def test_what_and_when(changes: dict[str, object], label: str, at: time, *, expected: bool) -> None:
    found = zone_hits([seen((0.1, 0.2, 0.2, 0.3), label)], [zone(**changes)], at, SIZE)
    assert bool(found) is expected


def test_one_thing_under_two_names_counts_once_under_the_surer() -> None:
    both = [seen((0.1, 0.2, 0.2, 0.3), "car", 0.5), seen((0.1, 0.21, 0.2, 0.3), "truck", 0.7)]
    hits = zone_hits(both, [zone()], NOON, SIZE)
    assert [hit.detection.label for hit in hits] == ["truck"]


def test_one_thing_counts_in_every_zone_it_stands_in() -> None:
    hits = zone_hits([seen((0.1, 0.2, 0.2, 0.3))], [zone(), zone(name="路口")], NOON, SIZE)
    assert [hit.zone.name for hit in hits] == ["门前", "路口"]


def test_only_zones_with_classes_need_a_detector() -> None:
    zones = [zone(), zone(name="空地", classes=frozenset())]
    assert [z.name for z in zones_for_objects(zones, NOON)] == ["门前"]


def test_areas_of_overlap() -> None:
    triangle = ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0))
    assert polygon_area(triangle) == pytest.approx(0.5)
    assert share_in_polygon((0.0, 0.0, 1.0, 1.0), triangle) == pytest.approx(0.5)
    assert share_in_polygon((0.0, 0.0, 0.5, 0.5), triangle) == pytest.approx(1.0)
    assert share_in_polygon((0.6, 0.6, 0.2, 0.2), triangle) == 0.0


def test_a_concave_zone_is_measured_exactly() -> None:
    horseshoe = ((0, 0), (1, 0), (1, 1), (0.7, 1), (0.7, 0.3), (0.3, 0.3), (0.3, 1), (0, 1))
    assert share_in_polygon((0.3, 0.3, 0.4, 0.7), horseshoe) == pytest.approx(0.0)
    assert share_in_polygon((0.0, 0.0, 1.0, 1.0), horseshoe) == pytest.approx(
        polygon_area(horseshoe)
    )


class Seeing:
    """What a detector says of itself."""

    gauge = "yolox_nano/615e2661"
    min_score = 0.4
    input_px = (416, 416)

    def detect(self, bgr: object) -> list[Detection]:
        raise NotImplementedError(str(bgr))


def test_a_hit_becomes_an_observation_of_the_zones_kind() -> None:
    hits = zone_hits([seen((-0.1, 0.7, 0.2, 0.5))], [zone()], NOON, SIZE)
    visit_ref = VisitRef(
        camera=CameraId("62090204011327000001"), round=None, at=datetime(2026, 6, 1, tzinfo=UTC)
    )
    (made,) = zone_observations(hits, Seeing(), visit_ref)
    assert (made.subject, made.kind, made.zone) == (Subject.SCENE, "blocking_vehicle", "门前")
    assert (made.label, made.score, made.gauge) == ("car", 0.8, "yolox_nano/615e2661")
    assert made.threshold == 0.4
    assert made.box == pytest.approx((0.0, 0.7, 0.1, 0.3))


@pytest.mark.parametrize(("box", "expected"), [
    pytest.param((0.1, 0.2, 0.2, 0.3), True, id="stands in it"),
    pytest.param((0.4, 0.2, 0.3, 0.3), False, id="leans into it"),
    pytest.param((0.3, 0.2, 0.36, 0.3), True, id="mostly in it"),
    pytest.param((0.6, 0.2, 0.2, 0.3), False, id="beside it"),
])  # fmt: skip
def test_what_stands_in_an_ignored_area_is_nobodys_business(box: Box, *, expected: bool) -> None:
    assert is_ignored(box, [LEFT]) is expected
    assert not is_ignored(box, [])
