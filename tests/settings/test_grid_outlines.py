"""grids.geojson: outlines of grids for the map, or every reason why not."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from patrol.settings import ConfigProblems, load_site
from simulators.town.build import build_town
from simulators.town.config_files import SiteAddresses, write_config
from simulators.town.grids import group_code, village_code

VILLAGE = village_code("200")
RING = [[98.7, 39.6], [98.8, 39.6], [98.8, 39.7], [98.7, 39.6]]


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("town")
    place = SiteAddresses(
        url=lambda *_: "rtsp://127.0.0.1/1", mqtt_url="mqtt://127.0.0.1:1", profile="town"
    )
    write_config(folder, build_town(count=3, seed=1, today=date(2026, 11, 22)), place)
    return folder


def feature(code: Any = VILLAGE, **geometry: Any) -> dict[str, Any]:
    whole = {"type": "Polygon", "coordinates": [RING], **geometry}
    return {"type": "Feature", "properties": {"grid_code": code}, "geometry": whole}


def problems(town: Path, text: str) -> list[str]:
    path = town / "grids.geojson"
    before = path.read_text("utf-8")
    path.write_text(text, "utf-8")
    try:
        load_site(town)
    except ConfigProblems as exc:
        return [f"{p.line} {p.field} {p.text}" for p in exc.problems]
    finally:
        path.write_text(before, "utf-8")
    return []


def test_the_simulated_town_has_an_outline_for_every_village_and_group(town: Path) -> None:
    site = load_site(town)
    assert len(site.shapes) == 9 + 58
    assert site.shapes[group_code("203", 8)]["type"] == "Polygon"


def test_without_the_file_there_are_none(town: Path) -> None:
    path = town / "grids.geojson"
    kept = path.rename(town / "elsewhere")
    try:
        assert load_site(town).shapes == {}
    finally:
        kept.rename(path)


@pytest.mark.parametrize(
    ("features", "words"),
    [
        pytest.param([feature(code="")], "is missing", id="no code"),
        pytest.param([feature(code="620902104999000")], "grids.csv", id="unknown grid"),
        pytest.param([feature(), feature()], "already", id="twice"),
        pytest.param([feature(type="Point")], "no outline", id="a point"),
        pytest.param([feature(coordinates=RING)], "not those of a Polygon", id="flat"),
        pytest.param([feature(coordinates=[])], "no points", id="empty"),
        pytest.param([feature(coordinates=[[[398, 39]]])], "nowhere", id="metres"),
        pytest.param(["text"], "is missing", id="no feature"),
    ],
)
def test_what_is_no_outline_is_told(town: Path, features: list[Any], words: str) -> None:
    text = json.dumps({"type": "FeatureCollection", "features": features})
    assert any(words in one for one in problems(town, text))


def test_where_it_stands_is_told(town: Path) -> None:
    assert problems(town, '{"type": "FeatureCollection",\n "features": [}') == [
        "2 file is not JSON here: Expecting value"
    ]
    assert "FeatureCollection" in problems(town, "[]")[0]
