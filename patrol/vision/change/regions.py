"""Changed regions: from maps of differences to regions, what explains each, and their report.

The report of a comparison holds the shift of the view, the regions and frame-wide change. Filled by
compare.py.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum, auto
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from patrol.domain.observation import Box
from patrol.vision.change.shadow import LightChange
from patrol.vision.reference import SceneMemory, SceneState
from patrol.vision.reference.difference import Differences
from patrol.vision.reference.scene_memory import ReferenceModel
from patrol.vision.reference.small_picture import Float, Mask

CHANGE_GAUGE = "change/1"
SHIFT_GAUGE = "scene_shift/1"


class Explanation(StrEnum):
    """What explains a changed region, so that it is no new object."""

    NOTHING = ""
    OBJECT = auto()  # the detector names it
    MOVING = auto()  # not in both pictures of the visit
    SHADOW = auto()  # the ground's own pattern shines through
    SKY = auto()
    OVERLAY = auto()  # a line of burnt-in text
    SMALL = auto()  # too small to be proposed at the first visit


class Cause(StrEnum):
    """The causes that change a whole picture, often of many cameras at once."""

    SNOW = auto()
    DUST = auto()
    FOG = auto()
    RAIN = auto()
    DUSK = auto()
    UNKNOWN = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftReading:
    """How far the view moved, as a share of the picture's width."""

    value: float
    threshold: float
    moved: bool
    matched: float  # share of the reference's corner points found again
    dx: float = 0.0  # of the width
    dy: float = 0.0  # of the height
    rotation_deg: float = 0.0
    zoom: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedRegion:
    """One changed region of the picture."""

    box: Box
    area: float  # share of the picture that changed, not the box's
    score: float  # 0..1; ranks
    explained_by: Explanation = Explanation.NOTHING
    label: str = ""  # the detector's class
    visits: int = 1  # in a row that showed it
    motion: float | None = None  # share of it that changed within the visit; None: one picture
    structure: float = 0.0  # mean differences, 1.0 = where they start to mean something
    colour: float = 0.0
    light: float = 0.0

    @property
    def proposed(self) -> bool:
        """Whether nothing explains it, so that a person reviews it as a new object."""
        return not self.explained_by


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameWide:
    """A change of the whole picture with its one probable cause."""

    cause: Cause
    changed: float  # share of the picture
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeReport:
    """One visit compared with the reference."""

    state: SceneState  # of the memory it was measured against
    memory: SceneMemory | None  # with the tracks brought up to date
    shift: ShiftReading | None = None  # None: there is no reference to measure against
    regions: Sequence[ChangedRegion] = field(default=())
    frame_wide: FrameWide | None = None
    changed: float = 0.0  # share of the picture
    scattered: float | None = None  # share of the detail that something on the glass takes

    @property
    def new_objects(self) -> tuple[ChangedRegion, ...]:
        """Regions that nothing explains, best first."""
        return tuple(region for region in self.regions if region.proposed)


START = 1.0  # difference at which a pixel counts as changed …
ABOVE_BASELINE = 0.55  # … and by how much it must exceed what is usual here
SKY_DISCOUNT = 0.4  # only strong structure counts in the sky
MIN_AREA = 0.0025  # of the picture; smaller ones are left out
AT_ONCE_AREA = 0.011  # from here on a region is proposed at its first visit
SHRINK_PX = 3  # windows blur outwards by this much
JOIN_PX = 9  # parts of one object lie this close together
MOVING_SHARE = 0.4  # of a region's pixels differ between the pictures of one visit
MOSTLY_SKY = 0.7  # of a region's pixels
OVERLAY_HEIGHT = 0.08
OVERLAY_STRIP = 0.14  # of the height, at the upper and lower edge


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RegionEvidence:
    """The maps and models by which a changed region is explained."""

    found: Differences
    light_change: LightChange
    model: ReferenceModel
    motion: Float | None  # differences between the pictures of this visit; None: only one


