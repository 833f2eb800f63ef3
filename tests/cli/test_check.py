"""`patrol check`: problems are 2, what cannot be reached is 1, notices are neither."""

from datetime import UTC, datetime, timedelta
from typing import Any

Desk = Any  # conftest's


def test_a_good_site_is_ready(desk: Desk) -> None:
    ended = desk("check", "--json")
    assert ended.code == 0, ended.err
    document = ended.document
    assert document["ok"] is True
    assert document["problems"] == document["notices"] == []
    assert document["counts"] == {"cameras": 2, "patrolled": 1, "grids": 3, "people": 5}
    assert "配置可用 ready" in desk("check").out
    assert not (desk.home / "patrol.db").exists(), "a check makes nothing"


def test_problems_are_listed_both_ways(desk: Desk) -> None:
    desk.spoil("grids.csv", "一村一组,group", "一村一组,grup")
    ended = desk("check", "--json")
    assert ended.code == 2
    (problem,) = ended.document["problems"]
    assert (problem["line"], problem["field"]) == (4, "level")
    assert problem["file"].endswith("config/grids.csv")
    assert ended.err.startswith(f"{problem['file']}:4: level: 'grup' is unknown")


def test_a_gap_in_a_camera_s_chain_is_a_problem(desk: Desk) -> None:
    desk.spoil("people.csv", "L1,网格长,grid_leader", "L1,网格员,grid_worker")
    ended = desk("check")
    assert ended.code == 2
    assert (
        f"{desk.home}/config/grids.csv:4: chain: grid 620902104203001:"
        " no grid_leader: nobody is told first, add them to people.csv" in ended.err
    )


def test_a_gap_that_no_camera_hangs_on_is_a_notice(desk: Desk) -> None:
    desk.spoil(
        "grids.csv",
        "一村一组,group,620902104203000\n",
        "一村一组,group,620902104203000\n620902104203002,一村二组,group,620902104203000\n",
    )
    ended = desk("check", "--json")
    assert ended.code == 0
    assert [notice["line"] for notice in ended.document["notices"]] == [5, 5]


def test_a_site_without_a_maintainer_may_be_patrolled(desk: Desk) -> None:
    desk.spoil("people.csv", "M1,运维,maintainer,620902104000000,M1,,\n", "")
    ended = desk("check", "--json")
    assert ended.code == 0
    assert "maintainer" in ended.document["notices"][0]["text"]


def test_a_broker_that_is_not_there_is_one_line_and_one(brokerless: Desk) -> None:
    ended = brokerless("check")
    assert ended.code == 1
    assert len(ended.err.splitlines()) == 1
    assert "消息代理 broker: 连不上 cannot be reached: mqtt://127.0.0.1:" in ended.err
    assert "Connection refused" in ended.err


def test_a_database_that_is_not_there_is_one_line_and_one(desk: Desk) -> None:
    url = "postgresql+psycopg://patrol:s3cret@127.0.0.1:9/patrol"
    text = (desk.home / "config" / "site.yaml").read_text(encoding="utf-8")
    lines = [f"database: {url}" if line.startswith("database") else line
             for line in text.splitlines()]  # fmt: skip
    desk.write("site.yaml", "\n".join(lines))
    ended = desk("check")
    assert ended.code == 1
    assert len(ended.err.splitlines()) == 1
    assert "数据库 database: 连不上 cannot be reached" in ended.err
    assert "s3cret" not in ended.err


def test_missing_weights_do_not_stop_a_site(desk: Desk) -> None:
    desk.spoil("site.yaml", "objects: false", "objects: true")
    ended = desk("check", "--json")
    assert ended.code == 0
    (weights,) = (check for check in ended.document["checks"] if "models" in check["name"])
    assert (weights["ok"], weights["needed"]) == (False, False)
    assert "patrol models install" in weights["text"]


def test_consents_that_run_out_or_hold_too_long_are_noticed(desk: Desk) -> None:
    today = datetime.now(UTC).date()  # noqa: TID251  the command's own clock
    text = (desk.home / "config" / "cameras.csv").read_text(encoding="utf-8")
    until = text.splitlines()[1].rsplit(",", 1)[1]
    soon, long = today + timedelta(days=5), today + timedelta(days=800)
    text = text.replace(until, str(soon), 1).replace(until, str(long), 1)
    desk.write("cameras.csv", text)
    notices = desk("check", "--json").document["notices"]
    assert [(n["line"], n["text"].split(" ")[0]) for n in notices] == [
        (2, "runs"), (3, str(long)),
    ]  # fmt: skip
