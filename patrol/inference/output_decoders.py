"""Decode the outputs of detectors of the common layouts to boxes in input pixels. Pure numpy.

Each decoder takes the session's outputs and returns RawBoxes: left, top, right, bottom in pixels of
the model's input, a score and a label number per box, from `min_score` on. `output_problem` says
why outputs cannot be of a layout; it is called once, when the model is opened.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from patrol.inference.manifest import Layout, ModelSpec

F32 = NDArray[np.float32]
Outputs = Sequence[F32]
STRIDES: Final = (8, 16, 32)
BEST: Final = 300  # boxes kept before overlaps are removed; a yard has fewer things


class RawBoxes(NamedTuple):
    """Boxes (N × 4: left, top, right, bottom), scores (N), labels (N)."""

    boxes: F32
    scores: F32
    labels: NDArray[np.intp]


def output_problem(outputs: Outputs, spec: ModelSpec) -> str | None:
    """Why these outputs do not fit the layout and the labels, or None."""
    count = len(spec.labels)
    shapes = [tuple(output.shape) for output in outputs]
    if spec.layout is Layout.DETR:
        return _detr_problem(shapes, count)
    wanted: Mapping[Layout, tuple[str, Callable[[tuple[int, ...]], bool]]] = {
        Layout.YOLOX: (
            f"1 × {len(_grid(spec.input.width_px, spec.input.height_px))} × {5 + count}",
            lambda s: s[1:] == (len(_grid(spec.input.width_px, spec.input.height_px)), 5 + count),
        ),
        Layout.YOLOV8: (f"1 × {4 + count} × boxes", lambda s: 4 + count in s[1:]),
        Layout.END_TO_END: ("1 × boxes × 6", lambda s: s[-1] == 6),  # noqa: PLR2004
    }
    if spec.layout not in wanted:
        return f"layout {spec.layout} is not one of an object detector"
    expected, fits = wanted[spec.layout]
    if len(shapes[0]) == 3 and fits(shapes[0]):  # noqa: PLR2004
        return None
    return f"answers {_shapes_text(shapes)}, layout {spec.layout} with {count} labels is {expected}"


def read_boxes(outputs: Outputs, spec: ModelSpec, min_score: float) -> RawBoxes:
    """The boxes of at least `min_score`, best first."""
    readers = {
        Layout.YOLOX: _yolox,
        Layout.YOLOV8: _yolov8,
        Layout.END_TO_END: _end_to_end,
        Layout.DETR: _detr,
    }
    raw = readers[spec.layout](outputs, spec, min_score)
    finite = np.isfinite(raw.boxes).all(axis=1) & np.isfinite(raw.scores)
    known = (raw.labels >= 0) & (raw.labels < len(spec.labels))
    kept = np.flatnonzero(finite & known)
    order = kept[np.argsort(-raw.scores[kept], kind="stable")][:BEST]
    return RawBoxes(raw.boxes[order], np.minimum(raw.scores[order], 1.0), raw.labels[order])


def without_overlaps(raw: RawBoxes, same_above: float) -> RawBoxes:
    """Greedy non-maximum suppression within each label; `raw` is best first."""
    # Shifting each label's boxes to a place of their own lets one pass serve all labels.
    span = float(raw.boxes.max(initial=0.0) - raw.boxes.min(initial=0.0)) + 1.0
    boxes = raw.boxes + (raw.labels.astype(np.float32) * np.float32(span))[:, None]
    areas = np.maximum(boxes[:, 2:] - boxes[:, :2], 0).prod(axis=1)
    alive = np.ones(len(boxes), np.bool_)
    kept: list[int] = []
    for index in range(len(boxes)):
        if not alive[index]:
            continue
        kept.append(index)
        low = np.maximum(boxes[index, :2], boxes[:, :2])
        high = np.minimum(boxes[index, 2:], boxes[:, 2:])
        common = np.maximum(high - low, 0).prod(axis=1)
        union = areas[index] + areas - common
        alive &= common <= same_above * np.maximum(union, 1e-9)
    return RawBoxes(raw.boxes[kept], raw.scores[kept], raw.labels[kept])


def corners_from_centre(centre: F32, size: F32) -> F32:
    """Left, top, right, bottom (N × 4) of boxes given by centre and size (N × 2 each)."""
    return np.concatenate([centre - size / 2, centre + size / 2], axis=1).astype(np.float32)


def _yolox(outputs: Outputs, spec: ModelSpec, min_score: float) -> RawBoxes:
    rows = outputs[0][0]
    likely = np.flatnonzero(rows[:, 4] >= min_score)  # score = objectness × class, both ≤ 1
    rows = rows[likely]
    grid = _grid(spec.input.width_px, spec.input.height_px)[likely]
    stride = grid[:, 2:]
    centre = (rows[:, :2] + grid[:, :2]) * stride
    size = np.exp(np.minimum(rows[:, 2:4], 20.0)) * stride
    return _above_score(corners_from_centre(centre, size), rows[:, 5:] * rows[:, 4:5], min_score)


def _yolov8(outputs: Outputs, spec: ModelSpec, min_score: float) -> RawBoxes:
    rows = outputs[0][0]
    if rows.shape[1] != 4 + len(spec.labels) or rows.shape[0] == 4 + len(spec.labels):
        rows = rows.T
    likely = rows[rows[:, 4:].max(axis=1) >= min_score]
    return _above_score(
        corners_from_centre(likely[:, :2], likely[:, 2:4]), likely[:, 4:], min_score
    )


def _end_to_end(outputs: Outputs, _spec: ModelSpec, min_score: float) -> RawBoxes:
    rows = outputs[0][0]
    rows = rows[rows[:, 4] >= min_score]
    return RawBoxes(rows[:, :4], rows[:, 4], np.rint(rows[:, 5]).astype(np.intp))


def _detr(outputs: Outputs, spec: ModelSpec, min_score: float) -> RawBoxes:
    """Logits with one more column than labels hold "nothing" there, and are a softmax.

    Where there is one output, its rows are a box and the labels' scores, as they are.
    """
    size_px = np.array([spec.input.width_px, spec.input.height_px], np.float32)
    if len(outputs) == 1:
        rows = outputs[0][0]
        return _above_score(
            corners_from_centre(rows[:, :2] * size_px, rows[:, 2:4] * size_px),
            rows[:, 4:],
            min_score,
        )
    boxes = next(o for o in outputs if o.shape[-1] == 4)[0]  # noqa: PLR2004
    logits = next(o for o in outputs if o.shape[-1] in _widths(len(spec.labels)))[0]
    if logits.shape[1] == len(spec.labels) + 1:
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        scores = (odds / odds.sum(axis=1, keepdims=True))[:, :-1]
    else:
        scores = 1.0 / (1.0 + np.exp(-np.clip(logits, -30, 30)))
    return _above_score(
        corners_from_centre(boxes[:, :2] * size_px, boxes[:, 2:] * size_px), scores, min_score
    )


def _detr_problem(shapes: Sequence[tuple[int, ...]], count: int) -> str | None:
    if len(shapes) == 1 and len(shapes[0]) == 3 and shapes[0][-1] == 4 + count:  # noqa: PLR2004  pictures × queries × numbers
        return None
    boxes = [s for s in shapes if s[-1:] == (4,)]
    logits = [s for s in shapes if s[-1:] and s[-1] in _widths(count)]
    if boxes and logits and boxes[0][:-1] == logits[0][:-1]:
        return None
    return (
        f"answers {_shapes_text(shapes)}, layout detr with {count} labels is"
        f" 1 × queries × {count} (or {count + 1}) and 1 × queries × 4"
    )


def _widths(count: int) -> tuple[int, int]:
    return (count, count + 1)


def _above_score(boxes: F32, scores: F32, min_score: float) -> RawBoxes:
    """The best label of each box, where it is good enough."""
    if len(boxes) == 0:
        return RawBoxes(boxes.reshape(0, 4), np.empty(0, np.float32), np.empty(0, np.intp))
    labels = scores.argmax(axis=1)
    best = np.take_along_axis(scores, labels[:, None], axis=1)[:, 0]
    good = best >= min_score
    return RawBoxes(boxes[good], best[good], labels[good])


def _shapes_text(shapes: Sequence[tuple[int, ...]]) -> str:
    return " and ".join(" × ".join(map(str, shape)) for shape in shapes)


@lru_cache(maxsize=8)
def _grid(width_px: int, height_px: int) -> F32:
    """x, y and stride of every cell of the three maps, in the order of the output."""
    maps = []
    for stride in STRIDES:
        ys, xs = np.mgrid[: height_px // stride, : width_px // stride]
        steps = np.full(xs.size, stride)
        maps.append(np.stack([xs.ravel(), ys.ravel(), steps], axis=1))
    return np.concatenate(maps).astype(np.float32)
