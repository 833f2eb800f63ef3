"""Suspected flame: what dances and shines, never what walks, stands or is known."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from patrol.domain.observation import Light
from patrol.vision.fire import FireKind, propose

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
    for _ in range(7):
        cx, cy = x + rng.uniform(-0.5, 0.5) * size, y + rng.uniform(-0.7, 0.5) * size
        reach = size * rng.uniform(0.18, 0.4)
        away = ((columns - cx) / reach) ** 2 + ((rows - cy) / (1.6 * reach)) ** 2
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


def lamp(picture: Picture) -> Picture:
    """A warm lamp: bright, with a core, and still."""
    return flame(picture, seed=77)


def test_a_dancing_flame_is_proposed_where_it_is() -> None:
    found = propose([flame(yard(1), 1), flame(yard(2), 2)], None, light=Light.DAY)
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
        pytest.param(lamp, lamp, id="a lamp shines evenly"),
        pytest.param(lambda p: p, lambda p: p, id="an empty yard"),
        pytest.param(lambda p: p, lambda p: painted(p, 200, (255, 255, 255)), id="a white sheet"),
    ],
)
def test_what_is_no_flame(
    first: Callable[[Picture], Picture], second: Callable[[Picture], Picture]
) -> None:
    assert propose([first(yard(1)), second(yard(2))], None, light=Light.DAY) == ()


def test_never_on_infrared_nor_from_one_picture() -> None:
    pictures = [flame(yard(1), 1), flame(yard(2), 2)]
    assert propose(pictures, None, light=Light.INFRARED) == ()
    assert propose(pictures[:1], None, light=Light.DAY) == ()


def test_outside_the_visible_area_is_not_looked_at() -> None:
    right = ((0.6, 0.0), (1.0, 0.0), (1.0, 1.0), (0.6, 1.0))
    pictures = [flame(yard(1), 1), flame(yard(2), 2)]
    assert propose(pictures, None, light=Light.DAY, visible=right) == ()


@pytest.mark.parametrize("shape", [(1, 1, 3), (3000, 20, 3), (270, 480)])
def test_any_picture_gets_an_answer(shape: tuple[int, ...]) -> None:
    picture = np.full(shape, 250, np.uint8)
    assert propose([picture, picture], None, light=Light.DAY) == ()
