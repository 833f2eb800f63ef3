"""Numbers and health, asked over HTTP."""

import json
import urllib.error
import urllib.request
from datetime import timedelta
from typing import Any

import pytest

from patrol.domain.ids import MessageKey, RoundId
from patrol.domain.outbox import Delivery, OutboxMessage
from patrol.domain.round import PlannedVisit, Round, RoundEvent, Visit, VisitOutcome
from patrol.operations.health_server import Heartbeats, MetricsFailed, serve_metrics
from patrol.operations.metrics import Meters
from patrol.store import StoreUnavailable
from simulators import small_site
from tests.support.clock import ManualClock
from tests.support.store import new_store

ROUND = RoundId("20261122-morning-1")


class Station:
    def __init__(self) -> None:
        self.clock = ManualClock(small_site.NOON)
        self.meters = Meters()
        self.store = new_store([self.meters.observe])
        self.beats = Heartbeats(self.clock.monotonic_s)
        self.meters.export_store(self.store, self.clock)

    def numbers(self) -> dict[str, float]:
        found = {}
        for line in self.ask("/metrics")[1].splitlines():
            if not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                found[name] = float(value)
        return found

    def ask(self, path: str) -> tuple[int, str]:
        with serve_metrics("127.0.0.1", 0, self.meters.registry, self.beats.checks) as port:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as got:
                    return got.status, got.read().decode()
            except urllib.error.HTTPError as exc:
                with exc:
                    return exc.code, exc.read().decode()


@pytest.fixture
def station() -> Station:
    return Station()


def a_round() -> Round:
    return Round(
        id=ROUND, plan="morning", day=small_site.NOON.date(), planned_at=small_site.NOON,
        finish_by=small_site.NOON + timedelta(hours=1), planned=2, refused={},
    )  # fmt: skip


def visit(camera: str, outcome: VisitOutcome, seconds: float, failure: str = "") -> Visit:
    return Visit(
        round=ROUND, camera=camera, outcome=outcome, failure=failure,  # type: ignore[arg-type]  # an id
        started_at=small_site.NOON, finished_at=small_site.NOON + timedelta(seconds=seconds),
    )  # fmt: skip


def test_rounds_and_visits_are_counted_once_they_are_committed(station: Station) -> None:
    begun = a_round().apply_event(RoundEvent.START, at=small_site.NOON)
    cameras = (small_site.CAMERA, small_site.SECOND_CAMERA)
    places = [PlannedVisit(round=ROUND, camera=c, order=n) for n, c in enumerate(cameras)]
    with station.store.begin() as uow:
        uow.rounds.add(begun, places)
        uow.rounds.record_visit(visit(small_site.CAMERA, VisitOutcome.NORMAL, 4.5))
        uow.commit()
    for commit in (False, True):
        with station.store.begin() as uow:
            uow.rounds.record_visit(
                visit(small_site.SECOND_CAMERA, VisitOutcome.NOT_VIEWABLE, 8, "went_silent")
            )
            if commit:
                uow.commit()
    with station.store.begin() as uow:  # recorded before: counted before
        assert not uow.rounds.record_visit(visit(small_site.CAMERA, VisitOutcome.NORMAL, 9))
        uow.rounds.put(begun.apply_event(RoundEvent.FINISH, at=small_site.NOON))
        uow.commit()
    numbers = station.numbers()
    assert numbers['patrol_visits_total{failure="",outcome="normal"}'] == 1
    assert numbers['patrol_visits_total{failure="went_silent",outcome="not_viewable"}'] == 1
    assert numbers["patrol_visit_duration_seconds_count"] == 2
    assert numbers["patrol_visit_duration_seconds_sum"] == 12.5
    assert numbers['patrol_rounds_total{plan="morning",state="running"}'] == 1
    assert numbers['patrol_rounds_total{plan="morning",state="finished"}'] == 1


def test_what_waits_and_since_when(station: Station) -> None:
    now = station.clock.now()
    with station.store.begin() as uow:
        for number in range(3):
            uow.outbox.add(
                OutboxMessage(key=MessageKey(str(number)), topic="t", payload=b"", queued_at=now)
            )
        uow.deliveries.add(
            Delivery(
                key="k", target="webhook:county", event="e", payload=b"", queued_at=now, due_at=now
            )
        )
        uow.findings.add(small_site.finding())
        uow.commit()
    station.clock.sleep(90)
    numbers = station.numbers()
    assert numbers["patrol_outbox_waiting"] == 3
    assert numbers["patrol_outbox_age_seconds"] == 90
    assert numbers['patrol_deliveries_waiting{target="webhook:county"}'] == 1
    assert numbers['patrol_deliveries_age_seconds{target="webhook:county"}'] == 90
    assert numbers["patrol_review_queue"] == 1
    assert numbers["patrol_ladder_lag_seconds"] == 0
    assert numbers["patrol_store_up"] == 1


def test_no_metric_names_a_person_a_camera_or_a_grid(station: Station) -> None:
    with station.store.begin() as uow:
        uow.findings.add(small_site.finding())
        uow.commit()
    text = station.ask("/metrics")[1]
    for never in (small_site.CAMERA, small_site.GROUP, small_site.HOUSEHOLD, "leader"):
        assert never not in text


def test_a_database_that_is_away_is_a_number_too(station: Station) -> None:
    def away() -> Any:
        raise StoreUnavailable("away")

    station.store.begin_read = away  # type: ignore[method-assign]
    numbers = station.numbers()
    assert numbers["patrol_store_up"] == 0
    assert "patrol_outbox_waiting" not in numbers


def test_who_was_not_heard_of_is_stuck(station: Station) -> None:
    beat = station.beats.expect("relay", 30)
    station.beats.expect("ladder", 60)
    station.clock.sleep(30)
    assert station.ask("/healthz")[0] == 200
    station.clock.sleep(1)
    code, body = station.ask("/healthz")
    assert code == 503
    checks = json.loads(body)["checks"]
    assert (checks["relay"]["ok"], checks["ladder"]["ok"]) == (False, True)
    assert checks["relay"]["words"] == "31 s ago, 30 s are allowed"
    beat()
    assert station.ask("/healthz")[0] == 200


def test_nothing_else_is_answered(station: Station) -> None:
    assert station.ask("/")[0] == 404
    assert station.ask("/metrics/../etc")[0] == 404


def test_a_port_that_is_taken_is_said_in_one_line(station: Station) -> None:
    with (
        serve_metrics("127.0.0.1", 0, station.meters.registry, station.beats.checks) as port,
        pytest.raises(MetricsFailed, match=f"metrics 127.0.0.1:{port}: Address already in use"),
        serve_metrics("127.0.0.1", port, station.meters.registry, station.beats.checks),
    ):
        pass
