"""The flames set: a clip whose flames are labelled frame by frame, and clips without a fire.

The boxes come from the FURG data set's own XML (frame numbers from 0, `x y w h` in pixels). Nothing
is accepted, as nobody accepts a fire: the camera has no reference, the hardest case.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from xml.etree import ElementTree as ET  # nosec B405

import cv2
import numpy as np

from patrol.domain.observation import Light
from patrol.evaluation.footage import CLIPS, DOCS
from patrol.evaluation.labels import BoxPx, LabelledVisit
from streams.model import BgrImage

FIRE = CLIPS / "fire-house6.mp4"
BOXES = CLIPS / "fire-house6.xml"
FLAMELESS = (DOCS / "vtest.avi", CLIPS / "person-indoor.mp4", DOCS / "tree.avi")
VISITS = 100  # a clip, evenly spread
APART_S = 3.0
APART_SHORT_S = 1.0  # in clips of a few seconds
EVERY = timedelta(hours=12)


def flame_boxes(path: Path) -> dict[int, tuple[BoxPx, ...]]:
    """Frame number → boxes, as the data set gives them."""
    frames = ET.parse(path).getroot().find("frames")  # noqa: S314  a file of the site's own choice  # nosec B314
    boxes: dict[int, tuple[BoxPx, ...]] = {}
    for frame in frames if frames is not None else ():
        number = int(frame.findtext("frameNumber", "-1"))
        found = [tuple(map(float, (a.text or "").split())) for a in frame.iterfind("annotations/_")]
        boxes[number] = tuple((x, y, w, h) for x, y, w, h in found)
    return boxes


def flame_visits(start: datetime) -> Iterator[LabelledVisit]:
    """The visits of all clips that are installed, from `start` on."""
    if FIRE.is_file() and BOXES.is_file():
        yield from _clip_visits(FIRE, flame_boxes(BOXES), start)
    for clip in FLAMELESS:
        if clip.is_file():
            yield from _clip_visits(clip, {}, start)


def _clip_visits(
    clip: Path, boxes: dict[int, tuple[BoxPx, ...]], start: datetime
) -> Iterator[LabelledVisit]:
    video = cv2.VideoCapture(str(clip))
    per_second = video.get(cv2.CAP_PROP_FPS) or 10.0
    frames = 0
    while video.grab():
        frames += 1
    video.release()
    apart = APART_S if frames > 4 * APART_S * per_second else APART_SHORT_S
    gap = max(1, round(apart * per_second))
    step = max(1, (frames - gap) // VISITS)
    reader = _ClipReader(clip, keep=gap + 1)
    for turn, first in enumerate(range(0, frames - gap, step)):
        yield LabelledVisit(
            camera=f"flames-{clip.stem}",
            at=start + turn * EVERY,
            pictures=partial(reader.frames, (first, first + gap)),
            light=Light.DAY,
            flames=boxes.get(first, ()),
            source=f"{clip.name} {first}",
        )


class _ClipReader:
    """Reads a clip forward once, keeping the last few seconds; rewinds if it must."""

    def __init__(self, clip: Path, keep: int) -> None:
        self._clip = clip
        self._keep = keep
        self._rewind()

    def _rewind(self) -> None:
        self._video = cv2.VideoCapture(str(self._clip))
        self._next = 0
        self._kept: dict[int, BgrImage] = {}

    def frames(self, wanted: tuple[int, ...]) -> list[BgrImage]:
        """These frames, in this order; fewer where the clip ends before."""
        if any(n < self._next and n not in self._kept for n in wanted):
            self._rewind()
        while self._next <= max(wanted):
            got, frame = self._video.read()
            if not got:
                break
            self._kept[self._next] = np.asarray(frame, np.uint8)
            self._kept.pop(self._next - self._keep, None)
            self._next += 1
        return [self._kept[n].copy() for n in wanted if n in self._kept]
