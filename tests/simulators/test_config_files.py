"""The written configuration keeps the contract, and the addresses in it are the cameras'."""

import csv
import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from patrol.domain.camera import Zone
from patrol.domain.registry import Role
from simulators.rtsp_farm.vendors import VENDORS
from simulators.scenes.catalogue import SceneLight, by_name, catalogue
from simulators.town.build import build_town
from simulators.town.config_files import SiteAddresses, credentials, write_config
from simulators.town.ground_truth import town_truth, write_truth
from simulators.town.model import Town, TownCamera
from streams.address import StreamAddress

COLUMNS = {
    "cameras.csv": (
        "camera_id name grid_code place url sub_url link household_ref outdoor consent "
        "consent_until priority tags lon lat"
    ),
    "grids.csv": "grid_code name level parent",
    "people.csv": "person_id name role grid_code mqtt_user phone substitute_for",
}


@pytest.fixture(scope="module")
def town() -> Town:
    return build_town(count=120, seed=7, today=date(2026, 11, 22))


@pytest.fixture(scope="module")
def written(town: Town, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("config")
    scenes = by_name(catalogue("town"))

    def url(camera: TownCamera, sub: bool) -> str:  # noqa: FBT001 as Place asks for it
        vendor = VENDORS[scenes[camera.clean].vendor]
        env = "PATROL_CAM_PASSWORD" if camera is town.cameras[1] else ""
        path = vendor.sub if sub else vendor.main
        return f"rtsp://{credentials(camera, env)}127.0.0.1:8554/{camera.id}/{path}"

    write_config(
        out, town, SiteAddresses(url=url, mqtt_url="mqtt://127.0.0.1:1884", profile="town")
    )
    truths = town_truth(town, "town", SceneLight.MORNING)
    write_truth(out, truths, about={"seed": 7})
    return out


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("name", COLUMNS)
def test_the_columns_are_the_contracts(written: Path, name: str) -> None:
    assert list(rows(written / name)[0]) == COLUMNS[name].split()


def test_values_are_of_the_contracts_words(written: Path) -> None:
    cameras = rows(written / "cameras.csv")
    assert {row["outdoor"] for row in cameras} <= {"yes", "no", "unknown"}
    assert {row["consent"] for row in cameras} <= {"granted", "pending", "withdrawn"}
    assert {row["priority"] for row in cameras} <= {"normal", "key"}
    assert all(date.fromisoformat(r["consent_until"]) for r in cameras if r["consent_until"])
    assert {row["role"] for row in rows(written / "people.csv")} <= set(Role)
    assert {row["level"] for row in rows(written / "grids.csv")} == {"town", "village", "group"}


def test_passwords_survive_the_url(town: Town, written: Path) -> None:
    cameras = rows(written / "cameras.csv")
    strange = 0
    for number, (camera, row) in enumerate(zip(town.cameras, cameras, strict=True)):
        if number == 1:
            continue
        address = StreamAddress.parse(row["url"])
        assert (address.user, address.password) == (camera.login.user, camera.login.password)
        assert camera.login.password not in str(address) or not camera.login.password
        strange += "%" in row["url"]
    assert strange > 20


def test_a_password_may_come_from_the_environment(town: Town, written: Path) -> None:
    url = rows(written / "cameras.csv")[1]["url"]
    assert town.cameras[1].login.user
    assert url.startswith("rtsp://admin:${PATROL_CAM_PASSWORD}@127.0.0.1:8554/")


def test_the_site_keeps_its_files_inside_the_directory(written: Path) -> None:
    site = yaml.safe_load((written / "site.yaml").read_text("utf-8"))
    assert site["site"]["id"] == "shangba"
    assert site["database"] == f"sqlite:///{written.resolve()}/patrol.db"
    assert site["evidence"] == f"{written.resolve()}/evidence"
    assert site["mqtt"] == {"url": "mqtt://127.0.0.1:1884"}
    assert set(site["plans"]) == {"morning", "afternoon"}


def test_zones_are_well_formed_and_follow_the_scene(town: Town, written: Path) -> None:
    areas: dict[str, Any] = yaml.safe_load((written / "zones.yaml").read_text("utf-8"))
    kinds = {camera.id: camera.clean.split("-")[0] for camera in town.cameras}
    expected = {
        "gate": {"blocking_vehicle"},
        "road": {"blocking_vehicle", "livestock"},
        "canal": {"person_near_water"},
    }
    seen = 0
    for ident, area in areas.items():
        zones = [
            Zone(
                name=zone["name"],
                polygon=tuple((x, y) for x, y in zone["polygon"]),
                classes=frozenset(zone["classes"]),
                kind=zone["kind"],
                min_visits=zone["min_visits"],
            )
            for zone in area.get("zones", [])
        ]
        assert {zone.kind for zone in zones} == expected.get(kinds[ident], set())
        seen += "visible" in area
    assert seen == 20


def test_the_truth_covers_every_camera(town: Town, written: Path) -> None:
    truth = json.loads((written / "truth.json").read_text("utf-8"))
    assert truth["seed"] == 7
    assert list(truth["cameras"]) == [camera.id for camera in town.cameras]
    for camera in town.cameras:
        entry = truth["cameras"][camera.id]
        assert entry["fault"] == camera.fault
        assert (entry["problem"] is not None) <= ("+" in entry["scene"])


def test_writing_twice_gives_the_same_files(town: Town, tmp_path: Path) -> None:
    place = SiteAddresses(
        url=lambda camera, sub: f"rtsp://h/{camera.id}/{sub}", mqtt_url="", profile="town"
    )
    first = {}
    for _ in range(2):
        write_config(tmp_path, town, place)
        now = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
        first = first or now
        assert now == first
