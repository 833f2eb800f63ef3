"""One picture encoded twice by a recorder is frozen; two exposures of a quiet yard are not."""

from collections.abc import Callable, Iterator
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from patrol.vision.quality import QualityHistory, QualityThresholds, diagnose
from patrol.vision.quality.features import measure_picture
from patrol.vision.quality.image_views import picture_view
from patrol.vision.quality.reencoding import measure_pair
from patrol.vision.quality.stream_checks import check_encoded_twice

Picture = NDArray[np.uint8]
Encode = Callable[[Picture, int], Picture]  # at a quality or a quantiser
LEARNED = 5
SOAK_VISITS = 1000


def exposure(scene: Picture, rng: np.random.Generator, sigma: float) -> Picture:
    noisy = scene + rng.normal(0, sigma, scene.shape)
    return np.asarray(np.clip(noisy, 0, 255).round(), np.uint8)


def with_clock(picture: Picture, seconds: int) -> Picture:
    shown = picture.copy()
    place, white = (20, 40), (255, 255, 255)
    cv2.putText(shown, f"2026-05-01 09:30:{seconds:02d}", place, 0, 0.9, white, 2)
    return shown


def as_jpeg(picture: Picture, quality: int) -> Picture:
    jpeg = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_COLOR), np.uint8)


def as_h264(picture: Picture, quantiser: int) -> Picture:
    """A key frame of an encoder at this quantiser, decoded."""
    height, width = (side // 2 * 2 for side in picture.shape[:2])
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base = Fraction(1, 25)
    encoder.options = {"qp": str(quantiser), "preset": "veryfast"}
    frame = av.VideoFrame.from_ndarray(picture[:height, :width], format="bgr24")
    packets = [*encoder.encode(frame.reformat(format="yuv420p")), *encoder.encode(None)]
    decoder = av.CodecContext.create("h264", "r")
    frames = [one for packet in packets for one in decoder.decode(packet)]
    return np.asarray((frames or decoder.decode(None))[0].to_ndarray(format="bgr24"), np.uint8)


def living(
    scene: Picture, rng: np.random.Generator, sigma: float, encode: Encode, quality: int
) -> list[Picture]:
    shown = (with_clock(exposure(scene, rng, sigma), seconds) for seconds in (3, 9))
    return [encode(picture, quality) for picture in shown]


def taught(visits: Iterator[list[Picture]]) -> QualityHistory:
    history = QualityHistory()
    for pair in visits:
        history = history.learn(diagnose(pair, freshness="live"), accepted=True)
    return history


def is_frozen(pair: list[Picture], history: QualityHistory) -> bool:
    return "freeze" in diagnose(pair, history=history, freshness="live").faults


@pytest.fixture(scope="module")
def yard(street: list[Picture]) -> Picture:
    """A yard in which nothing moves but the sensor's noise."""
    return np.asarray(cv2.resize(street[8], (640, 480), interpolation=cv2.INTER_AREA), np.uint8)


@pytest.fixture(scope="module")
def jpeg_history(yard: Picture) -> QualityHistory:
    rng = np.random.default_rng(4)
    qualities = (72, 80, 88, 76, 84)
    return taught(living(yard, rng, 1.2, as_jpeg, quality) for quality in qualities)


@pytest.mark.parametrize("qualities", [(66, 84), (80, 80), (75, 76), (88, 87), (88, 62)])
def test_a_frozen_picture_through_a_recorders_jpeg(
    qualities: tuple[int, int], yard: Picture, jpeg_history: QualityHistory
) -> None:
    """At any two qualities, behind a running clock, in a yard where nothing ever moved."""
    last = as_jpeg(exposure(yard, np.random.default_rng(9), 1.2), 80)
    pair = [
        as_jpeg(with_clock(last, seconds), quality)
        for seconds, quality in zip((3, 9), qualities, strict=True)
    ]
    assert is_frozen(pair, jpeg_history)


@pytest.mark.parametrize("quantiser", [27])
def test_a_frozen_picture_through_a_recorders_h264(quantiser: int, yard: Picture) -> None:
    rng = np.random.default_rng(4)
    history = taught(living(yard, rng, 1.2, as_h264, quantiser) for _ in range(LEARNED))
    last = as_h264(exposure(yard, rng, 1.2), 24)
    assert is_frozen([as_h264(with_clock(last, s), quantiser) for s in (3, 9)], history)
    assert not is_frozen(living(yard, rng, 1.2, as_h264, quantiser), history)


@pytest.mark.parametrize(
    "count", [12, pytest.param(SOAK_VISITS, marks=[pytest.mark.soak, pytest.mark.timeout(900)])]
)
def test_a_quiet_yard_is_alive(count: int, yard: Picture, jpeg_history: QualityHistory) -> None:
    """Whatever the noise of the hour and the quality of the encoder."""
    rng, limits = np.random.default_rng(17), QualityThresholds()
    for _ in range(count):
        sigma, quality = float(rng.uniform(0.3, 3.4)), int(rng.integers(65, 92))
        pair = [
            measure_picture(picture_view(picture, None))
            for picture in living(yard[100:340], rng, sigma, as_jpeg, quality)
        ]
        reading = check_encoded_twice(measure_pair(*pair), jpeg_history, limits)
        assert reading is not None
        assert not reading.over, (sigma, quality, reading)


def test_where_noise_reduction_leaves_blocks_equal_nothing_is_told(yard: Picture) -> None:
    """Such a camera's living pictures look like one picture encoded twice, at every visit."""
    rng = np.random.default_rng(4)
    history = taught(living(yard, rng, 0.02, as_h264, 30) for _ in range(LEARNED))
    assert not is_frozen(living(yard, rng, 0.02, as_h264, 30), history)


def test_a_history_without_the_measure_tells_nothing(
    yard: Picture, jpeg_history: QualityHistory
) -> None:
    """As one that an earlier version wrote: zeros stand where nothing was measured."""
    pair = [as_jpeg(with_clock(yard, s), quality) for s, quality in ((3, 66), (9, 84))]
    assert is_frozen(pair, QualityHistory.from_bytes(jpeg_history.to_bytes()))
    single = taught(iter([[yard[::2]]] * LEARNED))
    assert not is_frozen(pair, single)
