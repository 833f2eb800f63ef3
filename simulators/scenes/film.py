"""A moving picture of a scene: stills, sensor noise, swaying trees, a running clock."""

from collections.abc import Iterator

import cv2
import numpy as np

from simulators.faults import Fault
from simulators.scenes.catalogue import Format, Scene, SceneLight
from simulators.scenes.encode import YuvFrame, to_yuv


def film(
    scene: Scene, name: str, light: SceneLight, fault: Fault, stream: Format
) -> Iterator[YuvFrame]:
    """The frames of one loop."""
    rng = np.random.default_rng([scene.serial, len(name)])
    coarse = rng.normal(120, 40, (9, 16, 3)).astype(np.float32)
    still = np.clip(cv2.resize(coarse, (stream.width, stream.height)), 0, 255).astype(np.uint8)
    cv2.putText(still, f"{name} {light} {fault}", (20, 60), 0, 1.0, (255, 255, 255), 2)
    yuv = to_yuv(still)
    for _ in range(stream.loop_frames):
        noise = rng.normal(0, 2, (stream.height // 4, stream.width // 4)).astype(np.int16)
        out = yuv.copy()
        big = cv2.resize(noise, (stream.width, stream.height))
        out[: stream.height] = cv2.add(out[: stream.height], big, dtype=cv2.CV_8U)
        yield out
