"""Sound, desktop notification and title, in a real browser; quiet when the account wants it so."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from patrol.domain.attention import LOUD, QUIET, AttentionChoice, AttentionKind
from patrol.domain.case import Case, CaseEvent, CaseState
from patrol.domain.priority import Level
from tests.support.pages import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

Enter = Callable[..., Page]
NOTES = """
window.notes = []
window.Notification = class {
  constructor(title, more) { notes.push([title, more.body, more.tag]) }
}
window.Notification.permission = 'granted'
window.Notification.requestPermission = async () => 'granted'
"""


@pytest.fixture
def case(town: Any) -> Iterator[Case]:
    now = town.app.clock.now()
    with town.store.begin() as uow:
        for finding in uow.findings.queue():  # nothing else calls
            uow.findings.put(replace(finding, level=Level.ORDINARY))
        number = uow.next_number("test-calls")
        made = replace(
            town.case, id=f"C20990301-{number:04}", finding=None, category=f"test_rings_{number}",
            state=CaseState.DISPATCHED, entries=(), dispatched_at=now,
        )  # fmt: skip
        uow.cases.add(made)
        uow.commit()
    yield made
    with town.store.begin() as uow:
        uow.cases.put(uow.cases.get(made.id).apply_event(CaseEvent.VOID, at=now, by="test"))
        uow.commit()


def wants(town: Any, choice: AttentionChoice | None) -> None:
    with town.store.begin() as uow:
        uow.accounts.put(replace(uow.accounts.get("operator2"), attention=choice))
        uow.commit()


def at_the_desk(enter: Enter) -> Page:
    page = enter("operator2")
    page.add_init_script(NOTES)
    page.goto("/cases")
    page.wait_for_selector("#line.on", state="attached")
    page.keyboard.press("Shift")  # browsers play nothing on an untouched page
    page.wait_for_timeout(900)
    page.evaluate("window.notes.length = 0")
    return page


def reply(town: Any, case: Case, event: CaseEvent) -> None:
    with town.store.begin() as uow:
        known = uow.cases.get(case.id)
        uow.cases.put(known.apply_event(event, at=town.app.clock.now(), by="leader-1"))
        uow.commit()


def late(town: Any, case: Case) -> None:
    with town.store.begin() as uow:
        known = uow.cases.get(case.id)
        uow.cases.put(replace(known, dispatched_at=town.app.clock.now() - timedelta(days=9)))
        uow.commit()
    reply(town, case, CaseEvent.RECEIVED)  # a receipt: the page is told that the case moved


def calls(page: Page) -> tuple[int, list[list[str]], str]:
    sounded = int(page.get_attribute("#alarm", "data-sounded") or 0)
    return sounded, page.evaluate("window.notes"), page.title()


def test_a_reply_rings_once_on_all_pages_together(enter: Enter, town: Any, case: Case) -> None:
    wants(town, LOUD)
    page = at_the_desk(enter)
    second = page.context.new_page()
    second.add_init_script(NOTES)
    second.goto("/")
    second.wait_for_selector("#line.on", state="attached")
    second.wait_for_timeout(700)
    before = calls(page)[0]
    reply(town, case, CaseEvent.NEED_HELP)
    expect(page).to_have_title(re.compile(r"^\(\d+\) "), timeout=10_000)
    until(page, lambda: calls(page)[1] or calls(second)[1], "a notification", 10.0)
    page.wait_for_timeout(900)  # a second notification would come now
    told = [*calls(page)[1], *calls(second)[1]]
    assert [note[0] for note in told] == ["新回复：请求支援"], (
        "one notification, on one of the pages"
    )
    assert calls(page)[0] - before <= 1
    page.reload()
    page.wait_for_timeout(1500)
    assert calls(page)[1] == [], "told once, whatever page is opened"


def test_an_overdue_case_rings_and_counts(enter: Enter, town: Any, case: Case) -> None:
    wants(town, LOUD)
    page = at_the_desk(enter)
    before = calls(page)[0]
    late(town, case)
    until(page, lambda: calls(page)[1], "a notification", 10.0)
    sounded, notes, title = calls(page)
    assert notes[0][0] == "案件超时"
    assert case.id in notes[0][1]
    assert sounded == before + 1
    assert title.startswith("(")


@pytest.mark.parametrize(
    "choice",
    [QUIET, AttentionChoice(kinds=()), AttentionChoice(kinds=(AttentionKind.FINDING,))],
    ids=["quiet", "nothing", "findings alone"],
)
def test_quiet_is_quiet(enter: Enter, town: Any, case: Case, choice: AttentionChoice) -> None:
    wants(town, choice)
    try:
        page = at_the_desk(enter)
        before, title = calls(page)[0], page.title()
        with page.expect_response(lambda r: "/api/attention" in r.url):
            late(town, case)
        reply(town, case, CaseEvent.NEED_HELP)
        page.wait_for_timeout(1500)
        sounded, notes, after = calls(page)
        assert (sounded, notes) == (before, [])
        if AttentionKind.OVERDUE in choice.kinds:
            assert after.startswith("("), "the number in the title is quiet by itself"
        else:
            assert after == title
    finally:
        wants(town, None)


def test_the_choice_is_made_on_the_own_account(enter: Enter, town: Any) -> None:
    page = enter("operator2")
    page.goto("/account")
    page.uncheck("#attention [name=sound]")
    page.uncheck("#attention [value=reply]")
    page.click("#attention button.strong")
    expect(page.locator(".toast")).to_be_visible()
    with town.store.begin_read() as uow:
        chosen = uow.accounts.get("operator2").attention
    assert chosen == AttentionChoice(
        sound=False, kinds=(AttentionKind.FINDING, AttentionKind.OVERDUE)
    )
    page.reload()
    assert not page.is_checked("#attention [name=sound]")
    wants(town, None)


def test_the_mark_of_alarms_moves_nothing(enter: Enter, town: Any) -> None:
    with town.store.begin() as uow:  # the town has urgent ones of its own
        loud = [f for f in uow.findings.queue() if f.level in {Level.URGENT, Level.PRESSING}]
        for finding in loud:
            uow.findings.put(replace(finding, level=Level.ORDINARY))
        uow.commit()
    page = enter("operator2")
    page.goto("/cases")
    shown = "[...document.querySelectorAll('.top > *, nav a, h1, .filters')].map((one) => {\
        const r = one.getBoundingClientRect(); return [r.left, r.top] })"
    expect(page.locator("#alarm")).to_be_hidden()
    page.wait_for_selector("#line.on", state="attached")  # the page is whole and hears changes
    before = page.evaluate(shown)
    with town.store.begin() as uow:
        found = next(f for f in uow.findings.queue() if f.is_open)
        uow.findings.put(replace(found, level=Level.URGENT))
        uow.commit()
    expect(page.locator("#alarm")).to_be_visible(timeout=25_000)
    assert page.evaluate(shown) == before
    with town.store.begin() as uow:
        for finding in (found, *loud):
            uow.findings.put(finding)
        uow.commit()
