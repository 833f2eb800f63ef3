"""kill -9 in mid-round: of the patrol, of the broker, of the cameras; equal totals each time."""

import os
import signal
from typing import Any

import pytest

from simulators.mosquitto import Mosquitto
from simulators.rtsp_farm.process import RunningFarm, running_farm
from tests.e2e.site import PatrolSite, wait_for
from tests.support.rounds import is_balanced

pytestmark = pytest.mark.slow


@pytest.fixture
def slow_round(patrol_site: PatrolSite, farm: RunningFarm) -> PatrolSite:
    """Four at a time, so that there is a middle to be killed in."""
    patrol_site.edit(limits={"connections": 4}, sampling={"pictures": 2, "spacing_s": 0.5})
    return patrol_site


def under_way(patrol_site: PatrolSite) -> bool:
    totals = patrol_site.round_totals()
    return totals is not None and totals.seen > 2 and totals.pending > 5


def check_totals(patrol_site: PatrolSite, summary: dict[str, Any]) -> None:
    assert summary["state"] == "finished"
    assert summary["planned"] == summary["seen"] + summary["not_viewable"] + summary["missed"]
    totals = patrol_site.round_totals()
    assert totals is not None
    assert is_balanced(totals)
    assert (totals.pending, totals.planned) == (0, summary["planned"])
    assert patrol_site.patrol("db", "check").returncode == 0


def test_the_patrol_is_killed_and_the_round_taken_up(slow_round: PatrolSite) -> None:
    command = slow_round.start("round", "morning")
    wait_for("a round under way", lambda: under_way(slow_round))
    command.send_signal(signal.SIGKILL)
    command.wait(10)
    before = slow_round.round_totals()
    assert before is not None
    assert before.pending > 0
    summary = slow_round.json("round", "morning")
    check_totals(slow_round, summary)
    assert summary["seen"] == summary["planned"]
    assert summary["round"].endswith("-1"), "the same round, not a second one"


@pytest.mark.soak
def test_the_cameras_die_in_mid_round_and_come_back(
    slow_round: PatrolSite, farm: RunningFarm, broker: Mosquitto
) -> None:
    command = slow_round.start("round", "morning")
    wait_for("a round under way", lambda: under_way(slow_round))
    os.kill(farm.pid, signal.SIGKILL)
    assert command.wait(120) == 0
    totals = slow_round.round_totals()
    assert totals is not None
    assert is_balanced(totals)
    assert (totals.pending, totals.not_viewable > 0) == (0, True)
    with running_farm(
        slow_round.folder,
        cameras=40,
        profile="tiny",
        faults="none",
        port=farm.port,
        mqtt_url=broker.url,
    ):
        slow_round.edit(objects=False)
        summary = slow_round.json("round", "morning")
    check_totals(slow_round, summary)
    assert summary["seen"] == summary["planned"]


def test_the_broker_dies_in_mid_round_and_messages_wait(
    slow_round: PatrolSite, broker: Mosquitto
) -> None:
    command = slow_round.start("round", "morning")
    wait_for("a round under way", lambda: under_way(slow_round))
    broker.kill()
    assert command.wait(120) == 0
    broker.start()
    summary = slow_round.json("round", "morning")
    check_totals(slow_round, summary)
    assert summary["messages"]["queued"] == summary["messages"]["published"] > 0


def test_ctrl_c_ends_everything_within_five_seconds(slow_round: PatrolSite) -> None:
    command = slow_round.start("round", "morning")
    wait_for("a round under way", lambda: under_way(slow_round))
    command.send_signal(signal.SIGINT)
    command.wait(5)
    assert slow_round.patrol("db", "check").returncode == 0
    check_totals(slow_round, slow_round.json("round", "morning"))
