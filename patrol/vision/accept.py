"""A person said "so it looks from now on": a stored picture becomes the camera's normal.

Pure: the stored picture, what is remembered and the time come in, the new memory comes out. What
the picture gauges learned stays, with this picture added; the scene begins anew from it.
"""

from datetime import datetime

import cv2
import numpy as np

from patrol.domain.observation import Light
from patrol.domain.zone import PictureAreas
from patrol.vision.mask import mask_visible
from patrol.vision.memory import EyeMemory
from patrol.vision.quality import judge as judge_quality
from patrol.vision.reference import accept_as_new_normal
from patrol.vision.sight import EyePolicy
from streams.model import BgrImage


def accept(
    jpeg: bytes,
    at: datetime,
    memory: bytes | None,
    *,
    light: Light,
    areas: PictureAreas,
    policy: EyePolicy,
) -> bytes | None:
    """The camera's memory of this light from now on; None when nothing can be seen in the picture.

    The picture was masked when it was stored, and is again: the visible area may have shrunk.
    """
    picture = _decoded(jpeg)
    if picture is None:
        return None
    picture = mask_visible(picture, areas.visible)
    known = EyeMemory.from_bytes(memory, light)
    # Against the gauges' own limits alone: what is unusual for this camera is what is accepted.
    quality = judge_quality([picture], visible=areas.visible, limits=policy.quality, light=light)
    if not quality.any_usable:
        return None
    scene = accept_as_new_normal(
        picture, at, visible=areas.visible, light=light, policy=policy.learning
    )
    return EyeMemory(history=known.history.learn(quality, accepted=True), scene=scene).to_bytes()


def _decoded(jpeg: bytes) -> BgrImage | None:
    data = np.frombuffer(jpeg, np.uint8)
    bgr = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    return None if bgr is None else np.asarray(bgr, np.uint8)
