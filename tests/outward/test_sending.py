"""The gate in the house as it is built: site.yaml's limits hold, and the bell lets go."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from patrol.app import App, build
from patrol.app.outward import Outposts
from patrol.domain.ids import CameraId, CaseId
from patrol.settings import load_site
from simulators import hamlet
from simulators.clock import ManualClock

SOURCE = Path(__file__).parents[2] / "config"
CAMERA = CameraId("62090204011327000001")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(hamlet.NOON)


@pytest.fixture
def app(tmp_path: Path, clock: ManualClock) -> Iterator[App]:
    for name in ("grids.csv", "people.csv", "cameras.csv"):
        (tmp_path / name).write_bytes((SOURCE / name).read_bytes())
    (tmp_path / "site.yaml").write_text(
        f"""
site: {{id: shangba, name: 上坝镇, latitude: 39.6, longitude: 98.75}}
database: sqlite:///{tmp_path}/patrol.db
evidence: {tmp_path}/evidence
objects: false
mqtt: {{url: "mqtt://127.0.0.1:9"}}
sending: {{new_per_hour: 1, repeat_every_min: 10}}
""",
        "utf-8",
    )
    with build(load_site(tmp_path, env={}), clock=clock) as built:
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
