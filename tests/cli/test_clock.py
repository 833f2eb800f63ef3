"""`patrol clock`: what is believed, and a person's confirmation."""

import ast
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import patrol.cli
from patrol.clock import SystemClock, machine_boot, running_s
from patrol.domain.wall_clock import ClockRecord, ClockTrust, SeenTime
from patrol.store import open_store, upgrade

MINUTE = timedelta(minutes=1)


@pytest.fixture
def jumped(cli_site: Any) -> Any:
    """A site whose machine's clock was set forty days ahead under a running service."""
    upgrade(cli_site.database)
    at = SystemClock().now() - timedelta(days=40)
    seen = SeenTime(at=at, running_s=running_s(), boot=machine_boot())
    with open_store(cli_site.database) as store, store.begin() as uow:
        uow.clock.put(
            ClockRecord(trust=ClockTrust.JUMPED, since=at, jump_s=40 * 86400.0, seen=seen)
        )
        uow.commit()
    return cli_site


def test_before_any_service_there_is_nothing_against_it(cli_site: Any) -> None:
    ended = cli_site("clock", "--json")
    assert (ended.code, ended.document["history"]) == (0, "written")
    assert ended.document["trust"] is None


def test_a_jump_is_shown_with_what_to_do(jumped: Any) -> None:
    ended = jumped("clock")
    assert ended.code == 1
    assert "patrol clock accept" in ended.err
    assert jumped("clock", "--json").document["jump_s"] == 40 * 86400
    assert jumped("health", "--json").document["clock"]["history"] == "held"


def test_people_read_yes_and_no_in_words(jumped: Any) -> None:
    shown = jumped("clock").out
    assert ("是" in shown) != ("否" in shown), "synchronised or not"


def test_accepted_it_is_written_down_who_did(jumped: Any) -> None:
    ended = jumped("clock", "accept", "--by", "值班长", "--json")
    assert (ended.code, ended.document["accepted_by"]) == (0, "值班长")
    assert jumped("clock", "--json").document["history"] == "written"
    with open_store(jumped.database) as store, store.begin_read() as uow:
        (line,) = uow.access.entries(what="accept_clock", limit=10)
        record = uow.clock.get()
    assert line.who == "值班长"
    assert record is not None
    later = replace(record, accepted_at=record.accepted_at)
    assert later.acceptance_of(SystemClock().now() + timedelta(hours=2)) is None


def test_another_word_is_refused(cli_site: Any) -> None:
    ended = cli_site("clock", "reset")
    assert ended.code == 2
    assert "accept" in ended.err


def test_times_are_the_towns(jumped: Any) -> None:
    shown = jumped("clock").out
    assert "Z" not in shown.replace("ZONE", "")


def dated_40_days_ago(text: str) -> bool:
    return abs(datetime.fromisoformat(text) - SystemClock().now() + timedelta(days=40)) < MINUTE


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        (("pause", "--reason", "x"), "from"),
        (("maintenance", "add", "--camera", "62090204011327000001", "--reason", "x"), "from"),
        (("handover", "give", "--to", "b", "--by", "a"), "at"),
    ],
    ids=lambda one: one[0] if isinstance(one, tuple) else "",
)
def test_what_is_noted_during_a_jump_is_dated_by_the_counted_time(
    jumped: Any, arguments: tuple[str, ...], key: str
) -> None:
    ended = jumped(*arguments, "--json")
    assert ended.code == 0, ended.err
    assert dated_40_days_ago(ended.document[key])


def test_consent_and_its_entry_are_dated_by_the_counted_time(jumped: Any) -> None:
    assert jumped("consent", "withdraw", "000001", "--by", "a").code == 0
    with open_store(jumped.database) as store, store.begin_read() as uow:
        (line,) = uow.access.entries(what="consent withdrawn", limit=10)
    assert dated_40_days_ago(line.at.isoformat())


def test_a_service_that_began_just_now_holds_its_history(cli_site: Any) -> None:
    upgrade(cli_site.database)
    now = SystemClock().now()
    with open_store(cli_site.database) as store, store.begin() as uow:
        uow.clock.put(ClockRecord(trust=ClockTrust.SETTLING, since=now))
        uow.commit()
    ended = cli_site("clock", "--json")
    assert (ended.code, ended.document["history"]) == (0, "held")
    assert "30" in ended.err
    with open_store(cli_site.database) as store, store.begin() as uow:
        uow.clock.put(ClockRecord(trust=ClockTrust.SETTLING, since=now - timedelta(hours=1)))
        uow.commit()
    assert cli_site("clock", "--json").document["history"] == "written"  # it died in its first 30 s


# Where a verb reads the machine's own clock, and why it may.
WALL_CLOCK = {
    "clock.py": 2,  # `patrol clock` shows it; what is believed is made of it
    "health.py": 1,  # the same, beside what is believed
    "site.py": 2,  # the two functions that make the believed time
    "check.py": 1,  # today, for settings that may be checked before there is a store
    "notify.py": 1,  # dates a test message; needs no store
    "run.py": 1,  # the lead of a cluster, held before there is a store
    "county.py": 2,  # the county has a store and a clock of its own
    "probe_consent.py": 1,  # before there is a store
    "probe.py": 1,  # how old the camera's frames are
    "onvif.py": 1,  # WS-Security is checked against the device's clock
    "source_probe.py": 1,  # life of tickets
    "ticket.py": 1,  # life of tickets
}


def test_no_verb_goes_by_the_wall_clock_unless_it_stands_here() -> None:
    used = {}
    for file in sorted((Path(patrol.cli.__file__)).parent.glob("*.py")):
        calls = [
            node
            for node in ast.walk(ast.parse(file.read_text("utf-8")))
            if isinstance(node, ast.Name) and node.id == "SystemClock"
        ]
        if calls:
            used[file.name] = len(calls)
    assert used == WALL_CLOCK


def test_holds_and_duties_are_dated_by_the_counted_time(jumped: Any) -> None:
    held = jumped(
        "hold", "add", "--camera", "62090204011327000001", "--reference", "R-1", "--why", "x",
        "--json",
    )  # fmt: skip
    assert held.code == 0, held.err
    ended = jumped("hold", "end", str(held.document["number"]), "--why", "over", "--json")
    a_round = jumped.seed_round().id
    signed = jumped("duty", "sign", a_round, "--by", "王五", "--json")
    moments = [held.document["since"], ended.document["ended_at"], signed.document["at"]]
    assert all(map(dated_40_days_ago, moments)), moments


def test_today_is_the_counted_day(jumped: Any) -> None:
    jumped.seed_round()
    (ident,) = [one["id"] for one in jumped("queue", "--json").document]
    assert jumped("dismiss", ident, "--reason", "shadow", "--by", "op").code == 0
    listed = jumped("finding", "list", "--today", "--json").document
    assert [one["id"] for one in listed] == [ident]
