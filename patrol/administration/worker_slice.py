"""The configuration directory of a cluster's worker: the rows of its own links, and little else.

Written from the site's files. It has the cameras of the worker's links with their addresses and
passwords, their visible areas, the grids that they stand in, the rules and caps of visits, the
cluster's key and a database address for the worker's role. It has no person, no household's name or
reference, no place, no other link, and not the site's key.
"""

import csv
import io
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import yaml
from sqlalchemy.engine import make_url

from patrol.domain.camera import Camera
from patrol.domain.errors import BadInput
from patrol.domain.ids import CameraId
from patrol.domain.registry import GridLevel, Role
from patrol.encryption import SiteKey
from patrol.files import PRIVATE_MODE, write_atomically
from patrol.settings import Site
from patrol.settings.cameras_csv import CAMERA_OPTIONAL, CAMERA_REQUIRED, SEALED_REFERENCE
from patrol.settings.config_file import ProblemLog
from patrol.settings.csv_file import read_table
from patrol.settings.site_cluster import KEY_FILE
from streams.address import StreamChoice

PASSWORD_VARIABLE: Final = "PATROL_WORKER_PASSWORD"  # noqa: S105  a name
# What a visit depends on; the rest of site.yaml is the centre's.
SHARED_KEYS: Final = (
    "site", "objects", "models", "sampling", "limits", "quality", "camera_tls", "retention",
)  # fmt: skip
COPIED_FILES: Final = ("rules.yaml", "models.yaml", "grids.csv")
LEFT_OUT: Final = ("place", "household_ref", "tags", "lon", "lat")
PLAIN_SCHEMES: Final = ("rtsp", "rtsps", "http", "https", "rtmp", "rtmps")
_STREAMS: Final = {"url": StreamChoice.MAIN, "sub_url": StreamChoice.SUB}
# A table has a row at least; nobody is behind this one.
PEOPLE_CSV: Final = "person_id,name,role,grid_code\nworker,worker,{role},{grid}\n"


def write_slice(
    site: Site,
    links: Collection[str],
    target: Path,
    *,
    key: SiteKey,
    passwords: Mapping[tuple[CameraId, StreamChoice], str],
    pictures: str,
) -> list[Path]:
    """Write a worker's directory for these links; the files written.

    `passwords`: those sealed in the store. `pictures`: where the worker sends them. Raises BadInput
    where a file is there already, OSError.
    """
    source = site.config_dir
    cameras = [one for one in site.registry.cameras.values() if one.link in links]
    files: dict[str, str] = {
        "site.yaml": _site_yaml(site, pictures),
        "cameras.csv": _cameras_csv(source / "cameras.csv", cameras, passwords),
        "people.csv": PEOPLE_CSV.format(role=Role.MAINTAINER, grid=_town(site)),
        KEY_FILE: key.as_text(),
    }
    for name in COPIED_FILES:
        if (source / name).is_file():
            files[name] = (source / name).read_text("utf-8-sig")
    if (source / "zones.yaml").is_file():
        files["zones.yaml"] = _zones_yaml(source / "zones.yaml", cameras)
    if _needs_sources(cameras) and (source / "sources.yaml").is_file():
        files["sources.yaml"] = (source / "sources.yaml").read_text("utf-8")
    taken = sorted(name for name in files if (target / name).exists())
    if taken:
        raise BadInput(f"{target}: has {', '.join(taken)} already; give an empty directory")
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, text in files.items():
        write_atomically(target / name, text.encode(), mode=PRIVATE_MODE)
    return [target / name for name in sorted(files)]


def _town(site: Site) -> str:
    """The code of the town's own grid."""
    grids = site.registry.tree.grids.values()
    return next((one.code for one in grids if one.level is GridLevel.TOWN), "")


def _site_yaml(site: Site, pictures: str) -> str:
    settings = site.settings
    written = yaml.safe_load((site.config_dir / "site.yaml").read_text("utf-8"))
    kept = {name: written[name] for name in SHARED_KEYS if name in written}
    url = make_url(settings.database)
    role = settings.cluster.worker_role if settings.cluster is not None else ""
    host = f"[{url.host}]" if url.host and ":" in url.host else url.host or "127.0.0.1"
    port = f":{url.port}" if url.port else ""
    options = url.update_query_dict({}).render_as_string().partition("?")  # sslmode, sslrootcert …
    kept["database"] = (
        f"postgresql+psycopg://{role}:${{{PASSWORD_VARIABLE}}}@{host}{port}/{url.database}"
        + "".join(options[1:])
    )
    kept["cluster"] = {"pictures": pictures, "key_file": KEY_FILE, "worker_role": role}
    text: str = yaml.safe_dump(kept, allow_unicode=True, sort_keys=False)
    return f"# A worker of {settings.site.id}; written by `patrol cluster slice`.\n{text}"


def _cameras_csv(
    path: Path,
    cameras: Collection[Camera],
    passwords: Mapping[tuple[CameraId, StreamChoice], str],
) -> str:
    notes = ProblemLog().for_file(path)
    rows = read_table(path, required=CAMERA_REQUIRED, optional=CAMERA_OPTIONAL, notes=notes) or []
    links = {camera.id: camera.link for camera in cameras}  # by its host, where the column is empty
    out = io.StringIO()
    writer = csv.DictWriter(out, [*CAMERA_REQUIRED, *CAMERA_OPTIONAL], lineterminator="\n")
    writer.writeheader()
    for row in rows:
        cells = {name: row.cells.get(name, "") for name in writer.fieldnames}
        camera = CameraId(cells["camera_id"])
        if camera not in links:
            continue
        for name in LEFT_OUT:
            cells[name] = ""
        cells["link"] = links[camera]
        cells["name"] = camera
        for column, stream in _STREAMS.items():
            password = quote(passwords.get((camera, stream), ""), safe="")
            cells[column] = cells[column].replace(SEALED_REFERENCE, password)
        writer.writerow(cells)
    return out.getvalue()


def _zones_yaml(path: Path, cameras: Collection[Camera]) -> str:
    known = {str(camera.id) for camera in cameras}
    data: Any = yaml.safe_load(path.read_text("utf-8")) or {}
    kept = {camera: areas for camera, areas in data.items() if str(camera) in known}
    text: str = yaml.safe_dump(kept, allow_unicode=True, sort_keys=False)
    return text if kept else ""


def _needs_sources(cameras: Collection[Camera]) -> bool:
    return any(
        address.scheme not in PLAIN_SCHEMES for camera in cameras for address in camera.addresses
    )
