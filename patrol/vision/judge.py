"""Judge one visit: from pictures to observations, for the service and for `patrol eval`.

mask → picture faults → (if something can be seen) camera position, changes, fire, objects in zones
→ observations, and the memory for the next visit. Pure: pictures, memory and the time come in.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from patrol.domain.camera import Polygon
from patrol.domain.observation import Light, Observation
from patrol.pixels import AnyPicture, PicturePyramid
from patrol.ports import Detection, Detector
from patrol.stage_cost import STAGE_COSTS, Stage
from patrol.vision.camera_memory import (
    CameraMemory,
    LearningVisit,
    history_in,
    update_memory,
)
from patrol.vision.change import ChangeReport, compare, explain_by_objects
from patrol.vision.fire import FireRegion, detect_fire
from patrol.vision.geometry import share_inside
from patrol.vision.mask import mask_visible, mask_visible_planes
from patrol.vision.objects import detect_with_tiles, is_ignored, zone_hits, zones_for_objects
from patrol.vision.observations import (
    SCENE_SHIFT,
    VisitRef,
    change_observations,
    fire_observations,
    quality_observations,
    zone_observations,
)
from patrol.vision.osd_clock import burnt_in_skew
from patrol.vision.quality import PictureFault, QualityReport, diagnose
from patrol.vision.quality.image_views import bgr_by_peak
from patrol.vision.quality.report import make_reading, with_fault
from patrol.vision.reference import SceneMemory
from patrol.vision.types import LearnMode, SceneResult, VisionThresholds, VisitInput, VisitJudgement

EXPLAINING_CLASSES = frozenset({"person", "car", "motorcycle", "bus", "truck", "bicycle", "train"})
MIN_COVERED_SHARE = 0.6  # of a suspected fire lies in a person or a vehicle: a jacket, a headlight
MIN_DETECTION_SCORE = 0.5  # of a detection; a doubtful one must not explain a fire away
COLOUR_SAMPLES = 120  # along the longer side: a grid is enough to see whether there is colour
SCATTERED_GAUGE = "scattered/1"
TAKES_NO_DETAIL = frozenset({
    PictureFault.COLOR_CAST, PictureFault.FREEZE, PictureFault.INFRARED_STUCK, PictureFault.SHAKE,
    PictureFault.SLOW_KEYFRAME, PictureFault.CLOCK_SKEW,
})  # fmt: skip
GREY_LEVELS = 12  # largest difference between channels that a grey picture's noise makes

__all__ = [
    "LearnMode",
    "SceneResult",
    "VisionThresholds",
    "VisitInput",
    "VisitJudgement",
    "judge_visit",
    "masked_pyramid",
]


def judge_visit(
    visit: VisitInput,
    *,
    detector: Detector | None = None,
    fire_model: Detector | None = None,
    policy: VisionThresholds | None = None,
) -> VisitJudgement:
    """Judge one visit; without `detector` no objects, without `policy` the default thresholds.

    Never raises for what a picture may contain.
    """
    thresholds = policy or VisionThresholds()
    masked = tuple(masked_pyramid(picture, visit.areas.visible) for picture in visit.pictures)
    with STAGE_COSTS.measure(Stage.GAUGES):
        quality, memory = _quality(visit, masked, thresholds)
    light = visit.light or quality.light
    seen = [index for index, usable in enumerate(quality.usable) if usable]
    scene = None
    if seen:
        usable = [masked[index] for index in seen]
        scene = _scene(
            visit, usable, memory.scene, light, _SceneDetectors(detector, fire_model, thresholds)
        )
        quality = _with_scattered_cover(quality, scene, thresholds)
    if scene is not None and scene.moved:
        # Another view is no covered lens, although nothing stands where it used to.
        others = tuple(fault for fault in quality.faults if fault != PictureFault.OCCLUSION)
        quality = replace(quality, faults=others)
    with STAGE_COSTS.measure(Stage.CHANGE):
        learning = LearningVisit(visit, masked, quality, scene, light)
        after = update_memory(memory, learning, thresholds)
    return VisitJudgement(
        pyramids=masked,
        quality=quality,
        light=light,
        scene=scene,
        observations=_observations(visit, quality, scene, detector),
        faults=(*quality.faults, *([SCENE_SHIFT] if scene and scene.moved else [])),
        readings=_readings(quality, scene),
        memories={light: after.to_bytes()} if after is not memory else {},
        sampled_at=after.scene.sampled_at if after.scene else None,
        learned=after.history is not memory.history,
        best=seen[0] if seen else 0,
        discarded_memory=memory.discarded_reason,
    )


def masked_pyramid(picture: AnyPicture, visible: Polygon | None) -> PicturePyramid:
    """The picture, zero outside the visible area; what is no picture has no size."""
    if isinstance(picture, PicturePyramid):
        return picture if visible is None else _masked_inside(picture, visible)
    bgr = bgr_by_peak(picture)
    if bgr is None:
        return PicturePyramid(np.empty((0, 0, 3), np.uint8))
    return PicturePyramid(mask_visible(bgr, visible))


def _masked_inside(picture: PicturePyramid, visible: Polygon) -> PicturePyramid:
    """Masked in a decoder's planes, where there are any: half the memory of BGR, and its time."""
    if picture.planes is None:
        return PicturePyramid(mask_visible(picture.bgr, visible))
    return PicturePyramid(
        planes=mask_visible_planes(picture.planes, visible),
        to_bgr=lambda: mask_visible(picture.bgr, visible),
    )


