"""Frozen: bit-identical while time advances. A quiet yard under a living sensor is not."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from patrol.vision.quality import QualityHistory, QualityThresholds, diagnose
from patrol.vision.quality.stream_checks import check_freeze
from streams.model import Freshness

Picture = NDArray[np.uint8]


def quiet(frame: Picture, rng: np.random.Generator, sigma: float) -> Picture:
    return np.clip(frame + rng.normal(0, sigma, frame.shape), 0, 255).round().astype(np.uint8)


@pytest.mark.parametrize(("freshness", "frozen"), [
    (Freshness.LIVE, True), (Freshness.REPEATED_BITS, True),
    (Freshness.MEDIA_CLOCK_STOOD_STILL, True), (Freshness.STILL, False),
])  # fmt: skip
def test_the_same_picture_twice(
    freshness: Freshness, street: list[Picture], *, frozen: bool
) -> None:
    report = diagnose([street[0], street[0].copy()], freshness=freshness)
    assert (report.faults == ("freeze",)) is frozen


def test_a_frozen_sensor_behind_a_running_clock(street: list[Picture]) -> None:
    later = street[0].copy()
    later[10:30, 20:300] = 255 - later[10:30, 20:300]
    assert diagnose([street[0], later], freshness=Freshness.LIVE).faults == ("freeze",)


def test_a_frozen_sensor_behind_a_clock_in_mid_picture(street: list[Picture]) -> None:
    later = street[0].copy()
    later[280:300, 20:300] = 255 - later[280:300, 20:300]
    assert diagnose([street[0], later], freshness=Freshness.LIVE).faults == ("freeze",)


def test_two_places_that_change_are_life(street: list[Picture]) -> None:
    later = street[0].copy()
    for top in (150, 380):
        later[top : top + 20, 20:300] = 255 - later[top : top + 20, 20:300]
    assert diagnose([street[0], later], freshness=Freshness.LIVE).faults == ()


def test_one_picture_proves_nothing(street: list[Picture]) -> None:
    report = diagnose([street[0]], freshness=Freshness.SINGLE)
    assert report.reading("freeze") is None


def test_a_thousand_visits_to_a_quiet_yard(street: list[Picture]) -> None:
    """The faintest sensor there is: most pixels keep their value from picture to picture."""
    rng, limits = np.random.default_rng(11), QualityThresholds()
    small = street[0][::4, ::4].copy()
    for _ in range(1000):
        pair = [quiet(small, rng, 0.3), quiet(small, rng, 0.3)]
        reading = check_freeze(pair, Freshness.LIVE, limits)
        assert reading is not None
        assert not reading.over


def test_a_black_picture_is_black_and_not_frozen() -> None:
    black = np.zeros((360, 640, 3), np.uint8)
    assert diagnose([black, black], freshness=Freshness.LIVE).faults == ("black_screen",)


def test_a_proved_freeze_stays_one_even_when_black() -> None:
    black = np.zeros((360, 640, 3), np.uint8)
    faults = diagnose([black, black], freshness=Freshness.REPEATED_BITS).faults
    assert faults == ("black_screen", "freeze")


@pytest.mark.parametrize("freshness", ["single", "still", "live", ""])
def test_the_same_picture_at_a_later_visit_is_frozen_where_nothing_proves_life(
    freshness: str, street: list[Picture], teach: Callable[[list[Picture]], QualityHistory]
) -> None:
    history = teach(street[:3])
    again = diagnose([street[1].copy()], history=history, freshness=freshness)
    assert ("freeze" in again.faults) is (freshness in {"single", "still"})
    noise = np.random.default_rng(1).normal(0, 0.6, street[1].shape)
    live = np.clip(street[1] + noise, 0, 255).round().astype(np.uint8)
    assert diagnose([live], history=history, freshness=freshness).faults == ()


def moved(frame: Picture, rng: np.random.Generator) -> Picture:
    """The same moment a little later: somebody went by, and the sensor's noise is another."""
    later = frame.copy()
    x = int(rng.integers(100, frame.shape[1] - 160))
    later[250:370, x : x + 60] = 255 - later[250:370, x : x + 60] // 2
    return quiet(later, rng, 1.5)


def coded(picture: Picture, quality: int, seconds: int) -> Picture:
    """With a clock, as a recorder encodes it."""
    shown = picture.copy()
    cv2.putText(shown, f"09:30:{seconds:02d}", (20, 40), 0, 1.0, (255, 255, 255), 2)
    jpeg = cv2.imencode(".jpg", shown, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_COLOR), np.uint8)


@pytest.mark.parametrize(("lively", "frozen"), [(True, True), (False, False)])
def test_a_recorders_own_encoding_of_a_frozen_picture(
    street: list[Picture], *, lively: bool, frozen: bool
) -> None:
    """Told where something always moved; in a yard where nothing ever does it proves nothing."""
    history, rng = QualityHistory(), np.random.default_rng(2)
    for frame in street[:7]:
        second = moved(frame, rng) if lively else quiet(frame, rng, 1.5)
        history = history.learn(diagnose([quiet(frame, rng, 1.5), second]), accepted=True)
    pair = [coded(street[8], 66, 3), coded(street[8], 84, 9)]
    assert ("freeze" in diagnose(pair, history=history, freshness="live").faults) is frozen
    alive = [coded(street[8], 66, 3), coded(moved(street[8], rng), 84, 9)]
    assert "freeze" not in diagnose(alive, history=history, freshness="live").faults
