"""The desk in a real browser: a decision belongs to what is shown, and is made exactly once."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, Route

from patrol.domain.case import Case, CaseState
from patrol.domain.finding import FindingState
from patrol.domain.office_hours import OfficeHours
from patrol.domain.priority import Level
from patrol.domain.schedule import StoppageScope
from patrol.web.auth import session_id
from tests.support.pages import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

PASSWORD = "correct-horse-9"
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
Enter = Callable[..., Page]
ON_SCREEN = "#stage .item:not([hidden])"
DECIDE = "**/api/review/decide"


def shown(page: Page) -> str:
    return page.locator(ON_SCREEN).get_attribute("data-id") or ""


def decidable(page: Page) -> str:
    """The finding on the screen, once it may be decided."""
    page.wait_for_selector(f"{ON_SCREEN}[data-decidable]")
    return shown(page)


def state_of(town: Any, ident: str) -> FindingState:
    with town.store.begin_read() as uow:
        state: FindingState = uow.findings.get(ident).state
        return state


@pytest.fixture(autouse=True)
def many_leads(town: Any) -> None:
    """Ten findings that nobody holds or was unsure of, none of a level that is sent at once."""
    with town.store.begin() as uow:
        for ident in uow.claims.active(town.app.clock.now()):
            uow.claims.drop(ident)
        pictured = [f for f in uow.findings.queue() if f.picture]
        for finding in pictured:
            fresh = replace(finding, state=FindingState.CANDIDATE, decided_by="", decided_at=None)
            uow.findings.put(replace(fresh, level=Level.ORDINARY))
        now = town.app.clock.now()
        for _ in range(max(0, 10 - len(pictured))):
            number = uow.next_number("test-leads")
            uow.findings.add(
                replace(
                    pictured[0], id=f"F8{number:05}", category=f"test_{number}", level=Level.NOTE,
                    found_at=now - timedelta(minutes=number), round=None,
                    state=FindingState.CANDIDATE, decided_by="", decided_at=None,
                )
            )  # fmt: skip
        uow.commit()


@contextmanager
def unreachable(page: Page, pattern: str = "**/api/**") -> Iterator[None]:
    """The service is down for this page's requests."""

    def refuse(route: Route) -> None:
        route.abort("connectionrefused")

    page.route(pattern, refuse)
    yield
    page.unroute(pattern, refuse)


def log_in_again(page: Page, name: str) -> None:
    page.fill("input[name=name]", name)
    page.fill("input[name=password]", PASSWORD)
    page.click("button.strong")
    page.wait_for_url(lambda url: "/login" not in url)


def test_enter_twice_decides_one_finding(enter: Enter, town: Any) -> None:
    page = enter("operator")
    page.goto("/review")
    first = decidable(page)
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")  # within milliseconds: the next one was never looked at
    second = decidable(page)
    assert second != first
    page.goto("/")  # leaving sends what waits for Z
    until(page, lambda: state_of(town, first) is not FindingState.CANDIDATE, "the decision")
    assert state_of(town, second) is FindingState.CANDIDATE


def strip_ids(page: Page) -> list[str]:
    found: list[str] = page.eval_on_selector_all(
        "#strip-lines li", "(all) => all.map((one) => one.dataset.id)"
    )
    return found


def test_several_are_dismissed_from_the_strip_and_undone_one_by_one(
    enter: Enter, town: Any
) -> None:
    page = enter("operator")
    page.goto("/review")
    on_stage = decidable(page)
    until(page, lambda: len(strip_ids(page)) >= 10, "the strip")
    whole, kinds = strip_ids(page), page.locator("#strip-filters [name=kind] option")
    page.select_option("[name=kind]", kinds.nth(1).get_attribute("value"))
    until(page, lambda: 0 < len(strip_ids(page)) < len(whole), "a filtered strip")
    page.select_option("#strip-filters [name=kind]", "")
    until(page, lambda: set(strip_ids(page)) == set(whole), "the whole strip")
    decidable(page)
    free = [one for one in strip_ids(page) if one != on_stage and one != shown(page)]
    chosen = free[-3:]  # behind what the stage holds
    page.locator(f"#strip-lines li[data-id={chosen[0]}] input").check()
    page.locator(f"#strip-lines li[data-id={chosen[-1]}] input").click(modifiers=["Shift"])
    assert "3" in page.inner_text("#strip-chosen")
    page.keyboard.press("x")
    page.wait_for_selector("#reasons[open]")
    page.keyboard.press("1")

    def dismissed() -> set[str]:
        return {one for one in chosen if state_of(town, one) is FindingState.DISMISSED}

    until(page, lambda: len(dismissed()) == len(chosen), "three dismissed")
    for left in (2, 1, 0):
        page.keyboard.press("z")
        until(page, lambda left=left: len(dismissed()) == left, f"{left} left dismissed")