def probable_light(picture: AnyPicture) -> Light:
    """Guess DAY or INFRARED by a coarse grid of pixels: which memory to try first."""
    medium = PicturePyramid.of(picture).medium
    step = max(1, round(max(medium.shape) / COLOUR_SAMPLES))
    thin = medium[::step, ::step].astype(np.int16)
    if thin.size == 0:
        return Light.DAY
    blue, green, red = thin[..., 0], thin[..., 1], thin[..., 2]  # three planes: a tenth of an axis'
    colour = np.maximum(np.maximum(blue, green), red) - np.minimum(np.minimum(blue, green), red)
    return Light.DAY if float(np.percentile(colour, 95)) > GREY_LEVELS else Light.INFRARED


def _quality(
    visit: VisitInput, pictures: Sequence[PicturePyramid], rules: VisionThresholds
) -> tuple[QualityReport, CameraMemory]:
    """The picture faults, and the memory of the light that they were taken in."""
    guess = visit.light or (probable_light(pictures[0]) if pictures else Light.DAY)
    memory = CameraMemory.from_bytes(visit.memories.get(guess), guess)
    report = _faults(visit, pictures, memory, rules)
    if visit.light is None and report.light is not guess:
        memory = CameraMemory.from_bytes(visit.memories.get(report.light), report.light)
        report = _faults(visit, pictures, memory, rules)
    return report, memory


def _with_scattered_cover(
    quality: QualityReport, scene: SceneResult, thresholds: VisionThresholds
) -> QualityReport:
    """The report with what lies scattered on the glass, where no other fault takes the detail."""
    share, limit = scene.change.scattered, thresholds.quality.occluded_scattered
    if share is None or not TAKES_NO_DETAIL.issuperset(quality.faults):
        return quality
    reading = make_reading(
        PictureFault.OCCLUSION, share, limit, SCATTERED_GAUGE, over=share >= limit
    )
    return with_fault(quality, reading)


def _other(light: Light) -> Light:
    return Light.INFRARED if light is Light.DAY else Light.DAY


