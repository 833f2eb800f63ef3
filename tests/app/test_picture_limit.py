"""`limits: picture_mp:` of site.yaml reaches every decoder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from patrol.app import build
from patrol.pixels import PictureTooLarge, decode_picture
from patrol.settings import Site
from patrol.settings.config_file import ConfigProblems
from streams.picture_limits import DECODE_GATE, MEGAPIXEL
from tests.support import hostile_pictures as hostile
from tests.support.small_files import write_small_site


@pytest.fixture(autouse=True)
def restored_limit() -> Iterator[None]:
    before = DECODE_GATE.max_px
    yield
    DECODE_GATE.max_px = before


def site_with_limit(folder: Path, picture_mp: float) -> Site:
    return write_small_site(folder, more=f"limits: {{picture_mp: {picture_mp}}}")


def test_the_sites_limit_holds_for_the_process(tmp_path: Path) -> None:
    photo = hostile.png(2000, 1500)
    with build(site_with_limit(tmp_path, 2.5)):
        assert DECODE_GATE.max_px == 2.5 * MEGAPIXEL
        with pytest.raises(PictureTooLarge, match=r"2000×1500 pixels, 2\.5 MP at most"):
            decode_picture(photo)
    with build(site_with_limit(tmp_path, 3)):
        assert decode_picture(photo).shape == (1500, 2000, 3)


@pytest.mark.parametrize("picture_mp", [0, 101])
def test_a_limit_out_of_range_is_named(tmp_path: Path, picture_mp: float) -> None:
    with pytest.raises(ConfigProblems, match="picture_mp"):
        site_with_limit(tmp_path, picture_mp)
