"""People, grids and leave at the command line: the files, their history, what is refused."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from patrol.clock import SystemClock
from patrol.mqtt.mosquitto_files import ACL, handed_out_passwords

CliSite = Any  # conftest's
GROUP = "620902104203001"
TODAY = SystemClock().now().date()


def day(ahead: int) -> str:
    return str(TODAY + timedelta(days=ahead))


def document(ended: Any) -> Any:
    assert ended.code == 0, ended.err
    return ended.document


@pytest.fixture
def site(site_without_broker: CliSite) -> CliSite:
    return site_without_broker


def file(site: CliSite, name: str) -> Path:
    return Path(site.home) / "config" / name


def test_a_person_is_added_changed_and_removed(site: CliSite) -> None:
    added = document(
        site("people", "set", "person_id=H1", "name=李", "role=群防群治队员", f"grid_code={GROUP}",
             "kind=单位治安员", "--by", "admin", "--why", "新增", "--json")
    )  # fmt: skip
    assert [(one["row"], one["what"]) for one in added["changes"]] == [("H1", "added")]
    rows = {row["person_id"]: row for row in document(site("people", "list", "--json"))}
    assert (rows["H1"]["role"], rows["H1"]["on_leave"]) == ("群防群治队员", False)
    assert "H1,李" in file(site, "people.csv").read_text("utf-8")
    site("people", "remove", "H1", "--by", "admin")
    history = document(site("people", "history", "H1", "--json"))
    assert [(one["what"], one["by"]) for one in history] == [
        ("removed", "admin"), ("added", "admin"),
    ]  # fmt: skip
    assert "新增" in site("people", "history").out


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (("people", "set", "person_id=L1", "role=king"), "people.csv:5: role: 'king' is unknown"),
        (("people", "set", "person_id"), "write COLUMN=VALUE"),
        (("people", "set", "person_id=L1", "pin=1"), "column 'pin' is unknown"),
        (("people", "remove", "L9"), "there is no row 'L9'"),
        (("people", "remove", "L1"), "person 'L1' is not in this file"),
        (("people", "import", "nowhere.csv"), "nowhere.csv"),
        (("leave", "add", "L1", "--from", "x", "--until", day(1)), "'x' is not a day"),
        (("leave", "add", "L1", "--from", day(0), "--until", day(1), "--substitute", "M1"),
         "only a maintainer stands in"),
        (("leave", "end", "L1", day(0)), "there is no row"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_told_and_changes_nothing(
    site: CliSite, line: tuple[str, ...], said: str
) -> None:
    before = file(site, "people.csv").read_bytes()
    ended = site(*line)
    assert (ended.code, said in ended.err) == (2, True), ended.err
    assert file(site, "people.csv").read_bytes() == before


def test_a_leave_is_entered_and_check_says_a_grid_without_anybody(site: CliSite) -> None:
    first = document(
        site("leave", "add", "L1", "--from", day(2), "--until", day(4), "--note", "病假", "--json")
    )
    assert first["unstaffed"] == []
    second = document(site("leave", "add", "L2", "--from", day(2), "--until", day(3), "--json"))
    (said,) = second["unstaffed"]
    assert (said["grid"], set(said["on_leave"])) == (GROUP, {"L1", "L2"})
    checked = site("check", "--json")
    notices = [one for one in checked.document["notices"] if one["file"].endswith("leave.csv")]
    assert len(notices) == 1
    assert f"grid {GROUP}: nobody from {day(2)}" in notices[0]["text"]
    ended = document(site("leave", "end", "L2", day(2), "--json"))
    assert ended["unstaffed"] == []
    assert [row["person_id"] for row in document(site("leave", "list", "--json"))] == ["L1"]


def test_a_leave_that_holds_makes_a_gap_that_check_names(site: CliSite) -> None:
    for person in ("L1", "L2"):
        document(site("leave", "add", person, "--from", day(-1), "--until", day(2), "--json"))
    checked = site("check", "--json")
    assert "L1 on leave, nobody stands in" in str(checked.document["problems"])
    assert checked.code == 2
    rows = {row["person_id"]: row for row in document(site("people", "list", "--json"))}
    assert (rows["L1"]["on_leave"], rows["L1"]["acting"]) == (True, None)


def test_an_import_is_compared_and_only_applied_when_asked(site: CliSite, tmp_path: Path) -> None:
    out = tmp_path / "people.csv"
    assert site("people", "export", "--out", str(out)).code == 0
    out.write_text(out.read_text("utf-8-sig").replace("网格长", "新网格长"), "utf-8")
    compared = document(site("people", "import", str(out), "--json"))
    assert [one["row"] for one in compared["changes"]] == ["L1"]
    assert "新网格长" not in file(site, "people.csv").read_text("utf-8")
    site("people", "import", str(out), "--apply", "--by", "admin")
    assert "新网格长" in file(site, "people.csv").read_text("utf-8")


def test_the_broker_s_generated_files_follow_at_once(site: CliSite) -> None:
    folder = file(site, "mosquitto")
    assert site("mosquitto", "write", "--out", str(folder)).code == 0
    path = file(site, "site.yaml")
    text = path.read_text("utf-8").replace("mqtt: {", f"mqtt: {{broker_files: {folder}, ", 1)
    path.write_text(text, "utf-8")
    document(
        site("people", "set", "person_id=L3", "name=王", "role=grid_worker",
             f"grid_code={GROUP}", "mqtt_user=L3", "--json")
    )  # fmt: skip
    assert handed_out_passwords(folder / "accounts.csv")["L3"]
    document(site("leave", "add", "L1", "--from", day(0), "--until", day(1), "--json"))
    text = (folder / ACL).read_text("utf-8")
    assert f"grid/{GROUP}/case/+" not in text.partition("user L1\n")[2].partition("\n\n")[0]
    assert not [p for p in site("check", "--json").document["problems"] if p["field"] == "accounts"]
