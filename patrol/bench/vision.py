"""`patrol bench vision`: what each gauge costs for one 1080p picture on one thread.

The picture is drawn (seeded): a yard with walls, foliage, texture, sensor noise and burnt-in text,
so that no clip is needed and the numbers can be compared between machines. Times are CPU seconds of
this thread; a busy machine still doubles some of them by emptying the caches, so every row is also
given as a multiple of one plain `cv2.resize` of the same picture to half its size, in the same run.
Beside ours stands the floor: OpenCV alone halving the picture twice and converting it. The detector
is measured against bare onnxruntime, in the same run, where a weight file is installed.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from patrol.bench.child_process import ReportProgress, thread_cpu_ms
from patrol.inference.errors import DetectorUnavailable
from patrol.inference.onnx_detector import (
    OnnxDetector,
    letterbox,
    open_detector,
    without_empty_padding,
)
from patrol.vision.change import compare
from patrol.vision.mask import mask_visible
from patrol.vision.quality import QualityHistory, QualityThresholds, diagnose
from patrol.vision.quality.decode_artifacts import measure_artifacts
from patrol.vision.quality.diagnose import GAUGES
from patrol.vision.quality.features import measure_noise, measure_picture, measure_sharpness
from patrol.vision.quality.image_views import picture_view
from patrol.vision.quality.levels import measure_levels
from patrol.vision.quality.stream_checks import check_freeze
from patrol.vision.quality.stripes import measure_stripes
from patrol.vision.reference import SceneMemory, learn_sample
from streams.model import BgrImage

BenchRow = dict[str, str | float]
REFERENCE: Final = "reference: one resize to half the size"
TIMES: Final = 40
WIDTH, HEIGHT = 1920, 1080
PROMISE_FAULTS_MS: Final = 6.0
PROMISE_CHANGE_MS: Final = 8.0
PROMISE_DETECTOR: Final = 1.2  # times onnxruntime alone
POLYGON: Final = ((0.02, 0.05), (0.98, 0.02), (0.97, 0.97), (0.03, 0.98))


def run(
    *, report: ReportProgress = lambda _: None, models: Path = Path("var/models")
) -> Mapping[str, Any]:
    """Measure every gauge, change detection and the detector; plain data."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        return _run(report, models)
    finally:
        cv2.setNumThreads(threads)


def _run(report: ReportProgress, models: Path) -> Mapping[str, Any]:
    picture, other = drawn_yard(1), drawn_yard(2)
    report("gauges …")
    faults = _faults(picture, other)
    report("change …")
    change = _change(picture)
    report("detector …")
    detector = _detector(picture, models)
    return {
        "picture": f"{WIDTH} × {HEIGHT}, drawn",
        "times": TIMES,
        "unit": "ms of CPU on one thread: least, and median",
        "gauges": _with_ratios([*faults, *change]),
        "detector": detector,
        "promises": {
            "all picture faults": f"≤ {PROMISE_FAULTS_MS} ms",
            "change": f"≤ {PROMISE_CHANGE_MS} ms",
            "detector": f"≤ {PROMISE_DETECTOR} × onnxruntime alone",
        },
    }


def _with_ratios(rows: list[BenchRow]) -> list[BenchRow]:
    reference = next(float(row["median_ms"]) for row in rows if row["what"] == REFERENCE)
    return [
        {**row, "times_one_resize": round(float(row["median_ms"]) / reference, 1)} for row in rows
    ]


