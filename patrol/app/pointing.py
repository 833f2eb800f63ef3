"""Where a person should look first on a picture that was found normal, for the blind sample."""

from dataclasses import dataclass

import cv2
import numpy as np
import structlog

from patrol.domain.camera import Camera
from patrol.domain.observation import Box, Light
from patrol.domain.round import Visit
from patrol.ports import EvidenceStore
from patrol.store import Store
from patrol.vision.change.pointing import most_different, reference_in

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pointer:
    """Reads the stored picture and what the camera remembers; outside of any transaction."""

    store: Store
    evidence: EvidenceStore

    def __call__(self, visit: Visit, camera: Camera) -> Box | None:
        """None where there is no picture, or no reference yet."""
        if not visit.pictures or visit.light not in set(Light):
            return None
        light = Light(visit.light)
        with self.store.begin_read() as uow:
            blob = uow.memories.get(camera.id, light)
        scene = reference_in(blob, light, camera.areas)
        if scene is None:
            return None
        try:
            jpeg = self.evidence.get(visit.pictures[0].sha256)
        except KeyError:
            return None
        picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
        if picture is None:
            log.warning("a stored picture cannot be read", camera=camera.id)
            return None
        return most_different(scene, picture, camera.areas)
