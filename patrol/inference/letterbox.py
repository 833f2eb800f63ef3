"""Letterboxing: scale and pad a picture to a model's input, and map its boxes back. Pure."""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from patrol.domain.observation import Box
from patrol.inference.manifest import InputSpec, Resize
from patrol.pixels import half_size
from streams.model import BgrImage


class Letterboxed(NamedTuple):
    """The input tensor, and where in it the picture lies."""

    tensor: NDArray[np.float32]  # 1 × 3 × height × width
    offset_px: tuple[int, int]  # of the picture's top left corner
    size_px: tuple[int, int]  # width, height of the picture within

    def box(self, corners: NDArray[np.float32]) -> Box:
        """Left, top, right, bottom in input pixels as a box in fractions of the picture."""
        (left, top), (width, height) = self.offset_px, self.size_px
        x0 = min(1.0, max(0.0, (float(corners[0]) - left) / width))
        y0 = min(1.0, max(0.0, (float(corners[1]) - top) / height))
        x1 = min(1.0, max(0.0, (float(corners[2]) - left) / width))
        y1 = min(1.0, max(0.0, (float(corners[3]) - top) / height))
        return (x0, y0, max(0.0, x1 - x0), max(0.0, y1 - y0))


def letterbox(bgr: BgrImage, spec: InputSpec) -> Letterboxed:
    """The picture scaled, padded, ordered and normalised as the model was trained."""
    target = (spec.width_px, spec.height_px)
    height, width = bgr.shape[:2]
    scale = min(target[0] / width, target[1] / height)
    inner = (
        target
        if spec.resize is Resize.STRETCH
        else (max(1, round(width * scale)), max(1, round(height * scale)))
    )
    left, top = 0, 0
    if spec.resize is Resize.LETTERBOX_CENTER:
        left, top = (target[0] - inner[0]) // 2, (target[1] - inner[1]) // 2
    canvas = np.full((target[1], target[0], 3), spec.pad, np.uint8)
    canvas[top : top + inner[1], left : left + inner[0]] = resize_down(bgr, inner)
    plane = cv2.cvtColor(canvas, cv2.COLOR_BGR2RGB) if spec.rgb else canvas
    tensor = plane.transpose(2, 0, 1).astype(np.float32)
    if any(spec.mean) or spec.scale != (1.0, 1.0, 1.0):
        tensor -= np.array(spec.mean, np.float32)[:, None, None]
        tensor *= np.array(spec.scale, np.float32)[:, None, None]
    return Letterboxed(np.ascontiguousarray(tensor[np.newaxis]), (left, top), inner)


def resize_down(bgr: BgrImage, size_px: tuple[int, int]) -> BgrImage:
    """The picture at this (width, height); large ones by exact halvings first."""
    image = bgr
    while image.shape[1] >= 2 * size_px[0] and image.shape[0] >= 2 * size_px[1]:
        image = half_size(image)
    if (image.shape[1], image.shape[0]) == size_px:
        return image
    return np.asarray(cv2.resize(image, size_px, interpolation=cv2.INTER_LINEAR), np.uint8)
