"""References: per camera and light, what the scene looks like when nothing is wrong."""

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
