"""kill -9 in mid-round: of the patrol, of the broker, of the cameras; equal books each time."""

import os
import signal
from typing import Any

import pytest

from patrol.bench.farm import RunningFarm, running_farm
from simulators.mosquitto import Mosquitto

House = Any  # conftest.House; test folders are no packages

pytestmark = pytest.mark.slow


@pytest.fixture
def slow_walk(house: House, farm: RunningFarm) -> House:
    """Four at a time, so that there is a middle to be killed in."""
    house.edit(limits={"connections": 4}, sampling={"pictures": 2, "spacing_s": 0.5})
    return house


def under_way(house: House) -> bool:
    books = house.books()
    return books is not None and books.seen > 2 and books.pending > 5


def check_books(house: House, summary: dict[str, Any]) -> None:
    assert summary["state"] == "finished"
    assert summary["planned"] == summary["seen"] + summary["not_viewable"] + summary["missed"]
    books = house.books()
    assert books is not None
    assert books.balanced
    assert (books.pending, books.planned) == (0, summary["planned"])
    assert house.patrol("db", "check").returncode == 0


def test_the_patrol_is_killed_and_the_round_taken_up(slow_walk: House, wait_for: Any) -> None:
    walking = slow_walk.start("round", "morning")
    wait_for("a round under way", lambda: under_way(slow_walk))
    walking.send_signal(signal.SIGKILL)
    walking.wait(10)
    before = slow_walk.books()
    assert before.pending > 0
    summary = slow_walk.json("round", "morning")
    check_books(slow_walk, summary)
    assert summary["seen"] == summary["planned"]
    assert summary["round"].endswith("-1"), "the same round, not a second one"


def test_the_cameras_die_in_mid_round_and_come_back(
    slow_walk: House, farm: RunningFarm, broker: Mosquitto, wait_for: Any
) -> None:
    walking = slow_walk.start("round", "morning")
    wait_for("a round under way", lambda: under_way(slow_walk))
    os.kill(farm.pid, signal.SIGKILL)
    assert walking.wait(120) == 0
    books = slow_walk.books()
    assert books.balanced
    assert (books.pending, books.not_viewable > 0) == (0, True)
    with running_farm(
        slow_walk.folder,
        cameras=40,
        profile="tiny",
        faults="none",
        port=farm.port,
        mqtt_url=broker.url,
    ):
        slow_walk.edit(objects=False)
        summary = slow_walk.json("round", "morning")
    check_books(slow_walk, summary)
    assert summary["seen"] == summary["planned"]


def test_the_broker_dies_in_mid_round_and_messages_wait(
    slow_walk: House, broker: Mosquitto, wait_for: Any
) -> None:
    walking = slow_walk.start("round", "morning")
    wait_for("a round under way", lambda: under_way(slow_walk))
    broker.kill()
    assert walking.wait(120) == 0
    broker.start()
    summary = slow_walk.json("round", "morning")
    check_books(slow_walk, summary)
    assert summary["messages"]["queued"] == summary["messages"]["published"] > 0


def test_ctrl_c_puts_everything_away_within_five_seconds(slow_walk: House, wait_for: Any) -> None:
    walking = slow_walk.start("round", "morning")
    wait_for("a round under way", lambda: under_way(slow_walk))
    walking.send_signal(signal.SIGINT)
    walking.wait(5)
    assert slow_walk.patrol("db", "check").returncode == 0
    check_books(slow_walk, slow_walk.json("round", "morning"))
