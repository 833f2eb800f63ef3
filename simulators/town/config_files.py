"""Write a town as the configuration that `patrol` reads: site.yaml, CSV files, zones, outlines."""

import csv
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import numpy as np

from patrol.domain.camera import Placement, Polygon, Zone
from simulators.scenes.annotations import visible_of, zones_of
from simulators.scenes.catalogue import Scene, by_name, catalogue, clean_name
from simulators.town.build import GROUP_SECTORS, village_centre
from simulators.town.grids import TOWN_NAME, VILLAGES, group_code, village_code
from simulators.town.model import Town, TownCamera

GROUP_RADIUS_DEG = (0.0125, 0.0098)  # degrees east and north: just beyond the cameras of a group
ARC_PIECES = 6  # straight pieces of an eighth's arc

LinearRing = list[list[float]]
SITE_ID: Final = "shangba"
_EVERY_NTH_MASKED: Final = 6  # every sixth household agrees to part of the picture only
_OUTDOOR: Final = {
    Placement.OUTDOOR: "yes",
    Placement.INDOOR: "no",
    Placement.UNKNOWN: "unknown",
}
# Where `make` installs them; a simulated town has none of its own.
INSTALLED_MODELS: Final = Path("var/models")
INSTALLED_ASSETS: Final = Path("var/assets")
_SITE: Final = """\
# Written by the simulated town; a real site's file looks the same.
site: {{id: {site}, name: {name}, code: "620902104", timezone: Asia/Shanghai, \
latitude: 39.6, longitude: 98.75, language: zh}}
database: {database}
evidence: {evidence}
models: {models}
console: {{assets: {assets}}}
mqtt: {{url: {mqtt}}}
plans:
  morning:   {{start: "09:00", finish_by: "10:30", after_sunrise_min: 30}}
  afternoon: {{start: "15:00", finish_by: "17:30", before_sunset_min: 30}}
sampling: {{pictures: 2, spacing_s: 3.0, stream: main}}
limits: {{connections: 200, per_link: 32, mbit_s: 400, visit_s: 20, retries: 1}}
# Simulated people live some hundred times faster than an hour of ours: nothing is held for them.
sending: {{new_per_hour: 0, repeat_every_min: 0}}
"""


def outlines() -> dict[str, Any]:
    """A GeoJSON document with one polygon a grid: villages are discs, groups sectors of them."""
    features = []
    for village, _, groups in VILLAGES:
        turns = [2 * np.pi * (group + 0.5) / GROUP_SECTORS for group in range(groups + 1)]
        features.append(_feature(village_code(village), _sector(village, turns[0], turns[-1])))
        for group in range(1, groups + 1):
            ring = _sector(village, turns[group - 1], turns[group])
            features.append(_feature(group_code(village, group), ring))
    return {"type": "FeatureCollection", "features": features}


def _feature(code: str, ring: LinearRing) -> dict[str, Any]:
    geometry = {"type": "Polygon", "coordinates": [ring]}
    return {"type": "Feature", "properties": {"grid_code": code}, "geometry": geometry}


