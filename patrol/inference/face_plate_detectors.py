"""The detectors of faces and number plates: where they are, so that redaction can hide them.

Both take a picture at its own size, padded to full strides; the scales are chosen by the caller
(patrol/vision/redaction.py). What the models also answer, the landmarks of a face, is
never read.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from patrol.inference.errors import ModelBroken, runtime_errors_as_model_broken
from patrol.inference.manifest import Layout, Manifest, ModelSpec, find
from patrol.inference.onnx_detector import open_session
from patrol.inference.onnx_shapes import with_free_sizes
from patrol.inference.output_decoders import (
    F32,
    Outputs,
    RawBoxes,
    corners_from_centre,
    without_overlaps,
)
from patrol.ports import Detection
from streams.model import BgrImage

FACE_STRIDE: Final = 4  # one answer for 4 × 4 pixels
PLATE_STRIDES: Final = ((8, (24, 48)), (16, (96, 192)), (32, (384, 768)))  # and its anchors' sides
CENTRE_STEP, SIZE_STEP = 0.1, 0.2  # in which the plate net counts, of an anchor's side
WHOLE: Final = 32  # px: sides are padded to this
MOST: Final = 500  # boxes kept before overlaps are removed
SAME_ABOVE: Final = 0.3
# Low on purpose: what is hidden for nothing costs a smudge, what is missed costs a face. At CCTV
# distance faces score 0.3 to 0.7 (person-indoor.mp4, vtest.avi), plates 0.5 to 0.9.
MIN_SCORE: Final = 0.28


class FacePlateDetector:
    """Detects one label (faces or plates) with one ONNX model, for vision.redaction."""

    def __init__(self, session: Any, spec: ModelSpec, *, min_score: float = MIN_SCORE) -> None:
        self._session = session
        self._input: str = session.get_inputs()[0].name
        self._read = READERS[spec.layout]
        self.spec = spec
        self.min_score = min_score

    @property
    def gauge(self) -> str:
        """Name and version of the weights, as readings carry it."""
        return self.spec.gauge

    def detect(self, bgr: BgrImage) -> Sequence[Detection]:
        """The faces, or plates, of a BGR picture of any size, best first."""
        if bgr.size == 0:
            return ()
        tensor = _tensor(bgr, self.spec)
        outputs: Outputs = self._session.run(None, {self._input: tensor})
        raw = self._read(outputs, (tensor.shape[3], tensor.shape[2]), self.min_score)
        best = np.argsort(-raw.scores, kind="stable")[:MOST]
        kept = without_overlaps(
            RawBoxes(raw.boxes[best], raw.scores[best], raw.labels[best]), SAME_ABOVE
        )
        return [
            Detection(label=self.spec.labels[0], score=min(1.0, float(score)), box=box)
            for corners, score in zip(kept.boxes, kept.scores, strict=True)
            if (box := _box_in_fractions(corners, bgr))[2] > 0 and box[3] > 0
        ]


def open_face_plate_detector(
    models_dir: Path | str, name: str, *, threads: int = 1, manifest: Manifest | None = None
) -> FacePlateDetector:
    """Open `centerface` or `plates`. Raises DetectorUnavailable with one line of advice."""
    spec = find(name, manifest)
    if spec.layout not in READERS:
        raise ModelBroken(name, f"layout {spec.layout} finds neither faces nor plates")
    session = open_session(spec, Path(models_dir), threads, prepare=with_free_sizes)
    detector = FacePlateDetector(session, spec)
    with runtime_errors_as_model_broken(name, f"does not answer as layout {spec.layout}"):
        detector.detect(np.zeros((WHOLE, 2 * WHOLE, 3), np.uint8))
    return detector


def _tensor(bgr: BgrImage, spec: ModelSpec) -> F32:
    height, width = bgr.shape[:2]
    padded = cv2.copyMakeBorder(
        bgr, 0, -height % WHOLE, 0, -width % WHOLE, cv2.BORDER_CONSTANT, value=(0, 0, 0)
    )
    ordered = cv2.cvtColor(padded, cv2.COLOR_BGR2RGB) if spec.input.rgb else padded
    tensor = ordered.transpose(2, 0, 1).astype(np.float32)
    tensor -= np.array(spec.input.mean, np.float32)[:, None, None]
    return np.ascontiguousarray(tensor[np.newaxis])


def _box_in_fractions(corners: F32, bgr: BgrImage) -> tuple[float, float, float, float]:
    """The box in fractions of the picture, cut at its edges."""
    height, width = bgr.shape[:2]
    sides = np.array([width, height, width, height], np.float32)
    left, top, right, low = (float(v) for v in np.clip(corners / sides, 0.0, 1.0))
    return left, top, right - left, low - top


def _read_faces(outputs: Outputs, _size: tuple[int, int], min_score: float) -> RawBoxes:
    """CenterFace: a map of scores, of log sizes and of offsets, (y, x) each."""
    scores, sizes, offsets = outputs[0][0, 0], outputs[1][0], outputs[2][0]
    rows, columns = np.nonzero(scores >= min_score)
    at = np.stack([columns, rows], axis=1).astype(np.float32)
    offset = offsets[::-1, rows, columns].T
    size = np.exp(np.minimum(sizes[::-1, rows, columns].T, 10.0)) * FACE_STRIDE
    centre = (at + offset + 0.5) * FACE_STRIDE
    return _boxes(centre, size, scores[rows, columns])


def _read_plates(outputs: Outputs, size: tuple[int, int], min_score: float) -> RawBoxes:
    """RetinaFace: moves and growths of anchors; scores of (nothing, plate)."""
    moves, odds = outputs[0][0], outputs[1][0]
    anchors = _anchors(*size)
    likely = np.flatnonzero(odds[:, 1] >= min_score)
    centre = anchors.centres[likely] + moves[likely, :2] * CENTRE_STEP * anchors.sides[likely]
    grown = np.exp(np.minimum(moves[likely, 2:] * SIZE_STEP, 10.0)) * anchors.sides[likely]
    return _boxes(centre, grown, odds[likely, 1])


READERS: Final[Mapping[Layout, Callable[[Outputs, tuple[int, int], float], RawBoxes]]] = {
    Layout.CENTERFACE: _read_faces,
    Layout.RETINAFACE: _read_plates,
}


def _boxes(centre: F32, size: F32, scores: F32) -> RawBoxes:
    boxes = corners_from_centre(centre, size)
    good = np.isfinite(boxes).all(axis=1) & np.isfinite(scores)
    none: NDArray[np.intp] = np.zeros(int(good.sum()), np.intp)
    return RawBoxes(boxes[good], scores[good], none)


class _Anchors(NamedTuple):
    centres: F32  # N × 2, px
    sides: F32  # N × 1, px


@lru_cache(maxsize=4)  # pictures come in a few sizes
def _anchors(width_px: int, height_px: int) -> _Anchors:
    centres, sides = [], []
    for stride, lengths in PLATE_STRIDES:
        ys, xs = np.mgrid[: height_px // stride, : width_px // stride]
        cells = (np.stack([xs.ravel(), ys.ravel()], axis=1) + 0.5) * stride
        centres.append(np.repeat(cells, len(lengths), axis=0))
        sides.append(np.tile(lengths, len(cells)))
    return _Anchors(
        np.concatenate(centres).astype(np.float32),
        np.concatenate(sides).astype(np.float32)[:, None],
    )
