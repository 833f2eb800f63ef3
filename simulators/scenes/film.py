"""A moving picture of a scene: the still, wind in the leaves, sensor noise, a running clock.

Frames are made in planar 4:2:0 as the encoders want it. Only luma moves: the wind shifts the
leaves by a pixel or two, the noise is a window into one large field, the clock is the last thing
written. The burnt-in time runs through the loop's seconds and then starts again; what is true
beyond the loop is the RTCP clock.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Final

import cv2
import numpy as np

from simulators.faults import Fault
from simulators.scenes.catalogue import Format, Scene, SceneLight
from simulators.scenes.encode import YuvFrame, to_yuv
from simulators.scenes.spoil import spoiled, turned_by
from simulators.scenes.still import Still, still
from simulators.scenes.view import Floats

_NOISE_SPREAD: Final = {
    SceneLight.MORNING: 1.1,
    SceneLight.AFTERNOON: 1.0,
    SceneLight.INFRARED: 2.2,
}
_SLACK: Final = 64  # the noise field is larger than the picture by this much
_SWAY_PX: Final = 0.0016  # of the picture's width
_SWAY_PHASES: Final = 6
_CLOCK: Final = {
    SceneLight.MORNING: (9, 12),
    SceneLight.AFTERNOON: (15, 40),
    SceneLight.INFRARED: (22, 5),
}


def film(
    scene: Scene, name: str, light: SceneLight, fault: Fault, stream: Format
) -> Iterator[YuvFrame]:
    """The frames of one loop, exactly `stream.loop_frames` of them."""
    picture = _picture(scene, name, light, fault)
    yuv = to_yuv(_scaled(picture.bgr, stream))
    phases = _windy(yuv[: stream.height], picture.leaves, stream)
    moving = fault not in {Fault.FROZEN, Fault.SOLID}
    noise = _noise_field(stream, light, 0.4 if fault is Fault.BLACK else 1.0)
    rng = np.random.default_rng([scene.serial, stream.width])
    for number in range(stream.loop_frames):
        at = number if moving else 0
        out = yuv.copy()
        luma = out[: stream.height]
        if moving:
            dx, dy = (int(v) for v in rng.integers(0, _SLACK, 2))
            grain = noise[dy : dy + stream.height, dx : dx + stream.width]
            still_luma = phases[at * _SWAY_PHASES // (2 * stream.frames_per_s) % _SWAY_PHASES]
            cv2.add(still_luma, grain, dst=luma, dtype=cv2.CV_8U)
        if fault is not Fault.SOLID:
            _burn_in(luma, scene.name, light, at // stream.frames_per_s)
        yield out


@lru_cache(maxsize=2)
def _picture(scene: Scene, name: str, light: SceneLight, fault: Fault) -> Still:
    variant = scene.variant(name)
    turned = turned_by(fault)
    picture = still(scene, variant.name if variant else None, light, turned_deg=turned)
    return Still(spoiled(picture.bgr, fault, scene.serial), picture.leaves)


def _scaled(bgr: Floats, stream: Format) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    shrinks = bgr.shape[1] > stream.width
    way = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    sized = cv2.resize(bgr, (stream.width, stream.height), interpolation=way)
    return np.clip(sized * 255, 0, 255).astype(np.uint8)


def _noise_field(
    stream: Format, light: SceneLight, share: float
) -> "np.ndarray[tuple[int, ...], np.dtype[np.int16]]":
    rng = np.random.default_rng([stream.width, 9])
    shape = (stream.height + _SLACK, stream.width + _SLACK)
    field = rng.normal(0, 1, shape).astype(np.float32)
    coarse = cv2.GaussianBlur(field, (0, 0), 0.7) * 1.9  # cheap sensors correlate neighbours
    return np.asarray(np.rint(coarse * _NOISE_SPREAD[light] * share), dtype=np.int16)


def _windy(luma: YuvFrame, leaves: Floats, stream: Format) -> list[YuvFrame]:
    """The luma with the leaves swayed, once per phase; the last equals the first."""
    height, width = stream.height, stream.width
    weight = cv2.GaussianBlur(cv2.resize(leaves, (width, height)), (0, 0), width / 400)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    phases = []
    for phase in range(_SWAY_PHASES):
        turn = 2 * np.pi * phase / _SWAY_PHASES
        push = np.float32(_SWAY_PX * width) * weight * np.sin(turn + x * (12 / width))
        swayed = cv2.remap(luma, x + push.astype(np.float32), y, cv2.INTER_LINEAR)
        phases.append(np.asarray(swayed, dtype=np.uint8))
    return phases


def _burn_in(luma: YuvFrame, name: str, light: SceneLight, second: int) -> None:
    """Name below, clock above, white with a black rim as every maker does it."""
    height, width = luma.shape
    hour, minute = _CLOCK[light]
    size = width / 1920
    margin = int(36 * size)
    texts = (
        (f"SIM {hour:02d}:{minute:02d}:{second:02d}", (margin, int(62 * size))),
        (f"SHANGBA {name.upper()}", (int(width * 0.70), height - margin)),
    )
    for text, where in texts:
        for colour, thick in ((16, 6), (235, 2)):
            cv2.putText(
                luma,
                text,
                where,
                cv2.FONT_HERSHEY_SIMPLEX,
                1.35 * size,
                colour,
                max(1, round(thick * size)),
                cv2.LINE_AA,
            )
