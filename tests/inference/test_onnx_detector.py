"""Every common layout through a real onnxruntime session, and everything that can be wrong."""

import dataclasses
import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from patrol.inference.errors import ModelBroken, ModelMissing, ModelUnknown, RuntimeMissing
from patrol.inference.manifest import Layout, ModelSpec, Resize
from patrol.inference.onnx_detector import open_detector

pytest.importorskip("onnxruntime", reason="pip install 'patrol[objects]'")
F32 = NDArray[np.float32]
Place = Callable[..., ModelSpec]
ROOT = Path(__file__).parents[2]
LABELS = ("person", "car")
WIDE = np.zeros((32, 128, 3), np.uint8)  # letterboxed into 64 × 64: scale 0.5, 16 px high


def yolox_answer() -> F32:
    """Cell (4, 1) of stride 8 sees a car of 16 × 8 px; its neighbour sees the same one worse."""
    rows = np.zeros((64 + 16 + 4, 7), np.float32)
    for cell, score in ((8 + 4, 0.9), (8 + 5, 0.6)):
        shift = 0.0 if cell == 12 else -1.0
        rows[cell] = (0.0 + shift, 0.0, np.log(2), np.log(1), score, 0.1, 1.0)
    return rows[np.newaxis]


def yolov8_answer() -> F32:
    columns = np.zeros((6, 84), np.float32)
    columns[:, 3] = (32, 8, 16, 8, 0.05, 0.9)
    columns[:, 4] = (33, 8, 16, 8, 0.0, 0.6)
    columns[:, 5] = (10, 8, 8, 8, 0.2, 0.1)  # below the score that counts
    return columns[np.newaxis]


def end_to_end_answer() -> F32:
    rows = np.zeros((20, 6), np.float32)
    rows[2] = (24, 4, 40, 12, 0.9, 1)
    rows[3] = (0, 0, 9, 9, 0.8, 7)  # a label that the manifest does not know
    rows[4] = (np.nan, 0, 9, 9, 0.8, 0)
    return rows[np.newaxis]


def detr_answer(*, nothing: bool) -> list[F32]:
    logits = np.full((10, 3 if nothing else 2), -6, np.float32)
    if nothing:
        logits[:, 2] = 4
    logits[6, 1] = 4 if not nothing else 8
    boxes = np.full((10, 4), 0.1, np.float32)
    boxes[6] = (32 / 64, 8 / 64, 16 / 64, 8 / 64)
    return [logits[np.newaxis], boxes[np.newaxis]]


def detr_in_one() -> F32:
    rows = np.zeros((10, 6), np.float32)
    rows[6] = (32 / 64, 8 / 64, 16 / 64, 8 / 64, 0.05, 0.9)
    return rows[np.newaxis]


ANSWERS: list[tuple[Layout, list[F32]]] = [
    (Layout.YOLOX, [yolox_answer()]),
    (Layout.YOLOV8, [yolov8_answer()]),
    (Layout.YOLOV8, [np.ascontiguousarray(yolov8_answer().transpose(0, 2, 1))]),
    (Layout.END_TO_END, [end_to_end_answer()]),
    (Layout.DETR, detr_answer(nothing=False)),
    (Layout.DETR, detr_answer(nothing=True)[::-1]),
    (Layout.DETR, [detr_in_one()]),
]


@pytest.mark.parametrize(("layout", "answer"), ANSWERS)
def test_each_layout_finds_the_same_car(
    layout: Layout, answer: list[F32], place: Place, tmp_path: Path
) -> None:
    spec = place(layout, answer, labels=LABELS)
    detector = open_detector(tmp_path, "tiny", manifest={"tiny": spec})
    (car,) = detector.detect(WIDE)
    assert car.label == "car"
    assert car.score > 0.85
    # 24..40 × 4..12 of the input, of which the picture fills 64 × 16
    assert car.box == pytest.approx((24 / 64, 4 / 16, 16 / 64, 8 / 16), abs=1e-5)


@pytest.mark.parametrize(("resize", "top", "height"), [
    (Resize.LETTERBOX, 4 / 16, 8 / 16),
    (Resize.LETTERBOX_CENTER, 0.0, 0.0),
    (Resize.STRETCH, 4 / 64, 8 / 64),
])  # fmt: skip
def test_boxes_come_back_the_way_the_picture_went_in(
    resize: Resize, top: float, height: float, place: Place, tmp_path: Path
) -> None:
    spec = place(Layout.END_TO_END, [end_to_end_answer()], labels=LABELS)
    spec = dataclasses.replace(spec, input=dataclasses.replace(spec.input, resize=resize))
    found = open_detector(tmp_path, "tiny", manifest={"tiny": spec}).detect(WIDE)
    if height == 0.0:
        assert found == ()  # 24 px of grey lie above the picture; the box is in them
    else:
        assert found[0].box[1::2] == pytest.approx((top, height), abs=1e-5)


