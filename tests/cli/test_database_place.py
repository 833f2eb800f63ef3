"""A store that is not there is refused by name; only run, round, demo and db upgrade make one."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from patrol.cli.verbs import VERBS
from tests.cli.conftest import CAMERA, GB28181_SOURCES, CliSite

CASE, GROUP = "C20261122-0001", "620902104203001"
WHY = ("--why", "reason")
# Every verb that opens the store, in its plainest form.
REFUSED = [
    ("queue",), ("confirm", "F000001"), ("unsure", "F000001"), ("phoned", CASE, "--note", "x"),
    ("dismiss", "F000001", "--reason", "shadow"), ("verify", CASE, "--gone"), ("accept", CAMERA),
    ("cases",), ("case", CASE), ("report", "--day", "2026-11-22", "--out", "r.html"),
    ("reassign", CASE, "--to", GROUP, "--note", "x"), ("extend", CASE, "--hours", "4", *WHY),
    ("suspend", CASE, *WHY), ("void", CASE, *WHY), ("grant", CASE), ("refuse", CASE, *WHY),
    ("unsuspend", CASE), ("close", CASE, *WHY), ("reopen", CASE, *WHY),
    ("backup", "--out", "b.tar"), ("pause", "--reason", "x"), ("resume",), ("health",),
    ("troubles",), ("suppressions",), ("suppress revoke", "1"), ("who-looked", CAMERA),
    ("db check",), ("consent withdraw", CAMERA), ("consent restore", CAMERA), ("consent list",),
    ("user add", "x", "--duty", "operator"), ("user passwd", "x"), ("user disable", "x"),
    ("user enable", "x"), ("user unlock", "x"), ("user list",),
    ("key add", "x", "--scope", "read"), ("key list",), ("key revoke", "1"),
    ("deliveries list",), ("deliveries retry", "webhook:county", "1"), ("maintenance list",),
    ("deliveries drop", "mqtt", "1", *WHY),
    ("maintenance add", "--camera", CAMERA, "--until", "2099-01-01", "--reason", "x"),
    ("maintenance end", "1"), ("handover show",), ("handover give", "--to", "x"),
    ("handover take",), ("handover list",), ("clock",), ("retention",), ("audit verify",),
    ("audit head",), ("hold add", "--camera", CAMERA, "--reference", "1", *WHY), ("hold list",),
    ("hold end", "1", *WHY), ("credentials list",), ("credentials seal",), ("keys renew",),
    ("credentials set", CAMERA), ("db sweep",), ("household", CAMERA),
    ("consent pause", CAMERA, "--until", "2099-01-01"), ("consent resume", CAMERA),
    ("consent hours", CAMERA, "08:00-12:00"), ("overdue",), ("supervise", CASE, *WHY),
    ("urge", CASE, *WHY), ("tags case", CASE), ("tags grid", GROUP), ("hand-off list",),
    ("hand-off give", CASE, "--to", "police", *WHY), ("hand-off answer", "H000001"),
    ("broadcast ask", CASE), ("broadcast decide", "B000001"), ("duty list", "R1"),
    ("duty sign", "R1"), ("duty hand-over", "R1", "--to", "x"), ("finding list",),
    ("finding file", "--category", "dumping", "--camera", CAMERA), ("finding undo", "F000001"),
    ("finding history", "F000001"), ("human-patrol list",), ("human-patrol plan", "x"),
    ("human-patrol show", "P1"), ("human-patrol start", "P1"), ("human-patrol pause", "P1"),
    ("human-patrol resume", "P1"), ("human-patrol finish", "P1"), ("withdraw", CASE),
    ("human-patrol tick", "P1", "1"),
    ("human-patrol check", "P1", CAMERA), ("meeting", "--period", "2026-11", "--out", "m.html"),
    ("gb peers",), ("gb catalog", "town"), ("gb sync", "town"), ("gb alarms",),
    ("gb record", "--out", "messages.jsonl"), ("replay", "R1"), ("ground plan",),
    ("ground list",), ("ground show", "G1"), ("ground check-in", "G1", "P1", "--person", "x"),
    ("ground codes",), ("ground review",), ("ground decide", "K1"), ("ground coverage",),
    ("ground ledger", "--out", "ledger.xlsx"), ("helper open", CASE), ("helper close", CASE),
    ("helper cases",), ("helper step", CASE, "going", "--person", "x"), ("broadcast list",),
    ("approvals",), ("verifications",), ("helper report", "--grid", GROUP, "--text", "x"),
    ("helper reports",),
    ("people list",), ("people history",), ("people set", "person_id=x"), ("people remove", "x"),
    ("people import", "../config/people.csv"), ("people export",), ("leave list",),
    ("leave end", "x", "x"),
    ("leave add", "x", "--from", "2099-01-01", "--until", "2099-01-02"),
]  # fmt: skip
MAKES_ONE = {"demo", "run", "round", "db upgrade", "restore"}
WITHOUT_ONE = {
    "check", "probe", "eval", "mosquitto write", "keys show", "init", "onvif scan", "onvif probe",
    "ticket devices", "man", "notify test", "worker",
}  # fmt: skip
# The store of a county is its own; that of a cluster is no file.
GROUPS_WITHOUT_ONE = ("models ", "assets ", "bench ", "simulate ", "county ", "cluster ")


def test_no_verb_is_forgotten() -> None:
    others = {verb for verb in VERBS if verb.startswith(GROUPS_WITHOUT_ONE)}
    refused = {verb for verb, *_ in REFUSED}
    assert refused | MAKES_ONE | WITHOUT_ONE | others == VERBS.keys()


@pytest.fixture
def relative(cli_site: CliSite, monkeypatch: pytest.MonkeyPatch) -> CliSite:
    """A site whose paths are relative, used from elsewhere; nothing was made yet."""
    (cli_site.home / "patrol.db").unlink()
    cli_site.spoil("site.yaml", f"sqlite:///{cli_site.home}/patrol.db", "sqlite:///var/patrol.db")
    cli_site.spoil("site.yaml", f"{cli_site.home}/evidence", "var/evidence")
    cli_site.write("sources.yaml", GB28181_SOURCES)
    (cli_site.home / "elsewhere").mkdir()
    monkeypatch.chdir(cli_site.home / "elsewhere")
    return cli_site


def everything(site: CliSite) -> list[Path]:
    return sorted(site.home.rglob("*"))


@pytest.mark.parametrize("verb", REFUSED, ids=" ".join)
def test_a_store_that_is_not_there_is_refused_and_nothing_is_made(
    relative: CliSite, verb: tuple[str, ...]
) -> None:
    before = everything(relative)
    ended = relative(*verb[0].split(), *verb[1:])
    assert (ended.code, ended.out) == (1, "")
    (line,) = ended.err.splitlines()
    assert line.startswith(f"{relative.home}/config/var/patrol.db: there is no database; ")
    assert "`patrol db upgrade`" in line
    assert everything(relative) == before


def test_db_upgrade_makes_it_beside_the_files_wherever_it_is_run(relative: CliSite) -> None:
    assert relative("db", "upgrade").code == 0
    assert (relative.home / "config/var/patrol.db").is_file()
    assert list((relative.home / "elsewhere").iterdir()) == []


def test_a_withdrawal_from_elsewhere_counts_in_the_one_store(
    relative: CliSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert relative("db", "upgrade").code == 0
    assert relative("consent", "withdraw", CAMERA, "--by", "x").code == 0
    monkeypatch.chdir("/")
    listed = relative("consent", "list", "--json").document
    assert {one["camera"]: one["why"] for one in listed}[CAMERA] == "withdrawn_here"
    assert relative("round", "morning", "--json").document["planned"] == 0


@pytest.mark.parametrize(
    "make", [("db", "upgrade"), ("round", "morning"), ("queue",)], ids=" ".join
)
def test_a_full_store_at_the_old_place_is_never_passed_over(
    relative: CliSite, make: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert relative("db", "upgrade").code == 0
    (relative.home / "config/var").rename(relative.home / "elsewhere/var")
    before = everything(relative)
    ended = relative(*make)
    assert ended.code == 1
    assert f"{relative.home}/elsewhere/var/patrol.db does" in ended.err
    assert everything(relative) == before
    monkeypatch.chdir(relative.home)
    assert relative("db", "upgrade").code == 0, "nothing old lies by this directory"


def test_check_names_what_lies_at_the_old_place(relative: CliSite) -> None:
    assert relative("db", "upgrade").code == 0
    (relative.home / "config/var").rename(relative.home / "elsewhere/var")
    (relative.home / "elsewhere/var/evidence").mkdir()
    ended = relative("check", "--json")
    notices = {one["field"]: one["text"] for one in ended.document["notices"]}
    assert f"`evidence: {relative.home}/elsewhere/var/evidence`" in notices["evidence"]
    assert f"`database: sqlite:///{relative.home}/elsewhere/var/patrol.db`" in notices["database"]
    database = ended.document["checks"][0]
    assert (database["ok"], ended.code) == (False, 1)


def test_an_empty_file_is_no_store(relative: CliSite) -> None:
    (relative.home / "config/var").mkdir()
    sqlite3.connect(relative.home / "config/var/patrol.db").close()
    (relative.home / "config/var/patrol.db").touch()
    ended = relative("consent", "withdraw", CAMERA)
    assert ended.code == 1
    assert "has no tables yet; run `patrol db upgrade`" in ended.err


@pytest.mark.usefixtures("relative")
def test_an_internal_error_makes_no_directory(
    cli_site: CliSite, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    def broken(*_args: object) -> Callable[[], None]:
        raise ZeroDivisionError("a mistake of ours")

    temporary = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    monkeypatch.setattr("patrol.settings.load_site", broken)
    before = everything(cli_site)
    assert str(temporary / "patrol-error.log") in cli_site("db", "check").err
    assert everything(cli_site) == before
