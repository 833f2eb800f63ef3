"""The frames of a loop: a still, wind in the leaves, sensor noise, picture faults, a running clock.

Frames are made in planar 4:2:0 as the encoders want it. Only luma moves: the wind shifts the
leaves by a pixel or two, the noise is a window into one large field, the clock is written last.
The burnt-in time runs through the loop's seconds and then starts again; the true time beyond the
loop is the RTCP clock.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from simulators.faults import CameraFault
from simulators.scenes.canvas import Floats, layers
from simulators.scenes.catalogue import Scene, SceneLight, StreamFormat
from simulators.scenes.encode import YuvFrame, to_yuv
from simulators.scenes.rendering import RenderedScene, render_scene

SHIFT_DEG: Final = 34.0  # a knocked camera looks elsewhere
_COVERED_SHARE: Final = 0.86
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


def turned_by(fault: CameraFault) -> float:
    """Degrees by which the fault turns the camera to the side."""
    return SHIFT_DEG if fault is CameraFault.SHIFTED else 0.0


def with_picture_fault(bgr: Floats, fault: CameraFault, seed: int) -> Floats:
    """The still with one fault; unchanged for faults of the transmission."""
    out: NDArray[Any]
    match fault:
        case CameraFault.BLACK:
            out = np.full_like(bgr, 0.012)
        case CameraFault.SOLID:
            out = np.broadcast_to(np.array([0.62, 0.28, 0.10], np.float32), bgr.shape).copy()
        case CameraFault.BLURRED:
            out = cv2.GaussianBlur(bgr, (0, 0), bgr.shape[1] / 130)
        case CameraFault.DARK:
            out = np.clip(bgr, 0, 1) ** 1.5 * 0.11
        case CameraFault.BRIGHT:
            out = 0.84 + 0.30 * bgr
        case CameraFault.COVERED:
            out = _covered(bgr, seed)
        case CameraFault.DUSTY:
            out = _dusty(bgr, seed)
        case _:
            out = bgr
    return np.asarray(np.clip(out, 0, 1), dtype=np.float32)


def _grid(bgr: Floats) -> tuple[Floats, Floats]:
    y, x = np.mgrid[0 : bgr.shape[0], 0 : bgr.shape[1]].astype(np.float32)
    return x / np.float32(bgr.shape[1]), y / np.float32(bgr.shape[1])


def _covered(bgr: Floats, seed: int) -> Floats:
    """A plastic bag over the housing: only a strip at the side is left."""
    x, y = _grid(bgr)
    edge = _COVERED_SHARE + 0.03 * layers(x, y, 0.2, seed)
    folds = 0.30 + 0.05 * layers(x + 0.4 * y, y * 0.3, 0.12, seed + 2)
    bag = np.array([0.95, 1.0, 1.02], np.float32) * cv2.GaussianBlur(folds, (0, 0), 6)[..., None]
    share = np.clip((edge - x) / 0.02, 0, 1)[..., None]
    return np.asarray(bgr + (bag - bgr) * share, dtype=np.float32)


def _dusty(bgr: Floats, seed: int) -> Floats:
    """Loess in the air: brown, flat, thicker towards the top."""
    x, y = _grid(bgr)
    thick = np.clip(0.90 - 0.22 * y / float(y.max()) + 0.03 * layers(x, y, 0.3, seed), 0, 0.96)
    dust = np.array([0.36, 0.52, 0.64], np.float32)
    soft = cv2.GaussianBlur(bgr, (0, 0), bgr.shape[1] / 900)
    return np.asarray(soft + (dust - soft) * thick[..., None], dtype=np.float32)


def render_frames(
    scene: Scene, name: str, light: SceneLight, fault: CameraFault, stream: StreamFormat
) -> Iterator[YuvFrame]:
    """The frames of one loop, exactly `stream.loop_frames` of them."""
    picture = _render_picture(scene, name, light, fault)
    yuv = to_yuv(_scaled(picture.bgr, stream))
    phases = _windy(yuv[: stream.height], picture.leaves, stream)
    moving = fault not in {CameraFault.FROZEN, CameraFault.SOLID}
    noise = _noise_field(stream, light, 0.4 if fault is CameraFault.BLACK else 1.0)
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
        if fault is not CameraFault.SOLID:
            _burn_in(luma, scene.name, light, at // stream.frames_per_s)
        yield out


@lru_cache(maxsize=2)
def _render_picture(
    scene: Scene, name: str, light: SceneLight, fault: CameraFault
) -> RenderedScene:
    variant = scene.variant(name)
    turned = turned_by(fault)
    picture = render_scene(scene, variant.name if variant else None, light, turned_deg=turned)
    return RenderedScene(with_picture_fault(picture.bgr, fault, scene.serial), picture.leaves)


def _scaled(bgr: Floats, stream: StreamFormat) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    shrinks = bgr.shape[1] > stream.width
    way = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    sized = cv2.resize(bgr, (stream.width, stream.height), interpolation=way)
    return np.clip(sized * 255, 0, 255).astype(np.uint8)


def _noise_field(
    stream: StreamFormat, light: SceneLight, share: float
) -> "np.ndarray[tuple[int, ...], np.dtype[np.int16]]":
    rng = np.random.default_rng([stream.width, 9])
    shape = (stream.height + _SLACK, stream.width + _SLACK)
    field = rng.normal(0, 1, shape).astype(np.float32)
    coarse = cv2.GaussianBlur(field, (0, 0), 0.7) * 1.9  # cheap sensors correlate neighbours
    return np.asarray(np.rint(coarse * _NOISE_SPREAD[light] * share), dtype=np.int16)


def _windy(luma: YuvFrame, leaves: Floats, stream: StreamFormat) -> list[YuvFrame]:
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