def test_zoom_is_at_the_box_or_the_pointer_and_the_halves_are_of_one_place(enter: Enter) -> None:
    page = enter("operator")
    page.goto("/review")
    decidable(page)
    item, picture = page.locator(ON_SCREEN), page.locator(f"{ON_SCREEN} .now img")
    whole = picture.bounding_box()
    centre = item.get_attribute("data-centre")
    assert whole
    assert centre
    x, y = map(float, centre.split())
    page.keyboard.press("+")
    page.keyboard.press("+")
    near = picture.bounding_box()
    assert near
    assert near["width"] == pytest.approx(2.25 * whole["width"], rel=0.01)
    for axis, side, at in (("x", "width", x), ("y", "height", y)):
        middle = whole[axis] + whole[side] / 2
        shown_at = near[axis] + near[side] * at
        assert abs(shown_at - middle) <= abs(at - 0.5) * whole[side] + 1, "no nearer than before"
        assert near[axis] <= whole[axis] + 1, "no black beside the picture"
    page.keyboard.press("-")
    page.keyboard.press("-")
    pointer = (whole["x"] + 0.3 * whole["width"], whole["y"] + 0.6 * whole["height"])
    page.mouse.move(*pointer)
    page.mouse.wheel(0, -100)
    until(page, lambda: (picture.bounding_box() or whole)["width"] > whole["width"], "the wheel")
    closer = picture.bounding_box()
    assert closer
    assert (pointer[0] - closer["x"]) / closer["width"] == pytest.approx(0.3, abs=0.02)
    assert (pointer[1] - closer["y"]) / closer["height"] == pytest.approx(0.6, abs=0.02)
    page.keyboard.press("-")
    page.keyboard.press("s")
    now, then = (page.locator(f"{ON_SCREEN} .{name}").bounding_box() for name in ("now", "then"))
    assert now == then, "both halves show the same place"
    page.locator(f"{ON_SCREEN} .split").fill("25")
    clipped = page.locator(f"{ON_SCREEN} .now").evaluate("(one) => one.style.clipPath")
    assert clipped == "inset(0px 75% 0px 0px)"


@pytest.mark.parametrize("key", ["u", "Enter"])
def test_a_key_held_down_decides_once(enter: Enter, town: Any, key: str) -> None:
    page = enter("operator")
    page.goto("/review")
    first = decidable(page)
    sent: list[str] = []
    page.on("request", lambda r: sent.append(r.post_data or "") if "decide" in r.url else None)
    page.keyboard.down(key)
    second = decidable(page)
    for _ in range(5):
        page.keyboard.down(key)  # Playwright: the same key again without `up` is a repeat
    page.keyboard.up(key)
    page.goto("/")
    until(page, lambda: state_of(town, first) is not FindingState.CANDIDATE, "the decision")
    assert {json.loads(body)["id"] for body in sent} <= {first}
    assert state_of(town, second) is FindingState.CANDIDATE