@dataclass(frozen=True, slots=True, eq=False)
class ChangeBlob:
    """A connected group of changed pixels: its box, and which of the box's pixels belong to it."""

    box_px: tuple[int, int, int, int]
    inside: Mask

    def values_inside(self, values: NDArray[Any]) -> NDArray[Any]:
        """The values of a map at the blob's own pixels."""
        x, y, w, h = self.box_px
        return values[y : y + h, x : x + w][self.inside]


def changed_mask(found: Differences, model: ReferenceModel, where: Mask) -> Mask:
    """Pixels that changed by more than is usual at this camera."""
    strength = found.strongest
    strength = np.where(model.sky, found.structure * SKY_DISCOUNT, strength)
    limit = np.maximum(model.baseline_differences + np.float32(ABOVE_BASELINE), START)
    raw = ((strength > limit) & where).astype(np.uint8)
    raw = cv2.morphologyEx(raw, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    joined = cv2.morphologyEx(
        raw, cv2.MORPH_CLOSE, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (JOIN_PX, JOIN_PX))
    )
    outlines, _ = cv2.findContours(joined, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    cv2.drawContours(joined, outlines, -1, 1, cv2.FILLED)
    return joined > 0


def find_blobs(changed: Mask) -> list[ChangeBlob]:
    """The connected groups of changed pixels of at least MIN_AREA."""
    if not changed.any():
        return []
    count, labels, stats, _ = cv2.connectedComponentsWithStats(changed.astype(np.uint8))
    least = MIN_AREA * changed.size
    found = []
    for number in range(1, count):
        x, y, w, h, area = (int(v) for v in stats[number])
        if area >= least:
            found.append(ChangeBlob((x, y, w, h), labels[y : y + h, x : x + w] == number))
    return found


def classify_blob(blob: ChangeBlob, evidence: RegionEvidence) -> ChangedRegion:
    """Measure one blob: its box, differences, score and explanation."""
    box = _trimmed_box(blob, evidence.model.picture.size)
    area = int(blob.inside.sum()) / evidence.found.structure.size
    structure, colour, light = (
        float(blob.values_inside(m).mean())
        for m in (evidence.found.structure, evidence.found.colour, evidence.found.light)
    )
    explanation = _explanation_of(blob, box, evidence)
    strength = max(structure, colour, light)
    score = (1 - math.exp(-strength)) * (1 - math.exp(-1.2 * area / AT_ONCE_AREA))
    return ChangedRegion(
        box=box, area=area, score=min(max(score, 0.0), 1.0), explained_by=explanation,
        motion=_blob_motion(blob, evidence),
        structure=structure, colour=colour, light=light,
    )  # fmt: skip


def _trimmed_box(blob: ChangeBlob, size: tuple[int, int]) -> Box:
    width, height = size
    x, y, w, h = blob.box_px
    trim_x = min(SHRINK_PX, (w - 1) // 3)
    trim_y = min(SHRINK_PX, (h - 1) // 3)
    return (
        (x + trim_x) / width, (y + trim_y) / height,
        (w - 2 * trim_x) / width, (h - 2 * trim_y) / height,
    )  # fmt: skip


def _is_overlay(box: Box) -> bool:
    _, y, w, h = box
    at_edge = y + h < OVERLAY_STRIP or y > 1 - OVERLAY_STRIP
    return h < OVERLAY_HEIGHT and at_edge and w > h


def _explanation_of(blob: ChangeBlob, box: Box, evidence: RegionEvidence) -> Explanation:
    if (_blob_motion(blob, evidence) or 0.0) >= MOVING_SHARE:
        return Explanation.MOVING
    if _is_overlay(box):
        return Explanation.OVERLAY
    if float(blob.values_inside(evidence.model.sky).mean()) > MOSTLY_SKY:
        return Explanation.SKY
    if evidence.light_change.explains(blob.box_px, blob.inside):
        return Explanation.SHADOW
    return Explanation.NOTHING


def _blob_motion(blob: ChangeBlob, evidence: RegionEvidence) -> float | None:
    return (
        None
        if evidence.motion is None
        else float((blob.values_inside(evidence.motion) > 1.0).mean())
    )
