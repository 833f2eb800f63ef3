"""Cameras and grid in a real browser: areas drawn by mouse, finger and keyboard, and then used.

Screenshots in both languages go to PATROL_ARTIFACTS (else the test's own folder).
"""

import asyncio
import csv
import io
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from patrol.domain.camera import Camera
from patrol.domain.ids import CameraId
from patrol.domain.observation import Light
from patrol.domain.round import VisitOutcome
from patrol.review.reference import camera_references
from patrol.rounds.live_view import LiveLimits
from patrol.rounds.visit_judge import VisitStart
from patrol.settings.zones_editor import camera_areas
from patrol.web.server import ConsoleAddress
from streams.model import Codec, Freshness, KeyFrame, Sample, StreamFacts
from tests.support.pages import until_true

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

Enter = Callable[..., Page]
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
WIDE_SCREEN = {"viewport": {"width": 1440, "height": 900}}
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}


@pytest.fixture
def camera(town: Any) -> Camera:
    """One that was seen well, with nothing drawn yet."""
    with town.store.begin_read() as uow:
        newest = uow.rounds.of_plan("afternoon", limit=1)[0]
        gone = uow.consents.withdrawn()
        seen = [v for v in uow.rounds.visits(newest.id) if v.outcome is VisitOutcome.NORMAL]
    cameras: dict[CameraId, Camera] = town.app.registry.cameras
    found = [cameras[v.camera] for v in seen if v.camera not in gone]
    return next(one for one in found if one.areas.visible is None and not one.areas.zones)


@pytest.fixture(autouse=True)
def restored_zones(town: Any) -> Iterator[None]:
    folder = Path(town.config_dir)
    before = {name: (folder / name).read_bytes() for name in ("zones.yaml", "cameras.csv")}
    yield
    for name, data in before.items():
        (folder / name).write_bytes(data)
    town.app.registry_watcher.refresh()


def corner(page: Page, number: int) -> tuple[float, float]:
    """Where a point stands on the screen."""
    box = page.locator(f"[data-point='{number}'] circle:last-child").bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def drag(page: Page, start: tuple[float, float], by: tuple[float, float]) -> None:
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(start[0] + by[0] / 2, start[1] + by[1] / 2)
    page.mouse.move(start[0] + by[0], start[1] + by[1])
    page.mouse.up()


def save(page: Page, why: str) -> None:
    page.fill("#save input[name=why]", why)
    page.click("#save button.strong")
    until_true(page, "document.querySelector('#save button.strong').disabled && "
                "!document.querySelector('#save input[name=why]').value")  # fmt: skip


def drawn(town: Any, camera: Camera) -> Any:
    return camera_areas(Path(town.config_dir) / "zones.yaml", camera.id)


def judge_white_picture(town: Any, camera: CameraId) -> Any:
    """The camera's verdict as the next visit of a round makes it; everything before is white."""
    white = np.full((360, 640, 3), 255, np.uint8)
    jpeg = town.app.rechecks.cases.guarded_visit.judge.encode(white)[0]
    now = town.app.clock.now()
    frame = KeyFrame(codec=Codec.MJPEG, data=jpeg, taken_at=now, media_time_s=None, sha256="0")
    sample = Sample(
        key_frames=(frame,), facts=StreamFacts(transport="http", codec="mjpeg"),
        freshness=Freshness.STILL,
    )  # fmt: skip
    registered = town.app.registry.cameras[camera]
    judge = town.app.rechecks.cases.guarded_visit.judge
    return judge(registered, VisitStart(round=None, at=now), sample).visit


