"""The grid: who can be reached and since when, the map's data, and the page without a map."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from patrol.domain.case import CaseEntry, CaseEvent
from patrol.domain.ids import GridCode
from patrol.domain.schedule import StoppageScope
from patrol.settings.site_settings import ConsoleSettings
from patrol.web.app import tile_origin
from patrol.web.pages.camera_filter import subject_url
from patrol.web.pages.grid import last_replies
from patrol.web.pages.grid_map import spot_of
from patrol.web.server import serve

LogIn = Callable[[str], httpx.Client]


def test_the_map_has_every_placed_camera_and_every_outline(log_in: LogIn, town: Any) -> None:
    found = log_in("operator").get("/api/grid/map").json()
    cameras = town.app.registry.cameras
    assert len(found["cameras"]) == len(cameras)
    one = found["cameras"][0]
    known = next(c for c in cameras.values() if c.name == one["name"])
    assert one["at"] == [known.longitude, known.latitude]
    assert one["url"] == f"/cameras/{known.id}"
    assert len(found["grids"]) == 9 + 58
    assert found["grids"][0]["level"] == "village"  # the widest below the others
    assert "rtsp" not in str(found)


def test_a_withdrawn_household_is_a_hollow_dot(log_in: LogIn, town: Any) -> None:
    camera, now = next(iter(town.app.registry.cameras.values())), town.app.clock.now()
    with town.store.begin() as uow:
        uow.consents.withdraw(camera.id, by="household", now=now)
        uow.commit()
    try:
        found = log_in("operator").get("/api/grid/map").json()["cameras"]
    finally:
        with town.store.begin() as uow:
            uow.consents.restore(camera.id, by="household", now=now)
            uow.commit()
    assert next(c for c in found if c["name"] == camera.name)["state"] == "refused"


@pytest.mark.parametrize("who", ["maintainer", "auditor", "leader", "cadre"])
def test_whose_business_it_is_not(log_in: LogIn, who: str) -> None:
    assert log_in(who).get("/api/grid/map").status_code == 403
    assert log_in(who).get("/grid").status_code == 403


def test_the_newest_reply_of_each_person_counts(town: Any) -> None:
    at = town.case.dispatched_at
    entries = [
        CaseEntry(at=at + timedelta(minutes=minute), by=by, what=CaseEvent.RECEIVED)
        for minute, by in ((1, "li"), (9, "wang"), (3, "li"), (2, "wang"))
    ]
    replies = last_replies([replace(town.case, entries=tuple(entries))])
    assert replies == {
        "li": at + timedelta(minutes=3),
        "wang": at + timedelta(minutes=9),
    }


def test_a_recent_reply_makes_a_person_reachable(log_in: LogIn, town: Any) -> None:
    with town.store.begin_read() as uow:
        spoken = last_replies(uow.cases.list())
    person = next(p for p in town.app.registry.people.values() if p.id in spoken)
    page = log_in("operator").get("/grid").text
    mine = page.split(f"<b>{person.name}</b>")[1].split("</span></small>")[0]
    assert "最近应答" in mine


def test_without_leaflet_the_page_shows_the_tree_and_a_note(town: Any, tmp_path: Path) -> None:
    options = ConsoleSettings(port=0, assets=tmp_path / "nothing here")
    with serve(town.app, options) as address, httpx.Client(base_url=address.url) as client:
        client.post("/login", data={"name": "operator", "password": "correct-horse-9"})
        page = client.get("/grid").text
    assert "patrol assets install" in page
    assert 'id="map"' not in page
    assert "上坝村" in page


@pytest.mark.parametrize(
    ("tiles", "origin"),
    [
        pytest.param("", "", id="none"),
        pytest.param("https://t.example/{z}/{x}/{y}.png", "https://t.example", id="one host"),
        pytest.param("http://{s}.t.example:8080/{z}/{x}/{y}", "http://*.t.example:8080", id="some"),
    ],
)
def test_the_policy_lets_in_the_tiles_of_a_site_and_nothing_else(
    town: Any, tiles: str, origin: str
) -> None:
    assert tile_origin(tiles) == origin
    with serve(town.app, ConsoleSettings(port=0, tiles=tiles)) as address:
        policy = httpx.get(f"{address.url}/login").headers["content-security-policy"]
    pictures = next(part for part in policy.split("; ") if part.startswith("img-src"))
    assert pictures.split() == [
        "img-src",
        "'self'",
        *([origin] if origin else []),
        "data:",
        "blob:",
    ]
    assert "script-src 'self';" in policy


def test_open_cases_and_alarms_stand_on_the_map(log_in: LogIn, town: Any) -> None:
    found = log_in("operator").get("/api/grid/map").json()
    with town.store.begin_read() as uow:
        running = uow.cases.list(open_only=True)
        urgent = [f for f in uow.findings.queue() if f.is_open and f.level in ("I", "II")]
    on_map = {line["id"]: place for place in found["cases"] for line in place["lines"]}
    assert set(on_map) == {case.id for case in running}
    camera = town.app.registry.cameras[town.case.camera]
    place = on_map[town.case.id]
    assert place["at"] == [camera.longitude, camera.latitude]
    assert place["exact"]
    assert place["name"] == camera.name
    assert place["light"] in ("red", "yellow", "green")
    assert {one["id"] for one in found["alarms"]} == {f.id for f in urgent}
    assert all(one["url"] == f"/review?finding={one['id']}" for one in found["alarms"])


def test_a_case_without_a_camera_stands_in_its_grid_roughly(town: Any) -> None:
    registry = town.app.registry
    exact = spot_of(town.case.camera, town.case.grid, registry)
    assert exact is not None
    assert exact[1]
    for grid in (town.case.grid, registry.tree.village_of(town.case.grid)):
        rough = spot_of(None, grid, registry)
        assert rough is not None
        assert not rough[1]
        inside = [
            (camera.longitude, camera.latitude)
            for camera in registry.cameras.values()
            if registry.tree.is_within(camera.grid, grid)
        ]
        for axis in (0, 1):
            assert min(one[axis] for one in inside) - 1e-6 <= rough[0][axis]
            assert rough[0][axis] <= max(one[axis] for one in inside) + 1e-6
    assert spot_of(None, GridCode("999999999999999"), registry) is None


def test_the_map_shows_each_duty_what_it_may_read(log_in: LogIn) -> None:
    admin = log_in("admin").get("/api/grid/map").json()
    assert admin["cameras"]
    assert (admin["cases"], admin["alarms"]) == ([], [])
    assert log_in("duty_lead").get("/api/grid/map").json()["cases"]


@pytest.mark.parametrize("who", ["operator", "duty_lead", "maintainer"])
def test_what_is_in_maintenance_leads_to_its_cameras(log_in: LogIn, town: Any, who: str) -> None:
    registry, now = town.app.registry, town.app.clock.now()
    camera = next(one for one in registry.cameras.values() if one.link)
    village = registry.tree.village_of(camera.grid)
    subjects = [
        ("camera", camera.id),
        ("link", camera.link),
        ("grid", camera.grid),
        ("grid", village),
    ]
    with town.store.begin() as uow:
        added = [
            uow.stoppages.add(scope=StoppageScope(scope), subject=subject, start=now, until=None,
                              reason="检修", by="duty_lead", now=now)
            for scope, subject in subjects
        ]  # fmt: skip
        uow.commit()
    client = log_in(who)
    try:
        page = client.get("/stoppages").text
    finally:
        with town.store.begin() as uow:
            for one in added:
                uow.stoppages.end(one.number, by="duty_lead", now=now)
            uow.commit()
    for scope, subject in subjects:
        address = subject_url(scope, subject)
        assert f'href="{address}"' in page, address
        answer = client.get(address)
        assert answer.status_code == 200
        assert camera.name in answer.text
    others = client.get(subject_url("grid", camera.grid)).text
    far = next(one for one in registry.cameras.values() if one.grid != camera.grid)
    assert far.id not in others


def test_what_has_no_cameras_leads_nowhere() -> None:
    assert subject_url("village", "620902104203000") == "/cameras?grid=620902104203000"
    assert subject_url("link", "a b&c") == "/cameras?link=a+b%26c"
    assert not subject_url("rounds", "")
    assert not subject_url("link", "")
