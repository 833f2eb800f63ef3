"""Compare the pictures of one visit with the camera's reference, and follow what changed.

`compare` aligns the pictures, measures whether the camera moved, finds changed regions and tracks
them from visit to visit: what persists is no passer-by. `explain_by_objects` then removes regions
that the detector names: people and passing vehicles are no new objects, but a vehicle that stays
for visits on end is reported again, with its name. Both are called by vision/judge.py.

`most_changed_box` finds the box where a picture differs most, over the threshold or below it. For a
picture without findings that is shown to a person all the same (review/blind_sample.py): the region
that came nearest to being proposed. Costs about as much as one comparison.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import cv2
import numpy as np

from patrol.domain.camera import PictureAreas
from patrol.domain.observation import Box, Light
from patrol.ports import Detection
from patrol.vision.change.regions import (
    AT_ONCE_AREA,
    ChangedRegion,
    ChangeReport,
    Explanation,
    RegionEvidence,
    ShiftReading,
    changed_mask,
    classify_blob,
    find_blobs,
)
from patrol.vision.change.scattered_cover import scattered_cover
from patrol.vision.change.shadow import LightChange
from patrol.vision.change.shared_cause import frame_wide
from patrol.vision.geometry import iou, share_inside
from patrol.vision.reference import RegionTrack
from patrol.vision.reference.difference import Differences, compute_differences
from patrol.vision.reference.learning import suspend_reference
from patrol.vision.reference.registration import (
    MIN_POINTS,
    Alignment,
    agreeing_share,
    align,
    onto_reference,
)
from patrol.vision.reference.scene_memory import (
    ReferenceModel,
    SceneMemory,
    SceneState,
    decode_sample,
)
from patrol.vision.reference.small_picture import (
    Float,
    Mask,
    ScenePicture,
    SmallPicture,
    as_float,
    inner_visible_mask,
    small_picture,
)

SHIFT_THRESHOLD = 0.02  # of the width: 38 px of 1920; wind and warmth stay below
LOST = 0.06  # share of the picture that agrees with the reference, below which it is another view
MOST_PICTURES = 2  # of a visit: the second shows what moves
LOST_BY_ALL = 0.12  # … and with each accepted sample: of nine, one agrees in 0.064 by chance
LOST_TEXTURE = 0.5  # … provided that the picture has as many corners as this share
AREA_CHANGED = "visible_area"  # why a reference is suspended
SAME_REGION_IOU = 0.35  # intersection over union
DROP_AFTER_VISITS = 2  # visits in a row that did not show it
PROMOTE_AFTER = 2  # visits that a small region needs
LASTING = (Explanation.NOTHING, Explanation.SMALL)
PASSING_CLASSES = frozenset({
    "person", "bird", "cat", "dog", "horse", "sheep", "cow", "bear", "elephant", "zebra",
})  # fmt: skip
PARKING_CLASSES = frozenset({"bicycle", "car", "motorcycle", "bus", "train", "truck", "boat"})
MOSTLY = 0.5  # of the region lies in the object's box
MUCH = 0.3  # of the object's box is the region: a large box round everything explains nothing
MIN_OBJECT_SCORE = 0.45  # of a detection; a doubtful one must not explain a region away
STILL = 0.03  # of a region's pixels changed within the visit: nothing alive stands so still
SCATTERED_ASKS = 0.02  # share hidden, below which nobody asks what is usual
# Times the most that one of nine accepted samples lost: where losses fall off as by chance
# (exponentially), a tenth sound visit exceeds 3 times that in 9! 3! / 12! = 0.5 % of cameras.
SCATTERED_USUAL = 3.0
DETAIL_PX, PATTERN = 9, 5.0  # of the small picture; grey levels: places whose pattern can be told
PATTERNED_SHARE = 0.05  # of the picture; fewer such places prove nothing
DISAGREEING = 0.7  # middle difference of structure: five times the most around a new object
PARKED_VISITS = 3  # in a row, about a day


@dataclass(frozen=True, slots=True, eq=False)
class ComparedPicture:
    """One picture, brought onto the reference and compared."""

    picture: SmallPicture
    alignment: Alignment
    where: Mask
    found: Differences
    changed: Mask


def compare(
    memory: SceneMemory | None,
    pictures: Sequence[ScenePicture],
    at: datetime,
    *,
    areas: PictureAreas | None = None,
) -> ChangeReport:
    """Measure what differs in the first picture; the second shows what moves within the visit.

    A suspended reference is still compared, expired or not: the camera is reported as moved at
    every visit, and once its view is again exactly that of the reference, scene findings go on. A
    reference that was
    made in another visible area is suspended, too, until a person approves a new one.
    """
    areas = areas or PictureAreas()
    if memory is None:
        return ChangeReport(state=SceneState.LEARNING, memory=None)
    model = memory.model
    small = [small_picture(picture) for picture in pictures[:MOST_PICTURES]]
    if model is None or not memory.comparable(at) or small[0].size != memory.size:
        state = SceneState.LEARNING if memory.state is SceneState.READY else memory.state
        return ChangeReport(state=state, memory=memory)
    if not memory.holds_for(areas.visible):
        return ChangeReport(
            state=SceneState.SUSPENDED, memory=suspend_reference(memory, AREA_CHANGED)
        )
    first = compare_picture(small[0], model, areas, memory.light)
    shift = measure_shift(first.alignment, model, small[0], accepted=memory.samples)
    if memory.state is SceneState.SUSPENDED and not first.alignment.is_reliable:
        shift = _until_found_again(memory, shift)
    if shift.moved or (memory.state is SceneState.SUSPENDED and not first.alignment.is_reliable):
        return ChangeReport(state=memory.state, memory=memory, shift=shift)
    if memory.state is SceneState.SUSPENDED:
        memory = replace(memory, state=SceneState.READY, why="")  # back where it was approved
    others = [
        compare_picture(p, model, areas, memory.light) for p in small[1:] if p.size == memory.size
    ]
    return _change_report(memory, model, [first, *others], shift, areas=areas, at=at)


def explain_by_objects(report: ChangeReport, detections: Sequence[Detection]) -> ChangeReport:
    """The report with every region explained that a detected object covers."""
    sure = [seen for seen in detections if seen.score >= MIN_OBJECT_SCORE]
    return replace(report, regions=tuple(_explained(region, sure) for region in report.regions))


def track_regions(
    tracks: Sequence[RegionTrack], regions: Sequence[ChangedRegion], at: datetime
) -> tuple[tuple[RegionTrack, ...], tuple[ChangedRegion, ...]]:
    """The tracks brought up to date, and the regions with the number of visits that showed each."""
    left = list(tracks)
    now: list[RegionTrack] = []
    tracked: list[ChangedRegion] = []
    for region in regions:
        if region.explained_by not in LASTING:
            tracked.append(region)
            continue
        track = max(left, key=lambda t: iou(t.box, region.box), default=None)
        if track is not None and iou(track.box, region.box) >= SAME_REGION_IOU:
            left.remove(track)
            track = replace(track, box=region.box, last_seen=at, visits=track.visits + 1, missed=0)
        else:
            track = RegionTrack(box=region.box, first_seen=at, last_seen=at)
        now.append(track)
        tracked.append(_with_visit_count(region, track.visits))
    waiting = [replace(t, missed=t.missed + 1) for t in left if t.missed + 1 < DROP_AFTER_VISITS]
    return (*now, *waiting), tuple(tracked)


def compare_picture(
    picture: SmallPicture, model: ReferenceModel, areas: PictureAreas, light: Light
) -> ComparedPicture:
    """Bring it onto the reference and compare, inside the visible area and outside the ignored."""
    alignment = align(model.picture, picture, model.points)
    where = inner_visible_mask(picture.size, areas.visible, areas.ignore)
    inside = np.ones(picture.grey.shape, bool)
    if alignment.is_reliable:
        picture, inside = onto_reference(picture, alignment)
    where = inside if where is None else where & inside
    found = compute_differences(picture, model.picture, where, colourless=light is Light.INFRARED)
    return ComparedPicture(picture, alignment, where, found, changed_mask(found, model, where))


def measure_shift(
    alignment: Alignment,
    model: ReferenceModel,
    picture: SmallPicture,
    *,
    accepted: Sequence[bytes] = (),
) -> ShiftReading:
    """How far the camera itself moved, from the alignment with its reference.

    `accepted`: the samples (JPEG) that the reference was made of. Grass that grows over weeks
    leaves a median that agrees with no day; a picture that agrees with one of them is no other
    view.
    """
    width, height = picture.size
    if not alignment.is_reliable:
        lost = len(model.points) >= 2 * MIN_POINTS and _textured(picture, model)
        lost = lost and agreeing_share(model.picture, picture) < LOST
        lost = lost and all(
            agreeing_share(decode_sample(sample), picture) < LOST_BY_ALL
            for sample in reversed(accepted)
        )
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


def _explained(region: ChangedRegion, detections: Sequence[Detection]) -> ChangedRegion:
    named = [seen for seen in detections if _covers(seen, region) and _may_be(seen.label, region)]
    if not named or not region.proposed:
        return region
    best = max(named, key=lambda seen: seen.score)
    if best.label in PARKING_CLASSES and region.visits >= PARKED_VISITS:
        return replace(region, label=best.label)
    return replace(region, explained_by=Explanation.OBJECT, label=best.label)


def _covers(seen: Detection, region: ChangedRegion) -> bool:
    return (
        share_inside(region.box, seen.box) >= MOSTLY and share_inside(seen.box, region.box) >= MUCH
    )


def _may_be(label: str, region: ChangedRegion) -> bool:
    """A living thing moves a little within seconds; a vehicle need not."""
    if label in PARKING_CLASSES:
        return True
    return label in PASSING_CLASSES and (region.motion is None or region.motion >= STILL)


def _with_visit_count(region: ChangedRegion, visits: int) -> ChangedRegion:
    small = region.area < AT_ONCE_AREA and visits < PROMOTE_AFTER
    explanation = Explanation.SMALL if small else Explanation.NOTHING
    score = 1 - (1 - region.score) * 0.7 ** (visits - 1)
    return replace(region, explained_by=explanation, visits=visits, score=score)


def _until_found_again(memory: SceneMemory, shift: ShiftReading) -> ShiftReading:
    """A moved camera stays moved until its view is found again: fog or a wall is no proof of it."""
    if memory.why == AREA_CHANGED:
        return shift
    return replace(shift, moved=True, value=max(shift.value, 1.0 - shift.matched))


def _textured(picture: SmallPicture, model: ReferenceModel) -> bool:
    """Whether there is as much to see as before: fog and darkness are no other view."""
    here = float(np.abs(np.diff(picture.grey, axis=1)).mean())
    there = float(np.abs(np.diff(model.picture.grey, axis=1)).mean())
    return here >= LOST_TEXTURE * there


def _change_report(
    memory: SceneMemory,
    model: ReferenceModel,
    compared: list[ComparedPicture],
    shift: ShiftReading,
    *,
    areas: PictureAreas,
    at: datetime,
) -> ChangeReport:
    first = compared[0]
    changed = float(first.changed.sum() / max(int(first.where.sum()), 1))
    wide = frame_wide(first.picture, model.picture, first.where, changed)
    if wide is not None:
        return ChangeReport(
            state=memory.state, memory=memory, shift=shift, frame_wide=wide, changed=changed
        )
    infrared = memory.light is Light.INFRARED
    evidence = RegionEvidence(
        found=first.found,
        light_change=LightChange(first.found, is_infrared=infrared),
        model=model,
        motion=_motion_within_visit(compared, colourless=infrared),
    )
    blobs = find_blobs(first.changed)
    if blobs and not _rest_agrees(first, model):
        blobs = []
    seen = sorted((classify_blob(p, evidence) for p in blobs), key=lambda r: -r.score)
    tracks, regions = track_regions(memory.tracks, seen, at)
    return ChangeReport(
        state=memory.state,
        memory=replace(memory, tracks=tracks),
        shift=shift,
        regions=regions,
        changed=changed,
        scattered=_scattered(compared, memory, model, areas),
    )


def _rest_agrees(compared: ComparedPicture, model: ReferenceModel) -> bool:
    """Whether the scene around the changed regions is still the reference's.

    Where grass grew, or raking light draws another pattern on gravel, what did not change enough to
    be a region does not agree either, and no region means a new object. Over a new object's
    surroundings the middle of the patterned places differs by 0.05 to 0.14 at any exposure, over
    weeks of grass by 1.3 and more.
    """
    expected = compared.found.predicted.grey
    detail = expected - cv2.blur(expected, (DETAIL_PX, DETAIL_PX))
    patterned = cv2.blur(detail * detail, (DETAIL_PX, DETAIL_PX)) > PATTERN**2
    rest = patterned & compared.where & ~compared.changed & ~model.sky
    if rest.sum() < PATTERNED_SHARE * rest.size:
        return True
    return float(np.median(compared.found.structure[rest])) < DISAGREEING


def _scattered(
    compared: list[ComparedPicture],
    memory: SceneMemory,
    model: ReferenceModel,
    areas: PictureAreas,
) -> float | None:
    """What is hidden in every picture of the visit, beyond what ever was in an accepted one.

    None where one cannot tell. The accepted samples are looked at in doubt only: where traffic or
    leaves often take the detail in many places, they show it.
    """
    shares = [scattered_cover(one.picture, model.picture, one.where) for one in compared]
    known = [share for share in shares if share is not None]
    if len(known) < len(shares):
        return None
    if min(known) < SCATTERED_ASKS:
        return min(known)
    usual = 0.0
    for sample in map(decode_sample, memory.samples):
        seen = compare_picture(sample, model, areas, memory.light)
        usual = max(usual, scattered_cover(seen.picture, model.picture, seen.where) or 0.0)
    return max(0.0, min(known) - SCATTERED_USUAL * usual)


def _motion_within_visit(compared: list[ComparedPicture], *, colourless: bool) -> Float | None:
    """Differences between the visit's own pictures."""
    if len(compared) < 2:  # noqa: PLR2004  it takes two
        return None
    first, second = compared[:2]
    return compute_differences(
        second.picture, first.picture, first.where, colourless=colourless
    ).strongest


