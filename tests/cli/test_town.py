"""The town's own work at the command line: findings, duties, patrols, supervision, meetings."""

import json
from pathlib import Path
from typing import Any

import pytest

CliSite = Any  # conftest's
CAMERA, GROUP = "62090204011327000001", "620902104203001"
TOWN = """
patrols:
  all_day:
    title: 全天
    start: "00:00"
    finish_by: "23:59"
    early_min: 60
    checkpoints: [{title: 一号, cameras: ["62090204011327000001", "62090204011327000002"]}]
    checklist: [看门窗]
hand_off: {police: {title: 派出所}}
broadcast:
  speakers: {loud: {title: 喇叭, grid: "620902104203000"}}
  quiet_from: "00:00"
  quiet_until: "00:00"
centres: {east: {name: 东片, grids: ["620902104203000"]}}
"""


@pytest.fixture
def town_site(site_without_broker: CliSite) -> CliSite:
    path = site_without_broker.home / "config" / "site.yaml"
    path.write_text(path.read_text("utf-8") + TOWN, "utf-8")
    return site_without_broker


def document(ended: Any) -> Any:
    assert ended.code == 0, ended.err
    return ended.document


def filed(site: CliSite, *more: str) -> Any:
    return document(
        site("finding", "file", "--category", "smoke", "--grid", GROUP, "--text", "来电:冒烟",
             "--by", "op", "--json", *more)
    )  # fmt: skip


def test_a_call_is_filed_dismissed_and_undone(town_site: CliSite) -> None:
    made = filed(town_site)
    ident = made["finding"]["id"]
    assert (made["case"], made["finding"]["filed_by"]) == (None, "op")
    assert ident in [one["id"] for one in document(town_site("queue", "--json"))]
    town_site("dismiss", ident, "--reason", "duplicate", "--by", "op")
    listed = document(town_site("finding", "list", "--mine", "--today", "--by", "op", "--json"))
    assert [one["id"] for one in listed] == [ident]
    assert document(town_site("finding", "list", "--text", "nothing", "--json")) == []
    assert town_site("finding", "undo", ident, "--by", "other").code == 2
    assert document(town_site("finding", "undo", ident, "--by", "op", "--json"))["state"] == (
        "candidate"
    )
    assert town_site("finding", "undo", ident, "--by", "op").code == 1
    events = document(town_site("finding", "history", ident, "--json"))["events"]
    assert [one["what"] for one in events] == ["file", "undo"]


@pytest.mark.parametrize(
    ("more", "field"),
    [
        (("--category", "gathering", "--grid", GROUP, "--text", "x"), "category"),
        (("--category", "smoke", "--text", "x"), "grid"),
        (("--category", "smoke", "--grid", "1", "--text", "x"), "grid"),
        (("--category", "smoke", "--grid", GROUP), "text"),
        (("--category", "smoke", "--grid", GROUP, "--text", "x", "--level", "V"), "level"),
        (("--category", "smoke", "--camera", CAMERA, "--box", "1,2", "--text", "x"), "box"),
    ],
)
def test_what_is_wrong_is_one_line_that_names_it(
    town_site: CliSite, more: tuple[str, ...], field: str
) -> None:
    ended = town_site("finding", "file", *more)
    assert ended.code == 2
    assert field in ended.err
    assert len(ended.err.strip().splitlines()) == 1


def test_a_case_is_supervised_urged_tagged_handed_off_and_broadcast(town_site: CliSite) -> None:
    case = filed(town_site, "--to", "case")["case"]["id"]
    held = document(
        town_site("supervise", case, "--why", "x", "--hours", "2", "--by", "a", "--json")
    )
    assert held["supervision"]["by"] == "a"
    assert document(town_site("urge", case, "--why", "快", "--json"))["id"] == case
    assert town_site("urge", case, "--why", "快").code == 2
    tagged = document(town_site("tags", "case", case, "铁路", "四网融合", "--json"))
    assert sorted(tagged["tags"]) == sorted(["铁路", "四网融合"])
    assert document(town_site("tags", "grid", GROUP, "沿线", "--json"))["tags"] == ["沿线"]
    given = document(town_site("hand-off", "give", case, "--to", "police", "--why", "x", "--json"))
    assert town_site("hand-off", "give", case, "--to", "army", "--why", "x").code == 2
    answered = town_site("hand-off", "answer", given["id"], "--text", "已处警", "--json")
    assert document(answered)["state"] == "answered"
    assert document(town_site("hand-off", "list", "--json"))[0]["answer"] == "已处警"
    asked = document(
        town_site("broadcast", "ask", case, "--template", "tidy", "--by", "a", "--json")
    )
    assert town_site("broadcast", "decide", asked["id"], "approve", "--by", "a").code == 1
    sent = town_site("broadcast", "decide", asked["id"], "approve", "--by", "b", "--json")
    assert document(sent)["state"] == "sent"
    assert document(town_site("overdue", "--json"))["cases"] == []


