"""What is no fault: a day, night, infrared, fog, snow, a lamp, exposure, wind, few bits."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from patrol.domain.observation import Light
from patrol.vision.quality import QualityHistory, diagnose

Picture = NDArray[np.uint8]
LearnBaseline = Callable[[list[Picture]], QualityHistory]


def clipped(values: NDArray[np.floating]) -> Picture:
    picture: Picture = np.clip(values, 0, 255).astype(np.uint8)
    return picture


def infrared(frame: Picture, seed: int) -> Picture:
    """Grey, brightest in the middle, grainy."""
    rng = np.random.default_rng(seed)
    height, width = frame.shape[:2]
    y, x = np.mgrid[:height, :width]
    fall = 1 - ((x / width - 0.5) ** 2 + (y / height - 0.5) ** 2)
    grey = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY) * fall * 0.9 + rng.normal(0, 3, (height, width))
    return np.repeat(clipped(grey)[..., None], 3, axis=2)


def night(frame: Picture, seed: int) -> Picture:
    """No infrared: two street lamps, their pools of light, and grain."""
    rng = np.random.default_rng(seed)
    height, width = frame.shape[:2]
    y, x = np.mgrid[:height, :width] / np.array(height)
    dark = (frame / 255.0) ** 1.6 * 70
    for light_x, light_y in ((0.4, 0.25), (1.0, 0.3)):
        away = np.hypot(x - light_x, y - light_y)[..., None]
        dark += (np.exp(-((away / 0.02) ** 2)) * 255 + np.exp(-away / 0.15) * 110) * (0.7, 0.9, 1)
    return clipped(dark + rng.normal(0, 4, frame.shape))


def fog(frame: Picture, _seed: int) -> Picture:
    """Grey by distance, which is by height in the picture."""
    reach = 0.2 + 0.75 * np.linspace(0, 1, len(frame))[:, None, None] ** 1.3
    return clipped(frame * reach + 180 * (1 - reach))


def snow(frame: Picture, _seed: int) -> Picture:
    """White on the ground; walls, people and shadows stay."""
    ground = np.clip((np.linspace(0, 1, len(frame)) - 0.3) * 2, 0, 0.75)[:, None, None]
    lit = (cv2.GaussianBlur(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY), (0, 0), 3) > 90)[..., None]
    return clipped(frame * (1 - ground * lit) + 205 * ground * lit)


def shadow(frame: Picture, _seed: int) -> Picture:
    """A hard, bluish shadow over a third of the ground."""
    height, width = frame.shape[:2]
    mask = np.zeros((height, width), np.float32)
    corners = [(0, 0.4), (0.6, 0.3), (0.8, 1.0), (0, 1.0)]
    cv2.fillPoly(mask, [np.array([(x * width, y * height) for x, y in corners], np.int32)], 1.0)
    return clipped(frame * (1 - mask[..., None] * (0.5, 0.55, 0.58)))


def backlight(frame: Picture, _seed: int) -> Picture:
    """The sun opposite: a burnt sky over dark ground."""
    sky = np.clip(1.2 - np.linspace(0, 1, len(frame)) * 2.4, 0, 1)[:, None, None]
    return clipped(frame * (0.45 + 1.9 * sky) + 90 * sky)


def dusk(frame: Picture, _seed: int) -> Picture:
    return clipped(frame * 0.6)


def test_a_real_day_is_clean(street: list[Picture], baseline: QualityHistory) -> None:
    wrong = [diagnose([frame], history=baseline).faults for frame in street]
    assert [faults for faults in wrong if faults] == []


def test_a_real_day_is_clean_without_a_memory(street: list[Picture]) -> None:
    wrong = [diagnose([frame]).faults for frame in street]
    assert [faults for faults in wrong if faults] == []


@pytest.mark.parametrize("change", [fog, snow, dusk, shadow, backlight])
def test_weather_is_no_fault(
    change: Callable[[Picture, int], Picture], street: list[Picture], baseline: QualityHistory
) -> None:
    wrong = [diagnose([change(f, n)], history=baseline).faults for n, f in enumerate(street[14::4])]
    assert [faults for faults in wrong if faults] == []


@pytest.mark.parametrize(("light", "expected"), [(infrared, Light.INFRARED), (night, Light.DAY)])
def test_the_dark_is_no_fault(
    light: Callable[[Picture, int], Picture],
    expected: Light,
    street: list[Picture],
    teach: LearnBaseline,
) -> None:
    memory = teach([light(frame, n) for n, frame in enumerate(street[:12:2])])
    assert memory.light is expected
    for number, frame in enumerate(street[14::5]):
        for history in (memory, None):
            report = diagnose([light(frame, 100 + number)], history=history)
            assert report.faults == ()
            assert report.any_usable
            assert report.light is expected


@pytest.mark.parametrize("gain", [0.65, 0.8, 1.2, 1.35])
def test_exposure_wanders(gain: float, street: list[Picture], baseline: QualityHistory) -> None:
    for frame in street[15::6]:
        assert diagnose([clipped(frame * gain)], history=baseline).faults == ()


@pytest.mark.parametrize("quality", [25, 50, 95])
def test_the_bit_rate_wanders(
    quality: int, street: list[Picture], baseline: QualityHistory
) -> None:
    for frame in street[15::6]:
        jpeg = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        arrived = np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_COLOR), np.uint8)
        assert diagnose([arrived], history=baseline).faults == ()


def test_a_few_pixels_of_wind_are_no_fault(street: list[Picture], baseline: QualityHistory) -> None:
    for dx, dy in ((8, 0), (-5, 6), (0, -8)):
        assert diagnose([np.roll(street[20], (dy, dx), (0, 1))], history=baseline).faults == ()


def test_an_indoor_white_wall_is_no_fault() -> None:
    rng = np.random.default_rng(5)
    wall = np.full((720, 1280, 3), 196.0)
    wall += np.linspace(-25, 25, 1280)[None, :, None]
    wall[430:, 200:520] = (60, 80, 120)
    wall[300:600, 800:1000] = (110, 70, 50)
    assert diagnose([clipped(wall + rng.normal(0, 1.5, wall.shape))]).faults == ()
