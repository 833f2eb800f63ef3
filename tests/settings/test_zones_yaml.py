"""zones.yaml: the burnt-in clock's template, and where the detector looks closer."""

from typing import Any

import pytest

from patrol.domain.camera import ClockTemplate
from patrol.domain.ids import CameraId
from patrol.settings import load_site

Town = Any  # conftest's
CAMERA = CameraId("62090204011327000001")
ZONES = """\
"62090204011327000001":
  clock: &osd {box: [0.02, 0.01, 0.4, 0.08], format: "%Y-%m-%d %H:%M:%S"}
  zones:
    - name: 场
      polygon: [[0, 0], [1, 0], [1, 1]]
      kind: blocking_vehicle
      classes: [car]
      tiles: true
"62090204011327000002":
  clock: *osd
"""


def test_a_template_may_be_shared_and_tiles_asked_for(town: Town) -> None:
    town.write("zones.yaml", ZONES)
    cameras = load_site(town.directory, {}).registry.cameras
    areas = cameras[CAMERA].areas
    assert areas.clock == ClockTemplate(box=(0.02, 0.01, 0.4, 0.08), format="%Y-%m-%d %H:%M:%S")
    assert [zone.tiles for zone in areas.zones] == [True]
    assert cameras[CameraId("62090204011327000002")].areas.clock == areas.clock


@pytest.mark.parametrize(("good", "bad", "words"), [
    ("0.4, 0.08]", "0.99, 0.08]", "zones.yaml:2: 62090204011327000001.clock.box: is no part"),
    ("0.4, 0.08]", "0.4]", "62090204011327000001.clock.box"),
    ("%H:%M:%S", "%T", "62090204011327000001.clock.format: '%T' is unknown"),
    (" %H:%M:%S", "", "62090204011327000001.clock.format: has no hour and minute"),
    ("tiles: true", "tiles: 3", "zones[0].tiles: 3 is not true or false"),
])  # fmt: skip
def test_what_is_wrong_is_told_with_its_line(good: str, bad: str, words: str, town: Town) -> None:
    town.write("zones.yaml", ZONES.replace(good, bad))
    assert any(words in line for line in town.complaints()), town.complaints()
