"""Fixtures of the end-to-end tests; everything that they start is ended with the test."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from simulators.mosquitto import Mosquitto, find_mosquitto
from simulators.rtsp_farm.process import RunningFarm, running_farm
from tests.e2e.site import Gstreamer, PatrolSite, Phone, need


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    need("mosquitto", find_mosquitto())
    folder = tmp_path / "broker"
    folder.mkdir()
    one = Mosquitto(folder)
    one.start()
    yield one
    one.stop()


@pytest.fixture
def patrol_site(tmp_path: Path) -> Iterator[PatrolSite]:
    one = PatrolSite(tmp_path / "site")
    yield one
    one.end()


@pytest.fixture
def farm(patrol_site: PatrolSite, broker: Mosquitto) -> Iterator[RunningFarm]:
    """Forty small cameras without faults, three quarters of which may be patrolled."""
    with running_farm(
        patrol_site.folder, cameras=40, profile="tiny", faults="none", mqtt_url=broker.url
    ) as running:
        patrol_site.edit(objects=False)
        yield running


@pytest.fixture
def phone(broker: Mosquitto) -> Iterator[Phone]:
    one = Phone(broker.port)
    yield one
    one.disconnect()


@pytest.fixture
def gstreamer() -> Iterator[Gstreamer]:
    ready = shutil.which("python3", path="/usr/bin")
    probe = "import gi; gi.require_version('GstRtspServer', '1.0')"
    found = ready and subprocess.run([ready, "-c", probe], check=False).returncode == 0
    need("GStreamer's RTSP server", found)
    one = Gstreamer(Path(__file__).with_name("gst_clip.py"))
    yield one
    one.stop()
