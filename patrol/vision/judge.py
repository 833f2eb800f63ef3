"""Judge one visit: from pictures to observations, for the service and for `patrol eval`.

mask → picture faults → (if something can be seen) camera position, changes, fire, objects in zones
→ observations, and the memory for the next visit. Pure: pictures, memory and the time come in.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from patrol.domain.observation import Light, Observation
from patrol.ports import Detection, Detector
from patrol.vision.change import ChangeReport, compare, explain
from patrol.vision.change.regions import overlap
from patrol.vision.clock_text import burnt_in_skew
from patrol.vision.fire import FireRegion, propose
from patrol.vision.mask import mask_visible
from patrol.vision.memory import EyeMemory
from patrol.vision.objects import detect_closely, in_zones, is_ignored, zones_for_objects
from patrol.vision.observe import Occasion, of_hits, of_quality
from patrol.vision.observe_scene import SCENE_SHIFT, of_change, of_fire
from patrol.vision.quality import Fault, QualityReport
from patrol.vision.quality import judge as judge_quality
from patrol.vision.reference import SceneMemory
from patrol.vision.sight import EyePolicy, Judgement, Scene, Sight, Teach
from patrol.vision.teaching import Lesson, remember
from streams.model import BgrImage

PASSENGERS = frozenset({"person", "car", "motorcycle", "bus", "truck", "bicycle", "train"})
INSIDE = 0.6  # of a warm place lies in a person or a vehicle: a jacket, a lamp, no fire
SURE = 0.5  # of a detection; a doubtful one must not explain a fire away
COLOUR_STEP = 8  # px; a grid is enough to see whether there is colour
GREY_LEVELS = 12  # largest difference between channels that a grey picture's noise makes

__all__ = ["EyePolicy", "Judgement", "Scene", "Sight", "Teach", "judge_visit"]


def judge_visit(
    sight: Sight,
    *,
    detector: Detector | None = None,
    fire_model: Detector | None = None,
    policy: EyePolicy | None = None,
) -> Judgement:
    """The verdict on one visit. Never raises for what a picture may contain."""
    rules = policy or EyePolicy()
    masked = tuple(mask_visible(picture, sight.areas.visible) for picture in sight.pictures)
    quality, memory = _quality(sight, masked, rules)
    light = sight.light or quality.light
    seen = [index for index, usable in enumerate(quality.usable) if usable]
    scene = None
    if seen:
        usable = [masked[index] for index in seen]
        scene = _scene(sight, usable, memory.scene, light, _Eyes(detector, fire_model, rules))
    if scene is not None and scene.moved:
        # Another view is no covered lens, although nothing stands where it used to.
        others = tuple(fault for fault in quality.faults if fault != Fault.OCCLUSION)
        quality = replace(quality, faults=others)
    after = remember(memory, Lesson(sight, masked, quality, scene, light), rules)
    return Judgement(
        pictures=masked,
        quality=quality,
        light=light,
        scene=scene,
        observations=_observations(sight, quality, scene, detector),
        faults=(*quality.faults, *([SCENE_SHIFT] if scene and scene.moved else [])),
        readings=_readings(quality, scene),
        memories={light: after.to_bytes()} if after is not memory else {},
        taught=after.history is not memory.history,
        best=seen[0] if seen else 0,
    )


def probable_light(picture: NDArray[np.generic]) -> Light:
    """Colour or none, at a glance: which memory to try first."""
    if picture.ndim != 3 or picture.shape[2] < 3:  # noqa: PLR2004  a grey picture
        return Light.INFRARED
    thin = picture[::COLOUR_STEP, ::COLOUR_STEP, :3].astype(np.int16)
    if thin.size == 0:
        return Light.DAY
    colour = thin.max(axis=2) - thin.min(axis=2)
    return Light.DAY if float(np.percentile(colour, 95)) > GREY_LEVELS else Light.INFRARED


def _quality(
    sight: Sight, pictures: Sequence[BgrImage], rules: EyePolicy
) -> tuple[QualityReport, EyeMemory]:
    """The picture faults, and the memory of the light that they were taken in."""
    guess = sight.light or (probable_light(pictures[0]) if pictures else Light.DAY)
    memory = EyeMemory.from_bytes(sight.memories.get(guess), guess)
    report = _faults(sight, pictures, memory, rules)
    if sight.light is None and report.light is not guess:
        memory = EyeMemory.from_bytes(sight.memories.get(report.light), report.light)
        report = _faults(sight, pictures, memory, rules)
    return report, memory


def _faults(
    sight: Sight, pictures: Sequence[BgrImage], memory: EyeMemory, rules: EyePolicy
) -> QualityReport:
    return judge_quality(
        pictures,
        visible=sight.areas.visible,
        history=memory.history,
        limits=rules.quality,
        freshness=sight.freshness,
        corrupt=sight.corrupt,
        facts=sight.facts,
        now_local=sight.local.time(),
        light=sight.light,
        burnt_in_s=burnt_in_skew(pictures, sight.areas.clock, sight.local),
    )


@dataclass(frozen=True, slots=True)
class _Eyes:
    """Who looks, and by which rules."""

    objects: Detector | None
    fire: Detector | None
    rules: EyePolicy


def _scene(
    sight: Sight,
    pictures: Sequence[BgrImage],
    memory: SceneMemory | None,
    light: Light,
    eyes: _Eyes,
) -> Scene:
    visible = sight.areas.visible
    ignore = sight.areas.ignore
    change = compare(memory, pictures, sight.at, areas=sight.areas)
    fire = propose(
        pictures, memory, light=light, visible=visible, options=eyes.rules.fire, model=eyes.fire
    )
    fire = tuple(region for region in fire if not is_ignored(region.box, ignore))
    detections: tuple[Detection, ...] = ()
    if eyes.objects is not None and _worth_detecting(sight, change, fire):
        local = sight.local.time()
        seen = detect_closely(eyes.objects, pictures[0], sight.areas.zones, local)
        detections = tuple(one for one in seen if not is_ignored(one.box, ignore))
        change = explain(change, detections)
    height, width = pictures[0].shape[:2]
    hits = in_zones(detections, sight.areas.zones, sight.local.time(), (width, height))
    burning = tuple(region for region in fire if not _carried(region, detections))
    return Scene(change=change, fire=burning, detections=detections, hits=tuple(hits))


def _worth_detecting(sight: Sight, change: ChangeReport, fire: Sequence[FireRegion]) -> bool:
    """The detector is the dearest gauge: run where a zone asks, or something wants explaining."""
    wanted = zones_for_objects(sight.areas.zones, sight.local.time())
    return bool(wanted or change.newcomers or fire)


def _carried(region: FireRegion, detections: Sequence[Detection]) -> bool:
    return any(
        seen.label in PASSENGERS and seen.score >= SURE and overlap(region.box, seen.box) >= INSIDE
        for seen in detections
    )


def _observations(
    sight: Sight, quality: QualityReport, scene: Scene | None, detector: Detector | None
) -> tuple[Observation, ...]:
    occasion = Occasion(camera=sight.camera, round=sight.round, at=sight.at)
    seen = of_quality(quality, occasion)
    if scene is None:
        return seen
    found = (
        *of_change(scene.change, sight.areas.zones, sight.local.time(), occasion),
        *of_fire(scene.fire, occasion),
        *(of_hits(scene.hits, detector, occasion) if detector is not None else ()),
    )
    return (*seen, *(replace(o, score=min(max(o.score, 0.0), 1.0)) for o in found))


def _readings(quality: QualityReport, scene: Scene | None) -> Mapping[str, float]:
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