def test_a_human_patrol_is_worked(town_site: CliSite) -> None:
    planned = document(town_site("human-patrol", "plan", "all_day", "--json"))
    ident = planned["id"]
    assert (planned["planned"], planned["refused"]) == (1, 1)  # the second is indoors
    assert town_site("human-patrol", "plan", "none").code == 2
    started = town_site("human-patrol", "start", ident, "--remark", "晴", "--by", "a", "--json")
    assert document(started)["state"] == "running"
    town_site("human-patrol", "pause", ident)
    assert town_site("human-patrol", "check", ident, CAMERA).code == 1  # it is interrupted
    town_site("human-patrol", "resume", ident)
    seen = town_site("human-patrol", "check", ident, CAMERA, "--by", "a", "--json")
    assert document(seen)["outcome"] == "acknowledged"
    ticked = document(town_site("human-patrol", "tick", ident, "1", "--by", "a", "--json"))
    assert ticked["checklist"] == [{"text": "看门窗", "checked": True}]
    undone = document(town_site("human-patrol", "tick", ident, "1", "--undo", "--json"))
    assert undone["checklist"] == [{"text": "看门窗", "checked": False}]
    assert town_site("human-patrol", "tick", ident, "2").code == 1  # there is one item
    assert town_site("human-patrol", "tick", "none", "1").code == 2
    done = document(town_site("human-patrol", "finish", ident, "--by", "a", "--json"))
    assert (done["state"], done["done"], done["missed"]) == ("completed", 1, 0)
    assert document(town_site("human-patrol", "list", "--json"))[0]["id"] == ident
    assert document(town_site("human-patrol", "show", ident, "--json"))["cameras"][0]["by"] == "a"
    assert town_site("human-patrol", "show", "none").code == 2


def test_a_finding_of_a_human_patrol_is_its_cameras_check(town_site: CliSite) -> None:
    ident = document(town_site("human-patrol", "plan", "all_day", "--json"))["id"]
    document(town_site("human-patrol", "start", ident, "--by", "a", "--json"))
    form = ("finding", "file", "--category", "dumping", "--text", "堆了", "--patrol", ident)
    assert town_site(*form, "--grid", GROUP).code == 2, "of which camera?"
    made = document(town_site(*form, "--camera", CAMERA, "--by", "a", "--json"))["finding"]
    shown = document(town_site("human-patrol", "show", ident, "--json"))["cameras"][0]
    assert (shown["outcome"], shown["finding"]) == ("finding", made["id"])


def test_a_request_is_taken_back_by_who_asked(town_site: CliSite) -> None:
    case = filed(town_site, "--to", "case")["case"]["id"]
    document(town_site("void", case, "--why", "看错", "--by", "a", "--json"))
    assert town_site("withdraw", case, "--by", "b").code == 2, "another's request"
    assert document(town_site("withdraw", case, "--by", "a", "--json"))["request"] is None
    assert town_site("withdraw", case, "--by", "a").code == 2, "nothing waits any more"


def test_a_round_is_signed_and_the_ledger_says_by_whom(town_site: CliSite, tmp_path: Path) -> None:
    a_round = town_site.seed_round().id
    assert document(town_site("duty", "sign", a_round, "--by", "王五", "--json"))["owner"] == "王五"
    assert town_site("duty", "sign", a_round, "--by", "赵六").code == 1
    assert town_site("duty", "hand-over", a_round, "--to", "赵六", "--by", "王五").code == 2
    assert [one["what"] for one in document(town_site("duty", "list", a_round, "--json"))] == [
        "sign_on"
    ]
    out = tmp_path / "ledger.json"
    town_site("report", "--round", a_round, "--format", "json", "--out", str(out))
    assert {row["巡查员"] for row in json.loads(out.read_text("utf-8"))["rows"]} == {"王五"}


@pytest.mark.parametrize("scope", ["town", "centre:east", "village:620902104203000"])
@pytest.mark.parametrize("kind", ["html", "xlsx", "docx", "csv", "json"])
def test_a_meeting_pack_is_written(
    town_site: CliSite, tmp_path: Path, scope: str, kind: str
) -> None:
    out = tmp_path / f"pack.{kind}"
    made = town_site("meeting", "--period", "2026-W47", "--scope", scope, "--format", kind,
                     "--out", str(out), "--json")  # fmt: skip
    assert document(made)["format"] == kind
    assert out.stat().st_size > 60  # a list without a case has its heading alone


@pytest.mark.parametrize(
    "more", [("--period", "soon"), ("--period", "2026-11", "--scope", "village:1")]
)
def test_no_pack_of_what_is_not_there(
    town_site: CliSite, tmp_path: Path, more: tuple[str, ...]
) -> None:
    assert town_site("meeting", *more, "--out", str(tmp_path / "x.html")).code == 2
    assert not (tmp_path / "x.html").exists()


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("quiet_from", "quiet_form", "quiet_f"),
        ("title: 派出所", "title: 派出所, channel: webhook", "secret_file"),
        ("checkpoints: [{title: 一号,", "checkpoints: [{title: 一号, key_sites: true,", "one of"),
        ('grids: ["620902104203000"]', 'grids: ["1"]', "grid code"),
        ("checklist:", "pace_s: 0\n    checklist:", "pace_s"),
    ],
)
def test_check_names_what_is_wrong_in_the_towns_sections(
    town_site: CliSite, old: str, new: str, named: str
) -> None:
    town_site.spoil("site.yaml", old, new)
    ended = town_site("check")
    assert ended.code == 2
    assert named in ended.err + ended.out
