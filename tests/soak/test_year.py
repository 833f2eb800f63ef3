"""A simulated year on a clock by hand: all books balance; a fortnight of it in every run."""

import io
import json
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from patrol.domain.case import CaseEvent
from patrol.store import check, open_store
from simulators import year
from simulators.store import MemoryStore
from simulators.year import Outcome, play, town


def check_year(outcome: Outcome) -> None:
    assert outcome.problems == [], f"seed {outcome.seed}"
    assert outcome.rounds == 2 * outcome.days
    decided = {state for state, count in outcome.findings.items() if count}
    assert {"confirmed", "dismissed", "merged"} <= decided
    assert outcome.messages.get("queued", 0) == 0
    assert outcome.heard["told"] > outcome.total_cases, "everybody concerned was told"
    assert outcome.inbox["repeated"] > 0, "telephones do say things twice"


@pytest.mark.parametrize("seed", [1, 2])
def test_four_days_in_memory(tmp_path: Path, seed: int) -> None:
    check_year(play(MemoryStore(), town(tmp_path, seed), seed=seed, days=4))


def test_the_same_seed_is_the_same_year(tmp_path: Path) -> None:
    def once() -> dict[str, Any]:
        outcome = play(MemoryStore(), town(tmp_path, 3), seed=3, days=1)
        return {name: getattr(outcome, name) for name in ("findings", "cases", "inbox", "heard")}

    assert once() == once()


@pytest.mark.slow
def test_a_fortnight_on_sqlite(tmp_path: Path, sqlite_database: str) -> None:
    with open_store(sqlite_database) as store:
        outcome = play(store, town(tmp_path, 4), seed=4, days=14)
        check_year(outcome)
        assert check(store) == []
        with store.begin_read() as uow:
            cases = uow.cases.list(limit=100_000)
    happened = {entry.what for case in cases for entry in case.entries}
    assert {
        CaseEvent.ESCALATE, CaseEvent.RETURN, CaseEvent.REASSIGN, CaseEvent.MERGE,
        CaseEvent.NOT_VERIFIED, CaseEvent.LOOK_FAILED, CaseEvent.CLOSE,
    } <= happened  # fmt: skip


@pytest.mark.parametrize(
    "forget",
    [
        pytest.param("messages", id="a relay that forgets a message"),
        pytest.param("ladder", id="a ladder that never climbs"),
        pytest.param("ageing", id="leads that never age"),
    ],
)
def test_books_that_do_not_balance_are_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forget: str
) -> None:
    """The check itself is checked: each of these breaks one promise."""
    broken = {"messages": ("_relay_all",), "ladder": ("_tick",), "ageing": ("_review", "_age")}
    for name in broken[forget]:
        monkeypatch.setattr(year.Year, name, lambda *_: None)
    outcome = play(MemoryStore(), town(tmp_path, 5), seed=5, days=6)  # leads age after three
    assert outcome.problems


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_a_whole_year(tmp_path: Path) -> None:
    printed = io.StringIO()
    with redirect_stdout(printed):
        code = year.main(["--seed", "7", "--out", str(tmp_path)])
    document = json.loads(printed.getvalue())
    assert (code, document["problems"]) == (0, [])
    assert document["rounds"] == 730
    assert document["total_cases"] >= 4500
    assert document["wall_s"] <= 300