@pytest.mark.parametrize("shape", [(1, 1, 3), (0, 0, 3), (3, 999, 3), (2160, 3840, 3)])
def test_pictures_of_any_size(shape: tuple[int, ...], place: Place, tmp_path: Path) -> None:
    spec = place(Layout.YOLOV8, [yolov8_answer()], labels=LABELS)
    detector = open_detector(tmp_path, "tiny", manifest={"tiny": spec})
    for found in detector.detect(np.zeros(shape, np.uint8)):
        assert all(0 <= side <= 1 for side in found.box)


def test_many_threads_share_one_detector(place: Place, tmp_path: Path) -> None:
    spec = place(Layout.YOLOX, [yolox_answer()], labels=LABELS)
    detector = open_detector(tmp_path, "tiny", manifest={"tiny": spec})
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(detector.detect, [WIDE] * 64))
    assert len({str(one) for one in found}) == 1


def test_the_gauge_names_the_weights(place: Place, tmp_path: Path) -> None:
    spec = place(Layout.YOLOX, [yolox_answer()], labels=LABELS)
    gauge = open_detector(tmp_path, "tiny", manifest={"tiny": spec}).gauge
    assert gauge == f"tiny/{spec.sha256[:8]}"


def test_a_name_that_is_not_in_the_manifest(tmp_path: Path) -> None:
    with pytest.raises(ModelUnknown, match="yolox_nano"):
        open_detector(tmp_path, "yolo_nano")


def test_no_file_yet(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match="patrol models install"):
        open_detector(tmp_path / "nowhere")


def test_another_file_under_its_name(place: Place, tmp_path: Path) -> None:
    spec = place(Layout.YOLOX, [yolox_answer()], labels=LABELS)
    with (tmp_path / "tiny.onnx").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(ModelBroken, match="sha256"):
        open_detector(tmp_path, "tiny", manifest={"tiny": spec})


@pytest.mark.parametrize(("change", "message"), [
    pytest.param({"labels": ("person", "car", "dog")}, "3 labels", id="labels"),
    pytest.param({"layout": Layout.YOLOV8}, "layout yolov8", id="layout"),
    pytest.param({"layout": Layout.DETR}, "layout detr", id="one output instead of two"),
    pytest.param({"layout": Layout.CENTERFACE}, "not one of an object detector", id="faces"),
    pytest.param({"size": 96}, "1 × 3 × 96 × 96", id="input size"),
])  # fmt: skip
def test_a_manifest_that_does_not_fit_the_file(
    change: dict[str, Any], message: str, place: Place, tmp_path: Path
) -> None:
    spec = place(Layout.YOLOX, [yolox_answer()], labels=LABELS)
    if size := change.pop("size", None):
        change["input"] = dataclasses.replace(spec.input, width_px=size, height_px=size)
    wrong = dataclasses.replace(spec, **change)
    with pytest.raises(ModelBroken, match=message):
        open_detector(tmp_path, "tiny", manifest={"tiny": wrong})


def test_a_file_that_is_no_model(place: Place, tmp_path: Path) -> None:
    spec = place(Layout.YOLOX, [yolox_answer()], labels=LABELS)
    (tmp_path / "tiny.onnx").write_bytes(b"not a model")
    broken = dataclasses.replace(spec, sha256=hashlib.sha256(b"not a model").hexdigest())
    with pytest.raises(ModelBroken, match="cannot read"):
        open_detector(tmp_path, "tiny", manifest={"tiny": broken})


def test_without_onnxruntime(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(RuntimeMissing, match=r"patrol\[objects\]"):
        open_detector(tmp_path)


WHERE_IT_WOULD_QUEUE = """
from patrol.inference.onnx_detector import import_onnxruntime
runtime = import_onnxruntime()
runtime.InferenceSession({model!r}, providers=["CPUExecutionProvider"])
"""


@pytest.mark.parametrize("said", [{}, {"ORT_DISABLE_TELEMETRY": "0"}])
def test_onnxruntime_queues_nothing_for_its_maker(
    place: Place, tmp_path: Path, said: dict[str, str]
) -> None:
    """In a process of its own, without the variables by which it knows a test machine."""
    place(Layout.YOLOX, [yolox_answer()], labels=LABELS)
    home = tmp_path / "home"
    home.mkdir()
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": str(ROOT), **said}
    script = WHERE_IT_WOULD_QUEUE.format(model=str(tmp_path / "tiny.onnx"))
    subprocess.run([sys.executable, "-c", script], env=env, check=True)
    assert list(home.rglob("*")) == []
