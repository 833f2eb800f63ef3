"""Find what must be hidden before a picture leaves: faces and plates at two scales, persons' heads.

A face at a camera's distance has ten pixels, one at the gate two hundred: the part that leaves is
searched enlarged and at half of that. A model misses faces that are turned away, bent or veiled,
and people know each other by less: of every person large enough to be recognised the head is
hidden, whether a face was found there or not. Used by redact.py; the detectors are opened by
patrol/app/redaction.py.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import cv2
import numpy as np

from patrol.domain.observation import Box
from patrol.ports import Detection
from patrol.vision.geometry import PixelRect, evenly_spaced_starts
from streams.model import BgrImage

AROUND: Final = 0.6  # of the box on each side: enough to recognise the place
LEAST_SHARE: Final = 0.3  # of the picture's sides: a small object needs surroundings
BEYOND: Final = 0.1  # searched beyond the crop: a face that the crop halves is no face to a model
TILE_GROWS: Final = 1.25  # a person on the seam of two tiles is whole in one of them
SEARCH_PX: Final = 960  # the longer side at the larger scale: no picture is sent wider
ENLARGE: Final = 2.0  # at most; there are no more faces in more pixels
TILE_PX: Final = 640  # for the model of persons, which sees 416 × 416
PLATE_MOST: Final = 0.15  # of what is searched: a vehicle at a camera's distance has no larger one
PERSON_SCORE: Final = 0.25  # low on purpose, as for faces
KNOWN_FROM_PX: Final = 44  # a person's height as sent, from which a head (6 px) might be known
HEAD_SHARE: Final = 0.24  # of an upright person's height; a head is a seventh, boxes are inexact
HEADROOM_SHARE: Final = 0.08  # hair that the box cut off
UPRIGHT: Final = 1.3  # height ÷ width from which a person stands
PERSON: Final = "person"


class RegionDetector(Protocol):
    """Detector of regions to redact: every ports.Detector, and inference.FacePlateDetector."""

    def detect(self, bgr: BgrImage) -> Sequence[Detection]:
        """The regions of its kind in a picture of any size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivacyDetectors:
    """The three models; a picture that one of them did not search cannot be called clean."""

    faces: RegionDetector
    plates: RegionDetector
    persons: RegionDetector  # finds other objects as well; only persons are used


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivateRegions:
    """What must be hidden: boxes in fractions of the whole picture."""

    faces: tuple[Box, ...] = ()
    plates: tuple[Box, ...] = ()
    heads: tuple[Box, ...] = ()


def find_private(
    bgr: BgrImage, part: PixelRect, detectors: PrivacyDetectors, *, sent_scale: float
) -> PrivateRegions:
    """Everything to hide in a part of the picture; `sent_scale`: pixels sent per pixel here."""
    height, width = bgr.shape[:2]
    scaled = list(_at_two_scales(part.cut(bgr)))
    faces = [seen.box for view in scaled for seen in detectors.faces.detect(view)]
    plates = [
        seen.box
        for view in scaled
        for seen in detectors.plates.detect(view)
        if seen.box[2] * seen.box[3] <= PLATE_MOST
    ]
    heads = [
        _head_of(person, width / height)
        for person in _persons(bgr, part, detectors.persons)
        if person[3] * height * sent_scale >= KNOWN_FROM_PX
    ]
    return PrivateRegions(
        faces=tuple(part.box_in_picture(box, (width, height)) for box in faces),
        plates=tuple(part.box_in_picture(box, (width, height)) for box in plates),
        heads=tuple(heads),
    )


def crop_around(box: Box | None, width: int, height: int) -> PixelRect:
    """What leaves of a picture of this size: the box with its surroundings; without a box all."""
    if box is None:
        return PixelRect(0, 0, width, height)
    x, y, wide, high = box
    left, right = _span_around(x, wide, width)
    top, bottom = _span_around(y, high, height)
    return PixelRect(left, top, right, bottom)


def searched_around(crop: PixelRect, width: int, height: int) -> PixelRect:
    """The part of a picture of this size that is searched for a crop: a little more than it."""
    more_x, more_y = round(BEYOND * width), round(BEYOND * height)
    return PixelRect(
        max(0, crop.left - more_x),
        max(0, crop.top - more_y),
        min(width, crop.right + more_x),
        min(height, crop.bottom + more_y),
    )


def crop_tiles(crop: PixelRect, side_px: int) -> list[PixelRect]:
    """The crop in overlapping tiles of about `side_px`; itself when it is no larger."""
    return [
        PixelRect(left, top, right, bottom)
        for top, bottom in _overlapping_spans(crop.top, crop.bottom, side_px)
        for left, right in _overlapping_spans(crop.left, crop.right, side_px)
    ]


def _at_two_scales(piece: BgrImage) -> Iterator[BgrImage]:
    height, width = piece.shape[:2]
    larger = min(ENLARGE, SEARCH_PX / max(height, width))
    for scale in (larger, larger / 2):
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        yield np.asarray(cv2.resize(piece, size, interpolation=how), np.uint8)


def _persons(bgr: BgrImage, part: PixelRect, detector: RegionDetector) -> Iterator[Box]:
    """Persons found in the whole part and in its tiles: near ones and far ones."""
    size_px = (bgr.shape[1], bgr.shape[0])
    for view in sorted({part, *crop_tiles(part, TILE_PX)}):
        for seen in detector.detect(np.ascontiguousarray(view.cut(bgr))):
            if seen.label == PERSON and seen.score >= PERSON_SCORE:
                yield view.box_in_picture(seen.box, size_px)


def _head_of(person: Box, aspect: float) -> Box:
    """The part of a person's box that holds the head: the less upright, the more of it.

    `aspect`: width of the picture over its height, as boxes are fractions of either.
    """
    x, y, width, height = person
    tall = height / max(width * aspect, 1e-9)
    if tall >= UPRIGHT:
        return x, y - HEADROOM_SHARE * height, width, (HEADROOM_SHARE + HEAD_SHARE) * height
    if tall >= 1.0:
        return x, y, width, 0.6 * height  # sitting, or near the camera and cut at the waist
    return person  # lying or crouching: the head may be anywhere


def _span_around(start: float, length: float, side_px: int) -> tuple[int, int]:
    """From, to: grown by AROUND, not below the least share, within the picture."""
    share = min(1.0, max(LEAST_SHARE, length * (1 + 2 * AROUND)))
    first = min(max(0.0, start + length / 2 - share / 2), 1.0 - share)
    start_px = min(round(first * side_px), side_px - 1)
    return start_px, max(start_px + 1, min(side_px, round((first + share) * side_px)))


def _overlapping_spans(start: int, end: int, side_px: int) -> list[tuple[int, int]]:
    count = max(1, -(-(end - start) // side_px))
    if count == 1:
        return [(start, end)]
    length = round((end - start) / count * TILE_GROWS)
    return [(one, one + length) for one in evenly_spaced_starts(start, end - start, length, count)]
