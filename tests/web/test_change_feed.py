"""The change feed: a page hears of what changed between its rendering and its subscription."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.timeout(60)
LogIn = Callable[[str], httpx.Client]


def change_case(desk: httpx.Client, town: Any, tags: str) -> None:
    answer = desk.post(f"/api/cases/{town.case.id}/move", json={"move": "tag", "tags": tags})
    assert answer.status_code == 200, answer.text


def next_topics(chunks: Iterator[str]) -> set[str]:
    """The topics of the next event that names any."""
    for chunk in chunks:
        if "event: moved" in chunk:
            return set(chunk.split("data: ")[1].strip().split(","))
    raise AssertionError("the feed ended")


def heard_by_a_page(client: httpx.Client, rendered: datetime, act: Callable[[], None]) -> set[str]:
    """What a page of this age hears first, when `act` happens once it is connected."""
    with client.stream("GET", "/api/live", params={"since": rendered.isoformat()}) as stream:
        chunks = stream.iter_text()
        assert "hello" in next(chunks)
        act()
        return next_topics(chunks)


def test_what_changed_before_a_page_was_connected_is_told_at_once(town: Any, log_in: LogIn) -> None:
    desk, clock = log_in("operator"), town.app.clock
    heard_by_a_page(desk, clock.now(), lambda: change_case(desk, town, "渠口"))
    rendered = clock.now()
    change_case(desk, town, "")  # nobody is connected, as while a page loads
    assert "cases" in heard_by_a_page(desk, rendered, lambda: None)
    maintainer, camera = log_in("maintainer"), next(iter(town.app.registry.cameras))
    asked = {"scope": "camera", "subject": camera, "reason": "换镜头"}
    numbers = []

    def stop_camera() -> None:
        numbers.append(maintainer.post("/api/stoppages", json=asked).json()["number"])

    try:  # a newer page hears nothing of the case
        assert heard_by_a_page(desk, clock.now(), stop_camera) == {"shift"}
    finally:
        for number in numbers:
            maintainer.post(f"/api/stoppages/{number}/end", json={})


def test_a_time_without_its_zone_is_refused(log_in: LogIn) -> None:
    for wrong in ("2026-11-30T10:00:00", "yesterday"):
        assert log_in("operator").get("/api/live", params={"since": wrong}).status_code == 422
