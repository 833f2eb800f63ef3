"""Look for what must be hidden: faces and plates at two scales, heads of all persons.

A face at a camera's distance has ten pixels, one at the gate two hundred: the part that leaves is
looked at enlarged and at half of that. A model misses faces that are turned away, bent or veiled,
and people know each other by less: of every person large enough to be known the head is hidden,
whether a face was found there or not.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import cv2
import numpy as np

from patrol.domain.observation import Box
from patrol.ports import Detection
from patrol.vision.redaction.window import Window, tiles
from streams.model import BgrImage

LOOK_PX: Final = 960  # the longer side at the larger scale: no picture is sent wider
ENLARGE: Final = 2.0  # at most; there are no more faces in more pixels
TILE_PX: Final = 640  # for the model of persons, which sees 416 × 416
PLATE_MOST: Final = 0.15  # of what is looked at: a vehicle at a camera's distance has no larger one
PERSON_SCORE: Final = 0.25  # low on purpose, as for faces
KNOWN_FROM_PX: Final = 44  # a person's height as sent, from which a head (6 px) might be known
HEAD: Final = 0.24  # of an upright person's height; a head is a seventh, detectors' boxes wander
ABOVE: Final = 0.08  # hair that the box cut off
UPRIGHT: Final = 1.3  # height ÷ width from which a person stands
PERSON: Final = "person"


class Finder(Protocol):
    """Says where things of its kind are; any ports.Detector does."""

    def detect(self, bgr: BgrImage) -> Sequence[Detection]:
        """In a picture of any size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finders:
    """The three models; all of them, or a picture cannot be called clean."""

    faces: Finder
    plates: Finder
    persons: Finder  # also finds other things; only persons are asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Boxes in fractions of the whole picture."""

    faces: tuple[Box, ...] = ()
    plates: tuple[Box, ...] = ()
    heads: tuple[Box, ...] = ()


def look(bgr: BgrImage, window: Window, finders: Finders, *, sent_scale: float) -> Found:
    """Everything to hide in the window; `sent_scale`: pixels sent for each pixel here."""
    height, width = bgr.shape[:2]
    piece = bgr[window.top : window.low, window.left : window.right]
    seen = list(_at_two_scales(piece))
    faces = [d.box for scaled in seen for d in finders.faces.detect(scaled)]
    plates = [
        d.box
        for scaled in seen
        for d in finders.plates.detect(scaled)
        if d.box[2] * d.box[3] <= PLATE_MOST
    ]
    whole = (width, height)
    heads = [
        _head(person, width / height)
        for person in _persons(bgr, window, finders.persons)
        if person[3] * height * sent_scale >= KNOWN_FROM_PX
    ]
    return Found(
        faces=tuple(_of_whole(box, window, whole) for box in faces),
        plates=tuple(_of_whole(box, window, whole) for box in plates),
        heads=tuple(heads),
    )


def _at_two_scales(piece: BgrImage) -> Iterator[BgrImage]:
    height, width = piece.shape[:2]
    larger = min(ENLARGE, LOOK_PX / max(height, width))
    for scale in (larger, larger / 2):
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        yield np.asarray(cv2.resize(piece, size, interpolation=how), np.uint8)


def _persons(bgr: BgrImage, window: Window, finder: Finder) -> Iterator[Box]:
    """Seen whole and in tiles, so that near and far ones are both found."""
    height, width = bgr.shape[:2]
    views = {window, *tiles(window, TILE_PX)}
    for view in sorted(views):
        piece = bgr[view.top : view.low, view.left : view.right]
        for box in _likely(finder.detect(np.ascontiguousarray(piece))):
            yield _of_whole(box, view, (width, height))


def _likely(detections: Sequence[Detection]) -> Iterable[Box]:
    return (d.box for d in detections if d.label == PERSON and d.score >= PERSON_SCORE)


def _head(person: Box, aspect: float) -> Box:
    """Where the head of this person must be: the less upright, the more of the box."""
    x, y, width, height = person
    tall = height / max(width * aspect, 1e-9)
    if tall >= UPRIGHT:
        return x, y - ABOVE * height, width, (ABOVE + HEAD) * height
    if tall >= 1.0:
        return x, y, width, 0.6 * height  # sitting, or near the camera and cut at the waist
    return person  # lying or crouching: the head may be anywhere


def _of_whole(box: Box, window: Window, size: tuple[int, int]) -> Box:
    """A box in fractions of the window as one in fractions of the whole picture."""
    x, y, wide, high = box
    width, height = size
    return (
        (window.left + x * window.width) / width,
        (window.top + y * window.height) / height,
        wide * window.width / width,
        high * window.height / height,
    )