def _faults(picture: BgrImage, other: BgrImage) -> list[BenchRow]:
    seen = picture_view(picture, None)
    limits = QualityThresholds()
    features = measure_picture(seen)
    history = QualityHistory()
    for seed in range(3):
        history = history.learn(diagnose([drawn_yard(seed)]), accepted=True)
    baseline = history.baseline()
    masked = mask_visible(drawn_yard(3), POLYGON)
    rows = [
        _row(REFERENCE, lambda: cv2.resize(picture, (WIDTH // 2, HEIGHT // 2))),
        _row("floor: two halvings and a colour conversion", lambda: _floor(picture)),
        _row("cut into shared views", lambda: picture_view(picture, None)),
        _row("tone (black, solid, dark, bright, contrast, cast)", lambda: measure_levels(seen)),
        _row("detail (blur, noise, occlusion)", lambda: measure_sharpness(seen)),
        _row("blocks (mosaic, fills)", lambda: measure_artifacts(seen)),
        _row("stripes (bars, waves)", lambda: measure_stripes(seen)),
        _row("grain (blotches, colour speckle)", lambda: measure_noise(seen)),
    ]
    rows += [
        _row(f"read {gauge.__name__}", partial(gauge, features, baseline, limits))
        for gauge in GAUGES.values()
    ]
    rows += [
        _row("freeze (two pictures)", lambda: check_freeze([picture, other], "", limits)),
        _row("ALL picture faults", lambda: diagnose([picture], history=history)),
        _row(
            "... through a visible area",
            lambda: diagnose([masked], history=history, visible=POLYGON),
        ),
        _row("visible area, in place", lambda: mask_visible(other, POLYGON)),
    ]
    return rows


def _change(picture: BgrImage) -> list[BenchRow]:
    now = datetime(2026, 6, 1, 9, tzinfo=UTC)
    memory: SceneMemory | None = None
    for seed in range(8):
        memory = learn_sample(memory, drawn_yard(seed), now)
    return [_row("CHANGE against the reference", lambda: compare(memory, [picture], now))]


def _detector(picture: BgrImage, models: Path) -> Mapping[str, object]:
    try:
        detector = open_detector(models)
    except DetectorUnavailable as exc:
        return {"not measured": str(exc)}
    alone, ours = _pair(detector, picture)
    return {
        "gauge": detector.gauge,
        "onnxruntime alone, ms": round(alone, 2),
        "letterbox, run, decode, overlaps, ms": round(ours, 2),
        "ratio": round(ours / alone, 3),
    }


def _pair(detector: OnnxDetector, picture: BgrImage) -> tuple[float, float]:
    """Medians of both, measured in turns so that a busy machine disturbs both alike."""
    size = without_empty_padding(detector.spec, (picture.shape[1], picture.shape[0]))
    tensor = letterbox(picture, size).tensor
    alone, ours = [], []
    for _ in range(TIMES):
        alone.append(thread_cpu_ms(lambda: detector.infer(tensor)))
        ours.append(thread_cpu_ms(lambda: detector.detect(picture)))
    return float(np.median(alone)), float(np.median(ours))


def _floor(picture: BgrImage) -> None:
    half = cv2.resize(picture, (WIDTH // 2, HEIGHT // 2), interpolation=cv2.INTER_LINEAR)
    small = cv2.resize(half, (WIDTH // 4, HEIGHT // 4), interpolation=cv2.INTER_LINEAR)
    cv2.cvtColor(small, cv2.COLOR_BGR2YCrCb)


def _row(name: str, work: Callable[[], object]) -> BenchRow:
    work()
    taken = [thread_cpu_ms(work) for _ in range(TIMES)]
    return {
        "what": name,
        "least_ms": round(min(taken), 3),
        "median_ms": round(float(np.median(taken)), 3),
    }


def drawn_yard(seed: int) -> BgrImage:
    """A yard under a sky: the layout is always the same, noise and light are the seed's."""
    layout, rng = np.random.default_rng(7), np.random.default_rng(seed)
    picture = np.empty((HEIGHT, WIDTH, 3), np.float32)
    picture[:] = (95, 120, 135)
    picture[: HEIGHT // 4] = (225, 205, 190)
    for _ in range(60):
        x, y = int(layout.integers(WIDTH)), int(layout.integers(HEIGHT // 4, HEIGHT))
        w, h = int(layout.integers(40, 400)), int(layout.integers(30, 250))
        cv2.rectangle(picture, (x, y), (x + w, y + h), layout.uniform(20, 230, 3).tolist(), -1)
    texture = cv2.GaussianBlur(
        layout.normal(0, 60, (HEIGHT, WIDTH)).astype(np.float32), (0, 0), 1.2
    )
    picture += texture[..., np.newaxis]
    picture *= float(rng.uniform(0.9, 1.1))
    picture += rng.normal(0, 2, (HEIGHT, WIDTH, 1))
    yard = np.clip(picture, 0, 255).astype(np.uint8)
    for text, origin in (("2026-06-01 09:00:00", (40, 70)), ("CAM 01", (1650, 1040))):
        cv2.putText(yard, text, origin, cv2.FONT_HERSHEY_SIMPLEX, 1.6, (255, 255, 255), 3)
    return yard
