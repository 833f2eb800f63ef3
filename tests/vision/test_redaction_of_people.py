"""Real weights on real frames: nobody can be known and no plate read in what leaves.

"Cannot be known" is measured on the pixels: the fine structure of every face and head is gone, and
the model that found the faces finds none any more, at either scale.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from patrol.domain.observation import Box
from patrol.inference.errors import DetectorUnavailable
from patrol.inference.face_plate_detectors import open_face_plate_detector
from patrol.inference.onnx_detector import open_detector
from patrol.vision.geometry import PixelRect
from patrol.vision.redaction import (
    PERSON_SCORE,
    PrivacyDetectors,
    PrivateRegions,
    find_private,
    pixelate_all,
)

U8 = NDArray[np.uint8]
MODELS = Path(os.environ.get("PATROL_MODELS", "var/models"))
VTEST = Path("/usr/share/doc/opencv-doc/examples/data/vtest.avi")
INDOOR = Path(__file__).resolve().parents[3] / "shared" / "data" / "person-indoor.mp4"
FRAMES = [
    pytest.param(INDOOR, 684, 1, id="in profile, near"),
    pytest.param(INDOOR, 858, 1, id="bending to the table"),
    pytest.param(VTEST, 475, 2, id="three at a camera's distance"),
    pytest.param(VTEST, 634, 2, id="a group"),
]


@pytest.fixture(scope="module")
def models() -> PrivacyDetectors:
    try:
        return PrivacyDetectors(
            faces=open_face_plate_detector(MODELS, "centerface"),
            plates=open_face_plate_detector(MODELS, "plates"),
            persons=open_detector(MODELS, min_score=PERSON_SCORE),
        )
    except DetectorUnavailable as exc:
        pytest.skip(str(exc))


def frame(clip: Path, number: int) -> U8:
    if not clip.exists():
        if os.environ.get("CI") == "true" and clip is VTEST:
            pytest.fail("install the Debian package opencv-doc")
        pytest.skip(f"{clip.name} is not there")
    video = cv2.VideoCapture(str(clip))
    video.set(cv2.CAP_PROP_POS_FRAMES, number)
    return np.asarray(video.read()[1], np.uint8)


def whole(picture: U8) -> PixelRect:
    return PixelRect(0, 0, picture.shape[1], picture.shape[0])


def detail(picture: U8, box: Box) -> float:
    """High-frequency energy within the box."""
    height, width = picture.shape[:2]
    left, top = max(0, int(box[0] * width)), max(0, int(box[1] * height))
    right, low = int((box[0] + box[2]) * width), int((box[1] + box[3]) * height)
    grey = cv2.cvtColor(picture[top:low, left:right], cv2.COLOR_BGR2GRAY)
    return float(cv2.Laplacian(grey, cv2.CV_32F).var())


def hidden(picture: U8, models: PrivacyDetectors) -> tuple[U8, PrivateRegions]:
    found = find_private(picture, whole(picture), models, sent_scale=1.0)
    after = picture.copy()
    pixelate_all(after, found)
    return after, found


@pytest.mark.parametrize(("clip", "number", "persons"), FRAMES)
def test_nobody_can_be_known(
    clip: Path, number: int, persons: int, models: PrivacyDetectors
) -> None:
    picture = frame(clip, number)
    after, found = hidden(picture, models)
    places = (*found.faces, *found.heads)
    assert len(places) >= persons
    for place in places:
        assert detail(after, place) < 0.15 * max(detail(picture, place), 500.0)
    left = find_private(after, whole(after), models, sent_scale=1.0)
    assert not left.faces, "the model that found them finds none any more"
    assert np.mean(after == picture) > 0.6, "the place itself stays as it is"


class Plated(NamedTuple):
    """A picture with a plate on it, and where."""

    picture: U8
    plate: Box
    left: int
    top: int


def with_plate(width: int, number: str = "甘F·8T3K6") -> Plated:
    """The back of a vehicle with a blue plate in a real street, as a JPEG would bring it."""
    street = np.asarray(cv2.resize(frame(VTEST, 1), (1280, 960))[:720], np.uint8)
    x, y, side = 500, 240, width * 3
    cv2.rectangle(street, (x, y), (x + side, y + side), (60, 60, 70), -1)
    cv2.rectangle(street, (x, y + side * 4 // 5), (x + side, y + side), (30, 30, 30), -1)
    plate = np.full((140, 440, 3), (150, 60, 10), np.uint8)
    cv2.rectangle(plate, (6, 6), (433, 133), (255, 255, 255), 3)
    cv2.putText(plate, number, (22, 104), (255, 255, 255), cv2.FontFace("sans"), 76, 700)
    height = round(width * 140 / 440)
    left, top = x + width, y + int(side * 0.78)
    small = cv2.resize(plate, (width, height), interpolation=cv2.INTER_AREA)
    street[top : top + height, left : left + width] = small
    taken = cv2.imdecode(cv2.imencode(".jpg", street, [cv2.IMWRITE_JPEG_QUALITY, 82])[1], 1)
    box = (left / 1280, top / 720, width / 1280, height / 720)
    return Plated(np.asarray(taken, np.uint8), box, left, top)


@pytest.mark.parametrize("width", [40, 140])
def test_no_plate_can_be_read(width: int, models: PrivacyDetectors) -> None:
    plated = with_plate(width)
    after, found = hidden(plated.picture, models)
    assert found.plates
    assert detail(after, plated.plate) < 0.02 * detail(plated.picture, plated.plate)


def test_two_numbers_cannot_be_told_apart_in_what_leaves(models: PrivacyDetectors) -> None:
    before, after = [], []
    for number in ("甘F·8T3K6", "甘F·1L7A0"):
        plated = with_plate(90, number)
        inner = slice(plated.top + 4, plated.top + 24), slice(plated.left + 5, plated.left + 85)
        before.append(plated.picture[inner].astype(int))
        after.append(hidden(plated.picture, models)[0][inner].astype(int))
    assert np.abs(before[0] - before[1]).max() > 100, "a letter's stroke"
    assert np.abs(after[0] - after[1]).max() < 20


def test_no_plate_is_seen_where_there_is_none(models: PrivacyDetectors) -> None:
    yard = np.full((720, 1280, 3), 120, np.uint8)
    found = find_private(yard, whole(yard), models, sent_scale=1.0)
    assert found == PrivateRegions()


def pictures() -> Iterator[U8]:
    yield np.zeros((1, 1, 3), np.uint8)
    yield np.zeros((30, 2000, 3), np.uint8)


def test_strange_sizes_pass_through_the_real_models(models: PrivacyDetectors) -> None:
    for picture in pictures():
        assert hidden(picture, models)[0].shape == picture.shape
