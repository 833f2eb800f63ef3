"""The gate in the house as it is built: site.yaml's limits hold, and the bell lets go."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from patrol.app import Application, build
from patrol.app.side_services import SideServices
from patrol.domain.ids import CameraId, CaseId
from patrol.settings import Site
from simulators import small_site
from tests.support.clock import ManualClock

CAMERA = CameraId("62090204011327000001")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(small_site.NOON)


@pytest.fixture
def app(write_small_site: Callable[..., Site], clock: ManualClock) -> Iterator[Application]:
    limits = "sending: {new_per_hour: 1, repeat_every_min: 10}"
    with build(write_small_site("mqtt://127.0.0.1:9", limits), clock=clock) as built:
        yield built


def confirmed(app: Application, number: int) -> CaseId:
    finding = small_site.finding(f"F{number}", category=f"kind_{number}", camera=CAMERA)
    with app.store.begin() as uow:
        uow.findings.add(finding)
        uow.commit()
    return app.confirm(finding.id, by="op").id


def dispatched(app: Application, case: CaseId) -> list[str]:
    with app.store.begin_read() as uow:
        return [json.loads(m.payload)["dispatched_at"] for m in uow.outbox.of_case(case)]


def test_the_second_case_of_an_hour_waits_for_the_next(
    app: Application, clock: ManualClock
) -> None:
    first, second = confirmed(app, 1), confirmed(app, 2)
    assert dispatched(app, first) == ["2026-11-22T04:00:00Z"]
    assert dispatched(app, second) == []
    ring = SideServices.create(app).escalation_job(app.new_escalator())
    clock.sleep(timedelta(minutes=59).total_seconds())
    ring()
    assert dispatched(app, second) == []
    clock.sleep(timedelta(minutes=1).total_seconds())
    ring()
    assert dispatched(app, second) == ["2026-11-22T05:00:00Z"]
    assert app.send_gate.counters == {"held:grid_busy": 1, "released": 1}


def test_whom_the_operator_phoned_stands_in_the_history(app: Application) -> None:
    finding = small_site.finding("F1", camera=CAMERA)
    with app.store.begin() as uow:
        uow.findings.add(finding)
        uow.commit()
    case = app.confirm(finding.id, by="op", phoned="老王接听")
    assert [(entry.what, entry.note) for entry in case.entries][1:] == [("phone", "老王接听")]
