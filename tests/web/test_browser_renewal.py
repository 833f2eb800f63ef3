"""Live updates in a real browser: focus stays, nothing moves or changes under the pointer."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from patrol.domain.case import Case, CaseEvent, CaseState
from patrol.domain.ids import CaseId

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

Enter = Callable[..., Page]
WAIT_MS = 15_000
NUMBERS = itertools.count(1)
NOW_FOCUSED = "document.activeElement.getAttribute('href')"


@pytest.fixture
def cases(town: Any) -> Any:
    """Six open cases that are due one after the other, gone again afterwards."""
    now, made = town.app.clock.now(), []
    with town.store.begin() as uow:
        for number in range(6):
            case = replace(
                town.case, id=f"C20990101-{next(NUMBERS):04}", finding=None,
                category=f"test_renewal_{number}", state=CaseState.DISPATCHED, entries=(),
                dispatched_at=now + timedelta(minutes=number),
            )  # fmt: skip
            uow.cases.add(case)
            made.append(case)
        uow.commit()
    yield made
    with town.store.begin() as uow:
        for case in made:
            known = uow.cases.get(case.id)
            if known.is_open:
                uow.cases.put(known.apply_event(CaseEvent.VOID, at=now, by="test"))
        uow.commit()


def put(town: Any, case: Case, **changed: Any) -> None:
    """The case with other fields, and an entry that says so."""
    now = town.app.clock.now()
    with town.store.begin() as uow:
        known = replace(uow.cases.get(case.id), **changed)
        uow.cases.put(known.apply_event(CaseEvent.PROGRESS, at=now, by="leader"))
        uow.commit()


def link(case: Case) -> str:
    return f".board a[href='/cases/{case.id}']"


def renewed(page: Page, act: Callable[[], None]) -> None:
    """Do something that changes the page, and wait until it asked for the new content."""
    with page.expect_response(lambda r: "/part" in r.url, timeout=WAIT_MS):
        act()
    page.wait_for_timeout(150)  # it is put in, or held: what should be there is awaited


def board(enter: Enter) -> Page:
    page = enter("operator")
    page.goto("/cases")
    page.wait_for_selector("#line.on", state="attached")
    page.wait_for_timeout(600)
    return page


def test_focus_stays_on_the_card_while_others_come_and_go(
    enter: Enter, town: Any, cases: list[Case]
) -> None:
    page = board(enter)
    page.mouse.move(5, 700)
    page.focus(link(cases[3]))
    page.evaluate("window.kept = document.activeElement")
    earlier = town.app.clock.now() - timedelta(minutes=1)
    renewed(page, lambda: put(town, cases[5], dispatched_at=earlier))
    first = page.locator(".column").first.locator(".case-card", has_text="test_renewal").first
    expect(first).to_have_attribute("href", f"/cases/{cases[5].id}")  # the board was renewed
    assert page.evaluate(NOW_FOCUSED) == f"/cases/{cases[3].id}"
    assert page.evaluate("window.kept === document.activeElement"), "the same element"


def test_a_card_that_changes_its_column_keeps_the_focus(
    enter: Enter, town: Any, cases: list[Case]
) -> None:
    page = board(enter)
    page.mouse.move(5, 700)
    page.focus(link(cases[2]))
    case = cases[2]
    renewed(page, lambda: put(town, case, state=CaseState.ARRIVED))
    expect(page.locator(f".column:nth-child(3) a[href='/cases/{case.id}']")).to_have_count(1)
    assert page.evaluate(NOW_FOCUSED) == f"/cases/{case.id}"


def test_nothing_moves_under_the_pointer_until_it_leaves(
    enter: Enter, town: Any, cases: list[Case]
) -> None:
    page = board(enter)
    box = page.locator(link(cases[3])).bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    under = f"document.elementFromPoint({x}, {y}).closest('a').getAttribute('href')"
    assert page.evaluate(under) == f"/cases/{cases[3].id}"
    earlier = town.app.clock.now() - timedelta(minutes=1)
    renewed(page, lambda: put(town, cases[5], dispatched_at=earlier))
    assert page.evaluate(under) == f"/cases/{cases[3].id}"
    assert page.locator(link(cases[3])).bounding_box() == box
    page.wait_for_selector("#held:not([hidden])", timeout=WAIT_MS)
    page.mouse.move(x + 2, y + 2)  # still on it
    assert page.evaluate(under) == f"/cases/{cases[3].id}"
    page.mouse.move(5, 700)
    page.wait_for_selector("#held", state="hidden", timeout=WAIT_MS)
    first = page.locator(".column").first.locator(".case-card", has_text="test_renewal").first
    expect(first).to_have_attribute("href", f"/cases/{cases[5].id}")


def test_other_parts_of_today_are_renewed_beside_the_pointer(
    enter: Enter, town: Any, cases: list[Case]
) -> None:
    soon = town.app.clock.now() - timedelta(days=1)
    for number, case in enumerate(cases):
        put(town, case, dispatched_at=soon + timedelta(minutes=number))
    page = enter("operator")
    page.wait_for_selector("#line.on", state="attached")
    page.wait_for_timeout(600)
    row = page.locator(".caseline").nth(2)
    href = row.get_attribute("href")
    row.hover()
    ended = replace(
        cases[0],
        category="test_renewal_new",
        id=CaseId("C20990102-0001"),
        dispatched_at=soon - timedelta(1),
    )

    def one_more() -> None:
        with town.store.begin() as uow:
            uow.cases.add(ended)
            uow.commit()

    before = page.inner_text(".cases h2 small")
    renewed(page, one_more)
    assert row.get_attribute("href") == href
    assert page.inner_text(".cases h2 small") == before, "the part under the pointer waits"
    page.wait_for_selector("#held:not([hidden])", timeout=WAIT_MS)
    page.mouse.move(3, 3)
    page.wait_for_selector("#held", state="hidden", timeout=WAIT_MS)
    expect(page.locator(".cases h2 small")).to_have_text(str(int(before) + 1))
    with town.store.begin() as uow:
        known = uow.cases.get(ended.id)
        uow.cases.put(known.apply_event(CaseEvent.VOID, at=town.app.clock.now(), by="test"))
        uow.commit()


def test_opened_details_and_the_pressed_button(enter: Enter, town: Any, cases: list[Case]) -> None:
    page = enter("operator")
    page.goto(f"/cases/{cases[0].id}")
    page.wait_for_selector("#line.on", state="attached")
    page.wait_for_timeout(600)
    page.mouse.move(5, 700)
    put(town, cases[0], note="一")
    details = page.locator("details.messages").first
    if details.count():
        details.locator("summary").click()
    page.mouse.move(5, 700)
    button = "button[data-move=phone]"
    page.focus(button)

    def progress() -> None:
        now = town.app.clock.now()
        with town.store.begin() as uow:
            known = uow.cases.get(cases[0].id)
            note = "路上堵车"
            uow.cases.put(known.apply_event(CaseEvent.PROGRESS, at=now, by="leader", note=note))
            uow.commit()

    renewed(page, progress)
    page.wait_for_selector(".case >> text=路上堵车", timeout=WAIT_MS)
    assert page.evaluate("document.activeElement.dataset.move") == "phone"
    if details.count():
        assert details.get_attribute("open") is not None
    page.keyboard.press("Enter")
    page.fill("#moving-note", "已通知")
    page.click("#moving button[value=yes]")
    page.wait_for_selector("#moving", state="hidden")
    page.wait_for_selector("text=已通知", timeout=WAIT_MS)


def test_the_map_keeps_what_was_opened(enter: Enter, town: Any, cases: list[Case]) -> None:
    page = enter("operator")
    page.goto("/grid")
    page.wait_for_selector("#map[data-ready]", timeout=WAIT_MS)
    page.wait_for_selector("#line.on", state="attached")
    page.wait_for_timeout(600)
    page.locator(".leaflet-marker-icon.mapmark[class*=case-]").first.dispatch_event("click")
    popup = page.locator(".leaflet-popup .mapcases")
    popup.wait_for(timeout=WAIT_MS)
    first = popup.locator("a").first.get_attribute("href")
    view = page.get_attribute(".leaflet-map-pane", "style")
    count = int(page.inner_text("[data-count=cases]"))

    def one_more() -> None:
        number = next(NUMBERS)
        more = replace(cases[0], id=CaseId(f"C20990101-{number:04}"), category=f"test_map_{number}")
        with town.store.begin() as uow:
            uow.cases.add(more)
            uow.commit()
        cases.append(more)

    with page.expect_response(lambda r: "/api/grid/map" in r.url, timeout=WAIT_MS):
        one_more()
    page.wait_for_timeout(300)
    expect(page.locator("[data-count=cases]")).to_have_text(str(count + 1))
    assert popup.locator("a").first.get_attribute("href") == first
    assert page.get_attribute(".leaflet-map-pane", "style") == view, "the view is the reader's"
    page.uncheck("[data-layer=cases]")
    expect(page.locator(".leaflet-marker-icon[class*=case-]")).to_have_count(0)
