"""`patrol pause|resume|maintenance|handover|health|troubles`: a shift from the command line."""

import re
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from patrol.domain.health import CameraHealth, Trouble, TroubleKind
from patrol.domain.ids import CameraId
from patrol.store import open_store, upgrade

CliSite = Any  # conftest's
CAMERA = CameraId("62090204011327000001")
NOON = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)


def test_rounds_are_paused_and_go_on(cli_site: CliSite) -> None:
    paused = cli_site("pause", "--reason", "沙尘暴", "--by", "值班长", "--json")
    assert paused.code == 0, paused.err
    assert (paused.document["scope"], paused.document["reason"]) == ("rounds", "沙尘暴")
    refused = cli_site("round", "morning")
    assert refused.code == 1
    assert "值班长: 沙尘暴" in refused.err
    assert "patrol resume" in refused.err
    assert cli_site("resume", "--by", "甲", "--json").document == {"resumed": [1], "by": "甲"}
    assert cli_site("resume", "--json").document["resumed"] == []
    assert cli_site("round", "morning", "--json").document["planned"] == 1


def test_a_link_in_maintenance_is_left_out_of_a_round(cli_site: CliSite) -> None:
    added = cli_site(
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
    summary = cli_site("round", "morning", "--json").document
    wanted = {"planned": 0, "missed": 0, "refused": 1, "in_maintenance": 1}
    assert {name: summary[name] for name in wanted} == wanted
    assert summary["refusals"] == {"in_maintenance": 1, "indoor": 1}
    assert cli_site("health", "--json").document["left_out"] == {"in_maintenance": 1, "indoor": 1}
    (one,) = cli_site("maintenance", "list", "--json").document
    assert (one["number"], one["subject"], one["by"]) == (1, "127.0.0.1", "运维")
    assert "换交换机" in cli_site("maintenance", "list").out
    assert cli_site("maintenance", "end", "1").code == 0
    assert cli_site("maintenance", "end", "1").code == 2
    assert cli_site("maintenance", "list", "--json").document == []


@pytest.mark.parametrize(
    ("arguments", "message"),
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
def test_what_cannot_be_is_bad_input_in_one_line(
    cli_site: CliSite, arguments: list[str], message: str
) -> None:
    ended = cli_site(*arguments)
    assert ended.code == 2
    assert message in ended.err
    assert len(ended.err.splitlines()) == 1


def test_a_shift_is_handed_over_by_two_people(cli_site: CliSite) -> None:
    cli_site("pause", "--reason", "沙尘暴", "--by", "甲")
    given = cli_site(
        "handover", "give", "--to", "乙", "--note", "留意东沟村", "--by", "甲", "--json"
    )
    assert given.code == 0, given.err
    assert given.document["sheet"]["paused"][0]["reason"] == "沙尘暴"
    stranger = cli_site("handover", "take", "--by", "丙")
    assert (stranger.code, "handed over to 乙 by 甲" in stranger.err) == (1, True)
    taken = cli_site("handover", "take", "--by", "乙", "--json")
    assert taken.document["digest"] == given.document["digest"]
    assert cli_site("handover", "show", "--json").document["shift_of"] == "乙"
    assert cli_site("handover", "give", "--to", "丁", "--by", "甲").code == 1
    assert cli_site("handover", "give", "--to", "乙", "--by", "乙").code == 1
    signed = cli_site("handover", "list", "--json").document
    assert [(one["what"], one["who"]) for one in signed] == [("take", "乙"), ("give", "甲")]
    assert "沙尘暴" in cli_site("handover", "show").out
    assert cli_site("db", "check").code == 0


def test_the_fleet_and_one_camera_s_story(cli_site: CliSite) -> None:
    first = cli_site("health", "--json").document
    assert (first["online_rate"], first["left_out"]) == (None, {"indoor": 1, "never_visited": 1})
    cli_site("round", "morning")  # nobody listens on that port
    fleet = cli_site("health", "--json").document
    assert (fleet["counted"], fleet["offline"], fleet["online_rate"]) == (1, 1, 0.0)
    story = cli_site("health", CAMERA[-6:], "--json").document
    assert (story["camera"], story["state"], story["failures"]) == (CAMERA, "offline", 1)
    assert story["why"] == "unreachable"
    (trouble,) = cli_site("troubles", "--json").document
    assert (trouble["subject"], trouble["state"], trouble["light"]) == (CAMERA, "offline", "green")
    (taken,) = cli_site("troubles", "--take", "1", "--by", "运维", "--json").document
    assert taken["taken_by"] == "运维"
    again = cli_site("troubles", "--take", "1", "--by", "别人")
    assert (again.code, "was taken by 运维" in again.err) == (1, True)


def test_retired_cameras_are_said_and_not_counted(cli_site: CliSite) -> None:
    url = f"sqlite:///{cli_site.home}/patrol.db"
    upgrade(url)
    with open_store(url) as store, store.begin() as uow:
        now = NOON
        for ident in (CAMERA, CameraId("6" * 20)):
            uow.health.save(ident, CameraHealth(state="online", since=now), changed=True)
        trouble = Trouble(
            kind=TroubleKind.VILLAGE, subject="v", state="down", since=now, opened_at=now,
            why="停电", cameras=(CAMERA,),
        )  # fmt: skip
        uow.troubles.open(trouble)
        uow.commit()
    fleet = cli_site("health", "--json").document
    assert (fleet["counted"], fleet["online_rate"], fleet["retired"]) == (1, 1.0, 1)
    assert [one["why"] for one in fleet["outages"]] == ["停电"]
    assert (fleet["key"]["target"], fleet["rest"]["intact_rate"]) == (0.98, 1.0)


@pytest.mark.parametrize("columns", ["80", "40", "200"])
def test_lists_are_for_people_whole_ids_local_times_no_braces(
    cli_site: CliSite, monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    cli_site("round", "morning")  # nobody listens on that port: a trouble
    cli_site("pause", "--reason", "沙尘暴", "--until", "2099-01-01 08:00", "--by", "甲")
    monkeypatch.setenv("COLUMNS", columns)
    zone = ZoneInfo("Asia/Shanghai")
    (trouble,) = cli_site("troubles", "--json").document
    since = f"{datetime.fromisoformat(trouble['since']).astimezone(zone):%Y-%m-%d %H:%M}"
    shown = {
        verb: cli_site(*verb.split()).out
        for verb in ("troubles", "health", f"health {CAMERA}", "handover show", "maintenance list")
    }
    for verb, text in shown.items():
        assert not re.search(r"\d{4}-\d\d-\d\dT\d\d:|\{|\}|UTC", text), (verb, text)
    for verb in ("troubles", f"health {CAMERA}"):
        assert CAMERA in shown[verb], "in one piece, to be typed"
        assert since in " ".join(shown[verb].split())
    assert "室内 1" in shown["health"]
    assert "08:00" in shown["handover show"], "until, on the site's clock"
