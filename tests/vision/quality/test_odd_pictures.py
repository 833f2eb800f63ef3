"""Whatever comes in, a verdict comes out."""

import warnings

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from patrol.vision.quality import QualityHistory, diagnose

Picture = NDArray[np.uint8]


@pytest.mark.parametrize("shape", [
    (1, 1, 3), (1, 1), (31, 4000, 3), (2, 3, 1), (0, 0, 3), (0,), (5,), (3, 3, 3, 3),
])  # fmt: skip
def test_what_is_no_picture_is_not_usable(shape: tuple[int, ...]) -> None:
    report = diagnose([np.zeros(shape, np.uint8)])
    assert report.usable == (False,)
    assert report.faults == ("solid_color",)
    assert QualityHistory().learn(report, accepted=True).rows.shape[0] == 0


@pytest.mark.parametrize("shape", [
    (32, 32, 3), (33, 47, 3), (99, 101), (288, 352, 3), (577, 769, 3), (1081, 1919, 3),
    (64, 64, 4), (3840, 2160, 3),
])  # fmt: skip
def test_any_size_is_measured(shape: tuple[int, ...], baseline: QualityHistory) -> None:
    picture = np.random.default_rng(1).integers(0, 255, shape).astype(np.uint8)
    for history in (None, baseline):
        report = diagnose([picture], history=history)
        assert report.reading("noise") is not None
        assert "noise" in report.faults


@pytest.mark.parametrize("depth", [10, 12, 16])
def test_deep_pictures_are_brought_to_eight_bits(depth: int, street: list[Picture]) -> None:
    deep = street[0].astype(np.uint16) << (depth - 8)
    assert diagnose([deep]).faults == ()  # type: ignore[list-item]  # what a strange decoder gives


def test_fractions_and_nan_are_brought_to_eight_bits(street: list[Picture]) -> None:
    fractions = street[0].astype(np.float32) / 255
    fractions[:5] = np.nan
    assert diagnose([fractions]).faults == ()  # type: ignore[list-item]


def test_8k(street: list[Picture]) -> None:
    large = np.repeat(np.repeat(street[0], 8, axis=0), 10, axis=1)
    assert large.shape == (4608, 7680, 3)
    assert diagnose([large]).any_usable


def test_a_turned_picture(street: list[Picture]) -> None:
    assert diagnose([np.rot90(street[0])]).faults == ()


def test_pictures_of_two_sizes_in_one_visit(street: list[Picture]) -> None:
    report = diagnose([street[0], street[1][::2, ::2]])
    assert report.reading("freeze") is None
    assert len(report.usable) == 2


def test_no_picture_at_all() -> None:
    report = diagnose([])
    assert (report.faults, report.usable, report.any_usable) == ((), (), False)


def test_only_the_visible_area_is_judged(street: list[Picture]) -> None:
    half = ((0.0, 0.0), (1.0, 0.0), (1.0, 0.45), (0.0, 0.45))
    masked = street[0].copy()
    masked[int(len(masked) * 0.45) :] = 0
    assert diagnose([masked], visible=half).faults == ()


def test_stripes_are_judged_inside_the_visible_area(street: list[Picture]) -> None:
    height, width = street[0].shape[:2]
    area = ((0.05, 0.1), (0.95, 0.05), (0.97, 0.9), (0.1, 0.95))
    corners = np.array([(x * width, y * height) for x, y in area], np.int32)
    inside = cv2.fillPoly(np.zeros((height, width), np.uint8), [corners], 1)[..., None]
    bars = 50 * np.sin(np.arange(height) / 3)[:, None, None]
    striped = np.clip(street[0] + bars, 0, 255).astype(np.uint8)
    assert diagnose([striped * inside], visible=area).faults == ("stripes",)
    assert diagnose([street[0] * inside], visible=area).faults == ()


