"""`limits: picture_mp:` of site.yaml reaches every decoder."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from patrol.app import build
from patrol.pixels import PictureTooLarge, decode_picture
from patrol.settings import load_site
from patrol.settings.config_file import ConfigProblems
from streams.picture_limits import DECODE_GATE, MEGAPIXEL
from tests.support import hostile_pictures as hostile
from tests.support.store import copy_template

SOURCE = Path(__file__).parents[2] / "config"


@pytest.fixture(autouse=True)
def restored_limit() -> Iterator[None]:
    before = DECODE_GATE.max_px
    yield
    DECODE_GATE.max_px = before


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("grids.csv", "people.csv", "cameras.csv"):
        shutil.copy(SOURCE / name, tmp_path)
    copy_template(tmp_path / "patrol.db")
    return tmp_path


def write_limit(folder: Path, picture_mp: float) -> None:
    (folder / "site.yaml").write_text(
        f"""
site: {{id: shangba, name: 上坝镇, latitude: 39.6, longitude: 98.75}}
database: sqlite:///{folder}/patrol.db
evidence: {folder}/evidence
objects: false
mqtt: {{url: "mqtt://127.0.0.1:9"}}
limits: {{picture_mp: {picture_mp}}}
""",
        "utf-8",
    )


def test_the_sites_limit_holds_for_the_process(folder: Path) -> None:
    photo = hostile.png(2000, 1500)
    write_limit(folder, 2.5)
    with build(load_site(folder, env={})):
        assert DECODE_GATE.max_px == 2.5 * MEGAPIXEL
        with pytest.raises(PictureTooLarge, match=r"2000×1500 pixels, 2\.5 MP at most"):
            decode_picture(photo)
    write_limit(folder, 3)
    with build(load_site(folder, env={})):
        assert decode_picture(photo).shape == (1500, 2000, 3)


@pytest.mark.parametrize("picture_mp", [0, 101])
def test_a_limit_out_of_range_is_named(folder: Path, picture_mp: float) -> None:
    write_limit(folder, picture_mp)
    with pytest.raises(ConfigProblems, match="picture_mp"):
        load_site(folder, env={})
