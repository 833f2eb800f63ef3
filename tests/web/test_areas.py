"""Areas: who may draw them, what the settings' reader refuses, and their use by the next visit."""

import re
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest

from patrol.domain.ids import CameraId
from patrol.domain.round import VisitOutcome
from patrol.review.reference import CameraReference, camera_references, reference_candidates
from patrol.settings.zones_editor import camera_areas, replace_camera

LogIn = Callable[[str], httpx.Client]
SQUARE = [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9], [0.1, 0.9]]
CORNER = [[0.0, 0.0], [0.2, 0.0], [0.2, 0.2]]


@pytest.fixture
def camera(town: Any) -> CameraId:
    """One that was seen well in the last round, and whose household still agrees."""
    with town.store.begin_read() as uow:
        newest = uow.rounds.of_plan("afternoon", limit=1)[0]
        seen = [v for v in uow.rounds.visits(newest.id) if v.outcome is VisitOutcome.NORMAL]
        gone = uow.consents.withdrawn()
    return CameraId(next(v.camera for v in seen if v.camera not in gone))


@pytest.fixture(autouse=True)
def restored_zones(town: Any) -> Any:
    path = Path(town.config_dir) / "zones.yaml"
    before = path.read_bytes()
    yield
    path.write_bytes(before)
    town.app.registry_watcher.refresh()


def mark_of(client: httpx.Client, camera: str) -> str:
    return client.get(f"/cameras/{camera}/areas").text.split('data-mark="')[1].split('"')[0]


def put(client: httpx.Client, camera: str, areas: dict[str, Any], **more: Any) -> httpx.Response:
    body = {"areas": areas, "mark": more.get("mark") or mark_of(client, camera), "why": "测试"}
    return client.put(f"/api/cameras/{camera}/areas", json={**body, **more})


def test_what_was_drawn_is_the_registry_of_the_next_visit(
    log_in: LogIn, town: Any, camera: CameraId
) -> None:
    others = (Path(town.config_dir) / "zones.yaml").read_text("utf-8").splitlines()
    zone = {"name": "村口", "kind": "livestock", "polygon": SQUARE, "hours": ["22:00-06:00"]}
    wanted = {"visible": SQUARE, "ignore": [CORNER], "zones": [zone]}
    answer = put(log_in("duty_lead"), camera, wanted)
    assert answer.status_code == 200, answer.text
    areas = town.app.round_runner._deps.cameras()[camera].areas
    assert [list(point) for point in areas.visible] == SQUARE
    assert [list(point) for point in areas.ignore[0]] == CORNER
    assert areas.zones[0].hours[0].start.hour == 22
    kept = (Path(town.config_dir) / "zones.yaml").read_text("utf-8").splitlines()
    assert [line for line in others if camera not in line] == [
        line for line in kept if line in others and camera not in line
    ]
    with town.store.begin_read() as uow:
        entry = uow.access.entries(camera=camera, limit=1, what="change_areas")[0]
        assert uow.access.first_broken() is None
    assert entry.who == "duty_lead"
    assert "4 points" in entry.why
    assert "测试" in entry.why


@pytest.mark.parametrize(
    ("areas", "field", "text"),
    [
        pytest.param({"visible": [[0, 0], [1, 1]]}, "visible", "至少 3 个点", id="two"),
        pytest.param({"ignore": [[[0, 0], [2, 0], [1, 1]]]}, "ignore", "画面之外", id="outside"),
        pytest.param(
            {"visible": [[0, 0], [1, 1], [1, 0], [0, 1]]}, "visible", "自相交叉", id="bow"
        ),
        pytest.param(
            {"zones": [{"name": "a", "kind": "ufo", "polygon": SQUARE}]}, "kind", "未知的类型",
            id="kind",
        ),
        pytest.param(
            {"zones": [{"name": "a", "kind": "dumping", "polygon": SQUARE, "classes": ["hrose"]}]},
            "classes", "是不是 'horse'", id="class",
        ),
        pytest.param(
            {"zones": [{"name": "a", "kind": "livestock", "polygon": SQUARE, "hours": ["25:00"]}]},
            "hours", "不是时段", id="hours",
        ),
        pytest.param({"secret": [1]}, "secret", "未知的设置", id="setting"),
    ],
)  # fmt: skip
def test_invalid_areas_are_refused_and_nothing_is_written(
    log_in: LogIn, town: Any, camera: CameraId, areas: dict[str, Any], field: str, text: str
) -> None:
    before = (Path(town.config_dir) / "zones.yaml").read_bytes()
    answer = put(log_in("duty_lead"), camera, areas)
    assert answer.status_code == 422
    (problem,) = answer.json()["problems"]
    assert problem["file"] == "zones.yaml"
    assert field in problem["field"]
    assert text in problem["text"]
    assert (Path(town.config_dir) / "zones.yaml").read_bytes() == before


def test_two_who_draw_do_not_undo_each_other(log_in: LogIn, town: Any, camera: CameraId) -> None:
    client = log_in("duty_lead")
    mark = mark_of(client, camera)
    assert put(client, camera, {"visible": SQUARE}, mark=mark).status_code == 200
    late = put(client, camera, {"ignore": [CORNER]}, mark=mark)
    assert late.status_code == 409
    saved = camera_areas(Path(town.config_dir) / "zones.yaml", camera)
    assert saved["visible"] == SQUARE
    assert saved.get("ignore") is None