def test_a_visible_area_drawn_by_mouse_is_what_the_next_visit_sees(
    enter: Enter, town: Any, camera: Camera, artifacts: Path
) -> None:
    page = enter("duty_lead", **WIDE_SCREEN)
    page.goto(f"/cameras/{camera.id}/areas")
    until_true(page, "document.querySelector('#stage img').complete")
    stage = page.locator("#shapes").bounding_box()
    assert stage is not None
    page.click("[data-new=visible]")
    for x, y in ((0.1, 0.1), (0.9, 0.1), (0.9, 0.9), (0.1, 0.9)):
        page.mouse.click(stage["x"] + x * stage["width"], stage["y"] + y * stage["height"])
    page.mouse.click(stage["x"] + 0.1 * stage["width"], stage["y"] + 0.1 * stage["height"])
    until_true(page, "document.querySelectorAll('.corner').length === 4")
    drag(page, corner(page, 1), (-0.4 * stage["width"], 0))  # the right side comes to the middle
    drag(page, corner(page, 2), (-0.4 * stage["width"], 0))
    box = page.locator(".between[data-after='0'] circle:last-child").bounding_box()
    assert box is not None
    drag(page, (box["x"] + 3, box["y"] + 3), (0, -0.05 * stage["height"]))  # a fifth point
    until_true(page, "document.querySelectorAll('.corner').length === 5")
    page.click("[data-do=undo]")
    until_true(page, "document.querySelectorAll('.corner').length === 4")
    page.click("[data-do=redo]")
    until_true(page, "document.querySelectorAll('.corner').length === 5")
    assert page.is_visible("#suspends")
    page.screenshot(path=artifacts / "areas-drawn-zh.png")
    save(page, "与住户商定")
    points = np.array(drawn(town, camera)["visible"])
    assert points.shape == (5, 2)
    assert abs(points[:, 0].max() - 0.5) < 0.01
    visit = judge_white_picture(town, camera.id)
    stored = visit.pictures[0]
    jpeg = np.frombuffer(town.app.evidence.get(stored.sha256), np.uint8)
    bgr = cv2.imdecode(jpeg, cv2.IMREAD_COLOR)
    assert bgr[180, 200].min() > 200
    assert bgr[180, 400].max() < 20
    with town.store.begin_read() as uow:
        logged = uow.access.entries(camera=camera.id, what="change_areas", limit=1)[0]
    assert (logged.who, logged.why.split("; ")[1]) == ("duty_lead", "与住户商定")


def test_a_zone_is_drawn_and_saved_by_keyboard_alone(
    enter: Enter, town: Any, camera: Camera
) -> None:
    page = enter("duty_lead", **WIDE_SCREEN)
    page.goto(f"/cameras/{camera.id}/areas")
    page.focus("[data-new=zone]")
    page.keyboard.press("Enter")
    until_true(page, "document.activeElement.id === 'shapes'")
    page.keyboard.press("Enter")  # no points: a box in the middle
    until_true(page, "document.activeElement.dataset.point === '0'")
    for _ in range(3):
        page.keyboard.press("Shift+ArrowLeft")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Tab")
    until_true(page, "document.activeElement.dataset.point === '1'")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Insert")
    until_true(page, "document.querySelectorAll('.corner').length === 5")
    page.keyboard.press("Delete")
    until_true(page, "document.querySelectorAll('.corner').length === 4")
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+y")
    page.keyboard.press("Control+z")
    until_true(page, "document.querySelectorAll('.corner').length === 4")
    page.fill("#zone input[name=name]", "堆草垛处")
    page.select_option("#zone select[name=kind]", "combustible_pile")
    page.fill("#zone input[name=hours]", "22:00-06:00")
    page.fill("#zone input[name=min_visits]", "2")
    page.check("#zone input[value=truck]", force=True)
    save(page, "防火")
    (zone,) = drawn(town, camera)["zones"]
    assert zone["polygon"][:2] == [[0.15, 0.295], [0.705, 0.3]]
    assert {key: zone[key] for key in ("name", "kind", "hours", "classes", "min_visits")} == {
        "name": "堆草垛处", "kind": "combustible_pile", "hours": ["22:00-06:00"],
        "classes": ["truck"], "min_visits": 2,
    }  # fmt: skip
    areas = town.app.registry.cameras[camera.id].areas
    assert areas.zones[0].min_visits == 2


