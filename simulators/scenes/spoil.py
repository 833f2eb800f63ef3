"""Picture faults: what dirt, darkness, storms and a knocked camera do to a still. Pure."""

from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from simulators.faults import Fault
from simulators.scenes.texture import layers
from simulators.scenes.view import Floats

SHIFT_DEG: Final = 34.0  # a knocked camera looks elsewhere
_COVERED_SHARE: Final = 0.86


def turned_by(fault: Fault) -> float:
    """Degrees by which the camera looks to the side."""
    return SHIFT_DEG if fault is Fault.SHIFTED else 0.0


def spoiled(bgr: Floats, fault: Fault, seed: int) -> Floats:
    """The still with one fault; unchanged for those that are not in the picture."""
    out: NDArray[Any]
    match fault:
        case Fault.BLACK:
            out = np.full_like(bgr, 0.012)
        case Fault.SOLID:
            out = np.broadcast_to(np.array([0.62, 0.28, 0.10], np.float32), bgr.shape).copy()
        case Fault.BLURRED:
            out = cv2.GaussianBlur(bgr, (0, 0), bgr.shape[1] / 130)
        case Fault.DARK:
            out = np.clip(bgr, 0, 1) ** 1.5 * 0.11
        case Fault.BRIGHT:
            out = 0.84 + 0.30 * bgr
        case Fault.COVERED:
            out = _covered(bgr, seed)
        case Fault.DUSTY:
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
