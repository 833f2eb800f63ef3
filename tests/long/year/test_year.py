"""A simulated year: a few days and a fortnight in every run, the whole year behind `soak`."""

import io
import json
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from patrol.cases.escalator import Escalator
from patrol.domain.case import CaseEvent
from patrol.rounds import runner
from patrol.rounds.runner import RoundRunner
from patrol.store import check, open_store
from tests.long.year import run_year as year
from tests.long.year import simulation
from tests.long.year.audit import YearOutcome
from tests.long.year.leave import LeaveCalendar
from tests.long.year.run_year import PROMISE_S, make_site, run_year
from tests.long.year.simulation import YearSimulation
from tests.long.year.town import ReportArchive
from tests.support.store import new_store


def check_year(outcome: YearOutcome) -> None:
    assert outcome.problems == [], f"seed {outcome.seed}"
    assert sum(outcome.rounds.values()) == 2 * outcome.days
    assert set(outcome.rounds) <= {"finished", "missed"}
    decided = {state for state, count in outcome.findings.items() if count}
    assert {"confirmed", "dismissed"} <= decided
    assert outcome.visits["seen"] > outcome.visits["not_viewable"] > 0
    assert outcome.messages.get("queued", 0) == 0
    assert outcome.leader_counts["received"] > outcome.total_cases, (
        "every person on a rung got a message"
    )
    assert outcome.ground["check-in accepted"] > 0
    assert outcome.ground["points"] > outcome.ground["check-in accepted"]
    assert outcome.inbox["repeated"] > 0, "phones do repeat themselves"


@pytest.mark.parametrize("seed", [1, 2])
def test_four_days(tmp_path: Path, seed: int) -> None:
    check_year(run_year(new_store(), make_site(tmp_path, seed, cameras=104), seed=seed, days=4))


def test_the_same_seed_is_the_same_year(tmp_path: Path) -> None:
    def once() -> dict[str, Any]:
        outcome = run_year(new_store(), make_site(tmp_path, 3, cameras=104), seed=3, days=1)
        return {
            name: getattr(outcome, name)
            for name in ("findings", "cases", "inbox", "leader_counts", "ground")
        }

    assert once() == once()


@pytest.mark.slow
def test_a_fortnight_on_sqlite(tmp_path: Path, sqlite_database: str) -> None:
    with open_store(sqlite_database, durable=False) as store:
        outcome = run_year(store, make_site(tmp_path, 4, cameras=104), seed=4, days=14)
        check_year(outcome)
        assert check(store) == []
        with store.begin_read() as uow:
            cases = uow.cases.list(limit=100_000)
    happened = {entry.what for case in cases for entry in case.entries}
    assert {
        CaseEvent.ESCALATE, CaseEvent.RETURN, CaseEvent.REASSIGN, CaseEvent.MERGE,
        CaseEvent.NOT_VERIFIED, CaseEvent.LOOK_FAILED, CaseEvent.CLOSE,
        CaseEvent.STAND_IN, CaseEvent.RECOVER,
    } <= happened  # fmt: skip


@pytest.mark.parametrize(
    ("owner", "name", "problem_text"),
    [
        pytest.param(YearSimulation, "_relay_all", "unsent", id="a relay that forgets a message"),
        pytest.param(Escalator, "run_due", "nobody moved it", id="silence that is not escalated"),
        pytest.param(
            simulation,
            "expire_undecided",
            "neither decided nor expired",
            id="findings that never expire",
        ),
        pytest.param(simulation, "sweep_pictures", "should be deleted", id="pictures that stay"),
        pytest.param(
            runner, "record_round_health", "in nobody's queue", id="a silent camera in no queue"
        ),
        pytest.param(RoundRunner, "_close", "nobody will end it", id="a round without an end"),
        pytest.param(LeaveCalendar, "move_to", "on leave", id="leave that nobody looks at"),
        pytest.param(ReportArchive, "write_month", "reported", id="reports that nobody wrote"),
    ],
)
def test_the_audit_notices_each_broken_promise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: object, name: str, problem_text: str
) -> None:
    """The check itself is checked: each of these breaks one promise."""
    broken = (lambda *given: given[2]) if name == "_close" else (lambda *_, **__: None)
    monkeypatch.setattr(owner, name, broken)
    if name == "expire_undecided":
        monkeypatch.setattr(YearSimulation, "_review", lambda *_: None)
    days = {"expire_undecided": 5, "sweep_pictures": 9, "move_to": 6}.get(name, 2)
    outcome = run_year(new_store(), make_site(tmp_path, 5, cameras=60), seed=5, days=days)
    assert [problem for problem in outcome.problems if problem_text in problem], outcome.problems[
        :5
    ]


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_a_whole_year(tmp_path: Path) -> None:
    printed = io.StringIO()
    with redirect_stdout(printed):
        code = year.main(["--seed", "7", "--out", str(tmp_path)])
    document = json.loads(printed.getvalue())
    assert (code, document["problems"]) == (0, [])
    assert sum(document["rounds"].values()) == 730
    assert document["total_cases"] >= 4500
    assert document["wall_s"] <= PROMISE_S
