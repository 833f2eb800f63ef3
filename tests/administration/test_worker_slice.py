"""A worker's configuration directory: its links alone, with the login and the TLS of the site's."""

import csv
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from patrol.administration.worker_slice import PASSWORD_VARIABLE, write_slice
from patrol.cli.check_cluster import is_worker
from patrol.encryption import SiteKey
from patrol.settings import Site, load_site
from tests.support.small_files import write_small_site

ROLE = "edge_machines"
DATABASE = "postgresql+psycopg://patrol:secret@db.town.example:5433/town?sslmode=verify-full"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """The example town as a cluster; no row names a link, so that each host is one."""
    folder = tmp_path / "site"
    folder.mkdir()
    write_small_site(folder)
    with (folder / "cameras.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = [{**row, "link": ""} for row in csv.DictReader(file)]
    with (folder / "cameras.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    path = folder / "site.yaml"
    kept = [line for line in path.read_text("utf-8").splitlines() if "database:" not in line]
    more = [f'database: "{DATABASE}"', f"cluster: {{worker_role: {ROLE}}}"]
    path.write_text("\n".join([*kept, *more]), "utf-8")
    return load_site(folder, env={})


def sliced(site: Site, tmp_path: Path, *links: str) -> Site:
    target, key = tmp_path / "worker", SiteKey(b"k" * 32, "a key")
    write_slice(site, links, target, key=key, passwords={}, pictures="s3://town/exchange")
    return load_site(target, env={PASSWORD_VARIABLE: "p"})


def test_a_role_of_the_sites_own_stays_the_workers(site: Site, tmp_path: Path) -> None:
    link = next(iter(site.registry.cameras.values())).link
    worker = sliced(site, tmp_path, link)
    assert is_worker(worker.settings)
    assert worker.settings.cluster is not None
    assert worker.settings.cluster.worker_role == ROLE


def test_the_options_of_the_databases_address_go_along(site: Site, tmp_path: Path) -> None:
    link = next(iter(site.registry.cameras.values())).link
    url = make_url(sliced(site, tmp_path, link).settings.database)
    assert (url.username, url.host, url.port, url.database) == (
        ROLE, "db.town.example", 5433, "town",
    )  # fmt: skip
    assert url.query == {"sslmode": "verify-full"}


def test_a_link_that_is_named_by_its_host_alone_has_its_cameras(site: Site, tmp_path: Path) -> None:
    link = next(iter(site.registry.cameras.values())).link
    wanted = {one.id for one in site.registry.cameras.values() if one.link == link}
    cameras = sliced(site, tmp_path, link).registry.cameras
    assert set(cameras) == wanted
    assert {camera.link for camera in cameras.values()} == {link}
