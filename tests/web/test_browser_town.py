"""The town's work in a real browser: file a finding in three keys, sign on, undo, the alarm."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from patrol.domain.finding import FilingSource, Origin
from patrol.domain.round_duty import owner_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
Enter = Callable[..., Page]


def wall(town: Any) -> str:
    with town.store.begin_read() as uow:
        for a_round in uow.rounds.of_plan("morning"):
            if any(
                uow.pictures.get(p.id) for v in uow.rounds.visits(a_round.id) for p in v.pictures
            ):
                return str(a_round.id)
    raise AssertionError("no round with pictures")


def newest_own(town: Any) -> Any:
    with town.store.begin_read() as uow:
        start = town.app.clock.now().replace(year=2000)
        own = uow.findings.filed_between(start, town.app.clock.now().replace(year=2100))
    return own[-1]


def test_a_tile_is_filed_with_three_keys(town: Any, enter: Enter) -> None:
    page = enter("operator")
    a_round = wall(town)
    page.goto(f"/rounds/{a_round}")
    page.wait_for_selector("#wall .tile")
    tile = page.locator("#wall .tile:has(.shot), #wall .tile:has(img)").first
    camera = tile.get_attribute("data-file-camera")
    tile.focus()
    page.keyboard.press("f")
    page.wait_for_selector("#own-finding[data-ready=wall] #own-picture img")
    page.keyboard.press("f")  # 乱堆乱放, by its key
    expect(page.locator("#own-categories [aria-checked=true]")).to_have_count(1)
    page.keyboard.press("Enter")
    expect(page.locator(".toast.good")).to_be_visible()
    finding = newest_own(town)
    assert (finding.camera, finding.filed_from, finding.origin) == (
        camera, FilingSource.WALL, Origin.OPERATOR,
    )  # fmt: skip
    assert finding.picture
    assert finding.case


def test_a_box_is_drawn_and_it_goes_to_the_queue(town: Any, enter: Enter) -> None:
    page = enter("operator")
    a_round = wall(town)
    page.goto(f"/rounds/{a_round}")
    tile = page.locator("#wall .tile:has(.shot), #wall .tile:has(img)").nth(1)
    page.goto(tile.get_attribute("href") or "")
    page.keyboard.press("f")
    picture = page.wait_for_selector("#own-finding[data-ready=round] #own-picture img")
    page.wait_for_function("e => e.complete && e.naturalWidth > 0", arg=picture)
    area = picture.bounding_box()
    assert area
    page.mouse.move(area["x"] + area["width"] * 0.25, area["y"] + area["height"] * 0.25)
    page.mouse.down()
    page.mouse.move(area["x"] + area["width"] * 0.75, area["y"] + area["height"] * 0.5)
    page.mouse.up()
    page.select_option("#own-finding [name=to]", "queue")
    page.click("#own-categories [data-category=road_damage]")
    page.click("#own-finding button.strong")
    expect(page.locator(".toast.good")).to_be_visible()
    finding = newest_own(town)
    assert finding.category == "road_damage"
    assert finding.is_open
    assert finding.box == pytest.approx((0.25, 0.25, 0.5, 0.25), abs=0.02)


def test_sign_on_and_hand_over_with_one_click_each(town: Any, enter: Enter) -> None:
    a_round = wall(town)
    page = enter("operator")
    page.goto(f"/rounds/{a_round}")
    page.click("[data-post$='/duty']")
    expect(page.locator("#owner")).to_have_text("operator")
    page.click("[data-body*='operator2']")
    expect(page.locator("#owner")).to_have_text("operator2")
    with town.store.begin_read() as uow:
        assert owner_of(uow.round_duties.of_round(a_round)) == "operator2"


def test_an_urgent_call_rings_until_it_is_muted(town: Any, enter: Enter) -> None:
    page = enter("operator")
    page.goto("/")
    page.keyboard.press("f")
    page.wait_for_selector("#own-finding[data-ready=phone]")
    page.keyboard.press("a")  # 疑似明火
    page.select_option("#own-finding [name=level]", "I")
    page.select_option("#own-finding [name=to]", "queue")
    page.fill("#own-finding [name=text]", "来电:麦场起火")
    page.keyboard.press("Enter")
    expect(page.locator(".toast.good")).to_be_visible()
    page.keyboard.press("Shift")  # browsers play nothing on an untouched page
    page.wait_for_selector("#alarm[data-loud=true][data-sounded]")
    page.wait_for_function("document.title.startsWith('(')")
    page.click("#alarm button")
    expect(page.locator("#alarm")).to_have_attribute("data-loud", "false")
    ident = newest_own(town).id
    answer = page.evaluate(
        """async (id) => (await fetch('/api/review/decide', {method: 'POST', headers: {
            'content-type': 'application/json',
            'x-patrol-csrf': document.querySelector('meta[name=csrf]').content},
            body: JSON.stringify({id, decision: 'dismiss', reason: 'duplicate'})})).status""",
        ident,
    )
    assert answer == 200
    left = page.evaluate("async () => (await (await fetch('/api/alarms')).json()).findings")
    assert ident not in [one["id"] for one in left]
    page.goto("/decided?mine=1")
    page.click(f"[data-post='/api/findings/{ident}/undo']")
    expect(page.locator(f"[data-post='/api/findings/{ident}/undo']")).to_have_count(0)


def test_a_leave_is_entered_and_taken_back_and_a_grid_is_edited(town: Any, enter: Enter) -> None:
    page = enter("duty_lead")
    day = town.app.clock.now().astimezone(town.app.site.settings.site.tz).date().isoformat()
    page.goto("/people")
    person = page.locator("#away [name=person_id] option").last.get_attribute("value")
    assert person
    page.select_option("#away [name=person_id]", person)
    page.fill("#away [name=from]", day)
    page.fill("#away [name=until]", day)
    page.fill("#away [name=note]", "体检")
    page.click("#away button.strong")
    row = page.locator("#leave tr", has_text="体检")
    expect(row.locator(".pill.warn")).to_be_visible()
    assert person in town.app.registry.absent
    page.goto("/")
    expect(page.locator(".duty .present", has_text="请假")).to_be_visible()
    page.goto("/people")
    page.once("dialog", lambda asked: asked.accept())
    row.locator("button").click()
    expect(row).to_have_count(0)
    assert person not in town.app.registry.absent
    expect(page.locator("#grids")).to_have_count(0)  # the administrator's alone
    admin = enter("admin")
    admin.goto("/people")
    admin.click("#grids summary")
    first = admin.locator("#grids tr", has=admin.locator("[data-edit]")).first
    code = first.locator("td").first.inner_text()
    first.locator("[data-edit]").click()
    expect(admin.locator("#grid [name=grid_code]")).to_have_value(code)
    expect(admin.locator("#grid [name=name]")).to_have_value(
        town.app.registry.tree.grids[code].name
    )
