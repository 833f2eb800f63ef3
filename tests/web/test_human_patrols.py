"""Human patrols over HTTP and in a real browser: worked by keys, a finding, the rotation."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from patrol.domain.human_patrol import (
    CheckOutcome,
    Checkpoint,
    CheckpointKind,
    HumanPatrolState,
)
from patrol.domain.ids import CameraId
from patrol.rounds.human_patrol import plan_patrol
from tests.support.human_patrols import ALL_DAY

LogIn = Callable[[str], httpx.Client]
Enter = Callable[..., Page]


def pictured(town: Any, count: int) -> list[CameraId]:
    found: list[CameraId] = []
    with town.store.begin_read() as uow:
        for camera in town.app.registry.cameras:
            visits = uow.rounds.latest_visits(camera, limit=3)
            if any(uow.pictures.get(p.id) for visit in visits for p in visit.pictures):
                found.append(camera)
    return found[:count]


def planned(town: Any, name: str, cameras: list[CameraId], **more: Any) -> str:
    stop = Checkpoint(
        title="渠口", kind=CheckpointKind.CAMERAS, cameras=tuple(cameras), size=more.pop("size", 4)
    )
    plan = replace(ALL_DAY, name=name, checkpoints=(stop,), **more)
    zone, now = town.app.site.settings.site.tz, town.app.clock.now()
    with town.store.begin() as uow:
        patrol = plan_patrol(
            uow, plan, now.astimezone(zone).date(), registry=town.app.registry, zone=zone, now=now
        )
        uow.commit()
    assert patrol is not None
    return str(patrol.id)


def outcomes(town: Any, patrol: str) -> dict[str, str]:
    with town.store.begin_read() as uow:
        return {one.camera: str(one.outcome) for one in uow.human_patrols.checks(patrol)}


def test_a_task_is_worked_camera_by_camera(town: Any, log_in: LogIn) -> None:
    cameras = pictured(town, 3)
    patrol = planned(town, "http", cameras, assigned=("operator",))
    path, desk = f"/api/patrols/{patrol}", log_in("operator")
    assert log_in("operator2").post(f"{path}/start", json={}).status_code == 403
    assert desk.post(f"{path}/start", json={"remark": "天晴"}).json()["state"] == "running"
    cells = desk.get(f"{path}/cells").json()["cells"]
    assert [cell["camera"] for cell in cells] == cameras
    assert desk.get(cells[0]["url"]).headers["content-type"] == "image/jpeg"
    assert log_in("operator2").get(f"{path}/cells").status_code == 403
    first = {"camera": cells[0]["camera"], "picture": cells[0]["picture"]}
    key = {"idempotency-key": "patrol-check-1"}
    assert desk.post(f"{path}/check", json=first, headers=key).status_code == 200
    assert desk.post(f"{path}/check", json=first, headers=key).json() == {"repeated": True}
    assert desk.post(f"{path}/check", json=first).status_code == 409
    wrong = {"camera": cells[1]["camera"], "picture": cells[0]["picture"]}
    assert desk.post(f"{path}/check", json=wrong).status_code == 422
    form = {
        "category": "dumping", "source": "patrol", "camera": cells[1]["camera"], "patrol": patrol,
        "picture": cells[1]["picture"], "to": "queue",
    }  # fmt: skip
    filed = desk.post("/api/findings/own", json=form)
    assert filed.status_code == 201, filed.text
    assert desk.post(f"{path}/item", json={"item": 0}).json() == {"checked": [0]}
    assert desk.post(f"{path}/item", json={"item": 7}).status_code == 409
    assert desk.post(f"{path}/finish", json={"remark": "好"}).json()["state"] == "incomplete"
    assert list(outcomes(town, patrol).values()) == ["acknowledged", "finding", "missed"]
    with town.store.begin_read() as uow:
        check = uow.human_patrols.check_of(patrol, cameras[0])
    assert (check.by, check.picture) == ("operator", cells[0]["picture"])
    assert check.picture_at is not None
    page = desk.get(f"/patrols/{patrol}").text
    assert filed.json()["finding"] in page
    assert "漏看" in page


@pytest.mark.parametrize("name", ["leader", "cadre", "maintainer", "auditor", "admin"])
def test_nobody_else_works_or_sees_patrols(name: str, town: Any, log_in: LogIn) -> None:
    patrol = planned(town, f"for-{name}", pictured(town, 1))
    client, accept = log_in(name), {"accept": "application/json"}
    assert client.post(f"/api/patrols/{patrol}/start", json={}).status_code == 403
    for path in ("/patrols", f"/patrols/{patrol}", f"/api/patrols/{patrol}/cells"):
        assert client.get(path, headers=accept).status_code == 403


def test_a_finding_of_no_patrol_camera_leaves_nothing(town: Any, log_in: LogIn) -> None:
    mine, other = pictured(town, 2)
    patrol = planned(town, "stray", [mine])
    desk = log_in("operator")
    desk.post(f"/api/patrols/{patrol}/start", json={})
    with town.store.begin_read() as uow:
        before = len(uow.findings.queue())
    form = {"category": "dumping", "source": "patrol", "camera": other, "patrol": patrol}
    assert desk.post("/api/findings/own", json=form).status_code == 404
    with town.store.begin_read() as uow:
        assert len(uow.findings.queue()) == before


@pytest.mark.slow
def test_the_viewer_is_worked_by_keys(town: Any, enter: Enter) -> None:
    cameras = pictured(town, 6)
    patrol = planned(town, "keys", cameras, size=4)
    page = enter("operator")
    page.goto(f"/patrols/{patrol}")
    page.click("[data-move=start]")
    page.wait_for_selector("#cells .cell.chosen")
    assert page.locator("#cells .cell").count() == 4
    page.keyboard.press("2")
    page.keyboard.press("v")
    expect(page.locator("#cells .cell.not_viewable")).to_have_count(1)
    page.keyboard.press("1")
    page.keyboard.press("f")
    page.wait_for_selector("#own-finding[data-ready=patrol]")
    page.select_option("#own-finding [name=to]", "queue")
    page.click("#own-categories [data-category=sewage]")
    page.keyboard.press("Enter")
    expect(page.locator("#cells .cell.finding")).to_have_count(1)
    page.wait_for_selector("#own-finding", state="hidden")  # else it takes the next key
    page.keyboard.press("Enter")  # the two that are left on this screen
    expect(page.locator("#cells .cell")).to_have_count(2)
    page.keyboard.press("r")
    expect(page.locator("#cells img[data-showing=reference]").first).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.locator(".toast.good", has_text="全部看完")).to_be_visible()
    page.check("input[data-item='0']")
    page.click("[data-move=finish]")
    page.wait_for_selector(".pill.completed")
    found = outcomes(town, patrol)
    assert sorted(found.values()).count(str(CheckOutcome.ACKNOWLEDGED)) == 4
    assert found[cameras[0]] == "finding"
    assert found[cameras[1]] == "not_viewable"
    with town.store.begin_read() as uow:
        done = uow.human_patrols.get(patrol)
    assert (done.state, done.checked_items) == (HumanPatrolState.COMPLETED, (0,))


@pytest.mark.slow
def test_the_rotation_moves_on_and_pauses(town: Any, enter: Enter) -> None:
    with town.store.begin_read() as uow:
        a_round = next(
            one.id
            for one in uow.rounds.of_plan("morning")
            if any(visit.pictures for visit in uow.rounds.visits(one.id))
        )
    page = enter("operator")
    page.goto(f"/rounds/{a_round}/rotation?size=4&pace=1")
    page.wait_for_selector("#cells .cell")
    first = page.locator("#progress").text_content()
    expect(page.locator("#progress")).not_to_have_text(first or "")  # by its pace
    page.keyboard.press("p")
    expect(page.locator("[data-act=pause]")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("f")
    page.wait_for_selector("#own-finding[data-ready=rotation]")
