"""What the eye remembers of one camera in one light: the picture gauges' history and the scene.

One blob for the store, versioned. A part that cannot be read is forgotten and learned anew; that
is said, and never stops a visit.
"""

import struct
from dataclasses import dataclass

from patrol.domain.observation import Light
from patrol.vision.quality import QualityHistory
from patrol.vision.reference import MemoryUnreadable, SceneMemory

MAGIC = b"PEYE"
VERSION = 1
_HEAD = struct.Struct("<4sHII")  # magic, version, bytes of the history, bytes of the scene


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EyeMemory:
    """Both parts; an empty one is where every camera starts."""

    history: QualityHistory
    scene: SceneMemory | None = None
    forgot: str = ""  # why a stored part was not used

    def to_bytes(self) -> bytes:
        """For the store."""
        history = self.history.to_bytes()
        scene = self.scene.to_bytes() if self.scene is not None else b""
        return _HEAD.pack(MAGIC, VERSION, len(history), len(scene)) + history + scene

    @classmethod
    def from_bytes(cls, blob: bytes | None, light: Light) -> "EyeMemory":
        """Read it back; what cannot be read is forgotten, with the reason kept."""
        empty = cls(history=QualityHistory(light=light))
        if not blob:
            return empty
        if len(blob) < _HEAD.size:
            return cls(history=empty.history, forgot="truncated memory")
        magic, version, history_size, scene_size = _HEAD.unpack_from(blob)
        if (magic, version) != (MAGIC, VERSION) or len(blob) != (
            _HEAD.size + history_size + scene_size
        ):
            return cls(history=empty.history, forgot="memory of another version")
        middle = _HEAD.size + history_size
        history = QualityHistory.from_bytes(blob[_HEAD.size : middle])
        if scene_size == 0:
            return cls(history=history)
        try:
            return cls(history=history, scene=SceneMemory.from_bytes(blob[middle:]))
        except MemoryUnreadable as exc:
            return cls(history=history, forgot=str(exc))
