"""Suspected flame: what dances and shines, never what walks, stands or is known."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from patrol.domain.observation import Light
from patrol.ports import Detection
from patrol.vision.fire import FireKind, detect_fire

Picture = NDArray[np.uint8]
HEIGHT, WIDTH = 270, 480


def yard(seed: int = 0) -> Picture:
    rng = np.random.default_rng(seed)
    made = np.full((HEIGHT, WIDTH, 3), (80, 110, 105), np.float32)
    return np.clip(made + rng.normal(0, 3, made.shape), 0, 255).astype(np.uint8)


def flame(picture: Picture, seed: int, x: int = 200, y: int = 120, size: int = 46) -> Picture:
    """Tongues around one place, another shape for every seed; yellow core, red rim."""
    rng = np.random.default_rng(seed)
    made = picture.copy()
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    heat = np.zeros((HEIGHT, WIDTH), np.float32)
    for _ in range(22):
        high = rng.uniform(0, 1) ** 1.5  # dense at the foot, single tongues above
        cx, cy = x + rng.uniform(-0.5, 0.5) * size * (1 - high / 2), y + (0.5 - 1.4 * high) * size
        reach = size * rng.uniform(0.06, 0.2) * (1 - high / 2)
        away = ((columns - cx) / reach) ** 2 + ((rows - cy) / (2.2 * reach)) ** 2
        heat = np.maximum(heat, np.exp(-away))
    hot = heat > 0.3
    made[hot, 2] = np.clip(150 + 160 * heat[hot], 0, 255)
    made[hot, 1] = np.clip(255 * (heat[hot] - 0.2), 0, 235)
    made[hot, 0] = np.clip(120 * (heat[hot] - 0.6), 0, 120)
    return made


def painted(picture: Picture, x: int, colour: tuple[int, int, int] = (40, 90, 250)) -> Picture:
    """A thing of one warm colour."""
    made = picture.copy()
    made[90:150, x : x + 40] = colour
    return made


def street_light(picture: Picture) -> Picture:
    """A warm lamp: bright, with a core, and still."""
    return flame(picture, seed=77)


def test_a_dancing_flame_is_proposed_where_it_is() -> None:
    found = detect_fire([flame(yard(1), 1), flame(yard(2), 2)], None, light=Light.DAY)
    assert [region.kind for region in found] == [FireKind.OPEN_FLAME]
    x, y, w, h = found[0].box
    assert x < 200 / WIDTH < x + w
    assert y < 120 / HEIGHT < y + h
    assert found[0].score >= 0.5


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(lambda p: painted(p, 100), lambda p: painted(p, 260), id="a jacket walks on"),
        pytest.param(lambda p: painted(p, 100), lambda p: painted(p, 115), id="and slowly"),
        pytest.param(
            lambda p: painted(p, 100), lambda p: painted(p, 100), id="a wall stands still"
        ),
        pytest.param(street_light, street_light, id="a lamp shines evenly"),
        pytest.param(lambda p: p, lambda p: p, id="an empty yard"),
        pytest.param(lambda p: p, lambda p: painted(p, 200, (255, 255, 255)), id="a white sheet"),
    ],
)
def test_what_is_no_flame(
    first: Callable[[Picture], Picture], second: Callable[[Picture], Picture]
) -> None:
    assert detect_fire([first(yard(1)), second(yard(2))], None, light=Light.DAY) == ()


def test_never_on_infrared_nor_from_one_picture() -> None:
    pictures = [flame(yard(1), 1), flame(yard(2), 2)]
    assert detect_fire(pictures, None, light=Light.INFRARED) == ()
    assert detect_fire(pictures[:1], None, light=Light.DAY) == ()


def test_outside_the_visible_area_is_not_looked_at() -> None:
    right = ((0.6, 0.0), (1.0, 0.0), (1.0, 1.0), (0.6, 1.0))
    pictures = [flame(yard(1), 1), flame(yard(2), 2)]
    assert detect_fire(pictures, None, light=Light.DAY, visible=right) == ()


@pytest.mark.parametrize("shape", [(1, 1, 3), (3000, 20, 3), (270, 480)])
def test_any_picture_gets_an_answer(shape: tuple[int, ...]) -> None:
    picture = np.full(shape, 250, np.uint8)
    assert detect_fire([picture, picture], None, light=Light.DAY) == ()


def flag(picture: Picture, phase: float) -> Picture:
    """A red flag with yellow stars, in the wind."""
    made = picture.copy()
    cloth = np.full((80, 120, 3), (30, 30, 225), np.uint8)
    for star in ((20, 20), (45, 12), (50, 30), (42, 46)):
        cv2.circle(cloth, star, 7, (30, 220, 250), -1)
    rows, columns = np.mgrid[0:80, 0:120].astype(np.float32)
    wave = 6 * np.sin(columns / 17 + phase) * columns / 120
    waved = cv2.remap(cloth, columns, rows + wave, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    light = 1 + 0.12 * np.cos(columns / 17 + phase)[..., None]
    made[60:140, 180:300] = np.clip(waved * light, 0, 255).astype(np.uint8)
    return made


def lantern(picture: Picture, x: int) -> Picture:
    """Red, lit from inside, swinging."""
    made = (picture // 4).astype(np.float32)
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    away = ((columns - x) / 24) ** 2 + ((rows - 120) / 19) ** 2
    glow = np.exp(-1.5 * away)[..., None] * np.array([60, 150, 80])
    made = np.where(away[..., None] < 1, np.array([20, 40, 185]) + glow, made)
    return np.clip(made, 0, 255).astype(np.uint8)


def lorry(picture: Picture, x: int) -> Picture:
    """Orange, with yellow stripes and a window."""
    made = painted(picture, x, (20, 100, 250))
    made[100:108, x : x + 40] = (60, 220, 255)
    made[115:130, x + 20 : x + 36] = (235, 245, 250)
    return made


def blinking(picture: Picture, power: float) -> Picture:
    """An amber lamp with its glow, on or off."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    away = ((columns - 240) ** 2 + (rows - 135) ** 2) / 14.0**2
    glow = power * np.exp(-away)[..., None] * np.array([60, 200, 330])
    made: Picture = np.clip(picture // 3 + glow, 0, 255).astype(np.uint8)
    return made


@pytest.mark.parametrize(("first", "second"), [
    pytest.param(lambda p: flag(p, 0.0), lambda p: flag(p, 2.2), id="a flag waves"),
    pytest.param(lambda p: lantern(p, 200), lambda p: lantern(p, 212), id="a lantern swings"),
    pytest.param(lambda p: lorry(p, 100), lambda p: lorry(p, 130), id="a lorry drives on"),
    pytest.param(lambda p: blinking(p, 1.2), lambda p: blinking(p, 0.0), id="an amber lamp blinks"),
    pytest.param(lambda p: blinking(p, 1.0), lambda p: blinking(p, 1.3), id="a lamp is dimmed"),
])  # fmt: skip
def test_what_is_warm_bright_and_moves_is_still_no_flame(
    first: Callable[[Picture], Picture], second: Callable[[Picture], Picture]
) -> None:
    assert detect_fire([first(yard(1)), second(yard(2))], None, light=Light.DAY) == ()


def test_a_small_flame_and_one_at_night() -> None:
    small = [flame(yard(seed), seed, size=18) for seed in (1, 2)]
    dark = [flame((yard(seed) // 6), seed) for seed in (1, 2)]
    for pictures in (small, dark):
        (found,) = detect_fire(pictures, None, light=Light.DAY)
        assert found.kind is FireKind.OPEN_FLAME


class Licensed:
    """A site's own fire model that says what it is told to."""

    gauge = "licensed/0a1b2c3d"
    min_score = 0.4
    input_px = (640, 640)

    def __init__(self, *seen: Detection) -> None:
        self.seen = seen

    def detect(self, bgr: Picture) -> tuple[Detection, ...]:
        assert bgr.shape == (HEIGHT, WIDTH, 3)
        return self.seen


HERE = (0.36, 0.3, 0.12, 0.3)


def test_a_model_and_the_flicker_are_one_proposal_surer_than_either() -> None:
    pictures = [flame(yard(1), 1), flame(yard(2), 2)]
    (alone,) = detect_fire(pictures, None, light=Light.DAY)
    model = Licensed(Detection(label="fire", score=0.7, box=HERE))
    (both,) = detect_fire(pictures, None, light=Light.DAY, model=model)
    assert both.score > max(alone.score, 0.7)
    assert both.box == HERE
    assert both.gauge == f"licensed/0a1b2c3d+{alone.gauge}"


def test_a_model_speaks_for_itself_even_of_one_picture() -> None:
    smoke = Detection(label="smoke", score=0.5, box=(0.1, 0.1, 0.2, 0.2))
    cat = Detection(label="cat", score=0.9, box=(0.5, 0.5, 0.2, 0.2))
    (found,) = detect_fire([yard(1)], None, light=Light.DAY, model=Licensed(smoke, cat))
    assert (found.kind, found.score, found.threshold) == (FireKind.SMOKE, 0.5, 0.4)
    assert found.gauge == "licensed/0a1b2c3d"


def test_a_model_is_not_asked_on_infrared() -> None:
    model = Licensed(Detection(label="fire", score=0.9, box=HERE))
    assert detect_fire([yard(1), yard(2)], None, light=Light.INFRARED, model=model) == ()
