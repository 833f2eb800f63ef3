"""people.csv and grids.csv edited while the application runs: everything tells the new leader."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from patrol.app import Application, build
from patrol.app.side_services import SideServices
from patrol.domain.case import CaseEvent
from patrol.domain.ids import CameraId, CaseId, GridCode, PersonId
from patrol.domain.registry import Role
from patrol.domain.routing import person_with_role
from patrol.settings import Site
from simulators import small_site
from tests.support.clock import ManualClock

CAMERA = CameraId("62090204011327000001")


@pytest.fixture
def app(write_small_site: Callable[..., Site], tmp_path: Path) -> Iterator[Application]:
    site = write_small_site("mqtt://127.0.0.1:9")
    with build(site, clock=ManualClock(small_site.NOON), config_dir=tmp_path) as built:
        yield built


def first_told(app: Application, number: int) -> tuple[CaseId, PersonId]:
    """Open a case as the console does, and whom it tells first."""
    finding = small_site.finding(f"F{number}", category=f"kind_{number}", camera=CAMERA)
    with app.store.begin() as uow:
        uow.findings.add(finding)
        uow.commit()
    case = app.confirm(finding.id, by="op")
    return case.id, case.policy.ladder[0].person


def leader_of(app: Application, grid: GridCode) -> PersonId:
    found = person_with_role(app.registry, grid, Role.GRID_LEADER)
    assert found is not None
    return found.id


def rename_in(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8-sig")
    path.write_text(re.sub(rf"(?<![\w-]){re.escape(old)}(?![\w-])", new, text), "utf-8")


def test_the_new_leader_is_told_and_the_one_who_left_is_not_waited_for(
    app: Application, tmp_path: Path
) -> None:
    case, old = first_told(app, 1)
    grid = app.registry.cameras[CAMERA].grid
    assert leader_of(app, grid) == old
    rename_in(tmp_path / "people.csv", old, "p-new")

    _, told = first_told(app, 2)
    assert told == leader_of(app, grid) == "p-new"
    assert "p-new" in app.payloads.registry.people
    ladder = SideServices.create(app).escalation_job(app.new_escalator())
    ladder()
    with app.store.begin_read() as uow:
        last = uow.cases.get(case).entries[-1]
    assert last.what is CaseEvent.ESCALATE
    assert f"{old}: no longer in people.csv" in last.note


def test_what_holds_a_registry_for_long_follows_at_the_next_turn(
    app: Application, tmp_path: Path
) -> None:
    """Automatic confirmation, replies, the send gate and reports from the ground."""
    _, old = first_told(app, 1)
    rename_in(tmp_path / "people.csv", old, "p-new")
    rename_in(tmp_path / "grids.csv", "上坝村", "上坝新村")
    app.follow_registry()
    for held in (app.payloads.registry, app.reply_handler.registry, app.send_gate.registry):
        assert "p-new" in held.people
        assert "上坝新村" in {grid.name for grid in held.tree.grids.values()}
    with app.store.begin() as uow:
        finding = small_site.finding("F9", category="kind_9", camera=CAMERA)
        uow.findings.add(finding)
        policy = app.round_runner._deps.policy
        policy.auto_confirm(uow, finding.id, app.clock.now())
        uow.commit()
    with app.store.begin_read() as uow:
        newest = next(case for case in uow.cases.list() if case.category == "kind_9")
    assert newest.policy.ladder[0].person == "p-new"


def test_a_file_with_a_fault_changes_nobody(app: Application, tmp_path: Path) -> None:
    _, old = first_told(app, 1)
    rename_in(tmp_path / "people.csv", old, "not an id!")
    app.follow_registry()
    assert first_told(app, 2)[1] == old
