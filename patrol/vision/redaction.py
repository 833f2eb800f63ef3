"""Redaction (脱敏): what a picture must lose before it leaves the centre. Pure.

`redact` takes a stored picture, the box of the finding and the receiver, and returns a JPEG that is
cropped around the box, with every face, every head and every number plate made unrecognisable for
good, marked with case, time and receiver, without metadata. Where one of the three models is
missing the whole picture is made so coarse that nobody can be recognised. patrol/app/detectors.py
opens the models and calls it whenever a picture leaves the centre.

Find: a face at a camera's distance has ten pixels, one at the gate two hundred: the part that
leaves is searched enlarged and at half of that. A model misses faces that are turned away, bent or
veiled, and people know each other by less: of every person large enough to be recognised the head
is hidden, whether a face was found there or not. The models say where a face or a plate *is*, and
only so that it can be hidden. Nothing here reads a plate, compares two faces or keeps what was
found.

Hide: what is hidden is overwritten by a few mean colours blurred into each other. A blur alone can
be undone and a fine mosaic of a plate can be guessed by trying all numbers; of a face two or three
cells in each direction remain here, of a plate one across its height.

Mark: readable below the picture, and faintly all over it, so that the receiver can still be read
when the foot is cut off. The glyphs are OpenCV's own (its `uni` font has Chinese).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum, auto
from typing import Final, Protocol

import cv2
import numpy as np

from patrol.domain.observation import Box
from patrol.pixels import decode_jpeg, encode_jpeg
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


PURPOSE: Final = "仅供处置使用"
COARSE_NOTE: Final = "未装人脸车牌检测，已整体粗化"
LETTERS_PX: Final = 15
LINE_PX: Final = 22
MARGIN_PX: Final = 8
FAINT: Final = 0.16  # of white over the picture: visible on any ground, hides nothing
FAINT_STEP_PX: Final = 150
SLANT_DEG: Final = 24.0
INK: Final = (235, 235, 235)
FOOT: Final = (28, 28, 28)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watermark:
    """The texts of the mark."""

    site: str
    case: str
    at: str  # local time of the site, as text
    recipient: str = ""  # account, person or grid; empty where unknown

    @property
    def lines(self) -> tuple[str, str]:
        """The two lines below the picture."""
        to = f" · {self.recipient}" if self.recipient else ""
        return f"{self.site} · {self.case} · {self.at}", f"{PURPOSE}{to}"


def watermarked(bgr: BgrImage, watermark: Watermark, *, coarse: bool) -> BgrImage:
    """The picture with its mark, taller by the lines of the foot."""
    lines = (*watermark.lines, COARSE_NOTE) if coarse else watermark.lines
    faint = _overlaid(bgr, f"{watermark.case}  {watermark.recipient or watermark.site}")
    width = bgr.shape[1]
    foot = np.full((LINE_PX * len(lines) + MARGIN_PX, width, 3), FOOT, np.uint8)
    for number, line in enumerate(lines):
        _draw_text(foot, _fitting(line, width), (MARGIN_PX, LINE_PX * (number + 1) - 4), LETTERS_PX)
    return np.asarray(np.vstack([faint, foot]), np.uint8)


def _overlaid(bgr: BgrImage, text: str) -> BgrImage:
    height, width = bgr.shape[:2]
    side = int(np.hypot(height, width)) + FAINT_STEP_PX
    sheet = np.zeros((side, side, 3), np.uint8)
    for row, y in enumerate(range(FAINT_STEP_PX // 2, side, FAINT_STEP_PX)):
        _draw_text(sheet, f"{text}      " * 6, (-120 * (row % 2), y), LETTERS_PX + 2)
    turn = cv2.getRotationMatrix2D((side / 2, side / 2), SLANT_DEG, 1.0)
    turned = cv2.warpAffine(sheet, turn, (side, side))
    top, left = (side - height) // 2, (side - width) // 2
    ink = turned[top : top + height, left : left + width].astype(np.float32) * FAINT
    # White on dark ground, black on light: an edge of both is seen on any.
    shadow = np.roll(ink, (1, 1), axis=(0, 1))
    return np.asarray(np.clip(bgr + ink - shadow, 0, 255), np.uint8)


def _fitting(text: str, width: int) -> str:
    """The text cut to the width of the picture, with an ellipsis."""
    most = max(8, int((width - 2 * MARGIN_PX) / (LETTERS_PX * 0.62)))
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _draw_text(bgr: BgrImage, text: str, origin: tuple[int, int], size: int) -> None:
    # A wrap range wider than the picture: the text is cut off, not broken into lines.
    cv2.putText(bgr, text, origin, INK, cv2.FontFace("uni"), size, 400, 0, (-10_000, 1_000_000))


FACE_GROWS: Final = 0.3  # of its sides, on each side: hair, chin, and a box that sits a little off
PLATE_GROWS: Final = 0.15
FACE_CELLS: Final = 4  # across the shorter side of the grown box: two or three on the face itself
PLATE_CELLS: Final = 1
LEAST_PX: Final = 6  # a smaller region is hidden as one of this size
COARSE_PX: Final = 64  # across a whole picture: a face of an eighth of its width has 8
WIDEST_PX: Final = 960  # as sent: a phone's screen, and fewer pixels to be wrong about
NARROWEST_PX: Final = 520  # enlarged to this, so that the mark can be read
TALLEST_PX: Final = 1440
COARSE_WIDTH_PX: Final = 640
QUALITY: Final = 80


class RedactionMode(StrEnum):
    """How a picture was made fit to leave."""

    BLURRED = auto()  # faces, heads and plates are hidden
    COARSE = auto()  # a model was missing: nobody can be recognised anywhere in it


@dataclass(frozen=True, slots=True, kw_only=True)
class Redacted:
    """A picture that may leave the centre."""

    jpeg: bytes
    mode: RedactionMode
    hidden: int = 0  # number of regions


def redact(
    jpeg: bytes, box: Box | None, watermark: Watermark, detectors: PrivacyDetectors | None
) -> Redacted:
    """What may leave of a stored picture; without `box` all of it, without `detectors` coarsened.

    `box`: the finding, in fractions of the picture. Raises ValueError: not a picture.
    """
    picture = decode_jpeg(jpeg)
    if picture is None:
        raise ValueError("not a picture")
    height, width = picture.shape[:2]
    crop = crop_around(box, width, height)
    if detectors is None:
        coarse = coarsened(picture, crop, _sent_size(crop, COARSE_WIDTH_PX))
        return Redacted(
            jpeg=encode_jpeg(watermarked(coarse, watermark, coarse=True), QUALITY),
            mode=RedactionMode.COARSE,
        )
    size = _sent_size(crop, min(max(crop.width, NARROWEST_PX), WIDEST_PX))
    found = find_private(
        picture, searched_around(crop, width, height), detectors, sent_scale=size[0] / crop.width
    )
    hidden = pixelate_all(picture, found)
    sent = np.asarray(cv2.resize(crop.cut(picture), size, interpolation=cv2.INTER_LINEAR), np.uint8)
    done = encode_jpeg(watermarked(sent, watermark, coarse=False), QUALITY)
    return Redacted(jpeg=done, mode=RedactionMode.BLURRED, hidden=hidden)


def pixelate_all(picture: BgrImage, found: PrivateRegions) -> int:
    """Hide every region in the array itself; the number of regions."""
    for box in found.heads:
        pixelate(picture, box, grow=0.0, cells=FACE_CELLS)
    for box in found.faces:  # after the heads: no edge of theirs is left on a face
        pixelate(picture, box, grow=FACE_GROWS, cells=FACE_CELLS)
    for box in found.plates:
        pixelate(picture, box, grow=PLATE_GROWS, cells=PLATE_CELLS)
    return len(found.faces) + len(found.heads) + len(found.plates)


def pixelate(bgr: BgrImage, box: Box, *, grow: float, cells: int) -> None:
    """Overwrite the box, grown by `grow` of its sides, in the array itself.

    `cells`: mean colours left across its shorter side.
    """
    patch = _grown_rect(box, grow, bgr).cut(bgr)
    height, width = patch.shape[:2]
    if not (height and width):
        return
    cell = max(min(height, width) / cells, 1.0)
    few = (max(1, round(width / cell)), max(1, round(height / cell)))
    mosaic = cv2.resize(
        cv2.resize(patch, few, interpolation=cv2.INTER_AREA),
        (width, height),
        interpolation=cv2.INTER_NEAREST,
    )
    blur_px = int(cell) | 1
    patch[:] = cv2.blur(mosaic, (blur_px, blur_px))


def coarsened(bgr: BgrImage, crop: PixelRect, size: tuple[int, int]) -> BgrImage:
    """The crop of a picture reduced to COARSE_PX across, enlarged to `size` (width, height)."""
    scale = COARSE_PX / bgr.shape[1]
    few = (max(1, round(crop.width * scale)), max(1, round(crop.height * scale)))
    piece = np.ascontiguousarray(crop.cut(bgr))
    small = cv2.resize(piece, few, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_LINEAR), np.uint8)


def _sent_size(crop: PixelRect, width_px: int) -> tuple[int, int]:
    """Width and height of the crop as sent; a tall one becomes narrower than `width_px`."""
    scale = min(width_px / crop.width, TALLEST_PX / crop.height)
    return max(1, round(crop.width * scale)), max(1, round(crop.height * scale))


def _grown_rect(box: Box, grow: float, bgr: BgrImage) -> PixelRect:
    height, width = bgr.shape[:2]
    x, y, wide, high = box[0] * width, box[1] * height, box[2] * width, box[3] * height
    more_x = max(grow * wide, (LEAST_PX - wide) / 2)
    more_y = max(grow * high, (LEAST_PX - high) / 2)
    return PixelRect(
        min(width, max(0, int(x - more_x))),
        min(height, max(0, int(y - more_y))),
        max(0, min(width, int(x + wide + more_x) + 1)),
        max(0, min(height, int(y + high + more_y) + 1)),
    )
