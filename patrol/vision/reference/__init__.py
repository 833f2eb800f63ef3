"""The reference of a camera in one light: learned from accepted samples, kept in its memory."""

from patrol.vision.reference.learning import (
    DEFAULT_LEARNING_POLICY,
    LearningPolicy,
    accept_as_reference,
    learn_sample,
    suspend_reference,
    wants_sample,
)
from patrol.vision.reference.scene_memory import (
    MemoryUnreadable,
    ReferenceModel,
    RegionTrack,
    SceneMemory,
    SceneState,
)

__all__ = [
    "DEFAULT_LEARNING_POLICY",
    "LearningPolicy",
    "MemoryUnreadable",
    "ReferenceModel",
    "RegionTrack",
    "SceneMemory",
    "SceneState",
    "accept_as_reference",
    "learn_sample",
    "suspend_reference",
    "wants_sample",
]