def _sector(village: str, start: float, end: float) -> LinearRing:
    east, north = village_centre(village)
    pieces = max(ARC_PIECES, round(ARC_PIECES * (end - start) / (2 * np.pi / GROUP_SECTORS)))
    arc = [
        [
            round(east + GROUP_RADIUS_DEG[0] * np.cos(turn), 6),
            round(north + GROUP_RADIUS_DEG[1] * np.sin(turn), 6),
        ]
        for turn in np.linspace(start, end, pieces + 1)
    ]
    whole = end - start > 2 * np.pi - 0.01
    middle = [] if whole else [[round(east, 6), round(north, 6)]]
    ring = [*middle, *arc]
    return [*ring, ring[0]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteAddresses:
    """The addresses that go into a town's configuration."""

    url: Callable[[TownCamera, bool], str]  # camera, sub stream? → address with its credentials
    mqtt_url: str
    profile: str
    database: str = ""  # empty: SQLite beside the files


def write_config(directory: Path, town: Town, addresses: SiteAddresses) -> None:
    """Write site.yaml, grids.csv and .geojson, people.csv, cameras.csv, zones.yaml."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "site.yaml").write_text(_site(directory.resolve(), addresses), encoding="utf-8")
    _write_csv(directory / "grids.csv", _grid_rows(town))
    _write_csv(directory / "people.csv", _people_rows(town))
    _write_csv(directory / "cameras.csv", (_camera_row(c, addresses) for c in town.cameras))
    zones = _zones(town, by_name(catalogue(addresses.profile)))
    (directory / "zones.yaml").write_text(zones, encoding="utf-8")
    shapes = json.dumps(outlines(), ensure_ascii=False, separators=(",", ":"))
    (directory / "grids.geojson").write_text(shapes, encoding="utf-8")


def _site(home: Path, addresses: SiteAddresses) -> str:
    return _SITE.format(
        site=SITE_ID,
        name=TOWN_NAME,
        database=json.dumps(
            addresses.database or f"sqlite:///{home / 'patrol.db'}", ensure_ascii=False
        ),
        evidence=json.dumps(str(home / "evidence"), ensure_ascii=False),
        models=json.dumps(str(INSTALLED_MODELS.absolute()), ensure_ascii=False),
        assets=json.dumps(str(INSTALLED_ASSETS.absolute()), ensure_ascii=False),
        mqtt=json.dumps(addresses.mqtt_url),
    )


def _write_csv(path: Path, rows: Iterable[Mapping[str, str]]) -> None:
    listed = list(rows)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(listed[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(listed)


def _grid_rows(town: Town) -> Iterable[Mapping[str, str]]:
    for grid in town.grids:
        yield {
            "grid_code": grid.code,
            "name": grid.name,
            "level": grid.level,
            "parent": grid.parent or "",
        }


def _people_rows(town: Town) -> Iterable[Mapping[str, str]]:
    for person in town.people:
        yield {
            "person_id": person.id,
            "name": person.name,
            "role": person.role,
            "grid_code": person.grid,
            "mqtt_user": person.mqtt_user,
            "phone": person.phone,
            "substitute_for": person.substitute_for or "",
        }


def _camera_row(camera: TownCamera, addresses: SiteAddresses) -> Mapping[str, str]:
    until = camera.consent_until
    return {
        "camera_id": camera.id,
        "name": camera.name,
        "grid_code": camera.grid,
        "place": camera.place,
        "url": addresses.url(camera, False),  # noqa: FBT003 a Callable takes no keywords
        "sub_url": addresses.url(camera, True),  # noqa: FBT003 as above
        "link": camera.link,
        "household_ref": camera.household_ref,
        "outdoor": _OUTDOOR[camera.placement],
        "consent": camera.consent,
        "consent_until": until.isoformat() if until is not None else "",
        "priority": camera.priority,
        "tags": ";".join(camera.tags),
        "lon": f"{camera.longitude:.6f}",
        "lat": f"{camera.latitude:.6f}",
    }


def credentials(camera: TownCamera, env: str) -> str:
    """`user:password@`, percent-encoded; the password as `${ENV}` where one is named."""
    if not camera.login.user:
        return ""
    password = f"${{{env}}}" if env else quote(camera.login.password, safe="")
    return f"{quote(camera.login.user, safe='')}:{password}@"


def _zones(town: Town, scenes: Mapping[str, Scene]) -> str:
    """One line of flow YAML (which is JSON) per camera."""
    lines = []
    for number, camera in enumerate(town.cameras):
        scene = scenes[clean_name(camera.clean)]
        areas: dict[str, object] = {}
        if number % _EVERY_NTH_MASKED == 0:
            areas["visible"] = _points(visible_of(scene))
        zones = [_zone(zone) for zone in zones_of(scene)]
        if zones:
            areas["zones"] = zones
        if areas:
            lines.append(f'"{camera.id}": {json.dumps(areas, ensure_ascii=False)}\n')
    return "".join(lines)


def _zone(zone: Zone) -> dict[str, object]:
    return {
        "name": zone.name,
        "polygon": _points(zone.polygon),
        "classes": sorted(zone.classes),
        "min_visits": zone.min_visits,
        "kind": zone.kind,
    }


def _points(polygon: Polygon) -> list[list[float]]:
    return [[round(x, 4), round(y, 4)] for x, y in polygon]
