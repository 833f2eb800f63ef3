"""Reports out of a store: what is counted in which period, and what reading it costs."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from patrol.domain.case import Case, CaseEvent
from patrol.domain.finding import Decision, Finding
from patrol.domain.ids import CaseId, MessageKey, RoundId
from patrol.domain.outbox import DeliveryEvent, OutboxMessage
from patrol.domain.priority import Level
from patrol.domain.round import PlannedVisit
from patrol.reports.queries import ReportHeading, ReportPeriod, load_material, period_of
from patrol.reports.report import load_report, report_document
from patrol.store import Store, UnitOfWork
from tests.reports.conftest import (
    GOOD,
    ZONE,
    a_case,
    a_finding,
    a_registry,
    a_round,
    apply_events,
    camera_id,
    minutes,
    visits,
)
from tests.support.store import new_store

GOLDEN = Path(__file__).parent / "golden"
PLANS = ("morning", "afternoon")
TODAY = date(2026, 11, 22)
DAY = 24 * 60  # minutes
PERIODS = {
    "round": period_of(a_round="20261122-morning-1", day=None, month=None),
    "day": period_of(a_round="", day=TODAY, month=None),
    "month": period_of(a_round="", day=None, month=TODAY),
}


def round_on(days_ago: int, plan: str = "morning", start: float = 0) -> Any:
    made = a_round(plan, start - days_ago * DAY)
    day = TODAY - timedelta(days=days_ago)
    return replace(made, id=RoundId(f"{day:%Y%m%d}-{plan}-1"), day=day)


def add_round(uow: UnitOfWork, days_ago: int, plan: str = "morning", start: float = 0) -> RoundId:
    made = round_on(days_ago, plan, start)
    seen = visits(made.id, made.started_at)
    uow.rounds.add(
        made,
        [PlannedVisit(round=made.id, camera=v.camera, order=n) for n, v in enumerate(seen)],
    )
    for visit in seen:
        uow.rounds.record_visit(replace(visit, pictures=()))
    ident: RoundId = made.id
    return ident


def add_case(
    uow: UnitOfWork,
    number: int,
    sent: float,
    *steps: tuple[CaseEvent, float],
    of_round: RoundId | None = None,
    pushed: bool = True,
    level: Level = Level.PRESSING,
) -> Case:
    """A case sent `sent` minutes after nine, with its finding; `steps` count from then."""
    at = minutes(sent)
    case = replace(a_case(number, level), dispatched_at=at, found_at=at)
    case = apply_events(case, *((event, sent + minute) for event, minute in steps))
    finding = replace(a_finding(number, RoundId("")), round=of_round, found_at=at)
    confirmed = finding.decide(Decision.CONFIRM, by="值班员", now=at)
    uow.findings.add(replace(confirmed, case=case.id))
    uow.cases.add(case)
    for copy in range(2):
        key = MessageKey(f"{case.id}-{copy}")
        uow.outbox.add(
            OutboxMessage(key=key, topic=f"t/{number}", payload=b"{}", queued_at=at, case=case.id)
        )
        if pushed:
            taken_at = at + timedelta(minutes=1 + copy)
            uow.outbox.apply_event([key], DeliveryEvent.BROKER_TOOK_IT, taken_at)
    return case


def merged(number: int, of_round: RoundId, case: CaseId, at: datetime) -> Finding:
    finding = a_finding(number, of_round).decide(Decision.MERGE, by="值班员", now=at)
    return replace(finding, case=case)


def seed_period(uow: UnitOfWork) -> None:
    """Cases on both sides of the day's two edges, in every state that a report tells apart."""
    add_round(uow, 365)
    add_round(uow, 1)
    morning, afternoon = add_round(uow, 0), add_round(uow, 0, "afternoon", 360)
    add_round(uow, 0, "adhoc", 120)
    add_round(uow, 0, "not_of_the_calendar", 240)
    add_round(uow, -1)
    add_case(uow, 1, 5 - 365 * DAY, *GOOD)
    add_case(uow, 2, 5 - DAY, *GOOD)
    older = add_case(uow, 3, 60 - DAY, (CaseEvent.ACKNOWLEDGE, 4), (CaseEvent.ARRIVE, 900))
    uow.findings.add(merged(4, morning, older.id, minutes(3)))
    closed_today = add_case(uow, 5, 400 - DAY, *((what, 900 + at) for what, at in GOOD))
    uow.findings.add(merged(6, afternoon, closed_today.id, minutes(365)))
    add_case(uow, 7, 20 - DAY)  # open since the day before, overdue, and seen by no round since
    add_case(uow, 8, 5, *GOOD, of_round=morning)
    add_case(uow, 9, 6, of_round=morning)  # open and overdue
    add_case(uow, 10, 590, of_round=afternoon)  # open, its limits not yet reached
    add_case(uow, 11, 7, (CaseEvent.VOID, 5), of_round=morning, pushed=False)
    add_case(uow, 12, -9 * 60)  # the first moment of the local day
    add_case(uow, 13, 15 * 60)  # the first moment of the next one
    uow.findings.add(
        a_finding(14, afternoon).decide(
            Decision.DISMISS, by="值班员", now=minutes(366), reason="known_object"
        )
    )