def _faults(
    visit: VisitInput,
    pictures: Sequence[PicturePyramid],
    memory: CameraMemory,
    rules: VisionThresholds,
) -> QualityReport:
    other = _other(memory.history.light)
    return diagnose(
        pictures,
        visible=visit.areas.visible,
        history=memory.history,
        other_history=history_in(visit.memories.get(other), other),
        limits=rules.quality,
        freshness=visit.freshness,
        corrupt=visit.corrupt,
        timings=visit.stream_facts,
        now_local=visit.local.time(),
        local_date=visit.local.date(),
        light=visit.light,
        burnt_in_s=burnt_in_skew(pictures, visit.areas.clock, visit.local),
    )


@dataclass(frozen=True, slots=True)
class _SceneDetectors:
    """The detectors that a visit is judged with, and the thresholds."""

    objects: Detector | None
    fire: Detector | None
    rules: VisionThresholds


def _scene(
    visit: VisitInput,
    pictures: Sequence[PicturePyramid],
    memory: SceneMemory | None,
    light: Light,
    detectors: _SceneDetectors,
) -> SceneResult:
    visible = visit.areas.visible
    ignore = visit.areas.ignore
    with STAGE_COSTS.measure(Stage.CHANGE):
        change = compare(memory, pictures, visit.at, areas=visit.areas)
    with STAGE_COSTS.measure(Stage.FIRE):
        fire = detect_fire(
            pictures,
            memory,
            light=light,
            visible=visible,
            options=detectors.rules.fire,
            model=detectors.fire,
        )
    fire = tuple(region for region in fire if not is_ignored(region.box, ignore))
    detections: tuple[Detection, ...] = ()
    if detectors.objects is not None and _needs_detector(visit, change, fire):
        local = visit.local.time()
        with STAGE_COSTS.measure(Stage.OBJECTS):
            seen = detect_with_tiles(
                detectors.objects,
                pictures[0],
                visit.areas.zones,
                local,
                whole=bool(change.new_objects or fire),
            )
        detections = tuple(one for one in seen if not is_ignored(one.box, ignore))
        change = explain_by_objects(change, detections)
    hits = zone_hits(detections, visit.areas.zones, visit.local.time(), pictures[0].size_px)
    burning = tuple(
        region for region in fire if not _explained_by_person_or_vehicle(region, detections)
    )
    return SceneResult(change=change, fire=burning, detections=detections, hits=tuple(hits))


def _needs_detector(visit: VisitInput, change: ChangeReport, fire: Sequence[FireRegion]) -> bool:
    """The detector is the most expensive gauge: run for zones, new objects and suspected fire."""
    wanted = zones_for_objects(visit.areas.zones, visit.local.time())
    return bool(wanted or change.new_objects or fire)


def _explained_by_person_or_vehicle(region: FireRegion, detections: Sequence[Detection]) -> bool:
    return any(
        seen.label in EXPLAINING_CLASSES
        and seen.score >= MIN_DETECTION_SCORE
        and share_inside(region.box, seen.box) >= MIN_COVERED_SHARE
        for seen in detections
    )


def _observations(
    visit: VisitInput, quality: QualityReport, scene: SceneResult | None, detector: Detector | None
) -> tuple[Observation, ...]:
    visit_ref = VisitRef(camera=visit.camera, round=visit.round, at=visit.at)
    seen = quality_observations(quality, visit_ref)
    if scene is None:
        return seen
    found = (
        *change_observations(scene.change, visit.areas.zones, visit.local.time(), visit_ref),
        *fire_observations(scene.fire, visit_ref),
        *(zone_observations(scene.hits, detector, visit_ref) if detector is not None else ()),
    )
    return (*seen, *(replace(o, score=min(max(o.score, 0.0), 1.0)) for o in found))


def _readings(quality: QualityReport, scene: SceneResult | None) -> Mapping[str, float]:
    numbers = dict(quality.numbers)
    if scene is None or scene.change.shift is None:
        return numbers
    shift = scene.change.shift
    return {
        **numbers,
        SCENE_SHIFT: round(shift.value, 4),
        "refound": round(shift.matched, 3),
        "changed": round(scene.change.changed, 4),
    }
