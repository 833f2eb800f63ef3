"""Each fault on real frames: named, alone, and unusable where nothing can be judged."""

import importlib.util
from datetime import time
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from patrol.domain.observation import Light
from patrol.vision.quality import QualityHistory, diagnose

Picture = NDArray[np.uint8]


def _kit() -> ModuleType:
    """The faults of conftest.py, as a table to parametrize with."""
    spec = importlib.util.spec_from_file_location(
        "faults_kit", Path(__file__).with_name("conftest.py")
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SPOILS: dict[str, Any] = _kit().SPOILS
SIZES = [(768, 576), (1920, 1080), (640, 360)]


def through_a_codec(picture: Picture) -> Picture:
    """As it arrives: nothing reaches us that was not compressed."""
    jpeg = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 80])[1]
    return np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_COLOR), np.uint8)


@pytest.mark.parametrize("name", SPOILS)
def test_a_fault_is_named_and_nothing_else_is(
    name: str, street: list[Picture], baseline: QualityHistory
) -> None:
    kind, spoil = SPOILS[name]
    for seed, frame in enumerate(street[24::5]):
        picture = through_a_codec(spoil(frame, np.random.default_rng(seed)))
        assert diagnose([picture], history=baseline).faults == (kind,), f"frame {seed}"


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["black", "dark", "defocus", "grain", "cloth", "green", "slanted"])
def test_at_any_size(name: str, size: tuple[int, int], street: list[Picture], teach: Any) -> None:
    kind, spoil = SPOILS[name]
    frames = [np.asarray(cv2.resize(f, size), np.uint8) for f in street[:30:5]]
    if name == "defocus":
        sigma = size[0] * 0.0035
        spoiled = np.asarray(cv2.GaussianBlur(frames[-1], (0, 0), sigma), np.uint8)
    else:
        spoiled = spoil(frames[-1], np.random.default_rng(1))
    assert diagnose([through_a_codec(spoiled)], history=teach(frames[:5])).faults == (kind,)


@pytest.mark.parametrize("name", ["black", "blue screen", "dark", "grain", "mosaic", "green"])
def test_without_a_memory_the_gross_ones_are_found(name: str, street: list[Picture]) -> None:
    kind, spoil = SPOILS[name]
    spoiled = spoil(street[3], np.random.default_rng(3))
    assert diagnose([spoiled]).faults == (kind,)


@pytest.mark.parametrize(("name", "usable"), [
    ("black", False), ("blue screen", False), ("bars", True), ("red", True), ("cloth", True),
])  # fmt: skip
def test_what_cannot_be_judged_is_not_usable(
    name: str, street: list[Picture], baseline: QualityHistory, *, usable: bool
) -> None:
    spoiled = SPOILS[name][1](street[30], np.random.default_rng(1))
    report = diagnose([spoiled, street[31]], history=baseline)
    assert report.usable == (usable, True)
    assert report.any_usable


def test_a_hopeless_blur_is_not_usable(street: list[Picture], baseline: QualityHistory) -> None:
    fog = np.asarray(cv2.GaussianBlur(street[30], (0, 0), 14), np.uint8)
    report = diagnose([fog], history=baseline)
    assert report.faults == ("blur",)
    assert not report.any_usable


def test_a_cover_in_one_picture_of_two_is_a_passing_car(
    street: list[Picture], baseline: QualityHistory
) -> None:
    covered = SPOILS["cloth"][1](street[30], np.random.default_rng(1))
    assert diagnose([covered, street[31]], history=baseline).faults == ()
    assert diagnose([covered, covered[:, ::-1].copy()], history=baseline).faults == ("occlusion",)


def test_broken_blocks_in_one_picture_of_two_are_a_fault(
    street: list[Picture], baseline: QualityHistory
) -> None:
    broken = SPOILS["green"][1](street[30], np.random.default_rng(1))
    assert diagnose([street[31], broken], history=baseline).faults == ("artifacts",)


def test_the_decoders_own_word_counts(street: list[Picture], baseline: QualityHistory) -> None:
    report = diagnose([street[30]], history=baseline, corrupt=True)
    assert report.faults == ("artifacts",)
    reading = report.reading("artifacts")
    assert reading is not None
    assert reading.gauge == "decoder/1"


def test_every_reading_has_a_number_a_threshold_and_a_version(
    street: list[Picture], baseline: QualityHistory
) -> None:
    report = diagnose(street[:2], history=baseline, now_local=time(9))
    kinds = [reading.kind for reading in report.readings]
    assert len(kinds) == len(set(kinds)) >= 12
    for reading in report.readings:
        assert np.isfinite([reading.value, reading.threshold, reading.score]).all()
        assert reading.gauge.rpartition("/")[2].isdigit()
        assert reading.over == (reading.score >= 0.5)
    assert report.light is Light.DAY


def test_a_cover_over_most_of_it_needs_no_memory(street: list[Picture]) -> None:
    covered = street[0].copy()
    covered[70:, :690] = 75
    rng = np.random.default_rng(1)
    noisy = np.clip(covered + rng.normal(0, 1, covered.shape), 0, 255).astype(np.uint8)
    report = diagnose([noisy])
    assert report.faults == ("occlusion",)
    assert not report.any_usable


def test_an_extreme_blur_needs_no_memory(street: list[Picture]) -> None:
    report = diagnose([np.asarray(cv2.GaussianBlur(street[0], (0, 0), 7), np.uint8)])
    assert report.faults == ("blur",)
    assert not report.any_usable


def test_grease_over_half_of_the_lens_is_a_cover(
    street: list[Picture], baseline: QualityHistory
) -> None:
    frame = street[30]
    half = np.zeros(frame.shape[:2], np.float32)
    half[:, : frame.shape[1] // 2] = 1
    film = cv2.GaussianBlur(half, (0, 0), 12)[..., None]
    dim = frame * (1 - film) + cv2.GaussianBlur(frame, (0, 0), 14) * film
    assert diagnose([dim.astype(np.uint8)], history=baseline).faults == ("occlusion",)


def test_a_strong_blur_behind_a_sharp_clock_needs_no_memory(street: list[Picture]) -> None:
    blurred = np.asarray(cv2.GaussianBlur(street[0], (0, 0), 8), np.uint8)
    for text, place in (("2026-06-01 09:00:00", (20, 40)), ("CAM 12", (620, 560))):
        cv2.putText(blurred, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.8, (255, 255, 255), 2)
    assert diagnose([blurred]).faults == ("blur",)
