"""Look for what must be hidden: faces and plates at two scales, heads of all persons.

A face at a camera's distance has ten pixels, one at the gate two hundred: the part that leaves is
looked at enlarged and at half of that. A model misses faces that are turned away, bent or veiled,
and people know each other by less: of every person large enough to be known the head is hidden,
whether a face was found there or not.

Which part of a picture leaves, and which part has to be looked at for it. Pure geometry, px.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

import cv2
import numpy as np

from patrol.domain.observation import Box
from patrol.ports import Detection
from streams.model import BgrImage

AROUND: Final = 0.6  # of the box on each side: enough to recognise the place
LEAST_SHARE: Final = 0.3  # of the picture's sides: a small thing needs surroundings
BEYOND: Final = 0.1  # looked at beyond the cut: a face that the cut halves is no face to a model


class CropBox(NamedTuple):
    """Left, top, right, bottom; whole pixels."""

    left: int
    top: int
    right: int
    low: int

    @property
    def width(self) -> int:
        """In pixels."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """In pixels."""
        return self.low - self.top


def crop_around(box: Box | None, width: int, height: int) -> CropBox:
    """What leaves: the box with its surroundings; without a box all of it."""
    if box is None:
        return CropBox(0, 0, width, height)
    x, y, wide, high = box
    left, right = _span(x, wide, width)
    top, low = _span(y, high, height)
    return CropBox(left, top, right, low)


def grown_crop(window: CropBox, width: int, height: int) -> CropBox:
    """What is looked at for it."""
    more_x, more_y = round(BEYOND * width), round(BEYOND * height)
    return CropBox(
        max(0, window.left - more_x),
        max(0, window.top - more_y),
        min(width, window.right + more_x),
        min(height, window.low + more_y),
    )


def crop_tiles(window: CropBox, side: int) -> list[CropBox]:
    """The window in overlapping pieces of about `side`; itself when it is no larger."""
    return [
        CropBox(left, top, right, low)
        for top, low in _pieces(window.top, window.low, side)
        for left, right in _pieces(window.left, window.right, side)
    ]


def _span(start: float, length: float, side: int) -> tuple[int, int]:
    """From, to: grown, not below the least, within the picture."""
    wanted = min(1.0, max(LEAST_SHARE, length * (1 + 2 * AROUND)))
    first = min(max(0.0, start + length / 2 - wanted / 2), 1.0 - wanted)
    start_px = min(round(first * side), side - 1)
    return start_px, max(start_px + 1, min(side, round((first + wanted) * side)))


def _pieces(start: int, end: int, side: int) -> list[tuple[int, int]]:
    count = max(1, -(-(end - start) // side))
    if count == 1:
        return [(start, end)]
    length = round((end - start) / count * 1.25)  # a person on the seam is whole in one of them
    step = (end - start - length) / (count - 1)
    return [(start + round(n * step), start + round(n * step) + length) for n in range(count)]


SEARCH_PX: Final = 960  # the longer side at the larger scale: no picture is sent wider
ENLARGE: Final = 2.0  # at most; there are no more faces in more pixels
TILE_PX: Final = 640  # for the model of persons, which sees 416 × 416
PLATE_MOST: Final = 0.15  # of what is looked at: a vehicle at a camera's distance has no larger one
PERSON_SCORE: Final = 0.25  # low on purpose, as for faces
KNOWN_FROM_PX: Final = 44  # a person's height as sent, from which a head (6 px) might be known
HEAD_SHARE: Final = (
    0.24  # of an upright person's height; a head is a seventh, detectors' boxes wander
)
HEADROOM_SHARE: Final = 0.08  # hair that the box cut off
UPRIGHT: Final = 1.3  # height ÷ width from which a person stands
PERSON: Final = "person"


class RegionDetector(Protocol):
    """Says where things of its kind are; any ports.Detector does."""

    def detect(self, bgr: BgrImage) -> Sequence[Detection]:
        """In a picture of any size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivacyDetectors:
    """The three models; all of them, or a picture cannot be called clean."""

    faces: RegionDetector
    plates: RegionDetector
    persons: RegionDetector  # also finds other things; only persons are asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivateRegions:
    """Boxes in fractions of the whole picture."""

    faces: tuple[Box, ...] = ()
    plates: tuple[Box, ...] = ()
    heads: tuple[Box, ...] = ()


def find_private(
    bgr: BgrImage, window: CropBox, detectors: PrivacyDetectors, *, sent_scale: float
) -> PrivateRegions:
    """Everything to hide in the window; `sent_scale`: pixels sent for each pixel here."""
    height, width = bgr.shape[:2]
    piece = bgr[window.top : window.low, window.left : window.right]
    seen = list(_at_two_scales(piece))
    faces = [d.box for scaled in seen for d in detectors.faces.detect(scaled)]
    plates = [
        d.box
        for scaled in seen
        for d in detectors.plates.detect(scaled)
        if d.box[2] * d.box[3] <= PLATE_MOST
    ]
    whole = (width, height)
    heads = [
        _head(person, width / height)
        for person in _persons(bgr, window, detectors.persons)
        if person[3] * height * sent_scale >= KNOWN_FROM_PX
    ]
    return PrivateRegions(
        faces=tuple(_of_whole(box, window, whole) for box in faces),
        plates=tuple(_of_whole(box, window, whole) for box in plates),
        heads=tuple(heads),
    )


def _at_two_scales(piece: BgrImage) -> Iterator[BgrImage]:
    height, width = piece.shape[:2]
    larger = min(ENLARGE, SEARCH_PX / max(height, width))
    for scale in (larger, larger / 2):
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        yield np.asarray(cv2.resize(piece, size, interpolation=how), np.uint8)


def _persons(bgr: BgrImage, window: CropBox, detector: RegionDetector) -> Iterator[Box]:
    """Seen whole and in tiles, so that near and far ones are both found."""
    height, width = bgr.shape[:2]
    views = {window, *crop_tiles(window, TILE_PX)}
    for view in sorted(views):
        piece = bgr[view.top : view.low, view.left : view.right]
        for box in _person_boxes(detector.detect(np.ascontiguousarray(piece))):
            yield _of_whole(box, view, (width, height))


def _person_boxes(detections: Sequence[Detection]) -> Iterable[Box]:
    return (d.box for d in detections if d.label == PERSON and d.score >= PERSON_SCORE)


def _head(person: Box, aspect: float) -> Box:
    """Where the head of this person must be: the less upright, the more of the box."""
    x, y, width, height = person
    tall = height / max(width * aspect, 1e-9)
    if tall >= UPRIGHT:
        return x, y - HEADROOM_SHARE * height, width, (HEADROOM_SHARE + HEAD_SHARE) * height
    if tall >= 1.0:
        return x, y, width, 0.6 * height  # sitting, or near the camera and cut at the waist
    return person  # lying or crouching: the head may be anywhere


def _of_whole(box: Box, window: CropBox, size: tuple[int, int]) -> Box:
    """A box in fractions of the window as one in fractions of the whole picture."""
    x, y, wide, high = box
    width, height = size
    return (
        (window.left + x * window.width) / width,
        (window.top + y * window.height) / height,
        wide * window.width / width,
        high * window.height / height,
    )
