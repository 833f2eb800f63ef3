"""The object detector: one onnxruntime session behind ports.Detector, opened by manifest entry.

The session is shared: onnxruntime's `run` may be called from several threads at once, and with one
thread inside each run the judging threads, as many as there are cores, fill the machine exactly.
`open_session` also serves face_plate_detectors.py. The only module that imports onnxruntime, and
it does so with onnxruntime's telemetry switched off: what this machine does is nobody's affair.

`letterbox` scales and pads a picture to a model's input and maps its boxes back. Pure.
"""

import hashlib
import importlib
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from patrol.domain.observation import Box
from patrol.inference.errors import (
    ModelBroken,
    ModelMissing,
    RuntimeMissing,
    runtime_errors_as_model_broken,
)
from patrol.inference.manifest import InputSpec, Layout, Manifest, ModelSpec, Resize, find
from patrol.inference.onnx_shapes import with_free_sizes
from patrol.inference.output_decoders import (
    STRIDES,
    output_problem,
    read_boxes,
    without_overlaps,
)
from patrol.pixels import half_size
from patrol.ports import WHOLE_PICTURE, Detection
from streams.model import BgrImage


class Letterboxed(NamedTuple):
    """The input tensor, and where in it the picture lies."""

    tensor: NDArray[np.float32]  # 1 × 3 × height × width
    offset_px: tuple[int, int]  # of the picture's top left corner; negative: it was cut off
    size_px: tuple[int, int]  # width, height of the picture within

    def box(self, corners: NDArray[np.float32]) -> Box:
        """Left, top, right, bottom in input pixels as a box in fractions of the picture."""
        (left, top), (width, height) = self.offset_px, self.size_px
        x0 = min(1.0, max(0.0, (float(corners[0]) - left) / width))
        y0 = min(1.0, max(0.0, (float(corners[1]) - top) / height))
        x1 = min(1.0, max(0.0, (float(corners[2]) - left) / width))
        y1 = min(1.0, max(0.0, (float(corners[3]) - top) / height))
        return (x0, y0, max(0.0, x1 - x0), max(0.0, y1 - y0))

    def cut(self, part: Box) -> "Letterboxed":
        """A part of the picture (fractions of it) at the same scale, out to whole strides."""
        (left, top), (width, height) = self.offset_px, self.size_px
        rows, columns = self.tensor.shape[2:]
        first_x, last_x = _strides_around(left + part[0] * width, part[2] * width, columns)
        first_y, last_y = _strides_around(top + part[1] * height, part[3] * height, rows)
        return Letterboxed(
            np.ascontiguousarray(self.tensor[:, :, first_y:last_y, first_x:last_x]),
            (left - first_x, top - first_y),
            self.size_px,
        )


def _strides_around(start_px: float, length_px: float, most_px: int) -> tuple[int, int]:
    """First and last (not included) pixel of the whole coarsest strides that hold a length."""
    stride = STRIDES[-1]
    first = min(max(0, math.floor(start_px / stride) * stride), most_px - stride)
    last = math.ceil((start_px + length_px) / stride) * stride
    return first, min(max(last, first + stride), most_px)


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
    tensor = np.empty((3, target[1], target[0]), np.float32)
    for number, plane in enumerate(cv2.split(canvas)):
        tensor[2 - number if spec.rgb else number] = plane
    if any(spec.mean) or spec.scale != (1.0, 1.0, 1.0):
        tensor -= np.array(spec.mean, np.float32)[:, None, None]
        tensor *= np.array(spec.scale, np.float32)[:, None, None]
    return Letterboxed(tensor[np.newaxis], (left, top), inner)


def without_empty_padding(spec: ModelSpec, size_px: tuple[int, int]) -> InputSpec:
    """The input for a picture of this (width, height): no more padding than whole strides need.

    A square input is two fifths padding for a wide picture, and its convolutions cost as much
    there. Only where the size is free and the picture lies top left, so that the grid of cells
    stays in its place.
    """
    given = spec.input
    if not _takes_any_shape(spec):
        return given
    width, height = size_px
    scale = min(given.width_px / width, given.height_px / height)
    return replace(
        given,
        width_px=min(given.width_px, whole_strides(width * scale)),
        height_px=min(given.height_px, whole_strides(height * scale)),
    )


def fine_input(spec: ModelSpec, size_px: tuple[int, int]) -> InputSpec:
    """The larger input for a picture of this (width, height): of its shape, FINE_PIXELS as many.

    The given one where its size is not free.
    """
    given = spec.input
    if not _takes_any_shape(spec):
        return given
    width, height = size_px
    most = FINE_PIXELS * given.width_px * given.height_px
    across = math.sqrt(most * width / height)
    while True:
        fitted = whole_strides(across), whole_strides(across * height / width)
        if fitted[0] * fitted[1] <= most or across <= STRIDES[-1]:
            return replace(given, width_px=fitted[0], height_px=fitted[1])
        across -= STRIDES[-1]


