"""The light of a scene: where the sun stands, how strong it is, the colour of the sky."""

from dataclasses import dataclass, field
from math import cos, radians, sin

import numpy as np

from simulators.scenes.canvas import Floats
from simulators.scenes.catalogue import SceneLight


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sun:
    """The light source; `direction` points to it."""

    direction: Floats
    colour: Floats
    sky: Floats  # colour of the light from above
    strength: float
    ambient: float
    shadow: float  # 0 none, 1 black
    infrared: bool = field(default=False)


def _towards(east_deg: float, up_deg: float) -> Floats:
    """The unit vector to a point east of straight ahead and above the horizon, in degrees."""
    e, u = radians(east_deg), radians(up_deg)
    return np.array([sin(e) * cos(u), cos(e) * cos(u), sin(u)], np.float32)


def _bgr(b: float, g: float, r: float) -> Floats:
    return np.array([b, g, r], np.float32)


def sun_at(light: SceneLight) -> Sun:
    """The light source of a scene light. The infrared lamp sits at the camera itself."""
    if light is SceneLight.MORNING:
        return Sun(
            direction=_towards(118, 30),
            colour=_bgr(0.80, 0.94, 1.0),
            sky=_bgr(1.0, 0.95, 0.88),
            strength=0.85,
            ambient=0.62,
            shadow=0.52,
        )
    if light is SceneLight.AFTERNOON:
        return Sun(
            direction=_towards(-125, 40),
            colour=_bgr(0.86, 0.96, 1.0),
            sky=_bgr(1.0, 0.96, 0.91),
            strength=0.9,
            ambient=0.66,
            shadow=0.5,
        )
    return Sun(
        direction=_towards(180, 24),
        colour=_bgr(1, 1, 1),
        sky=_bgr(1, 1, 1),
        strength=0.75,
        ambient=0.35,
        shadow=0.25,
        infrared=True,
    )