BLUR_PX: Final = 15  # one odd pixel is no region
PEAK_SHARE: Final = 0.6  # of the peak: what belongs to the region
LEAST_SIDE: Final = 0.06  # of the picture: a smaller box would be no new object's


def most_changed_box(scene: SceneMemory, picture: ScenePicture, areas: PictureAreas) -> Box | None:
    """The box, in fractions; None where the picture has another shape than the reference."""
    small = small_picture(picture)
    if scene.model is None or small.size != scene.size:
        return None
    compared = compare_picture(small, scene.model, areas, scene.light)
    return _around_peak(as_float(np.where(compared.where, compared.found.strongest, 0.0)))


def _around_peak(found: Float) -> Box:
    smooth = as_float(cv2.blur(found, (BLUR_PX, BLUR_PX)))
    height, width = smooth.shape
    _, peak, _, (x, y) = cv2.minMaxLoc(smooth)
    strong = (smooth >= PEAK_SHARE * max(peak, 1e-6)).astype(np.uint8)
    _, components = cv2.connectedComponents(strong)
    rows, columns = np.nonzero(components == components[y, x])
    left, right = float(columns.min()) / width, float(columns.max() + 1) / width
    top, bottom = float(rows.min()) / height, float(rows.max() + 1) / height
    (x0, wide), (y0, tall) = _wide_enough(left, right), _wide_enough(top, bottom)
    return x0, y0, wide, tall


def _wide_enough(start: float, end: float) -> tuple[float, float]:
    """(start, length) within 0..1."""
    length = max(end - start, LEAST_SIDE)
    middle = (start + end) / 2
    return min(max(middle - length / 2, 0.0), 1.0 - length), length