def _takes_any_shape(spec: ModelSpec) -> bool:
    given = spec.input
    return given.free and spec.layout is Layout.YOLOX and given.resize is Resize.LETTERBOX


def whole_strides(length_px: float) -> int:
    """The least multiple of the coarsest stride that holds it."""
    return STRIDES[-1] * max(1, math.ceil(round(length_px) / STRIDES[-1]))


def resize_down(bgr: BgrImage, size_px: tuple[int, int]) -> BgrImage:
    """The picture at this (width, height); large ones by exact halvings first."""
    image = bgr
    while image.shape[1] >= 2 * size_px[0] and image.shape[0] >= 2 * size_px[1]:
        image = half_size(image)
    if (image.shape[1], image.shape[0]) == size_px:
        return image
    return np.asarray(cv2.resize(image, size_px, interpolation=cv2.INTER_LINEAR), np.uint8)


MIN_SCORE: Final = 0.35  # on vtest.avi persons at CCTV height score 0.35 to 0.9, ghosts below 0.3
# On ten labelled views at CCTV height (16:9, 4:3): a quarter of the vehicles more is found than in
# 416 × 256, at 1.7 times the time of 416 × 416, where two times were allowed.
FINE_PIXELS: Final = 1.78  # times the pixels of the given input
FINE_MIN_SCORE: Final = 0.38  # at more pixels ghosts score higher: least score for 90 % precision
# In all of the real pictures in which the fine look finds persons (139) or vehicles (252) the
# ordinary one has them at this score or more; of those in which it finds none, 30 % have it too.
GLANCE_MIN_SCORE: Final = 0.05
# Of a part there is nothing else to speak for a closer look: of 760 zones drawn around what the
# fine look finds in 380 real pictures, 2 have nothing at this score and 5 at 0.05, all of them of
# two things a dozen pixels high; without a find 29 % have it, as 27 % of whole pictures the other.
PART_MIN_SCORE: Final = 0.02
TENSORS: Final = {"tensor(float16)": np.float16, "tensor(uint8)": np.uint8}
# onnxruntime reads it once, when it is loaded: with it no uploader, no event and no device id come
# into being ("Disabling Telemetry" of its privacy notice). Its API comes after the first event.
TELEMETRY_SWITCH: Final = "ORT_DISABLE_TELEMETRY"
SAME_ABOVE: Final = 0.5  # intersection over union from which two boxes of a label are one thing


