"""What a visit leaves behind in the camera's memory."""

from dataclasses import dataclass, replace

from patrol.domain.observation import Light
from patrol.vision.memory import EyeMemory
from patrol.vision.quality import Fault, QualityReport
from patrol.vision.reference import (
    SceneMemory,
    SceneState,
    accept_as_new_normal,
    learn,
    suspend,
    wants_sample,
)
from patrol.vision.sight import EyePolicy, Scene, Sight, Teach
from streams.model import BgrImage

MOVED = "scene_shift"
HARMLESS = frozenset({Fault.SLOW_KEYFRAME.value, Fault.CLOCK_SKEW.value})  # the picture is good


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """A visit, as it may teach."""

    sight: Sight
    pictures: tuple[BgrImage, ...]  # masked
    quality: QualityReport
    scene: Scene | None
    light: Light

    @property
    def spotless(self) -> bool:
        """Nothing wrong with the pictures, nothing found in them."""
        return HARMLESS.issuperset(self.quality.faults) and bool(self.scene and self.scene.calm)


def remember(memory: EyeMemory, lesson: Lesson, rules: EyePolicy) -> EyeMemory:
    """The memory after this visit; the same object when nothing changed.

    A person's yes teaches whatever the pictures show. Otherwise a visit teaches only when nothing
    was found in it, and the scene only as often as it needs samples.
    """
    sight, scene = lesson.sight, lesson.scene
    accepted = sight.teach is Teach.YES
    if scene is None or sight.teach is Teach.NO or not (accepted or lesson.spotless):
        return _without_lesson(memory, scene)
    known = scene.change.memory
    if accepted or wants_sample(known, sight.at, rules.learning):
        known = _scene_lesson(known, sight, scene, lesson, rules)
    return EyeMemory(history=memory.history.learn(lesson.quality, accepted=True), scene=known)


def _scene_lesson(
    known: SceneMemory | None, sight: Sight, scene: Scene, lesson: Lesson, rules: EyePolicy
) -> SceneMemory:
    picture = lesson.pictures[lesson.quality.usable.index(True)]
    visible, at, policy = sight.areas.visible, sight.at, rules.learning
    suspended = known is not None and known.state is SceneState.SUSPENDED
    if sight.teach is Teach.YES and (suspended or scene.moved):
        return accept_as_new_normal(picture, at, visible=visible, light=lesson.light, policy=policy)
    return learn(known, picture, at, visible=visible, light=lesson.light, policy=policy)


def _without_lesson(memory: EyeMemory, scene: Scene | None) -> EyeMemory:
    """Nothing is learned; a moved camera's reference is suspended, tracks go on."""
    if scene is None or scene.change.memory is None:
        return memory
    known = scene.change.memory
    if scene.moved and known.state is SceneState.READY:
        known = suspend(known, MOVED)
    return memory if known is memory.scene else replace(memory, scene=known)
