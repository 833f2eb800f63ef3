"""`patrol pause|resume|maintenance|handover|health|troubles`: a shift from the command line."""

from datetime import UTC, datetime
from typing import Any

import pytest

from patrol.domain.health import Story
from patrol.domain.ids import CameraId
from patrol.domain.trouble import Trouble, TroubleKind
from patrol.store import open_store, upgrade

Desk = Any  # conftest's
CAMERA = CameraId("62090204011327000001")
NOON = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)


def test_rounds_are_paused_and_go_on(desk: Desk) -> None:
    paused = desk("pause", "--reason", "沙尘暴", "--by", "值班长", "--json")
    assert paused.code == 0, paused.err
    assert (paused.document["scope"], paused.document["reason"]) == ("rounds", "沙尘暴")
    refused = desk("round", "morning")
    assert refused.code == 1
    assert "值班长: 沙尘暴" in refused.err
    assert "patrol resume" in refused.err
    assert desk("resume", "--by", "甲", "--json").document == {"resumed": [1], "by": "甲"}
    assert desk("resume", "--json").document["resumed"] == []
    assert desk("round", "morning", "--json").document["planned"] == 1


def test_a_link_in_maintenance_is_left_out_of_a_round(desk: Desk) -> None:
    added = desk(
        "maintenance",
        "add",
        "--link",
        "127.0.0.1",
        "--reason",
        "换交换机",
        "--by",
        "运维",
        "--json",
    )
    assert added.code == 0, added.err
    summary = desk("round", "morning", "--json").document
    wanted = {"planned": 0, "missed": 0, "refused": 1, "in_maintenance": 1}
    assert {name: summary[name] for name in wanted} == wanted
    assert summary["refusals"] == {"in_maintenance": 1, "indoor": 1}
    assert desk("health", "--json").document["left_out"] == {"in_maintenance": 1, "indoor": 1}
    (one,) = desk("maintenance", "list", "--json").document
    assert (one["number"], one["subject"], one["by"]) == (1, "127.0.0.1", "运维")
    assert "换交换机" in desk("maintenance", "list").out
    assert desk("maintenance", "end", "1").code == 0
    assert desk("maintenance", "end", "1").code == 2
    assert desk("maintenance", "list", "--json").document == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["pause"], "--reason: is missing", id="no reason"),
        pytest.param(["pause", "--reason", "x", "--until", "soon"], "not a time", id="no time"),
        pytest.param(
            ["pause", "--reason", "x", "--until", "2020-01-01 08:00"], "ends after", id="too late"
        ),
        pytest.param(["maintenance", "add", "--reason", "x"], "name one of", id="of nothing"),
        pytest.param(
            ["maintenance", "add", "--reason", "x", "--link", "nvr9"], "there is none", id="no link"
        ),
        pytest.param(["troubles", "--take", "7"], "no such trouble", id="no trouble"),
        pytest.param(["health", "999"], "give its 20 digits", id="no camera"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(desk: Desk, arguments: list[str], said: str) -> None:
    ended = desk(*arguments)
    assert ended.code == 2
    assert said in ended.err
    assert len(ended.err.splitlines()) == 1


def test_a_shift_is_handed_over_by_two_people(desk: Desk) -> None:
    desk("pause", "--reason", "沙尘暴", "--by", "甲")
    given = desk("handover", "give", "--to", "乙", "--note", "留意东沟村", "--by", "甲", "--json")
    assert given.code == 0, given.err
    assert given.document["sheet"]["paused"][0]["reason"] == "沙尘暴"
    stranger = desk("handover", "take", "--by", "丙")
    assert (stranger.code, "handed over to 乙 by 甲" in stranger.err) == (1, True)
    taken = desk("handover", "take", "--by", "乙", "--json")
    assert taken.document["digest"] == given.document["digest"]
    assert desk("handover", "show", "--json").document["shift_of"] == "乙"
    assert desk("handover", "give", "--to", "丁", "--by", "甲").code == 1
    assert desk("handover", "give", "--to", "乙", "--by", "乙").code == 1
    signed = desk("handover", "list", "--json").document
    assert [(one["what"], one["who"]) for one in signed] == [("take", "乙"), ("give", "甲")]
    assert "沙尘暴" in desk("handover", "show").out
    assert desk("db", "check").code == 0


def test_the_fleet_and_one_camera_s_story(desk: Desk) -> None:
    first = desk("health", "--json").document
    assert (first["online_rate"], first["left_out"]) == (None, {"indoor": 1, "never_visited": 1})
    desk("round", "morning")  # nobody listens on that port
    fleet = desk("health", "--json").document
    assert (fleet["counted"], fleet["offline"], fleet["online_rate"]) == (1, 1, 0.0)
    story = desk("health", CAMERA[-6:], "--json").document
    assert (story["camera"], story["state"], story["failures"]) == (CAMERA, "offline", 1)
    assert story["why"] == "unreachable"
    (trouble,) = desk("troubles", "--json").document
    assert (trouble["subject"], trouble["state"], trouble["light"]) == (CAMERA, "offline", "green")
    (taken,) = desk("troubles", "--take", "1", "--by", "运维", "--json").document
    assert taken["taken_by"] == "运维"
    again = desk("troubles", "--take", "1", "--by", "别人")
    assert (again.code, "was taken by 运维" in again.err) == (1, True)


def test_retired_cameras_are_said_and_not_counted(desk: Desk) -> None:
    url = f"sqlite:///{desk.home}/patrol.db"
    upgrade(url)
    with open_store(url) as store, store.begin() as uow:
        now = NOON
        for ident in (CAMERA, CameraId("6" * 20)):
            uow.health.put_story(ident, Story(state="online", since=now), changed=True)
        trouble = Trouble(
            kind=TroubleKind.VILLAGE, subject="v", state="down", since=now, opened_at=now,
            why="停电", cameras=(CAMERA,),
        )  # fmt: skip
        uow.troubles.open(trouble)
        uow.commit()
    fleet = desk("health", "--json").document
    assert (fleet["counted"], fleet["online_rate"], fleet["retired"]) == (1, 1.0, 1)
    assert [one["why"] for one in fleet["outages"]] == ["停电"]
    assert (fleet["key"]["target"], fleet["rest"]["intact_rate"]) == (0.98, 1.0)