def test_nothing_is_decided_before_its_picture_is_there(enter: Enter, town: Any) -> None:
    page = enter("operator")
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/picture/**", hold)
    page.goto("/review")
    page.wait_for_selector(ON_SCREEN)
    first = shown(page)
    for _ in range(3):
        page.wait_for_timeout(250)
        page.keyboard.press("Enter")
        page.keyboard.press("u")
    page.keyboard.press("d")
    assert not page.is_visible("#reasons")
    assert shown(page) == first
    assert "加载" in page.inner_text("#toasts")
    page.unroute("**/picture/**", hold)  # lets go what it held
    assert decidable(page) == first
    page.keyboard.press("u")
    until(page, lambda: shown(page) != first, "the next one")


def test_the_reason_belongs_to_the_finding_it_was_asked_for(enter: Enter, town: Any) -> None:
    page = enter("operator")
    page.goto("/review")
    first = decidable(page)
    page.keyboard.press("d")
    page.wait_for_selector("#reasons[open]")
    town.app.dismiss(first, by="operator", reason="shadow")  # in another window of his
    page.evaluate("document.getElementById('retry').click()")  # fetches the batch
    until(page, lambda: shown(page) not in {first, ""}, "another finding")
    assert not page.is_visible("#reasons")
    second = shown(page)
    page.keyboard.press("3")
    decidable(page)
    assert state_of(town, second) is FindingState.CANDIDATE


def test_a_decision_stands_although_the_service_was_down(enter: Enter, town: Any) -> None:
    page = enter("operator")
    page.goto("/review")
    first = decidable(page)
    with unreachable(page):
        page.keyboard.press("d")
        page.wait_for_selector("#reasons[open]")
        page.keyboard.press("2")
        page.wait_for_selector("#kept:not([hidden])")  # after the seconds for Z
        assert "1 项操作未送达" in page.inner_text("#kept")
        assert state_of(town, first) is FindingState.CANDIDATE
    until(page, lambda: state_of(town, first) is FindingState.DISMISSED, "the decision")
    page.wait_for_selector("#kept", state="hidden")
    with town.store.begin_read() as uow:
        assert uow.findings.get(first).decided_by == "operator"


def test_a_decision_outlives_its_page(enter: Enter, town: Any) -> None:
    page = enter("operator")
    page.goto("/review")
    first = decidable(page)
    page.route("**/api/**", lambda route: route.abort("connectionrefused"))
    page.keyboard.press("u")
    page.wait_for_selector("#kept:not([hidden])")
    page.close()
    other = page.context.new_page()
    other.goto("/cases")
    until(other, lambda: state_of(town, first) is FindingState.UNSURE, "the decision")


def test_a_decision_whose_answer_was_lost_is_made_once(enter: Enter, town: Any) -> None:
    page = enter("operator")
    page.goto("/review")
    first = decidable(page)
    tries: list[str] = []

    def lose_first_answer(route: Route) -> None:
        tries.append(route.request.headers["idempotency-key"])
        answer = route.fetch()
        if len(tries) == 1:
            route.abort("connectionreset")
        else:
            route.fulfill(response=answer)

    page.route(DECIDE, lose_first_answer)
    page.select_option(f"{ON_SCREEN} select[name=level]", "II")  # goes at once
    page.select_option(f"{ON_SCREEN} select[name=category]", "sewage")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Enter")
    page.wait_for_selector(".toast.good")
    assert len(tries) == 2
    assert tries[0] == tries[1]
    page.wait_for_selector("#kept", state="hidden")
    with town.store.begin_read() as uow:
        case = uow.cases.get(uow.findings.get(first).case)
        assert sum(entry.what == "dispatch" for entry in case.entries) == 1
        assert case.count == 1


def test_a_refused_decision_is_said_until_it_is_understood(enter: Enter, town: Any) -> None:
    page = enter("operator")
    page.goto("/review")
    first = decidable(page)
    with unreachable(page):
        page.keyboard.press("u")
        page.wait_for_selector("#kept:not([hidden])")
        town.app.dismiss(first, by="operator", reason="animal")
    refused = page.locator("#kept", has_text="未被接受")
    refused.wait_for()
    assert "operator" in refused.inner_text()
    page.goto("/cases")
    refused.wait_for()
    page.click("#kept button")
    page.wait_for_selector("#kept", state="hidden")
    assert state_of(town, first) is FindingState.DISMISSED


def test_a_decision_can_be_given_up_and_the_finding_comes_back(enter: Enter, town: Any) -> None:
    page = enter("operator")
    page.goto("/review")
    first = decidable(page)
    page.route(DECIDE, lambda route: route.abort("connectionrefused"))
    page.keyboard.press("u")
    page.click("#kept button")
    page.wait_for_selector("#kept", state="hidden")
    until(page, lambda: page.locator(f"#stage .item[data-id='{first}']").count() == 1, "it again")
    assert state_of(town, first) is FindingState.CANDIDATE


# Each transaction of the browser's database takes 0.4 s; a page that goes drops it.
SLOW_DATABASE = """
const begin = IDBDatabase.prototype.transaction
IDBDatabase.prototype.transaction = function (stores, mode) {
  const transaction = begin.call(this, stores, mode), until = performance.now() + 400
  const spin = () => {
    if (performance.now() < until) transaction.objectStore(stores).count().onsuccess = spin
  }
  spin()
  return transaction
}
"""


@pytest.mark.parametrize("who", ["operator2", "duty_lead"])
def test_when_the_session_is_over_the_decision_waits_for_its_owner(
    enter: Enter, town: Any, who: str
) -> None:
    page = enter("operator2")
    if who == "operator2":
        page.add_init_script(SLOW_DATABASE)
    page.goto("/review")
    first = decidable(page)
    secret = next(c for c in page.context.cookies() if c["name"] == "patrol_session")["value"]
    with town.store.begin() as uow:
        uow.sessions.end(session_id(secret))
        uow.commit()
    page.wait_for_timeout(600)  # auth.SESSION_CACHE_S
    page.keyboard.press("u")
    until(page, lambda: "/login" in page.url, "the login page")
    assert state_of(town, first) is FindingState.CANDIDATE
    log_in_again(page, who)
    if who != "operator2":
        page.goto("/cases")
        page.locator("#kept", has_text="operator2").wait_for()
        assert state_of(town, first) is FindingState.CANDIDATE
        asked: list[str] = []

        def refuse(dialog: Any) -> None:
            asked.append(dialog.message)
            dialog.dismiss()

        page.on("dialog", refuse)
        page.click("#logout")  # would empty the browser: asked first, and not done
        until(page, lambda: bool(asked), "the question")
        assert "1 项" in asked[0]
        page.wait_for_timeout(200)
        assert page.url.endswith("/cases")
        page.context.clear_cookies()
        page.goto("/login")
        log_in_again(page, "operator2")
    until(page, lambda: state_of(town, first) is FindingState.UNSURE, "the decision")
    with town.store.begin_read() as uow:
        assert uow.findings.get(first).decided_by == "operator2"


def renew_session(page: Page, name: str) -> None:
    """Somebody logs in anew in this browser, in another window: the open page's token is stale."""
    assert page.context.browser is not None
    origin = page.url.partition("://")[2].partition("/")[0]
    elsewhere = page.context.browser.new_context(base_url=f"http://{origin}")
    window = elsewhere.new_page()
    window.goto("/login")
    log_in_again(window, name)
    page.context.add_cookies([c for c in elsewhere.cookies() if c["name"] == "patrol_session"])
    elsewhere.close()


def test_the_desk_goes_on_under_a_new_session(enter: Enter, town: Any) -> None:
    page = enter("operator")
    page.goto("/review")
    first = decidable(page)
    renew_session(page, "operator")
    page.keyboard.press("u")
    page.goto("/")
    until(page, lambda: state_of(town, first) is FindingState.UNSURE, "the decision")


def test_a_phone_keeps_its_replies_when_its_token_is_stale(enter: Enter, town: Any) -> None:
    with town.store.begin() as uow:
        number = uow.next_number("test-cases")
        case = replace(
            town.case, id=f"C20200401-{number:04}", finding=None, request=None,
            state=CaseState.DISPATCHED,
        )  # fmt: skip
        uow.cases.add(case)
        uow.commit()
    phone = enter("leader", **PHONE)
    phone.wait_for_selector(f".case[data-id='{case.id}']")
    renew_session(phone, "leader")
    phone.click(f".case[data-id='{case.id}'] [data-reply=acknowledge]")

    def state() -> CaseState:
        with town.store.begin_read() as uow:
            reached: CaseState = uow.cases.get(case.id).state
            return reached

    until(phone, lambda: state() is CaseState.ACKNOWLEDGED, "the reply")
    # Another person on the same phone: the reply stays until its owner is back.
    renew_session(phone, "other_leader")
    phone.click(f".case[data-id='{case.id}'] [data-reply=arrive]")
    phone.locator("#link", has_text="other_leader").wait_for()
    assert state() is CaseState.ACKNOWLEDGED
    renew_session(phone, "leader")
    phone.evaluate("dispatchEvent(new Event('online'))")
    until(phone, lambda: state() is CaseState.ARRIVED, "the kept reply")


@pytest.fixture
def own_case(town: Any) -> Case:
    with town.store.begin() as uow:
        number = uow.next_number("test-cases")
        case = replace(town.case, id=f"C20200501-{number:04}", finding=None, request=None)
        uow.cases.add(case)
        uow.commit()
    return case


def entries_of(town: Any, case: Case) -> list[str]:
    with town.store.begin_read() as uow:
        return [str(entry.what) for entry in uow.cases.get(case.id).entries]


def test_a_case_action_clicked_twice_is_done_once(enter: Enter, town: Any, own_case: Case) -> None:
    page, before = enter("operator"), len(own_case.entries)
    page.goto(f"/cases/{own_case.id}")
    page.click("[data-move=phone]")
    page.fill("[name=note]", "李书记接的")
    page.dblclick("dialog [value=yes]")
    page.wait_for_selector("dialog", state="hidden")
    until(page, lambda: "李书记接的" in page.inner_text(".timeline"), "the entry")
    assert entries_of(town, own_case)[before:] == ["phone"]


def test_a_case_action_is_not_lost_with_its_answer_or_link(
    enter: Enter, town: Any, own_case: Case
) -> None:
    page, before = enter("operator"), len(own_case.entries)
    page.goto(f"/cases/{own_case.id}")
    page.click("[data-move=phone]")
    page.fill("[name=note]", "第一次")
    with unreachable(page, "**/move"):
        page.click("dialog [value=yes]")
        page.locator("#kept", has_text=own_case.id).wait_for()
        assert entries_of(town, own_case)[before:] == []
    until(page, lambda: entries_of(town, own_case)[before:] == ["phone"], "the action")
    page.wait_for_selector("#kept", state="hidden")


