"""kill -9 in the middle of a round over GB/T 28181: the next run says BYE to every orphan."""

import signal
from collections.abc import Iterator
from typing import Any

import pytest

from simulators.rtsp_farm.control import FarmControl
from simulators.rtsp_farm.process import running_farm
from tests.e2e.site import PatrolSite, wait_for
from tests.support.rounds import is_balanced

pytestmark = pytest.mark.soak
CHANNELS, RECORDERS, CAP = 24, 3, 4


@pytest.fixture
def recorders(patrol_site: PatrolSite) -> Iterator[FarmControl]:
    """Channels behind recorders that give four sessions each, sampled so long that a kill hits."""
    with running_farm(
        patrol_site.folder, cameras=CHANNELS, profile="tiny", faults="none", sources="gb",
        devices=RECORDERS,
    ) as farm:  # fmt: skip
        patrol_site.edit(objects=False, sampling={"pictures": 2, "spacing_s": 1.5})
        with FarmControl(farm.control_port) as control:
            yield control


def test_no_dialog_is_left_and_every_channel_is_seen_once(
    patrol_site: PatrolSite, recorders: FarmControl
) -> None:
    def many_play() -> dict[str, Any] | None:
        stats, totals = recorders.stats(), patrol_site.round_totals()
        is_middle = totals is not None and totals.seen > 0 and totals.pending > CAP
        return stats if is_middle and stats["gb_playing"] > 1 else None

    command = patrol_site.start("round", "morning")
    wait_for("several channels playing in the middle of the round", many_play)
    command.send_signal(signal.SIGKILL)
    command.wait(10)
    orphans = recorders.stats()["gb_sessions"]
    assert orphans > 1

    summary = patrol_site.json("round", "morning")
    stats = recorders.stats()
    totals = patrol_site.round_totals()
    assert totals is not None
    assert is_balanced(totals)
    assert (totals.planned, totals.seen, totals.pending) == (summary["planned"],) * 2 + (0,)
    assert summary["round"].endswith("-1"), "the same round, not a second one"
    assert (stats["gb_sessions"], stats["gb_playing"]) == (0, 0)
    assert stats["gb_byes"] == stats["gb_invites"] - stats["gb_busy"]
    assert stats["gb_most_sessions"] <= CAP
    assert patrol_site.patrol("db", "check").returncode == 0
