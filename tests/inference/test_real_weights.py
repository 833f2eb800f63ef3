"""The real YOLOX-nano on a real street, where `patrol models install` has been run."""

import dataclasses
import os
from collections.abc import Sequence
from datetime import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from patrol.domain.camera import Zone
from patrol.inference.errors import DetectorUnavailable, ModelBroken
from patrol.inference.manifest import InputSpec
from patrol.inference.onnx_detector import OnnxDetector, open_detector
from patrol.ports import Detection
from patrol.vision.geometry import iou
from patrol.vision.objects import detect_with_tiles

VTEST = Path("/usr/share/doc/opencv-doc/examples/data/vtest.avi")
MODELS = Path(os.environ.get("PATROL_MODELS", "var/models"))


@pytest.fixture(scope="module")
def yolox() -> OnnxDetector:
    try:
        return open_detector(MODELS)
    except DetectorUnavailable as exc:
        pytest.skip(str(exc))


@pytest.fixture(scope="module")
def street() -> list[NDArray[np.uint8]]:
    if not VTEST.exists():
        if os.environ.get("CI") == "true":
            pytest.fail("install the Debian package opencv-doc")
        pytest.skip("install the Debian package opencv-doc")
    clip = cv2.VideoCapture(str(VTEST))
    frames = []
    for number in range(300):
        clip.grab()
        if number % 75 == 0:
            frames.append(np.asarray(clip.retrieve()[1], np.uint8))
    return frames


def test_people_and_the_parked_car_are_found(
    yolox: OnnxDetector, street: list[NDArray[np.uint8]]
) -> None:
    found = [yolox.detect(frame) for frame in street]
    assert sum(seen.label == "person" for frame in found for seen in frame) >= 4 * len(street)
    assert all(any(seen.label in {"car", "truck"} for seen in frame) for frame in found)


def test_the_same_at_1080p(yolox: OnnxDetector, street: list[NDArray[np.uint8]]) -> None:
    for frame in street:
        large = np.asarray(cv2.resize(frame, (1440, 1080)), np.uint8)
        few, many = (sum(s.score >= 0.5 for s in yolox.detect(p)) for p in (frame, large))
        assert abs(few - many) <= 2


def test_tiles_find_the_people_that_a_far_view_loses(
    yolox: OnnxDetector, street: list[NDArray[np.uint8]]
) -> None:
    """Four views in one picture: everybody is half as large."""
    far = np.vstack([np.hstack(street[:2]), np.hstack(street[2:])])
    everywhere = Zone(
        name="all", polygon=((0, 0), (1, 0), (1, 1), (0, 1)), classes=frozenset({"person"}),
        kind="other", tiles=True,
    )  # fmt: skip

    def persons(found: Sequence[Detection]) -> int:
        return sum(seen.label == "person" and seen.score >= 0.5 for seen in found)

    people = sum(persons(yolox.detect(frame)) for frame in street)
    whole = persons(yolox.detect(far))
    close = persons(detect_with_tiles(yolox, far, [everywhere], time(12)))
    assert whole < 0.8 * people
    assert close >= 0.8 * people  # 21 of 25 persons; 15 without tiles


def test_a_larger_input_where_the_file_says_416(
    yolox: OnnxDetector, street: list[NDArray[np.uint8]]
) -> None:
    larger = InputSpec(width_px=640, height_px=384, free=True)
    wide = dataclasses.replace(
        yolox.spec, name="wide", input=larger, own=MODELS / "yolox_nano.onnx"
    )
    detector = open_detector(MODELS, "wide", manifest={"wide": wide})
    assert detector.input_px == (640, 384)
    far = np.vstack([np.hstack(street[:2]), np.hstack(street[2:])])[200:1000, :1420]
    few, many = (sum(s.score >= 0.5 for s in model.detect(far)) for model in (yolox, detector))
    assert many > few


@pytest.mark.parametrize(
    "size_px", [(1920, 1080), (640, 480), (1080, 1920), (720, 720), (3000, 90)]
)
def test_the_fine_look_has_the_pictures_shape_and_less_than_twice_the_pixels(
    yolox: OnnxDetector, size_px: tuple[int, int]
) -> None:
    width, height = yolox.fine_input_px(size_px)
    assert width % 32 == height % 32 == 0
    assert width * height <= 2 * 416 * 416
    assert (width > height) == (size_px[0] > size_px[1]) or width == height
    picture = np.full((size_px[1], size_px[0], 3), 120, np.uint8)
    assert yolox.detect_finely(picture) == ()


def test_the_fine_look_finds_more_far_people(
    yolox: OnnxDetector, street: list[NDArray[np.uint8]]
) -> None:
    far = np.vstack([np.hstack(street[:2]), np.hstack(street[2:])])
    few, many = (
        sum(seen.score >= 0.45 for seen in look(far))
        for look in (yolox.detect, yolox.detect_finely)
    )
    assert many > few


def test_a_glance_at_a_part_finds_what_stands_there_at_its_place(
    yolox: OnnxDetector, street: list[NDArray[np.uint8]]
) -> None:
    whole = yolox.detect(street[0])
    best = whole[0]
    x, y, width, height = best.box
    part = (max(0.0, x - 0.1), max(0.0, y - 0.1), width + 0.2, height + 0.2)
    found = yolox.glance(street[0], part)
    assert max(iou(seen.box, best.box) for seen in found if seen.label == best.label) > 0.8
    beside = (0.0 if x > 0.5 else 0.75, 0.0, 0.25, 1.0)
    assert all(iou(seen.box, best.box) < 0.2 for seen in yolox.glance(street[0], beside))


@pytest.mark.parametrize(("changed", "message"), [
    ({"free": False}, "does not take 1 × 3 × 384 × 640"),
    ({"height_px": 380}, "model wide: "),  # no multiple of the strides
])  # fmt: skip
def test_an_input_that_does_not_fit_is_refused(
    changed: dict[str, int], message: str, yolox: OnnxDetector
) -> None:
    larger = dataclasses.replace(InputSpec(width_px=640, height_px=384, free=True), **changed)
    wide = dataclasses.replace(
        yolox.spec, name="wide", input=larger, own=MODELS / "yolox_nano.onnx"
    )
    with pytest.raises(ModelBroken, match=message):
        open_detector(MODELS, "wide", manifest={"wide": wide})


def test_an_empty_yard_holds_nothing(yolox: OnnxDetector) -> None:
    yard = np.full((1080, 1920, 3), 120, np.uint8)
    assert yolox.detect(yard) == ()