@pytest.mark.parametrize("who", ["operator", "maintainer", "auditor", "admin", "leader", "cadre"])
@pytest.mark.parametrize("path", ["/cameras/{}/areas", "/cameras/{}/reference"])
def test_only_the_duty_lead_draws(
    log_in: LogIn, town: Any, camera: CameraId, who: str, path: str
) -> None:
    client = log_in(who)
    assert client.get(path.format(camera)).status_code == 403
    assert put(client, camera, {}, mark="x").status_code == 403
    accepted = client.post(f"/api/cameras/{camera}/reference", json={"picture": "0" * 64})
    assert accepted.status_code == 403


def test_no_yard_is_shown_to_maintainers_of_the_registry(
    log_in: LogIn, town: Any, camera: CameraId
) -> None:
    for who in ("operator", "maintainer", "admin"):
        page = log_in(who).get(f"/cameras/{camera}")
        assert page.status_code == 200
        assert "/picture/" not in page.text
        assert "rtsp://" not in page.text
    assert "/picture/" in log_in("duty_lead").get(f"/cameras/{camera}").text


def test_another_visible_area_suspends_the_reference_until_a_person_approves(
    log_in: LogIn, town: Any, camera: CameraId
) -> None:
    client = log_in("duty_lead")

    def references() -> list[CameraReference]:
        with town.store.begin_read() as uow:
            return camera_references(uow, town.app.registry.cameras[camera])

    with town.store.begin_read() as uow:
        _, found = next(reference_candidates(uow, town.app.registry.cameras[camera]))
    accepted = client.post(f"/api/cameras/{camera}/reference", json={"picture": found.id})
    assert accepted.status_code == 200, accepted.text
    assert {one.state for one in references()} == {"ready"}
    assert put(client, camera, {"visible": SQUARE}).status_code == 200
    (reference,) = references()
    assert (reference.state, reference.why) == ("suspended", "visible_area")
    assert "可视区已改" in client.get(f"/cameras/{camera}").text
    again = client.post(f"/api/cameras/{camera}/reference", json={"picture": found.id})
    assert again.status_code == 200  # these pictures say not in which area they were taken
    (reference,) = references()
    assert reference.state == "ready"
    with town.store.begin_read() as uow:
        entry = uow.access.entries(camera=camera, limit=1, what="accept_as_normal")[0]
    assert entry.who == "duty_lead"


def test_an_older_picture_shows_no_more_than_is_agreed_now(
    log_in: LogIn, town: Any, camera: CameraId
) -> None:
    client = log_in("duty_lead")
    left = [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]
    assert put(client, camera, {"visible": left}).status_code == 200
    for path in ("", "/reference"):
        page = client.get(f"/cameras/{camera}{path}").text
        for address in re.findall(r'src="(/picture/[^"]+)"', page):
            jpeg = np.frombuffer(client.get(unescape(address)).content, np.uint8)
            bgr = cv2.imdecode(jpeg, cv2.IMREAD_COLOR)
            middle = bgr.shape[1] // 2
            assert bgr[:, middle + 16 :].max() < 16
            assert bgr[:, : middle - 16].mean() > 16


def test_by_hand_in_the_file_counts_as_much(log_in: LogIn, town: Any, camera: CameraId) -> None:
    """Nothing stands in the log then; the thumbnail, the picture and the redacted one are black."""
    path = Path(town.config_dir) / "zones.yaml"
    left = {"visible": [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]}
    with town.store.begin_read() as uow:
        lines = len(uow.access.entries(camera=camera, what="change_areas", limit=100))
        shown = uow.rounds.latest_visits(camera, limit=1)[0]
    client = log_in("operator")
    page = client.get(f"/rounds/{shown.round}/camera/{camera}").text
    pictures = [unescape(one) for one in re.findall(r'src="(/picture/[^"]+)"', page)]
    assert bright(client, pictures) == {True}
    path.write_text(replace_camera(path, camera, left), "utf-8")
    assert bright(client, pictures) == {False}
    with town.store.begin_read() as uow:
        assert len(uow.access.entries(camera=camera, what="change_areas", limit=100)) == lines


def bright(client: httpx.Client, pictures: list[str]) -> set[bool]:
    """Whether anything is to be seen in the right half; not where there is nothing to ask."""
    seen = set()
    for address in pictures:
        bgr = cv2.imdecode(np.frombuffer(client.get(address).content, np.uint8), cv2.IMREAD_COLOR)
        assert bgr is not None
        seen.add(bool(bgr[:, bgr.shape[1] // 2 + 16 :].max() >= 16))
    return seen


def test_what_was_not_looked_at_is_not_accepted(log_in: LogIn, town: Any, camera: CameraId) -> None:
    url = f"/api/cameras/{camera}/reference"
    answer = log_in("duty_lead").post(url, json={"picture": "ab" * 32})
    assert answer.status_code == 409
    assert "更新的画面" in answer.json()["words"]


def test_a_withdrawn_household_is_not_looked_at_to_draw(
    log_in: LogIn, town: Any, camera: CameraId
) -> None:
    with town.store.begin() as uow:
        uow.consents.withdraw(camera, by="household", now=town.app.clock.now())
        uow.commit()
    for path in ("", "/areas", "/reference"):
        page = log_in("duty_lead").get(f"/cameras/{camera}{path}")
        assert page.status_code == 200
        assert "/picture/" not in page.text
    with town.store.begin() as uow:
        uow.consents.restore(camera, by="household", now=town.app.clock.now())
        uow.commit()
