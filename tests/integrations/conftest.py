"""A site on disk, as small as the application can be built from, with a real broker."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from patrol.app import Application, build
from patrol.settings import Site, load_site
from simulators.mosquitto import Mosquitto, find_mosquitto

SOURCE = Path(__file__).parents[2] / "config"


@pytest.fixture
def write_small_site(tmp_path: Path) -> Callable[..., Site]:
    """The example's town with a broker's address, and whatever else site.yaml should say."""

    def written(broker_url: str, more: str = "") -> Site:
        for name in ("grids.csv", "people.csv", "cameras.csv"):
            (tmp_path / name).write_bytes((SOURCE / name).read_bytes())
        (tmp_path / "site.yaml").write_text(
            f"""
site: {{id: shangba, name: 上坝镇, latitude: 39.6, longitude: 98.75}}
database: sqlite:///{tmp_path}/patrol.db
evidence: {tmp_path}/evidence
objects: false
mqtt: {{url: "{broker_url}"}}
{more}
""",
            "utf-8",
        )
        return load_site(tmp_path, env={})

    return written


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    if find_mosquitto() is None:
        problem = "mosquitto is not installed (Debian: mosquitto)"
        pytest.fail(problem) if os.environ.get("CI") == "true" else pytest.skip(problem)
    folder = tmp_path / "mosquitto"
    folder.mkdir()
    server = Mosquitto(folder)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def app(write_small_site: Callable[..., Site], broker: Mosquitto) -> Iterator[Application]:
    with build(write_small_site(broker.url)) as built:
        yield built