@pytest.mark.parametrize("polygon", [
    ((0.5, 0.5), (0.5, 0.5), (0.5, 0.5)), ((0.0, 0.0), (0.01, 0.0), (0.0, 0.01)),
])  # fmt: skip
def test_an_area_too_small_to_see_anything_is_not_usable(
    polygon: tuple[tuple[float, float], ...], street: list[Picture]
) -> None:
    assert not diagnose([street[0]], visible=polygon).any_usable


def test_a_memory_of_another_size_still_serves(
    street: list[Picture], baseline: QualityHistory
) -> None:
    assert diagnose([street[20][:, : street[20].shape[1] // 2]], history=baseline).any_usable


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1, 200), st.integers(1, 200), st.integers(0, 2**32 - 1), st.sampled_from([0, 1, 40])
)
def test_nothing_raises_or_warns(height: int, width: int, seed: int, smooth: int) -> None:
    rng = np.random.default_rng(seed)
    picture = (rng.normal(128, 60, (height, width, 3))).clip(0, 255).astype(np.uint8)
    if smooth:
        picture[:, ::smooth] = int(rng.integers(255))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        diagnose([picture, picture[::-1].copy()])


def slide(
    ground: tuple[int, int, int], *, words: str, lines: bool, size: tuple[int, int]
) -> Picture:
    """Words and an emblem, drawn; compressed as it arrives."""
    width, height = size
    picture = np.full((height, width, 3), ground, np.uint8)
    if lines:
        picture[:: height // 12], picture[:, :: width // 16] = 90, 90
    ink = (20, 20, 20) if sum(ground) > 380 else (240, 240, 240)
    centre = (width // 2, height // 3)
    cv2.rectangle(picture, centre, (centre[0] + width // 8, centre[1] + height // 8), ink, -1)
    where = (width // 6, height * 2 // 3)
    cv2.putText(picture, words, where, cv2.FONT_HERSHEY_DUPLEX, width / 700, ink, 2, cv2.LINE_AA)
    coded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 80])[1]
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)


@pytest.mark.parametrize("words", ["SIN SENAL", "2026-05-01 09:30:11", "KEIN SIGNAL", "404"])
@pytest.mark.parametrize(("ground", "lines"), [
    ((60, 60, 60), False), ((60, 60, 60), True), ((120, 40, 10), True), ((200, 190, 180), False),
])  # fmt: skip
def test_a_drawn_slide_is_never_normal(
    words: str, ground: tuple[int, int, int], *, lines: bool
) -> None:
    for size in ((704, 576), (1280, 720)):
        assert diagnose([slide(ground, words=words, lines=lines, size=size)]).faults


@pytest.mark.parametrize("slope", [(0.0, 1.0), (1.0, 0.0), (0.6, 0.6)])  # across, down
@pytest.mark.parametrize("colour", [(150, 90, 40), (60, 60, 60), (40, 90, 220)])
def test_an_emblem_on_a_gradient_is_never_normal(
    slope: tuple[float, float], colour: tuple[int, int, int]
) -> None:
    for width, height in ((640, 360), (1280, 720)):
        down, across = np.mgrid[0:height, 0:width].astype(np.float32)
        ramp = 0.3 + 0.6 * (slope[0] * across / width + slope[1] * down / height)
        picture = np.asarray(ramp[..., None] * np.array(colour, np.float32), np.uint8)
        cv2.circle(picture, (width // 2, height // 2), height // 6, (240, 250, 30), -1, cv2.LINE_AA)
        where = (width // 3, height * 3 // 4)
        cv2.putText(picture, "TV 7", where, cv2.FONT_HERSHEY_DUPLEX, width / 400, (250,) * 3, 2)
        coded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 75])[1]
        assert diagnose([np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)]).faults


def test_snow_fog_and_a_dim_street_have_more_levels_than_a_drawing(
    street: list[Picture],
) -> None:
    for frame in street[3:30:9]:
        light = frame.astype(np.float32)
        for seen in (light * 0.35, 0.3 * light + 165, np.minimum(light * 0.3 + 200, 255)):
            assert "solid_color" not in diagnose([seen.astype(np.uint8)]).faults