def test_an_area_to_ignore_is_drawn_with_a_finger_on_a_phone(
    enter: Enter, town: Any, camera: Camera, artifacts: Path
) -> None:
    page = enter("duty_lead", **PHONE)
    page.goto(f"/cameras/{camera.id}/areas")
    until_true(page, "document.querySelector('#stage img').complete")
    assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
    page.tap("[data-new=ignore]")
    stage = page.locator("#shapes").bounding_box()
    assert stage is not None
    for x, y in ((0.2, 0.2), (0.6, 0.2), (0.4, 0.8)):
        page.touchscreen.tap(stage["x"] + x * stage["width"], stage["y"] + y * stage["height"])
    page.touchscreen.tap(stage["x"] + 0.2 * stage["width"], stage["y"] + 0.2 * stage["height"])
    until_true(page, "document.querySelectorAll('.corner').length === 3")
    reach = page.locator("[data-point='0'] .reach").bounding_box()
    assert reach is not None
    assert reach["width"] >= 40  # a finger's breadth
    page.screenshot(path=artifacts / "areas-phone-zh.png")
    save(page, "树枝晃动")
    (triangle,) = drawn(town, camera)["ignore"]
    assert np.allclose(triangle, [[0.2, 0.2], [0.6, 0.2], [0.4, 0.8]], atol=0.01)


def test_a_refused_save_is_explained_on_the_page(enter: Enter, town: Any, camera: Camera) -> None:
    page = enter("duty_lead", **WIDE_SCREEN)
    page.goto(f"/cameras/{camera.id}/areas")
    page.click("[data-new=zone]")
    page.keyboard.press("Enter")
    page.fill("#zone input[name=hours]", "夜里")
    page.fill("#save input[name=why]", "试")
    page.fill("#save input[name=why]", "试试")
    page.click("#save button.strong")
    until_true(page, "!document.getElementById('problems').hidden")
    assert "zones[0].hours" in page.inner_text("#problems")
    assert drawn(town, camera) == {}
    drag(page, corner(page, 0), (400, 300))  # beyond the opposite corner's side
    until_true(page, "document.querySelector('.shape.wrong') !== null")
    assert page.is_disabled("#save button.strong")
    page.on("dialog", lambda dialog: dialog.accept())


def test_a_picture_becomes_the_reference_where_somebody_looked_at_it(
    enter: Enter, town: Any, camera: Camera
) -> None:
    page = enter("duty_lead", **WIDE_SCREEN)
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto(f"/cameras/{camera.id}/reference")
    page.click("[data-post]")
    page.wait_for_selector("figcaption .ok:has-text('可用')")
    with town.store.begin_read() as uow:
        (reference,) = camera_references(uow, camera)
    assert (reference.light, reference.state) == (Light.DAY, "ready")
    now = town.app.clock.now()
    assert reference.since is not None
    assert now - reference.since < timedelta(minutes=5)