def test_the_dates_of_an_extension_are_shown_before_it_is_asked(
    enter: Enter, town: Any, own_case: Case
) -> None:
    with town.store.begin() as uow:
        policy = replace(own_case.policy, office=OfficeHours())
        own_case = replace(own_case, id=f"{own_case.id}-o", policy=policy)
        uow.cases.add(own_case)
        uow.commit()
    page = enter("operator")
    page.goto(f"/cases/{own_case.id}")
    page.click("[data-move=extend]")
    page.fill("dialog [name=hours]", "48")
    asked = f"/api/cases/{own_case.id}/extension?hours=48"
    expected = page.request.get(asked, headers={"accept": "application/json"}).json()
    until(page, lambda: page.inner_text("#leads-to") == expected["words"], "the dates")
    assert expected["words"].startswith("48 小时办公时间：")
    assert " 天" in expected["words"].rpartition("办结时限")[2]  # some seven working days of hours
    page.fill("dialog [name=hours]", "0")
    until(page, lambda: "720" in page.inner_text("#leads-to"), "the bounds")
    page.press("dialog [name=hours]", "Enter")  # decides nothing, closes nothing
    assert page.is_visible("dialog")


def test_a_form_sent_twice_signs_once(enter: Enter, town: Any) -> None:
    page = enter("maintainer")
    camera = next(iter(town.app.registry.cameras))
    page.goto("/stoppages")
    page.fill("form [name=camera]", camera)
    page.fill("form [name=reason]", "换支架")
    page.dblclick("form[data-sign] button.strong")
    page.locator("table", has_text="换支架").wait_for()
    with town.store.begin_read() as uow:
        made = [s for s in uow.stoppages.list() if s.reason == "换支架"]
    assert len(made) == 1
    asked: list[str] = []

    def agree(dialog: Any) -> None:
        asked.append(dialog.message)
        dialog.accept()

    page.on("dialog", agree)
    page.click("tr:has-text('换支架') button")
    page.locator(".past", has_text="换支架").wait_for()
    assert "换支架" in asked[0]
    assert "照常巡查" in asked[0]


