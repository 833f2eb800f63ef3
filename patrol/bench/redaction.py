"""Measure redaction: CPU time per picture, and faces that a model still finds afterwards.

`python -m patrol.bench.redaction [MODELS]`: pictures of 1280 × 720 made of real frames, redacted as
the console does it, on one thread, beside one run of the object detector; and, frame by frame, the
faces that the face model finds before and after. CPU time, not wall time.
"""

import json
import statistics
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from patrol.bench.child_process import thread_cpu_ms
from patrol.domain.observation import Box
from patrol.evaluation.footage import CLIPS, DOCS
from patrol.inference.face_plate_detectors import open_face_plate_detector
from patrol.inference.onnx_detector import open_detector
from patrol.pixels import encode_jpeg
from patrol.vision.geometry import PixelRect
from patrol.vision.mask import limit_opencv_threads
from patrol.vision.redaction import (
    PERSON_SCORE,
    PrivacyDetectors,
    Watermark,
    find_private,
    pixelate_all,
    redact,
)
from streams.model import BgrImage

SIZE: Final = (1280, 720)
FRAMES: Final = 12  # of each clip, evenly
RUNS: Final = 7
JPEG_QUALITY: Final = 95
NEAR: Final[Box] = (0.4, 0.4, 0.1, 0.2)
WATERMARK: Final = Watermark(
    site="上坝镇", case="C20261122-0007", at="2026-11-22 11:58", recipient="leader"
)


def main() -> None:
    """Measure, and print one JSON document."""
    limit_opencv_threads()
    models = Path(sys.argv[1] if len(sys.argv) > 1 else "var/models")
    detectors = PrivacyDetectors(
        faces=open_face_plate_detector(models, "centerface"),
        plates=open_face_plate_detector(models, "plates"),
        persons=open_detector(models, min_score=PERSON_SCORE),
    )
    clips = [path for path in (DOCS / "vtest.avi", CLIPS / "person-indoor.mp4") if path.exists()]
    costs = _costs(next(_frames(clips[0])), detectors) if clips else {}
    found = {path.name: _count_faces(path, detectors) for path in clips}
    print(json.dumps({"cpu_ms": costs, "faces": found}, indent=2))  # noqa: T201  its answer


def _costs(picture: BgrImage, detectors: PrivacyDetectors) -> dict[str, float]:
    jpeg = encode_jpeg(picture, JPEG_QUALITY)
    return {
        "whole picture": _median_cpu_ms(lambda: redact(jpeg, None, WATERMARK, detectors)),
        "around a box": _median_cpu_ms(lambda: redact(jpeg, NEAR, WATERMARK, detectors)),
        "coarse, a model missing": _median_cpu_ms(lambda: redact(jpeg, None, WATERMARK, None)),
        "detector alone": _median_cpu_ms(lambda: detectors.persons.detect(picture)),
    }


def _median_cpu_ms(work: Callable[[], object]) -> float:
    work()
    return round(statistics.median(thread_cpu_ms(work) for _ in range(RUNS)), 1)


def _count_faces(path: Path, detectors: PrivacyDetectors) -> dict[str, Any]:
    before = hidden = after = 0
    window = PixelRect(0, 0, *SIZE)
    for picture in _frames(path):
        found = find_private(picture, window, detectors, sent_scale=1.0)
        before += len(found.faces)
        hidden += pixelate_all(picture, found)
        after += len(find_private(picture, window, detectors, sent_scale=1.0).faces)
    return {"frames": FRAMES, "faces_before": before, "hidden": hidden, "faces_after": after}


def _frames(path: Path) -> Iterator[BgrImage]:
    video = cv2.VideoCapture(str(path))
    count = int(video.get(cv2.CAP_PROP_FRAME_COUNT))
    for number in range(FRAMES):
        video.set(cv2.CAP_PROP_POS_FRAMES, number * count // FRAMES)
        there, frame = video.read()
        if there:
            yield np.asarray(cv2.resize(frame, SIZE, interpolation=cv2.INTER_LINEAR), np.uint8)


if __name__ == "__main__":
    main()