def test_the_table_goes_out_and_comes_back_changed(
    enter: Enter, town: Any, artifacts: Path, tmp_path: Path
) -> None:
    page = enter("admin", **WIDE_SCREEN)
    page.goto("/cameras")
    with page.expect_download() as download:
        page.click("a[href='/cameras.csv']")
    text = Path(download.value.path()).read_text("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    gone, named = rows.pop(), rows[0]
    named["name"] = "改了名的点位"
    changed = tmp_path / "cameras.csv"
    with changed.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    page.click("a[href='/camera-import']")
    page.wait_for_load_state()  # its script listens: the button is the page's, not the browser's
    page.set_input_files("input[name=file]", changed)
    page.click("#import button")
    page.wait_for_selector(".takeover")
    assert "改了名的点位" in page.inner_text("#outcome")
    page.screenshot(path=artifacts / "import-zh.png")
    page.fill(".takeover input[name=why]", "例行核对")
    page.check(".takeover input[name=retire]")
    page.click(".takeover button")
    page.wait_for_url("**/cameras")
    assert "改了名的点位" in page.inner_text("#cameras")
    cameras = town.app.registry.cameras
    assert gone["camera_id"] not in cameras
    assert cameras[named["camera_id"]].name == "改了名的点位"


# The middle of a camera's dot that no mark of a case or an alarm lies upon.
FREE_DOT = """(() => {
  for (const dot of document.querySelectorAll("#map path.leaflet-interactive")) {
    const box = dot.getBoundingClientRect(), x = box.x + box.width / 2, y = box.y + box.height / 2
    if (document.elementFromPoint(x, y) === dot) return [x, y]
  }
})()"""


def test_the_map_shows_every_camera_with_its_state(
    enter: Enter, town: Any, artifacts: Path
) -> None:
    page = enter("operator", **WIDE_SCREEN)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto("/grid")
    if page.query_selector("#map") is None:
        assert "patrol assets install" in page.inner_text("main")
        pytest.skip("Leaflet is not installed: run `patrol assets install`")
    until_true(page, "document.getElementById('map').dataset.ready > 0")
    placed = [one for one in town.app.registry.cameras.values() if one.longitude is not None]
    dots = "document.querySelectorAll('#map path.leaflet-interactive').length"
    assert page.evaluate(dots) == len(placed)
    page.mouse.click(*page.evaluate(FREE_DOT))
    page.wait_for_selector(".leaflet-popup a[href^='/cameras/']")
    page.screenshot(path=artifacts / "map-popup-zh.png")
    page.click(f"[data-show='{town.case.grid}']")
    page.wait_for_selector("#map path[stroke-width='4']")
    elsewhere = [url for url in asked if not url.startswith(page.url.rsplit("/", 1)[0])]
    assert [url for url in elsewhere if not url.startswith(("data:", "blob:"))] == []


class WhiteCamera:
    """A camera of one white picture each 0.4 s."""

    def __init__(self, clock: Any) -> None:
        self.clock = clock

    async def __call__(self, _address: Any, options: Any) -> None:
        jpeg = cv2.imencode(".jpg", np.full((90, 160, 3), 255, np.uint8))[1].tobytes()
        for _ in range(round(options.visit_timeout_s / 0.4)):
            now = self.clock.now()
            options.on_key_frame(
                KeyFrame(codec=Codec.MJPEG, data=jpeg, taken_at=now, media_time_s=None, sha256="0")
            )
            await asyncio.sleep(0.4)


def test_a_live_view_shows_its_age_and_leaves_nothing_running(
    enter: Enter, town: Any, artifacts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live_view = town.app.live_view
    monkeypatch.setattr(live_view, "client", WhiteCamera(town.app.clock))
    monkeypatch.setattr(live_view, "limits", LiveLimits(duration_s=4.0, max_viewers=2))
    page = enter("operator", **WIDE_SCREEN)
    page.goto(f"/cases/{town.case.id}")
    page.click("a[href*='/live?for=case:']")
    page.wait_for_load_state()  # its script listens to the button
    page.fill("input[name=reason]", "确认处置结果")
    page.click("#begin")
    until_true(page, "document.getElementById('frame').naturalWidth === 160")
    assert "秒前的画面" in page.inner_text("#age")
    page.screenshot(path=artifacts / "live-look-zh.png")
    until_true(page, "document.getElementById('blank').textContent.includes('自动停止')")
    assert page.is_hidden("#frame")
    page.click("#begin")
    until_true(page, "!document.getElementById('frame').hidden")
    page.click("#stop")
    until_true(page, "document.getElementById('frame').hidden")
    with town.store.begin_read() as uow:
        logged = uow.access.entries(camera=town.case.camera, what="live_look", limit=2)
    assert [entry.why for entry in logged] == [f"case:{town.case.id} 确认处置结果"] * 2


PAGES = [
    ("duty_lead", "/cameras/{camera}", "camera"),
    ("duty_lead", "/cameras/{camera}/areas", "areas"),
    ("duty_lead", "/cameras/{camera}/reference", "reference"),
    ("duty_lead", "/cameras/{case.camera}/live?for=case:{case.id}", "live"),
    ("duty_lead", "/grid", "grid"),
    ("admin", "/cameras", "cameras"),
    ("admin", "/camera-import", "camera-import"),
]


@pytest.mark.parametrize("language", ["zh", pytest.param("en", marks=pytest.mark.soak)])
def test_these_pages_are_accessible_at_aa(
    enter: Enter, console: ConsoleAddress, town: Any, camera: Camera, artifacts: Path, language: str
) -> None:
    pages: dict[str, Page] = {}
    found: list[str] = []
    for who, path, name in PAGES:
        if who not in pages:
            pages[who] = enter(who, **WIDE_SCREEN)
            cookie = {"name": "patrol_lang", "value": language, "url": console.url}
            pages[who].context.add_cookies([cookie])
        page = pages[who]
        page.goto(path.format(camera=camera.id, case=town.case))
        page.wait_for_timeout(900)
        page.screenshot(path=artifacts / f"{name}-{language}.png")
        result = Axe().run(page, options=RULES)
        found += [
            f"{name}: {one['id']}: {one['nodes'][0]['html'][:160]}"
            for one in result.response["violations"]
        ]
    assert not found, "\n".join(found)
