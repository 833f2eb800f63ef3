"""fsck: silent about a sound store, and one line for each thing that somebody broke by hand."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from patrol.domain.health import Trouble, TroubleKind
from patrol.domain.ids import CameraId
from patrol.domain.schedule import StoppageScope
from patrol.domain.shift_handover import HandoverAction
from patrol.store import Store, StoreUnavailable, check
from tests.support.health import put_health

NOW = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)


def test_a_sound_store_has_no_problem(furnished: Store) -> None:
    assert check(furnished) == []


@pytest.mark.parametrize(
    ("damage", "reported"),
    [
        pytest.param(
            "UPDATE rounds SET planned = 7",
            "round 20261122-morning-1: 7 cameras planned, 5",
            id="plan",
        ),
        pytest.param(
            "UPDATE visits SET outcome = 'pending' WHERE outcome = 'missed'",
            "finished, but 2 visits are still pending",
            id="pending",
        ),
        pytest.param("UPDATE visits SET outcome = 'fine'", "'fine' is no outcome", id="outcome"),
        pytest.param("UPDATE rounds SET state = 'done'", "'done' is no state", id="round state"),
        pytest.param(
            "UPDATE visits SET usable_pictures = 0", "without a usable picture", id="not seen"
        ),
        pytest.param(
            "UPDATE findings SET state = 'merged', \"case\" = 'C9'",
            "finding F000001: merged, but its case 'C9' is not there",
            id="merged into nothing",
        ),
        pytest.param(
            "UPDATE findings SET state = 'open'", "'open' is no state", id="finding state"
        ),
        pytest.param(
            "UPDATE cases SET finding = NULL",
            "its case C20261122-0001 is of finding None",
            id="back",
        ),
        pytest.param(
            "UPDATE cases SET state = 'closed'",
            "case C20261122-0001: it is closed, its history leads to arrived",
            id="case state",
        ),
        pytest.param(
            "UPDATE case_entries SET what = 'verify' WHERE place = 2",
            "line 2 of its history, verify to arrived, is no legal move",
            id="illegal move",
        ),
        pytest.param(
            "UPDATE case_entries SET what = 'smile' WHERE place = 2", "no legal move", id="no event"
        ),
        pytest.param(
            "DELETE FROM case_entries WHERE place = 1", "line 1 of its history is missing", id="gap"
        ),
        pytest.param("DELETE FROM outbox", "nobody was ever told", id="never told"),
        pytest.param(
            "UPDATE cases SET state = 'voided', look_due_at = found_at",
            "it is voided, and a clock still runs",
            id="clock of an ended case",
        ),
        pytest.param(
            "UPDATE cases SET state = 'closed'",
            "it has ended, and is still shown to somebody",
            id="shown after its end",
        ),
        pytest.param(
            "UPDATE cases SET revision = 9", "at revision 9, which nobody was told", id="not told"
        ),
        pytest.param("UPDATE outbox SET state = 'flown'", "'flown' is no state", id="message"),
        pytest.param(
            "UPDATE outbox SET lease_holder = 'relay'", "a holder without an end", id="half a lease"
        ),
        pytest.param(
            "UPDATE outbox SET state = 'published'", "nobody knows when", id="published never"
        ),
        pytest.param("UPDATE outbox SET \"case\" = 'C9'", "its case is not there", id="orphan"),
        pytest.param(
            "UPDATE access_log SET who = 'nobody' WHERE number = 2",
            "access_log line 2: the chain does not hold",
            id="rewritten log",
        ),
        pytest.param(
            "DELETE FROM access_log WHERE number = 3", "access_log line 3", id="cut-off log"
        ),
        pytest.param("DELETE FROM access_log WHERE number = 1", "access_log line 1", id="headless"),
        pytest.param(
            "UPDATE deletions SET sha256 = 'x' WHERE number = 2", "deletions line 2", id="ledger"
        ),
        pytest.param("DELETE FROM deletions", "nor in the deletion ledger", id="unexplained"),
        pytest.param(
            "INSERT INTO chains VALUES ('x', 1, 'y')", "chain x: belongs to no log", id="chain"
        ),
        pytest.param(
            "UPDATE visits SET seen = 'rtsp://admin:s3cret@10.0.0.1/1'",
            "visits.seen: a URL with credentials",
            id="secret",
        ),
        pytest.param(
            'UPDATE visits SET facts = \'{"a": "http://u:p@h/"}\'',
            "visits.facts",
            id="hidden secret",
        ),
    ],
)
def test_what_somebody_broke_is_named(furnished: Store, damage: str, reported: str) -> None:
    with furnished.begin() as unit:
        unit.db.run(text(damage))
        unit.commit()
    problems = [str(problem) for problem in check(furnished)]
    assert any(reported in problem for problem in problems), problems
    assert all("\n" not in problem and " -> " in problem for problem in problems)
    assert not any("s3cret" in problem for problem in problems)


def test_a_stuck_lease_is_named(furnished: Store) -> None:
    leased = (
        "UPDATE outbox SET lease_holder = 'dead', lease_until = '2026-11-22T01:00:00.000000Z'"
        " WHERE key = 'key-0'"
    )
    later = (
        "UPDATE outbox SET state = 'published', published_at = '2026-11-22T03:00:00.000000Z'"
        " WHERE key = 'key-1'"
    )
    with furnished.begin() as unit:
        unit.db.run(text(leased))
        unit.commit()
    assert check(furnished) == []
    with furnished.begin() as unit:
        unit.db.run(text(later))
        unit.commit()
    (problem,) = check(furnished)
    assert str(problem).startswith("message key-0: its lease ran out long ago")


def test_a_damaged_file_is_named(sqlite_database: str) -> None:
    file = Path(sqlite_database.removeprefix("sqlite:///"))
    with closing(sqlite3.connect(file)) as connection:  # its schema must stay readable
        (root,) = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'observations'"
        ).fetchone()
    with file.open("r+b") as pages:
        pages.seek((root - 1) * 4096)
        pages.write(b"\xff" * 4096)
    problems = [str(problem) for problem in check(sqlite_database)]
    assert problems
    assert all("restore the last backup" in problem for problem in problems)


def test_what_is_no_database_is_unavailable(tmp_path: Path) -> None:
    file = tmp_path / "letter.db"
    file.write_text("Dear Sir, " * 1000, encoding="ascii")
    with pytest.raises(StoreUnavailable, match=r"letter\.db: file is not a database"):
        check(f"sqlite:///{file}")


def sign(furnished: Store) -> None:
    with furnished.begin() as unit:
        for who, to in (("甲", "乙"), ("乙", "")):
            unit.handovers.append(
                at=NOW,
                what=HandoverAction.GIVE if to else HandoverAction.TAKE,
                who=who,
                to=to,
                note="",
                sheet={"open_cases": 1},
            )
        put_health(unit, CameraId("1"), "online", NOW, "")
        unit.stoppages.add(
            scope=StoppageScope.ROUNDS,
            subject="",
            start=NOW,
            until=None,
            reason="沙尘暴",
            by="甲",
            now=NOW,
        )
        unit.troubles.open(
            Trouble(
                kind=TroubleKind.LINK, subject="a", state="down", since=NOW, opened_at=NOW,
                why="", cameras=(CameraId("1"),),
            )
        )  # fmt: skip
        unit.commit()


@pytest.mark.parametrize(
    ("damage", "reported"),
    [
        pytest.param("UPDATE health SET told = told", "", id="sound"),
        pytest.param(
            "UPDATE handovers SET note = 'x' WHERE number = 1",
            "handovers line 1: the chain does not hold", id="a word added",
        ),
        pytest.param(
            "UPDATE handovers SET sheet = '{\"open_cases\": 0}' WHERE number = 2",
            "handovers line 2: the chain does not hold", id="another sheet",
        ),
        pytest.param(
            "DELETE FROM handovers WHERE number = 2",
            "handovers line 2: the chain does not hold", id="a signature less",
        ),
        pytest.param("UPDATE health SET state = 'fine'", "'fine' is no state", id="state"),
        pytest.param("UPDATE stoppages SET reason = ''", "no stoppage can be", id="no reason"),
        pytest.param("UPDATE stoppages SET subject = 'a'", "no stoppage can be", id="scope"),
        pytest.param("UPDATE troubles SET kind = 'x'", "no trouble can be", id="trouble"),
    ],
)  # fmt: skip
def test_the_shift_s_books(furnished: Store, damage: str, reported: str) -> None:
    sign(furnished)
    with furnished.begin() as unit:
        unit.db.run(text(damage.replace(":", "\\:")))
        unit.commit()
    problems = [str(problem) for problem in check(furnished)]
    assert (reported == "") == (problems == [])
    assert not reported or any(reported in problem for problem in problems)
