"""References: per camera and light, what the scene looks like when nothing is wrong."""

from patrol.vision.reference.learning import (
    DEFAULT,
    LearningPolicy,
    accept_as_new_normal,
    learn,
    suspend,
    wants_sample,
)
from patrol.vision.reference.memory import (
    MemoryUnreadable,
    Model,
    SceneMemory,
    SceneState,
    Track,
)

__all__ = [
    "DEFAULT",
    "LearningPolicy",
    "MemoryUnreadable",
    "Model",
    "SceneMemory",
    "SceneState",
    "Track",
    "accept_as_new_normal",
    "learn",
    "suspend",
    "wants_sample",
]