def test_no_round_begins_while_rounds_are_paused(enter: Enter, town: Any) -> None:
    now = town.app.clock.now()
    with town.store.begin() as uow:
        pause = uow.stoppages.add(
            scope=StoppageScope.ROUNDS, subject="", start=now, until=now + timedelta(hours=3),
            reason="平台割接", by="duty_lead", now=now,
        )  # fmt: skip
        known = [one.id for plan in ("morning", "afternoon") for one in uow.rounds.of_plan(plan)]
        uow.commit()
    asked: list[str] = []

    def agree(dialog: Any) -> None:
        asked.append(dialog.message)
        dialog.accept()

    try:
        page = enter("duty_lead")
        page.on("dialog", agree)
        page.goto("/rounds")
        page.click("[data-post$='/morning/start']")
        said = page.locator(".toast.bad")
        said.wait_for()
        for words in ("已暂停", "平台割接", "duty_lead", "至"):
            assert words in said.inner_text()
        assert "已开始" not in page.inner_text("#toasts")
        with town.store.begin_read() as uow:
            plans = ("morning", "afternoon")
            assert known == [one.id for plan in plans for one in uow.rounds.of_plan(plan)]
        page.goto("/stoppages")
        page.click("[data-post$='/end']")
        until(page, lambda: "恢复全部巡查" in asked[-1], "the question")
        page.locator(".past", has_text="平台割接").wait_for()
    finally:
        with town.store.begin() as uow:
            uow.stoppages.end(pause.number, by="test", now=town.app.clock.now())
            uow.commit()
