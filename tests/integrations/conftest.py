"""A site on disk, as small as the application can be built from, with a real broker."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from patrol.app import Application, build
from patrol.settings import Site
from simulators.mosquitto import Mosquitto, find_mosquitto
from tests.support import small_files


@pytest.fixture
def write_small_site(tmp_path: Path) -> Callable[..., Site]:
    """The example's town with a broker's address, and whatever else site.yaml should say."""

    def written(broker_url: str, more: str = "") -> Site:
        return small_files.write_small_site(tmp_path, broker_url, more)

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
