"""Compare the pictures of one visit with the camera's reference."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from patrol.domain.observation import Light
from patrol.domain.zone import PictureAreas
from patrol.vision.change.causes import frame_wide
from patrol.vision.change.model import ChangeReport, ShiftReading
from patrol.vision.change.regions import Evidence, changed_mask, describe, places
from patrol.vision.change.shadow import Relit
from patrol.vision.change.track import follow
from patrol.vision.reference.align import MIN_POINTS, Alignment, align, onto_reference
from patrol.vision.reference.differences import Differences, differences
from patrol.vision.reference.learning import suspend
from patrol.vision.reference.memory import Model, SceneMemory, SceneState
from patrol.vision.reference.working import Float, Mask, Working, visible_mask, working

SHIFT_THRESHOLD = 0.02  # of the width: 38 px of 1920; wind and warmth stay below
LOST = 0.12  # share of corner points found again, below which it is another view
MOST_PICTURES = 2  # of a visit: the second tells what moves
LOST_TEXTURE = 0.5  # … provided that the picture has as many corners as this share
AREA_CHANGED = "visible_area"  # why a reference is suspended


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """One picture, brought onto the reference and compared."""

    picture: Working
    alignment: Alignment
    where: Mask
    found: Differences
    changed: Mask


def compare(
    memory: SceneMemory | None,
    pictures: Sequence[NDArray[np.generic]],
    at: datetime,
    *,
    areas: PictureAreas | None = None,
) -> ChangeReport:
    """Measure what differs. The first picture is described, the second tells what moves.

    A suspended camera is still watched: it is told as moved at every visit, and once it looks again
    exactly where its reference was approved, scene findings go on. A reference that was made in
    another visible area is suspended, too: a person approves the new one.
    """
    areas = areas or PictureAreas()
    if memory is None:
        return ChangeReport(state=SceneState.LEARNING, memory=None)
    model = memory.model
    small = [working(picture) for picture in pictures[:MOST_PICTURES]]
    if model is None or not memory.comparable(at) or small[0].size != memory.size:
        state = SceneState.LEARNING if memory.state is SceneState.READY else memory.state
        return ChangeReport(state=state, memory=memory)
    if not memory.holds_for(areas.visible):
        return ChangeReport(state=SceneState.SUSPENDED, memory=suspend(memory, AREA_CHANGED))
    first = look_at(small[0], model, areas, memory.light)
    shift = measure_shift(first.alignment, model, small[0])
    if shift.moved or (memory.state is SceneState.SUSPENDED and not first.alignment.sure):
        return ChangeReport(state=memory.state, memory=memory, shift=shift)
    if memory.state is SceneState.SUSPENDED:
        memory = replace(memory, state=SceneState.READY, why="")  # back where it was approved
    others = [look_at(p, model, areas, memory.light) for p in small[1:] if p.size == memory.size]
    return _report(memory, model, [first, *others], shift, at=at)


def look_at(picture: Working, model: Model, areas: PictureAreas, light: Light) -> Look:
    """Bring it onto the reference and compare, inside the visible area and outside the ignored."""
    alignment = align(model.picture, picture, model.points)
    where = visible_mask(picture.size, areas.visible, areas.ignore)
    inside = np.ones(picture.grey.shape, bool)
    if alignment.sure:
        picture, inside = onto_reference(picture, alignment)
    where = inside if where is None else where & inside
    found = differences(picture, model.picture, where, colourless=light is Light.INFRARED)
    return Look(picture, alignment, where, found, changed_mask(found, model, where))


def measure_shift(alignment: Alignment, model: Model, picture: Working) -> ShiftReading:
    """The verdict on the camera's own position."""
    width, height = picture.size
    if not alignment.sure:
        lost = len(model.points) >= 2 * MIN_POINTS and alignment.refound < LOST
        lost = lost and _textured(picture, model)
        value = 1.0 - alignment.refound if lost else 0.0
        return ShiftReading(
            value=value, threshold=SHIFT_THRESHOLD, moved=lost, matched=alignment.refound
        )
    value = alignment.displacement((width, height))
    return ShiftReading(
        value=value,
        threshold=SHIFT_THRESHOLD,
        moved=value >= SHIFT_THRESHOLD,
        matched=alignment.refound,
        dx=float(alignment.matrix[0, 2]) / width,
        dy=float(alignment.matrix[1, 2]) / height,
        rotation_deg=alignment.rotation_deg,
        zoom=alignment.zoom,
    )


def _textured(picture: Working, model: Model) -> bool:
    """Whether there is as much to see as before: fog and darkness are no other view."""
    here = float(np.abs(np.diff(picture.grey, axis=1)).mean())
    there = float(np.abs(np.diff(model.picture.grey, axis=1)).mean())
    return here >= LOST_TEXTURE * there


def _report(
    memory: SceneMemory,
    model: Model,
    looks: list[Look],
    shift: ShiftReading,
    *,
    at: datetime,
) -> ChangeReport:
    first = looks[0]
    changed = float(first.changed.sum() / max(int(first.where.sum()), 1))
    wide = frame_wide(first.picture, model.picture, first.where, changed)
    if wide is not None:
        return ChangeReport(
            state=memory.state, memory=memory, shift=shift, frame_wide=wide, changed=changed
        )
    infrared = memory.light is Light.INFRARED
    by = Evidence(
        found=first.found,
        relit=Relit(first.found, lamp_lit=infrared),
        model=model,
        motion=_motion(looks, colourless=infrared),
    )
    seen = sorted((describe(p, by) for p in places(first.changed)), key=lambda r: -r.score)
    tracks, regions = follow(memory.tracks, seen, at)
    return ChangeReport(
        state=memory.state,
        memory=replace(memory, tracks=tracks),
        shift=shift,
        regions=regions,
        changed=changed,
    )


def _motion(looks: list[Look], *, colourless: bool) -> Float | None:
    """Differences between the visit's own pictures."""
    if len(looks) < 2:  # noqa: PLR2004  it takes two
        return None
    first, second = looks[:2]
    return differences(second.picture, first.picture, first.where, colourless=colourless).strongest
