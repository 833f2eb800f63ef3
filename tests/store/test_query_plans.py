"""The lists that are polled, and the steps of a visit, are answered by an index, not by a scan."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa

from patrol.domain.ids import CameraId, CaseId, FindingId, MessageKey, RoundId
from patrol.domain.outbox import DeliveryEvent
from patrol.domain.round import Visit, VisitOutcome
from patrol.store import UnitOfWork, open_store

NOW = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
CAMERA, ROUND = CameraId("6" * 20), RoundId("r")
VISIT = Visit(
    round=ROUND, camera=CAMERA, outcome=VisitOutcome.NORMAL, started_at=NOW, finished_at=NOW
)
POLLED: dict[str, tuple[Callable[[UnitOfWork], Any], str]] = {
    "pending": (lambda unit: unit.rounds.pending(ROUND), "ix_visits_waiting"),
    "latest visits": (
        lambda unit: unit.rounds.latest_visits(CAMERA),
        "ix_visits_camera_finished_at",
    ),
    "unfinished": (lambda unit: unit.rounds.unfinished("morning"), "ix_rounds_plan_planned_at"),
    "record": (lambda unit: unit.rounds.record_visit(VISIT), "uq_visits_round_camera|autoindex"),
    "queue": (lambda unit: unit.findings.queue(), "ix_findings_waiting"),
    "open finding": (lambda unit: unit.findings.open_like(CAMERA, "x"), "ix_findings_waiting"),
    "doubts": (lambda unit: unit.findings.unsure_without_recheck(), "ix_findings_waiting"),
    "last looks": (lambda unit: unit.access.last_viewed(NOW), "ix_access_log_people"),
    "observed in a round": (
        lambda unit: unit.findings.observed(ROUND, gauge="x/1"),
        "ix_observations_round",
    ),
    "observed since": (
        lambda unit: unit.findings.observed_since(CAMERA, "x", NOW),
        "ix_observations_camera_at",
    ),
    "last seen": (
        lambda unit: unit.rounds.last_seen([ROUND], NOW),
        "ix_visits_camera_finished_at",
    ),
    "cases of a day": (
        lambda unit: unit.cases.dispatched_between(NOW, NOW),
        "ix_cases_dispatched_at",
    ),
    "these cases": (lambda unit: unit.cases.with_ids([CaseId("C1")]), "autoindex"),
    "rounds of days": (
        lambda unit: unit.rounds.of_days(NOW.date(), NOW.date()),
        "ix_rounds_day",
    ),
    "first published": (
        lambda unit: unit.outbox.first_published_at([CaseId("C1")]),
        "ix_outbox_case",
    ),
    "last decided": (
        lambda unit: unit.findings.last_decided(NOW, NOW),
        "ix_findings_found_at",
    ),
    "track records": (lambda unit: unit.findings.track_records(NOW), "ix_findings_found_at"),
    "suppressions of a camera": (
        lambda unit: unit.suppressions.active(NOW, camera=CAMERA),
        "ix_suppressions_camera_until",
    ),
    "finding": (lambda unit: unit.findings.get(FindingId("F1")), "autoindex"),
    "open cases": (lambda unit: unit.cases.list(open_only=True), "ix_cases_"),
    "open case": (lambda unit: unit.cases.open_like(CAMERA, "x"), "ix_cases_open"),
    "case": (lambda unit: unit.cases.get(CaseId("C1")), "autoindex"),
    "ladder": (lambda unit: unit.cases.escalation_due(NOW), "ix_cases_ladder_due_at"),
    "waiting": (lambda unit: unit.cases.escalation_waiting(), "ix_cases_ladder_due_at"),
    "hold": (lambda unit: unit.cases.hold_due(NOW), "ix_cases_hold_until"),
    "look": (lambda unit: unit.cases.recheck_due(NOW), "ix_cases_look_due_at"),
    "lease": (
        lambda unit: unit.outbox.lease(holder="a", now=NOW, lease_s=9, limit=500),
        "ix_outbox_unsent",
    ),
    "mark": (
        lambda unit: unit.outbox.apply_event([MessageKey("k")], DeliveryEvent.BROKER_TOOK_IT, NOW),
        "autoindex",
    ),
    "unsent": (lambda unit: unit.outbox.unsent(), "ix_outbox_unsent"),
    "of case": (lambda unit: unit.outbox.of_case(CaseId("C1")), "ix_outbox_case"),
    "new cases": (lambda unit: unit.outbox.new_case_times("p/", NOW), "ix_outbox_queued_at"),
    "prune": (lambda unit: unit.outbox.prune(NOW, limit=9), "ix_outbox_queued_at"),
    "tally": (lambda unit: unit.outbox.count_queued_and_published(NOW, NOW), "ix_outbox_queued_at"),
    "expired": (lambda unit: unit.pictures.expired(NOW), "ix_pictures_delete_after"),
    "withdrawn": (lambda unit: unit.consents.withdrawn(), "uq_withdrawals_standing"),
    "stoppages": (lambda unit: unit.stoppages.active(NOW), "ix_stoppages_standing"),
    "troubles": (lambda unit: unit.troubles.list_open(), "uq_troubles_standing"),
    "story": (lambda unit: unit.health.current(CAMERA), "autoindex"),
    "outcomes": (lambda unit: unit.rounds.outcomes(ROUND), "uq_visits_round_camera|autoindex"),
    "looks by people": (
        lambda unit: unit.access.entries(camera=CAMERA, by_people=True),
        "ix_access_log_",
    ),
    "visits of a camera": (
        lambda unit: unit.access.count(CAMERA, by_people=False),
        "ix_access_log_camera_number",
    ),
    "backups": (
        lambda unit: unit.access.of_no_camera("back_up", limit=9),
        "ix_access_log_camera_number",
    ),
    "views of a home": (
        lambda unit: unit.access.entries(camera=CAMERA),
        "ix_access_log_camera_number",
    ),
}


@contextmanager
def plans_of(unit: UnitOfWork) -> Iterator[list[str]]:
    """The query plans of what the unit executes in the block."""
    connection = unit.db._connection
    plans: list[str] = []

    def explain(_c: Any, cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        if not statement.startswith("INSERT"):
            rows = cursor.connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
            plans.extend(row[3] for row in rows)

    sa.event.listen(connection, "before_cursor_execute", explain)
    yield plans
    sa.event.remove(connection, "before_cursor_execute", explain)


@pytest.mark.parametrize("what", POLLED)
def test_an_index_answers(what: str, sqlite_database: str) -> None:
    ask, index = POLLED[what]
    with open_store(sqlite_database) as store, store.begin() as unit, plans_of(unit) as plans:
        try:
            ask(unit)
        except KeyError:
            assert what in ("record", "finding", "case")  # there is none, and that was asked
    assert any(name in plan for plan in plans for name in index.split("|")), plans
    scans = [plan for plan in plans if plan.startswith("SCAN") and " USING " not in plan]
    assert set(scans) <= {"SCAN planned_cameras"}  # an intermediate result, not a table


def test_the_recent_kinds_of_a_camera_are_two_index_searches(sqlite_database: str) -> None:
    with open_store(sqlite_database) as store, store.begin() as unit:
        unit.rounds.record_visit(
            Visit(
                round=None,
                camera=CAMERA,
                outcome=VisitOutcome.NORMAL,
                started_at=NOW,
                finished_at=NOW,
            )
        )
        with plans_of(unit) as plans:
            unit.findings.recent_kinds(CAMERA, visits=3)
    assert [plan.partition(" USING ")[2] for plan in plans] == [
        "INDEX ix_visits_camera_finished_at (camera=?)",
        "INDEX ix_observations_camera_at (camera=? AND at>?)",
    ]
