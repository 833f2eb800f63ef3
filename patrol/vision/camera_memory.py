"""The camera memory: what is remembered of one camera in one light, as one versioned blob.

Two parts: the history of the picture gauges (quality/baseline.py) and the scene memory
(reference/scene_memory.py). A part that cannot be read is discarded with a reason and learned anew;
that never stops a visit. `update_memory` learns from a judged visit (called by judge.py);
`memory_with_reference` makes a stored picture the camera's new reference (called when a person
accepts what it shows). Pure: memory, pictures and the time come in, the new memory comes out.
"""

import struct
from dataclasses import dataclass, replace
from datetime import datetime

from patrol.domain.camera import PictureAreas
from patrol.domain.observation import Light
from patrol.pixels import PicturePyramid, decode_jpeg
from patrol.vision.mask import mask_visible
from patrol.vision.quality import PictureFault, QualityHistory, QualityReport, diagnose
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

CAMERA_MEMORY_MAGIC = b"PEYE"
CAMERA_MEMORY_VERSION = 1
_HEAD = struct.Struct("<4sHII")  # magic, version, bytes of the history, bytes of the scene
MOVED = "scene_shift"  # why a reference is suspended
HARMLESS_FAULTS = frozenset(
    {PictureFault.SLOW_KEYFRAME.value, PictureFault.CLOCK_SKEW.value}
)  # the picture is good


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CameraMemory:
    """History and scene of one camera in one light; a new camera starts with an empty history."""

    history: QualityHistory
    scene: SceneMemory | None = None
    discarded_reason: str = ""  # why a stored part was not used

    def to_bytes(self) -> bytes:
        """The blob that the store keeps."""
        history = self.history.to_bytes()
        scene = self.scene.to_bytes() if self.scene is not None else b""
        return (
            _HEAD.pack(CAMERA_MEMORY_MAGIC, CAMERA_MEMORY_VERSION, len(history), len(scene))
            + history
            + scene
        )

    @classmethod
    def from_bytes(cls, blob: bytes | None, light: Light) -> "CameraMemory":
        """Read a blob; a part that cannot be read is left out and named in `discarded_reason`."""
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


def history_in(blob: bytes | None, light: Light) -> QualityHistory:
    """The history of the picture gauges alone; empty where the blob holds none for this light."""
    empty = QualityHistory(light=light)
    if not blob or len(blob) < _HEAD.size:
        return empty
    magic, version, size, _ = _HEAD.unpack_from(blob)
    if (magic, version) != (CAMERA_MEMORY_MAGIC, CAMERA_MEMORY_VERSION):
        return empty
    history = QualityHistory.from_bytes(blob[_HEAD.size : _HEAD.size + size])
    return history if history.light is light else empty


@dataclass(frozen=True, slots=True, eq=False)
class LearningVisit:
    """A judged visit that the memory may learn from."""

    visit: VisitInput
    pictures: tuple[PicturePyramid, ...]  # masked
    quality: QualityReport
    scene: SceneResult | None
    light: Light

    @property
    def is_clean(self) -> bool:
        """Whether the pictures have no fault and nothing was found in them."""
        return HARMLESS_FAULTS.issuperset(self.quality.faults) and bool(
            self.scene and self.scene.is_clear
        )


def update_memory(
    memory: CameraMemory, learning: LearningVisit, rules: VisionThresholds
) -> CameraMemory:
    """The memory after this visit; the same object when nothing changed.

    With LearnMode.YES (a person accepted the pictures) the visit is learned whatever they show.
    Otherwise it is learned only when nothing was found in it, and the scene takes only as many
    samples as it needs.
    """
    visit, scene = learning.visit, learning.scene
    accepted = visit.learn_mode is LearnMode.YES
    if scene is None or visit.learn_mode is LearnMode.NO or not (accepted or learning.is_clean):
        return _memory_without_learning(memory, scene)
    known = scene.change.memory
    if accepted or wants_sample(known, visit.at, rules.learning):
        known = _learn_scene(known, visit, scene, learning, rules)
    return CameraMemory(history=memory.history.learn(learning.quality, accepted=True), scene=known)


def memory_with_reference(
    jpeg: bytes,
    at: datetime,
    memory: bytes | None,
    *,
    light: Light,
    areas: PictureAreas,
    policy: VisionThresholds,
) -> bytes | None:
    """The camera's memory in this light with a stored picture as its reference.

    None when the picture is not usable. What the gauges learned stays, with this picture added; the
    scene starts anew from it. The picture was masked when it was stored, and is again: the visible
    area may have shrunk.
    """
    picture = decode_jpeg(jpeg)
    if picture is None:
        return None
    picture = mask_visible(picture, areas.visible)
    known = CameraMemory.from_bytes(memory, light)
    # Against the absolute limits alone: what is unusual for this camera is what is accepted.
    quality = diagnose([picture], visible=areas.visible, limits=policy.quality, light=light)
    if not quality.any_usable:
        return None
    scene = accept_as_reference(
        picture, at, visible=areas.visible, light=light, policy=policy.learning
    )
    return CameraMemory(history=known.history.learn(quality, accepted=True), scene=scene).to_bytes()


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
    """The memory with its tracks brought up to date; a moved camera's reference is suspended."""
    if scene is None or scene.change.memory is None:
        return memory
    known = scene.change.memory
    if scene.moved and known.state is SceneState.READY:
        known = suspend_reference(known, MOVED)
    return memory if known is memory.scene else replace(memory, scene=known)


def reference_in(blob: bytes | None, light: Light, areas: PictureAreas) -> SceneMemory | None:
    """The scene memory with a reference for this light and area; None while there is none.

    `blob`: the camera memory as stored.
    """
    scene = CameraMemory.from_bytes(blob, light).scene
    usable = scene is not None and scene.model is not None and scene.holds_for(areas.visible)
    return scene if usable else None
