"""The real YOLOX-nano on a real street, where `patrol models install` has been run."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from patrol.inference import DetectorUnavailable, OnnxDetector, open_detector

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


def test_an_empty_yard_holds_nothing(yolox: OnnxDetector) -> None:
    yard = np.full((1080, 1920, 3), 120, np.uint8)
    assert yolox.detect(yard) == ()
