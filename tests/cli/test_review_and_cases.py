"""queue, confirm, dismiss, cases, case, consent, db, report: on a real SQLite store."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from patrol.clock import SystemClock
from patrol.domain.account import FindingClaim
from patrol.domain.ids import FindingId
from patrol.store import open_store

CliSite = Any  # conftest's


def test_an_empty_queue_is_an_empty_list(cli_site: CliSite) -> None:
    assert cli_site("queue", "--json").document == []
    assert "没有待核线索" in cli_site("queue").out
    assert cli_site("cases", "--json").document == []


def test_the_queue_has_the_contracts_fields(cli_site: CliSite) -> None:
    cli_site.seed_round()
    ended = cli_site("queue", "--json")
    assert ended.code == 0
    assert ended.err == ""
    (finding,) = ended.document
    assert {k: finding[k] for k in ("id", "camera", "kind", "score", "found_at", "why")} == {
        "id": "F000001",
        "camera": "62090204011327000001",
        "kind": "blocking_vehicle",
        "score": 0.82,
        "found_at": "2026-11-22T04:00:00Z",
        "why": "区域「路口」内发现货车",
    }
    assert "F000001" in cli_site("queue").out


def test_confirm_makes_a_case_and_publishes_it(cli_site: CliSite) -> None:
    cli_site.seed_round()
    confirmed = cli_site("confirm", "F000001", "--level", "ii", "--by", "王值班", "--json")
    assert confirmed.code == 0
    case = confirmed.document
    assert case["published"] is True
    assert (case["state"], case["level"], case["category"], case["grid"]) == (
        "dispatched", "II", "blocking_vehicle", "620902104203001",
    )  # fmt: skip
    assert case["events"][0]["by"] == "王值班"
    assert cli_site("queue", "--json").document == []
    (listed,) = cli_site("cases", "--json").document
    assert listed["id"] == case["id"]
    one = cli_site("case", case["id"], "--json").document
    assert [event["what"] for event in one["events"]] == ["dispatch"]
    assert one["due"] is not None
    output = cli_site("case", case["id"]).out
    assert "待签收" in output
    assert "一村一组" in output


def test_the_list_of_cases_keeps_its_ids_on_a_narrow_terminal(
    cli_site: CliSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli_site.seed_round()
    case = cli_site("confirm", "F000001", "--json").document
    monkeypatch.setenv("COLUMNS", "80")
    listed = cli_site("cases").out
    assert case["id"] in listed
    assert "待签收" in listed


def test_without_a_broker_the_message_waits(site_without_broker: CliSite) -> None:
    site_without_broker.seed_round()
    ended = site_without_broker("confirm", "F000001", "--json")
    assert ended.code == 0
    assert ended.document["published"] is False
    assert ended.document["waiting"] == 1
    assert ended.err == ""


def test_the_second_to_decide_hears_who_was_first(cli_site: CliSite) -> None:
    cli_site.seed_round()
    assert cli_site("dismiss", "F000001", "--reason", "shadow", "--by", "甲").code == 0
    second = cli_site("confirm", "F000001", "--by", "乙")
    assert second.code == 1
    assert "already dismissed by 甲" in second.err
    assert len(second.err.splitlines()) == 1


@pytest.mark.parametrize(
    "command",
    [("confirm", "F000001"), ("dismiss", "F000001", "--reason", "shadow"), ("unsure", "F000001")],
    ids=lambda command: command[0],
)
def test_what_another_person_is_judging_is_refused(
    cli_site: CliSite, command: tuple[str, ...]
) -> None:
    cli_site.seed_round()
    now = datetime.now(UTC)  # noqa: TID251  the command's own clock is the system's
    with open_store(cli_site.database) as store, store.begin() as uow:
        until = now + timedelta(minutes=2)
        claim = FindingClaim(finding=FindingId("F000001"), holder="li/abc", until=until)
        uow.claims.acquire(claim, now)
        uow.commit()
    ended = cli_site(*command, "--by", "wang")
    assert ended.code == 1
    assert ended.err.startswith("finding F000001 is being judged by li just now")
    assert cli_site("queue", "--json").document[0]["id"] == "F000001"
    assert cli_site(*command, "--by", "li").code == 0, "one's own claim is no obstacle"


def test_who_decides_is_the_os_user_unless_said(
    cli_site: CliSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "wang")
    cli_site.seed_round()
    ended = cli_site("dismiss", "F000001", "--reason", "是影子", "--json")
    assert (ended.document["by"], ended.document["reason"]) == ("wang", "是影子")
    assert ended.document["state"] == "dismissed"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["confirm", "F9"], "finding 'F9': there is none"),
        (["dismiss", "F9", "--reason", "shadow"], "finding 'F9': there is none"),
        (["dismiss", "F000001", "--reason", " "], "--reason: is empty"),
        (["confirm", "F000001", "--category", "ufo"], "--category: 'ufo' is not a category"),
        (["confirm", "F000001", "--level", "V"], "--level: 'V' is not a level"),
        (["case", "C9"], "case 'C9': there is none"),
        (["consent", "withdraw", "123"], "camera '123': not in cameras.csv"),
        (["round", "evening"], "no plan 'evening', there are: morning, afternoon"),
        (["report", "--round", "R9", "--out", "x.html"], "--round: there is no round 'R9'"),
        (["report", "--day", "2026-13-01", "--out", "x"], "--day: '2026-13-01' is not a day"),
        (["report", "--month", "november", "--out", "x"], "--month: 'november' is not a month"),
        (["report", "--day", "2026-11-22", "--out", "."], "--out: .: is a directory"),
        (["report", "--day", "2026-11-22", "--format", "pdf", "--out", "x"], "'pdf'"),
        (["report", "--day", "2026-11-22", "--public", "--out", "x"], "--public is of a month"),
        (["report", "--day", "2026-11-22", "--part", "grids", "--out", "x"], "for --format csv"),
        (["round", "--grid", "620902104999000"], "grid '620902104999000' is not in grids.csv"),
        (["round", "--link", "nowhere"], "link 'nowhere' is no camera's"),
        (["round", "morning", "--camera", "9"], "camera '9': not in cameras.csv"),
    ],
)
def test_what_cannot_be_done_is_bad_input_in_one_line(
    cli_site: CliSite, arguments: list[str], message: str
) -> None:
    cli_site.seed_round()
    ended = cli_site(*arguments)
    assert ended.code == 2
    assert ended.out == ""
    assert message in ended.err
    assert len(ended.err.splitlines()) == 1
    assert cli_site("queue", "--json").document[0]["id"] == "F000001", "nothing changed"


def test_consent_is_withdrawn_and_given_back(cli_site: CliSite) -> None:
    closed = cli_site("consent", "list", "--json").document
    assert [(row["camera"][-1], row["why"]) for row in closed] == [("2", "indoor")]
    gone = cli_site("consent", "withdraw", "000001", "--by", "农户来电", "--json")
    answer = gone.document
    withdrawn_at = datetime.fromisoformat(answer.pop("withdrawn_at"))
    assert abs(SystemClock().now() - withdrawn_at) < timedelta(minutes=5)
    assert answer == {
        "camera": "62090204011327000001", "withdrawn": True, "by": "农户来电",
        "paused_until": None, "hours": None,
    }  # fmt: skip
    closed = cli_site("consent", "list", "--json").document
    assert [row["why"] for row in closed] == ["withdrawn_here", "indoor"]
    assert cli_site("consent", "restore", "62090204011327000001").code == 0
    assert len(cli_site("consent", "list", "--json").document) == 1


def test_the_database_is_brought_up_once(cli_site: CliSite) -> None:
    (cli_site.home / "patrol.db").unlink()
    first = cli_site("db", "upgrade", "--json").document
    assert first["before"] is None
    assert first["changed"] is True
    assert cli_site("db", "upgrade", "--json").document["changed"] is False


def test_sound_books_pass_the_fsck(cli_site: CliSite) -> None:
    cli_site.seed_round()
    ended = cli_site("db", "check", "--json")
    assert ended.document == {"ok": True, "problems": []}
    assert ended.code == 0


@pytest.mark.parametrize(
    "period", [("--round", "20261122-morning-1"), ("--day", "2026-11-22"), ("--month", "2026-11")]
)
def test_a_report_in_every_format(cli_site: CliSite, period: tuple[str, str]) -> None:
    cli_site.seed_round(findings=2)
    head = {"html": b"<!DOCTYPE html>", "xlsx": b"PK", "csv": b"\xef\xbb\xbf", "json": b"{"}
    for format_, start in head.items():
        out = cli_site.home / f"ledger.{format_}"
        ended = cli_site("report", *period, "--format", format_, "--out", str(out), "--json")
        assert ended.code == 0, ended.err
        assert ended.document == {"out": str(out), "format": format_, "rows": 3}
        assert out.read_bytes().startswith(start)
    assert list(cli_site.home.glob(".ledger*")) == [], "no half-written file is left"


def test_a_broken_database_is_one_line(cli_site: CliSite) -> None:
    (cli_site.home / "patrol.db").write_bytes(
        b"this is no database, it is a letter to a friend" * 99
    )
    ended = cli_site("queue")
    assert ended.code == 1
    assert ended.out == ""
    assert len(ended.err.splitlines()) == 1
