"""The grid: who can be reached and since when, the map's data, and the page without a map."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from patrol.domain.case import CaseEntry, CaseEvent
from patrol.settings.site_settings import ConsoleSettings
from patrol.web.app import tile_origin
from patrol.web.pages.grid import last_replies
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
