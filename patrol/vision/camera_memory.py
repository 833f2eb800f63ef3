"""A person said "so it looks from now on": a stored picture becomes the camera's normal.

Pure: the stored picture, what is remembered and the time come in, the new memory comes out. What
the picture gauges learned stays, with this picture added; the scene begins anew from it.

What the eye remembers of one camera in one light: the picture gauges' history and the scene.

One blob for the store, versioned. A part that cannot be read is forgotten and learned anew; that
is said, and never stops a visit.

What a visit leaves behind in the camera's memory.
"""

import struct
from dataclasses import dataclass, replace
from datetime import datetime

import cv2
import numpy as np

from patrol.domain.camera import PictureAreas
from patrol.domain.observation import Light
from patrol.vision.mask import mask_visible
from patrol.vision.quality import PictureFault, QualityHistory, QualityReport
from patrol.vision.quality import diagnose as judge_quality
from patrol.vision.reference import (
    MemoryUnreadable,
    SceneMemory,
    SceneState,
    accept_as_reference,
    learn_sample,
    suspend_reference,
    wants_sample,
)
from patrol.vision.types import LearnMode, SceneResult, VisionThresholds, VisitInput
from streams.model import BgrImage

CAMERA_MEMORY_MAGIC = b"PEYE"
CAMERA_MEMORY_VERSION = 1
_HEAD = struct.Struct("<4sHII")  # magic, version, bytes of the history, bytes of the scene


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CameraMemory:
    """Both parts; an empty one is where every camera starts."""

    history: QualityHistory
    scene: SceneMemory | None = None
    discarded_reason: str = ""  # why a stored part was not used

    def to_bytes(self) -> bytes:
        """For the store."""
        history = self.history.to_bytes()
        scene = self.scene.to_bytes() if self.scene is not None else b""
        return (
            _HEAD.pack(CAMERA_MEMORY_MAGIC, CAMERA_MEMORY_VERSION, len(history), len(scene))
            + history
            + scene
        )

    @classmethod
    def from_bytes(cls, blob: bytes | None, light: Light) -> "CameraMemory":
        """Read it back; a part that cannot be read is left out, with the reason in the result."""
        empty = cls(history=QualityHistory(light=light))
        if not blob:
            return empty
        if len(blob) < _HEAD.size:
            return cls(history=empty.history, discarded_reason="truncated memory")
        magic, version, history_size, scene_size = _HEAD.unpack_from(blob)
        if (magic, version) != (CAMERA_MEMORY_MAGIC, CAMERA_MEMORY_VERSION) or len(blob) != (
            _HEAD.size + history_size + scene_size
        ):
            return cls(history=empty.history, discarded_reason="memory of another version")
        middle = _HEAD.size + history_size
        history, problems = QualityHistory.from_bytes(blob[_HEAD.size : middle]), []
        if history_size > len(empty.history.to_bytes()) and not history.hours:
            history = empty.history
            problems.append("picture history of another version")
        scene = None
        if scene_size:
            try:
                scene = SceneMemory.from_bytes(blob[middle:])
            except MemoryUnreadable as exc:
                problems.append(str(exc))
        return cls(history=history, scene=scene, discarded_reason="; ".join(problems))


def memory_with_reference(
    jpeg: bytes,
    at: datetime,
    memory: bytes | None,
    *,
    light: Light,
    areas: PictureAreas,
    policy: VisionThresholds,
) -> bytes | None:
    """The camera's memory of this light from now on; None when nothing can be seen in the picture.

    The picture was masked when it was stored, and is again: the visible area may have shrunk.
    """
    picture = _decode_jpeg(jpeg)
    if picture is None:
        return None
    picture = mask_visible(picture, areas.visible)
    known = CameraMemory.from_bytes(memory, light)
    # Against the gauges' own limits alone: what is unusual for this camera is what is accepted.
    quality = judge_quality([picture], visible=areas.visible, limits=policy.quality, light=light)
    if not quality.any_usable:
        return None
    scene = accept_as_reference(
        picture, at, visible=areas.visible, light=light, policy=policy.learning
    )
    return CameraMemory(history=known.history.learn(quality, accepted=True), scene=scene).to_bytes()


def _decode_jpeg(jpeg: bytes) -> BgrImage | None:
    data = np.frombuffer(jpeg, np.uint8)
    bgr = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    return None if bgr is None else np.asarray(bgr, np.uint8)


MOVED = "scene_shift"
HARMLESS_FAULTS = frozenset(
    {PictureFault.SLOW_KEYFRAME.value, PictureFault.CLOCK_SKEW.value}
)  # the picture is good


@dataclass(frozen=True, slots=True, eq=False)
class LearningVisit:
    """A visit, as it may teach."""

    visit: VisitInput
    pictures: tuple[BgrImage, ...]  # masked
    quality: QualityReport
    scene: SceneResult | None
    light: Light

    @property
    def is_clean(self) -> bool:
        """Nothing wrong with the pictures, nothing found in them."""
        return HARMLESS_FAULTS.issuperset(self.quality.faults) and bool(
            self.scene and self.scene.is_clear
        )


def update_memory(
    memory: CameraMemory, learning: LearningVisit, rules: VisionThresholds
) -> CameraMemory:
    """The memory after this visit; the same object when nothing changed.

    A person's yes teaches whatever the pictures show. Otherwise a visit teaches only when nothing
    was found in it, and the scene only as often as it needs samples.
    """
    visit, scene = learning.visit, learning.scene
    accepted = visit.learn_mode is LearnMode.YES
    if scene is None or visit.learn_mode is LearnMode.NO or not (accepted or learning.is_clean):
        return _memory_without_learning(memory, scene)
    known = scene.change.memory
    if accepted or wants_sample(known, visit.at, rules.learning):
        known = _learn_scene(known, visit, scene, learning, rules)
    return CameraMemory(history=memory.history.learn(learning.quality, accepted=True), scene=known)


def _learn_scene(
    known: SceneMemory | None,
    visit: VisitInput,
    scene: SceneResult,
    learning: LearningVisit,
    rules: VisionThresholds,
) -> SceneMemory:
    picture = learning.pictures[learning.quality.usable.index(True)]
    visible, at, policy = visit.areas.visible, visit.at, rules.learning
    suspended = known is not None and known.state is SceneState.SUSPENDED
    if visit.learn_mode is LearnMode.YES and (suspended or scene.moved):
        return accept_as_reference(
            picture, at, visible=visible, light=learning.light, policy=policy
        )
    return learn_sample(known, picture, at, visible=visible, light=learning.light, policy=policy)


def _memory_without_learning(memory: CameraMemory, scene: SceneResult | None) -> CameraMemory:
    """Nothing is learned; a moved camera's reference is suspended, tracks go on."""
    if scene is None or scene.change.memory is None:
        return memory
    known = scene.change.memory
    if scene.moved and known.state is SceneState.READY:
        known = suspend_reference(known, MOVED)
    return memory if known is memory.scene else replace(memory, scene=known)