def heading_of(period: ReportPeriod) -> ReportHeading:
    return ReportHeading(
        kind=period.kind, period=period.name, site="小镇", zone=ZONE, made_at=minutes(600),
        registry=a_registry(),
    )  # fmt: skip


def document_of(store: Store, period: ReportPeriod) -> dict[str, Any]:
    with store.begin_read() as uow:
        return report_document(load_report(uow, heading_of(period), PLANS, period))


@pytest.mark.parametrize("kind", PERIODS)
def test_what_is_counted_is_what_was_counted(kind: str) -> None:
    store = new_store()
    with store.begin() as uow:
        seed_period(uow)
        uow.commit()
    document = document_of(store, PERIODS[kind])
    assert sorted(document.pop("anchor")) == (
        ["access_log", "deletions", "handovers"] if kind == "day" else []
    )
    assert document == json.loads((GOLDEN / f"stored_{kind}.json").read_text("utf-8"))


def test_a_decision_after_the_period_hides_no_earlier_one() -> None:
    store = new_store()
    with store.begin() as uow:
        of_day = add_round(uow, 0)
        add_case(uow, 1, 30 - DAY)
        add_case(uow, 2, 30, of_round=of_day)
        add_case(uow, 3, 2 * DAY)
        uow.commit()
    with store.begin_read() as uow:
        material = load_material(uow, PLANS, ZONE, PERIODS["day"])
    assert material.last_person_views == {camera_id(1): minutes(30)}


@contextmanager
def sqlite_work(uow: UnitOfWork) -> Iterator[dict[str, int]]:
    """How many statements, and how many hundred steps of SQLite's machine, the block takes."""
    connection = uow.db._connection
    driver = connection.connection.driver_connection
    counted = {"statements": 0, "steps": 0}

    def count(name: str) -> None:
        counted[name] += 1

    sa.event.listen(
        connection, "before_cursor_execute", on_statement := lambda *_: count("statements")
    )
    driver.set_progress_handler(lambda: count("steps"), 100)
    yield counted
    driver.set_progress_handler(None, 0)
    sa.event.remove(connection, "before_cursor_execute", on_statement)


def seed_past(uow: UnitOfWork, cases: int) -> None:
    """So many closed cases of the last months before the day, twenty a day."""
    for number in range(100, 100 + cases):
        days_ago = 40 + number // 20
        add_case(uow, number, number % 20 - days_ago * DAY, *GOOD)


@pytest.mark.slow
@pytest.mark.parametrize("kind", PERIODS)
def test_a_report_costs_what_its_period_holds(kind: str) -> None:
    costs = []
    for cases in (500, 4000):
        store = new_store()
        with store.begin() as uow:
            seed_period(uow)
            seed_past(uow, cases)
            uow.commit()
        with store.begin_read() as uow, sqlite_work(uow) as cost:
            load_report(uow, heading_of(PERIODS[kind]), PLANS, PERIODS[kind])
        costs.append(cost)
    few, many = costs
    assert many["statements"] == few["statements"]
    # An old decision is still read for the longest time without a person's look; a case is not.
    assert many["steps"] - few["steps"] < 4000 - 500
