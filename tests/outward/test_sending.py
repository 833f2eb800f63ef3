"""The gate in the house as it is built: site.yaml's limits hold, and the bell lets go."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from patrol.app import App, build
from patrol.app.outward import Outposts
from patrol.domain.ids import CameraId, CaseId
from patrol.settings import Site
from simulators import hamlet
from simulators.clock import ManualClock

CAMERA = CameraId("62090204011327000001")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(hamlet.NOON)


@pytest.fixture
def app(small_site: Callable[..., Site], clock: ManualClock) -> Iterator[App]:
    limits = "sending: {new_per_hour: 1, repeat_every_min: 10}"
    with build(small_site("mqtt://127.0.0.1:9", limits), clock=clock) as built:
        yield built


def confirmed(app: App, number: int) -> CaseId:
    lead = hamlet.finding(f"F{number}", category=f"kind_{number}", camera=CAMERA)
    with app.store.begin() as uow:
        uow.findings.add(lead)
        uow.commit()
    return app.confirm(lead.id, by="op").id


def dispatched(app: App, case: CaseId) -> list[str]:
    with app.store.begin_read() as uow:
        return [json.loads(m.payload)["dispatched_at"] for m in uow.outbox.of_case(case)]


def test_the_second_case_of_an_hour_waits_for_the_next(app: App, clock: ManualClock) -> None:
    first, second = confirmed(app, 1), confirmed(app, 2)
    assert dispatched(app, first) == ["2026-11-22T04:00:00Z"]
    assert dispatched(app, second) == []
    ring = Outposts.of(app).climbing(app.new_ladder())
    clock.sleep(timedelta(minutes=59).total_seconds())
    ring()
    assert dispatched(app, second) == []
    clock.sleep(timedelta(minutes=1).total_seconds())
    ring()
    assert dispatched(app, second) == ["2026-11-22T05:00:00Z"]
    assert app.gate.counters == {"held:grid_busy": 1, "released": 1}


def test_whom_the_operator_phoned_stands_in_the_history(app: App) -> None:
    lead = hamlet.finding("F1", camera=CAMERA)
    with app.store.begin() as uow:
        uow.findings.add(lead)
        uow.commit()
    case = app.confirm(lead.id, by="op", phoned="老王接听")
    assert [(entry.what, entry.note) for entry in case.entries][1:] == [("phone", "老王接听")]
