"""`patrol check`: problems are 2, what cannot be reached is 1, notices are neither."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

CliSite = Any  # conftest's


def test_a_good_site_is_ready(cli_site: CliSite) -> None:
    ended = cli_site("check", "--json")
    assert ended.code == 0, ended.err
    document = ended.document
    assert document["ok"] is True
    assert document["problems"] == document["notices"] == []
    assert document["counts"] == {"cameras": 2, "patrolled": 1, "grids": 3, "people": 5}
    assert "配置可用" in cli_site("check").out


def test_a_database_that_is_not_there_is_new_and_not_made(cli_site: CliSite) -> None:
    (cli_site.home / "patrol.db").unlink()
    ended = cli_site("check", "--json")
    assert (ended.code, ended.err) == (0, "")
    assert "空库，首次使用时建表" in ended.document["checks"][0]["text"]
    assert not (cli_site.home / "patrol.db").exists()


def test_problems_are_listed_both_ways(cli_site: CliSite) -> None:
    cli_site.spoil("grids.csv", "一村一组,group", "一村一组,grup")
    ended = cli_site("check", "--json")
    assert ended.code == 2
    (problem,) = ended.document["problems"]
    assert (problem["line"], problem["field"]) == (4, "level")
    assert problem["file"].endswith("config/grids.csv")
    assert ended.err.startswith(f"{problem['file']}:4: level: 'grup' is unknown")


def test_a_gap_in_a_camera_s_chain_is_a_problem(cli_site: CliSite) -> None:
    cli_site.spoil("people.csv", "L1,网格长,grid_leader", "L1,网格员,grid_worker")
    ended = cli_site("check")
    assert ended.code == 2
    assert (
        f"{cli_site.home}/config/grids.csv:4: chain: grid 620902104203001:"
        " no grid_leader: nobody is told first, add them to people.csv" in ended.err
    )


def test_a_gap_that_no_camera_hangs_on_is_a_notice(cli_site: CliSite) -> None:
    cli_site.spoil(
        "grids.csv",
        "一村一组,group,620902104203000\n",
        "一村一组,group,620902104203000\n620902104203002,一村二组,group,620902104203000\n",
    )
    ended = cli_site("check", "--json")
    assert ended.code == 0
    assert [notice["line"] for notice in ended.document["notices"]] == [5, 5]


def test_a_leader_without_an_account_is_a_problem_another_rung_a_notice(cli_site: CliSite) -> None:
    cli_site.spoil("people.csv", "620902104203001,L1,,", "620902104203001,,,")
    cli_site.spoil("people.csv", "620902104203000,V1,,", "620902104203000,,,")
    ended = cli_site("check", "--json")
    assert ended.code == 2
    (problem,), (notice,) = ended.document["problems"], ended.document["notices"]
    assert (problem["line"], problem["field"]) == (5, "mqtt_user")
    assert "person L1: is empty" in problem["text"]
    assert (notice["line"], notice["field"]) == (4, "mqtt_user")


def test_one_account_for_two_roles_is_a_problem_one_telephone_a_notice(cli_site: CliSite) -> None:
    cli_site.spoil("people.csv", "620902104203001,L2,,L1", "620902104203001,M1,138-0000,L1")
    cli_site.spoil("people.csv", "620902104203000,V1,,", "620902104203000,V1,1380000,")
    ended = cli_site("check", "--json")
    assert ended.code == 2
    assert [(p["line"], p["field"]) for p in ended.document["problems"]] == [(6, "mqtt_user")]
    assert "a maintainer never sees" in ended.document["problems"][0]["text"]
    (notice,) = ended.document["notices"]
    assert (notice["line"], notice["field"]) == (6, "phone")
    assert "the very person who is silent" in notice["text"]


class TestBrokerFiles:
    def write(self, cli_site: CliSite, *, named: bool) -> Path:
        folder: Path = cli_site.home / "config" / "mosquitto"
        assert cli_site("mosquitto", "write", "--out", str(folder)).code == 0
        if named:
            cli_site.spoil("site.yaml", "mqtt: {url:", f"mqtt: {{broker_files: {folder}, url:")
        return folder

    def test_as_written_they_agree(self, cli_site: CliSite) -> None:
        self.write(cli_site, named=True)
        assert cli_site("check", "--json").document["problems"] == []

    def test_each_difference_is_reported_with_its_line(self, cli_site: CliSite) -> None:
        folder = self.write(cli_site, named=True)
        acl, passwords = folder / "patrol.acl", folder / "patrol.passwd"
        text = acl.read_text("utf-8").replace("user L2", "user L9")
        text = text.replace("user V1\n", "user V1\ntopic read patrol/v1/small/#\n")
        acl.write_text(f"topic read #\n{text}", "utf-8")
        kept = [line for line in passwords.read_text("utf-8").splitlines() if line[:3] != "T1:"]
        passwords.write_text("\n".join([*kept, "old:secret"]), "utf-8")
        ended = cli_site("check", "--json")
        assert ended.code == 2
        texts = [problem["text"] for problem in ended.document["problems"]]
        for expected in (
            "anonymous clients may read #",
            "user L9: nobody of people.csv",
            "user L2: is missing",
            "user V1: may read patrol/v1/small/#, and should not",
            "user T1: has no password",
            "user old: may connect, and is nobody",
            "user old: its password lies there in the open",
        ):
            assert any(expected in reported for reported in texts), (expected, texts)
        assert len(texts) == 7
        assert ended.document["problems"][0]["line"] == 1

    def test_a_person_who_came_since_is_missing(self, cli_site: CliSite) -> None:
        self.write(cli_site, named=True)
        text = (cli_site.home / "config" / "people.csv").read_text("utf-8")
        cli_site.write("people.csv", f"{text}M2,运维二,maintainer,620902104000000,M2,,\n")
        texts = [problem["text"] for problem in cli_site("check", "--json").document["problems"]]
        assert sorted(texts) == [
            "user M2: has no password, cannot connect",
            "user M2: is missing, cannot read or write anything",
        ]

    def test_files_that_only_lie_beside_the_configuration_are_a_notice(
        self, cli_site: CliSite
    ) -> None:
        folder = self.write(cli_site, named=False)
        acl = folder / "patrol.acl"
        acl.write_text(acl.read_text("utf-8").replace("user L2", "user L9"), "utf-8")
        ended = cli_site("check", "--json")
        assert ended.code == 0
        (notice,) = ended.document["notices"]
        assert "does not agree with people.csv (2, the first: user L9" in notice["text"]

    def test_a_file_that_cannot_be_read_is_one_line(self, cli_site: CliSite) -> None:
        folder = self.write(cli_site, named=True)
        (folder / "patrol.acl").unlink()
        ended = cli_site("check")
        assert ended.code == 2
        assert "patrol.acl:1: accounts: cannot be read: No such file" in ended.err


def test_a_site_without_a_maintainer_may_be_patrolled(cli_site: CliSite) -> None:
    cli_site.spoil("people.csv", "M1,运维,maintainer,620902104000000,M1,,\n", "")
    ended = cli_site("check", "--json")
    assert ended.code == 0
    assert "maintainer" in ended.document["notices"][0]["text"]


def test_a_broker_that_is_not_there_is_one_line_and_one(site_without_broker: CliSite) -> None:
    ended = site_without_broker("check")
    assert ended.code == 1
    assert len(ended.err.splitlines()) == 1
    assert "消息代理：连不上：mqtt://127.0.0.1:" in ended.err
    assert "Connection refused" in ended.err


def test_a_database_that_is_not_there_is_one_line_and_one(cli_site: CliSite) -> None:
    url = "postgresql+psycopg://patrol:s3cret@127.0.0.1:9/patrol"
    text = (cli_site.home / "config" / "site.yaml").read_text(encoding="utf-8")
    lines = [f"database: {url}" if line.startswith("database") else line
             for line in text.splitlines()]  # fmt: skip
    cli_site.write("site.yaml", "\n".join(lines))
    ended = cli_site("check")
    assert ended.code == 1
    assert len(ended.err.splitlines()) == 1
    assert "数据库：连不上" in ended.err
    assert "s3cret" not in ended.err


def test_missing_weights_do_not_stop_a_site(cli_site: CliSite) -> None:
    cli_site.spoil("site.yaml", "objects: false", "objects: true")
    ended = cli_site("check", "--json")
    assert ended.code == 0
    (weights,) = (check for check in ended.document["checks"] if "models" in check["name"])
    assert (weights["ok"], weights["needed"]) == (False, False)
    assert "patrol models install" in weights["text"]


def test_consents_that_run_out_or_hold_too_long_are_noticed(cli_site: CliSite) -> None:
    today = datetime.now(UTC).date()  # noqa: TID251  the command's own clock
    text = (cli_site.home / "config" / "cameras.csv").read_text(encoding="utf-8")
    until = text.splitlines()[1].rsplit(",", 1)[1]
    soon, long = today + timedelta(days=5), today + timedelta(days=800)
    text = text.replace(until, str(soon), 1).replace(until, str(long), 1)
    cli_site.write("cameras.csv", text)
    notices = cli_site("check", "--json").document["notices"]
    assert [(n["line"], n["text"].split(" ")[0]) for n in notices] == [
        (2, "runs"), (3, str(long)),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("plan", "closed"),
    [
        ("start: '06:00', finish_by: '08:00', after_sunrise_min: 30", True),  # sunrise in January
        ("start: '06:00', finish_by: '09:30', after_sunrise_min: 30", False),
        ("start: '05:00', finish_by: '06:00', after_sunrise_min: 0", True),
        ("start: '20:00', finish_by: '22:00', before_sunset_min: 30", False),  # moved as a whole
    ],
)
def test_a_plan_that_the_sun_closes_is_found(cli_site: CliSite, plan: str, *, closed: bool) -> None:
    cli_site.spoil("site.yaml", "objects:", f"plans: {{dawn: {{{plan}}}}}\nobjects:")
    ended = cli_site("check", "--json")
    texts = [one["text"] for one in ended.document["problems"] if one["field"] == "plans.dawn"]
    assert (ended.code == 2, bool(texts)) == (closed, closed)
    assert all("days of the coming year, the first 20" in text for text in texts)


@pytest.mark.parametrize(
    "url",
    [
        "rtsp://127.0.0.1:9/a",
        "rtsp://other:pw@127.0.0.1:9/a",
        "rtsp://127.0.0.1:9/b,rtsp://127.0.0.1:9/a",
    ],
)
def test_two_cameras_at_one_address_are_found(cli_site: CliSite, url: str) -> None:
    if "," in url:
        cli_site.spoil("cameras.csv", "url,", "url,sub_url,")
        cli_site.spoil("cameras.csv", "127.0.0.1:9/a,", "127.0.0.1:9/a,,")
    cli_site.spoil("cameras.csv", "rtsp://127.0.0.1:9/b,", f"{url},")
    ended = cli_site("check", "--json")
    (notice,) = ended.document["notices"]
    assert (notice["line"], "62090204011327000001, too" in notice["text"]) == (3, True)
    assert "s3cret" not in ended.out + ended.err


@pytest.mark.parametrize(("grid", "level"), [("203000", "village"), ("000000", "town")])
def test_a_camera_outside_every_group_is_a_notice(cli_site: CliSite, grid: str, level: str) -> None:
    cli_site.spoil("cameras.csv", "一号,620902104203001", f"一号,620902104{grid}")
    notices = cli_site("check", "--json").document["notices"]
    assert [one["line"] for one in notices if f"is a {level}" in one["text"]] == [2]
