"""Propose places that may burn, from two or more pictures of one visit.

A flame is its own light: bright, warm, rough inside, and it dances — in the pictures of one visit
(about three seconds apart) it is in the same place with another shape. A red jacket walks on, a
lantern is found again as it was, an orange wall stands still, a lamp is in the reference. Smoke
veils what lies behind it: the pattern of the reference fades, grey and without edges, and is not
still either. Never on infrared: everything warm-looking is white there.

All pictures are compared at one small size; boxes are fractions of the picture.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from patrol.domain.observation import Light
from patrol.domain.zone import Polygon
from patrol.ports import Detector
from patrol.vision.fire.flame import flames
from patrol.vision.fire.model import DEFAULT, FireOptions, FireRegion
from patrol.vision.fire.second import ask_model, merge
from patrol.vision.fire.smoke import smoke
from patrol.vision.reference.memory import SceneMemory
from patrol.vision.reference.working import as_bgr

MOST = 8  # regions of one visit; more is a sunset


def propose(
    pictures: Sequence[NDArray[np.generic]],
    memory: SceneMemory | None,
    *,
    light: Light,
    visible: Polygon | None = None,
    options: FireOptions = DEFAULT,
    model: Detector | None = None,
) -> tuple[FireRegion, ...]:
    """Suspected flames and smoke, surest first; on infrared, nothing.

    What flickers takes two pictures; a site's own model is content with one.
    """
    if light is Light.INFRARED or not pictures:
        return ()
    reference = memory.model if memory is not None else None
    likely: list[FireRegion] = []
    if len(pictures) > 1:
        found = [
            *flames(pictures, reference, visible, options),
            *smoke(pictures, memory, visible, options),
        ]
        likely = [replace(r, score=min(r.score, 1)) for r in found if r.score >= options.min_score]
    seen = ask_model(model, as_bgr(pictures[-1]), reference) if model is not None else ()
    return merge(likely, seen)[:MOST]
