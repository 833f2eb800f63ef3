"""A whole round over GB/T 28181 at scale, counted on both sides; behind `make soak`."""

from pathlib import Path

import pytest

from patrol.bench.gb28181 import round_row
from simulators.rtsp_farm.control import FarmControl
from simulators.rtsp_farm.process import running_farm

pytestmark = pytest.mark.soak


@pytest.mark.parametrize(("channels", "recorders"), [(600, 20)])
def test_a_round_is_seen_whole_and_leaves_nothing_open(
    tmp_path: Path, channels: int, recorders: int
) -> None:
    town = tmp_path / "town"
    with running_farm(
        town, cameras=channels, profile="bench", sources="gb", devices=recorders
    ) as farm:
        row = round_row(town)
        with FarmControl(farm.control_port) as control:
            stats = control.stats()
    assert (row["planned"], row["seen"], row["pictures"]) == (channels, channels, 2 * channels)
    assert stats["gb_invites"] == stats["gb_acks"] == stats["gb_byes"] == channels
    assert (stats["gb_sessions"], stats["gb_playing"], stats["gb_busy"]) == (0, 0, 0)
    assert stats["gb_most_sessions"] <= 4
    assert row["descriptors_left"] == 0