class OnnxDetector:
    """Detector (ports.py) that runs one ONNX model; callable from any thread."""

    def __init__(self, session: Any, spec: ModelSpec, *, min_score: float) -> None:
        first = session.get_inputs()[0]
        self._session = session
        self._input: str = first.name
        self._input_type = TENSORS.get(first.type, np.float32)
        self.spec = spec
        self._min_score = min_score

    @property
    def gauge(self) -> str:
        """Name and version of the weights, as readings carry it."""
        return self.spec.gauge

    @property
    def min_score(self) -> float:
        """The least score of its detections, 0..1."""
        return self._min_score

    @property
    def input_px(self) -> tuple[int, int]:
        """Width and height that pictures are brought to."""
        return self.spec.input.width_px, self.spec.input.height_px

    def detect(self, bgr: BgrImage) -> Sequence[Detection]:
        """Objects in a BGR picture of any size, best first."""
        if bgr.size == 0:
            return ()
        size = without_empty_padding(self.spec, (bgr.shape[1], bgr.shape[0]))
        return self._detect(bgr, size, self.min_score)

    def glance(self, bgr: BgrImage, part: Box = WHOLE_PICTURE) -> Sequence[Detection]:
        """As `detect`, with what it is unsure of: whether `detect_finely` can find anything.

        Only `part` of the picture is looked at, and what lies around it up to whole strides.
        """
        if bgr.size == 0:
            return ()
        size = without_empty_padding(self.spec, (bgr.shape[1], bgr.shape[0]))
        fitted = letterbox(bgr, size)
        if part == WHOLE_PICTURE or not _takes_any_shape(self.spec):
            return self._found_in(fitted, size, min(self.min_score, GLANCE_MIN_SCORE))
        return self._found_in(fitted.cut(part), size, min(self.min_score, PART_MIN_SCORE))

    def fine_input_px(self, size_px: tuple[int, int]) -> tuple[int, int]:
        """Width and height of the larger input for a picture of this (width, height)."""
        size = fine_input(self.spec, size_px)
        return size.width_px, size.height_px

    def detect_finely(self, bgr: BgrImage) -> Sequence[Detection]:
        """As `detect`, at an input of the picture's shape and more pixels, where it is free."""
        if bgr.size == 0:
            return ()
        size = fine_input(self.spec, (bgr.shape[1], bgr.shape[0]))
        if size is self.spec.input:
            return self.detect(bgr)
        return self._detect(bgr, size, max(self.min_score, FINE_MIN_SCORE))

    def _detect(self, bgr: BgrImage, size: InputSpec, min_score: float) -> Sequence[Detection]:
        return self._found_in(letterbox(bgr, size), size, min_score)

    def _found_in(
        self, fitted: Letterboxed, size: InputSpec, min_score: float
    ) -> Sequence[Detection]:
        height, width = fitted.tensor.shape[2:]
        spec = self.spec
        if (width, height) != (spec.input.width_px, spec.input.height_px):
            spec = replace(spec, input=replace(size, width_px=width, height_px=height))
        raw = without_overlaps(read_boxes(self.infer(fitted.tensor), spec, min_score), SAME_ABOVE)
        found = (
            Detection(label=self.spec.labels[label], score=float(score), box=fitted.box(corners))
            for corners, score, label in zip(*raw, strict=True)
        )
        return tuple(d for d in found if d.box[2] > 0 and d.box[3] > 0)

    def infer(self, tensor: NDArray[np.float32]) -> Sequence[NDArray[np.float32]]:
        """The model's outputs, as 32-bit floats."""
        given = tensor.astype(self._input_type, copy=False)
        answer = self._session.run(None, {self._input: given})
        return [np.asarray(output, np.float32) for output in answer]

    def check_outputs(self) -> None:
        """Run one empty picture. Raises ModelBroken where the outputs are not of the layout."""
        size = self.spec.input
        blank = np.zeros((1, 3, size.height_px, size.width_px), np.float32)
        doing = f"does not take 1 × 3 × {size.height_px} × {size.width_px}"
        with runtime_errors_as_model_broken(self.spec.name, doing):
            outputs = self.infer(blank)
        problem = output_problem(outputs, self.spec)
        if problem:
            raise ModelBroken(self.spec.name, problem)


def open_detector(
    models_dir: Path | str,
    name: str = "yolox_nano",
    threads: int = 1,
    *,
    manifest: Manifest | None = None,
    min_score: float | None = None,
) -> OnnxDetector:
    """Open a model by its manifest entry and check it with one empty picture.

    Raises DetectorUnavailable: ModelUnknown, RuntimeMissing, ModelMissing, ModelBroken.
    """
    spec = find(name, manifest)
    prepare = with_free_sizes if spec.input.free else bytes
    session = open_session(spec, Path(models_dir), threads, prepare=prepare)
    least = next((s for s in (min_score, spec.min_score) if s is not None), MIN_SCORE)
    detector = OnnxDetector(session, spec, min_score=least)
    detector.check_outputs()
    return detector


def open_session(
    spec: ModelSpec,
    models_dir: Path,
    threads: int = 1,
    *,
    prepare: Callable[[bytes], bytes] = bytes,
) -> Any:
    """An onnxruntime session for a weight file whose hash is right.

    `prepare` may change the bytes after that. Raises RuntimeMissing, ModelMissing, ModelBroken.
    """
    runtime = import_onnxruntime()
    weights = _weights(spec, models_dir)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.enable_mem_pattern = False  # it keeps a block for each shape of input: 15 MB, no faster
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    with runtime_errors_as_model_broken(spec.name, "onnxruntime cannot read it"):
        return runtime.InferenceSession(
            prepare(weights), options, providers=["CPUExecutionProvider"]
        )


def _weights(spec: ModelSpec, models_dir: Path) -> bytes:
    path = spec.path(models_dir)
    try:
        weights = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise ModelMissing(spec.name, path, own=spec.own is not None) from None
    except OSError as exc:
        raise ModelBroken(spec.name, f"{path} cannot be read: {exc.strerror}") from exc
    found = hashlib.sha256(weights).hexdigest()
    if found != spec.sha256:
        raise ModelBroken(
            spec.name, f"{path} has sha256 {found[:12]}…, the manifest says {spec.sha256[:12]}…"
        )
    return weights


def import_onnxruntime() -> Any:
    """The onnxruntime module, its telemetry off whatever the environment says.

    Raises RuntimeMissing.
    """
    os.environ[TELEMETRY_SWITCH] = "1"
    try:
        runtime = importlib.import_module("onnxruntime")
    except ImportError as exc:
        raise RuntimeMissing(
            "onnxruntime is not installed; run `pip install 'patrol[objects]'`"
        ) from exc
    runtime.disable_telemetry_events()
    return runtime
