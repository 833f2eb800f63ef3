"""The whole story in a real browser: a round, a review by keyboard, a phone without a link.

Screenshots of every page in both languages go to PATROL_ARTIFACTS (else the test's own folder).
"""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from patrol.console import ConsoleAddress
from patrol.dispatch.verification import verified
from patrol.domain.case import CaseState
from patrol.domain.finding import FindingState
from patrol.domain.levels import Level
from patrol.domain.round import PlannedVisit, Round, RoundEvent, Visit, VisitOutcome

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

PATIENCE_S = 30.0
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
WALL_SCREEN = {"viewport": {"width": 1920, "height": 1080}}
Enter = Callable[..., Page]


def until(page: Page, expression: str, patience_s: float = PATIENCE_S) -> float:
    """Poll from outside: our policy forbids evaluating text inside the page. Seconds it took."""
    began = time.monotonic()
    while not page.evaluate(expression):
        if time.monotonic() - began > patience_s:
            pytest.fail(f"did not come: {expression}")
        page.wait_for_timeout(20)
    return time.monotonic() - began


def test_an_operator_watches_a_round_without_touching_the_page(enter: Enter, town: Any) -> None:
    now = town.app.clock.now()
    with town.store.begin_read() as uow:
        done = uow.rounds.of_plan("morning", limit=1)[0]
        cameras = [visit.camera for visit in uow.rounds.visits(done.id)]
    begun = Round(
        **{
            **{name: getattr(done, name) for name in ("plan", "day", "refused")},
            "id": f"{done.day:%Y%m%d}-morning-2",
            "planned_at": now,
            "finish_by": now + timedelta(hours=1),
            "planned": len(cameras),
        }
    ).move(RoundEvent.START, at=now)
    with town.store.begin() as uow:
        planned = [PlannedVisit(round=begun.id, camera=c, order=n) for n, c in enumerate(cameras)]
        uow.rounds.add(begun, planned)
        uow.commit()
    page = enter("operator")
    until(page, "document.querySelector('.plan.running .big')?.textContent.startsWith('0')")
    page.wait_for_selector("#line.on", state="attached")
    page.wait_for_timeout(600)  # the pulse has its first marks
    with town.store.begin() as uow:
        for camera in cameras[:7]:
            look = {"started_at": now, "finished_at": now, "usable_pictures": 1}
            normal = VisitOutcome.NORMAL
            uow.rounds.record(Visit(round=begun.id, camera=camera, outcome=normal, **look))
        uow.commit()
    until(page, "document.querySelector('.plan.running .big').textContent.startsWith('7')", 5.0)
    page.goto(f"/rounds/{begun.id}")
    until(page, "document.querySelectorAll('.tile').length === 7")
    with town.store.begin() as uow:
        uow.rounds.miss_pending(begun.id, "test", now)
        uow.rounds.put(begun.move(RoundEvent.FINISH, at=now))
        uow.commit()
    until(page, "!!document.querySelector('.pill.finished')", 5.0)
    assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")


def test_today_fits_a_wall_screen_without_scrolling(enter: Enter) -> None:
    page = enter("operator")
    page.wait_for_selector(".village")
    for selector in (".today", ".villages", ".notices", ".plan", ".cases", ".queue"):
        cut = page.evaluate(
            f"[...document.querySelectorAll('{selector}')].some((one) => "
            "[...one.children].some((c) => c.getBoundingClientRect().bottom > innerHeight + 1))"
        )
        assert not cut, selector
    assert page.evaluate("document.scrollingElement.scrollHeight <= innerHeight")


def test_review_by_keyboard_then_the_phone_then_closed(
    enter: Enter, town: Any, artifacts: Path, tmp_path: Path
) -> None:
    desk = enter("operator")
    case_id, leader_of = _confirm_one(desk, town, artifacts)
    with town.store.begin() as uow:  # the leader of that grid, whichever it is
        case = uow.cases.get(case_id)
        uow.accounts.put(
            replace(uow.accounts.get("other_leader"), grid=case.grid, person=leader_of)
        )
        uow.commit()
    phone = enter("other_leader", **PHONE)
    assert phone.url.endswith("/leader")
    card = f".case[data-id='{case_id}']"
    phone.wait_for_selector(card)
    phone.click(f"{card} [data-say=acknowledge]")
    _wait(town, case_id, CaseState.ACKNOWLEDGED)
    phone.screenshot(path=artifacts / "leader-zh.png")
    _speak_without_a_link(phone, card, tmp_path, artifacts)
    _wait(town, case_id, CaseState.FED_BACK)
    with town.store.begin_read() as uow:
        case = uow.cases.get(case_id)
        photos = uow.case_photos.of_case(case_id)
    assert sum("已清理完毕" in entry.note for entry in case.entries) == 1
    assert len(photos) == 1
    desk.goto(f"/cases/{case_id}")
    until(desk, "document.body.innerText.includes('已清理完毕')")
    with town.store.begin() as uow:
        now = town.app.clock.now()
        verified(uow, case_id, gone=True, by="patrol", now=now, announcer=town.app.wire,
                 after=case.before, note="复看已消失")  # fmt: skip
        uow.commit()
    until(desk, "document.body.innerText.includes('复看已消失')", 5.0)
    desk.screenshot(path=artifacts / "case-zh.png")
    until(phone, f'!document.querySelector("{card}")', 10.0)
    auditor = enter("auditor")
    auditor.goto("/audit?what=view_picture")
    assert "operator" in auditor.inner_text("tbody")


def _confirm_one(page: Page, town: Any, artifacts: Path) -> tuple[str, str]:
    with town.store.begin() as uow:
        ready = [f for f in uow.findings.queue() if f.state is FindingState.CANDIDATE]
        for finding in ready:  # no level that goes at once, no open case to be merged into
            if uow.cases.open_like(finding.camera, finding.category) is None:
                uow.findings.put(replace(finding, level=Level.ORDINARY))
        uow.commit()
    page.goto("/review")
    until(page, "!!document.querySelector('#stage .item:not([hidden]) .now img')?.complete")
    page.screenshot(path=artifacts / "review-zh.png")
    first = "document.querySelector('#stage .item:not([hidden])').dataset.id"
    ident = page.evaluate(first)
    page.keyboard.press("d")
    page.wait_for_selector("dialog[open]")
    page.keyboard.press("3")
    until(page, f"{first} !== '{ident}'")
    page.keyboard.press("z")
    until(page, f"{first} === '{ident}'")
    page.select_option(f".item[data-id={ident}] select[name=level]", "III")
    page.keyboard.press("b")
    page.keyboard.press("s")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Enter")
    until(page, f"{first} !== '{ident}'", 5.0)
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        with town.store.begin_read() as uow:
            finding = uow.findings.get(ident)
            if finding.case is not None:
                case = uow.cases.get(finding.case)
                assert finding.decided_by == "operator"
                return case.id, case.policy.ladder[0].person
        page.wait_for_timeout(100)
    pytest.fail("the confirmation was never sent")


def _speak_without_a_link(phone: Page, card: str, folder: Path, artifacts: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (60, 80, 3), np.uint8)
    picture = folder / "photo.jpg"
    cv2.imwrite(str(picture), cv2.resize(noise, (1600, 1200)))
    phone.wait_for_selector("body[data-shelved]")
    phone.context.set_offline(True)
    phone.click(f"{card} [data-open=handled]")
    phone.fill(f"{card} textarea", "已清理完毕")
    phone.set_input_files(f"{card} input[type=file]", picture)
    phone.wait_for_selector(f"{card} .chosen:not([hidden])")
    phone.click(f"{card} form button.go")
    phone.wait_for_selector("#link:not([hidden])")
    phone.screenshot(path=artifacts / "leader-offline-zh.png")
    phone.reload()  # the page itself opens without a link, and has not forgotten
    phone.wait_for_selector(f"{card} .sending")
    phone.context.set_offline(False)
    phone.evaluate("dispatchEvent(new Event('online'))")


def _wait(town: Any, case_id: str, state: CaseState) -> None:
    deadline = time.monotonic() + PATIENCE_S
    seen = None
    while time.monotonic() < deadline:
        with town.store.begin_read() as uow:
            seen = uow.cases.get(case_id).state
        if seen is state:
            return
        town.app.clock.sleep(0.05)
    pytest.fail(f"{case_id} is {seen}, not {state}")


PAGES = [
    ("operator", "/", "today"),
    ("operator", "/rounds", "rounds"),
    ("operator", "{wall}", "wall"),
    ("operator", "{camera}", "round-camera"),
    ("operator", "/review", "review"),
    ("operator", "/cases", "cases"),
    ("operator", "{case}", "case"),
    ("admin", "/cameras", "cameras"),
    ("admin", "/accounts", "accounts"),
    ("auditor", "/audit", "audit"),
    ("operator", "/grid", "grid"),
    ("operator", "/reports", "reports"),
    ("operator", "/account", "account"),
    ("leader", "/leader", "leader"),
]


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_page_is_accessible_at_aa(
    enter: Enter, console: ConsoleAddress, town: Any, artifacts: Path, language: str
) -> None:
    with town.store.begin_read() as uow:
        newest = uow.rounds.of_plan("afternoon", limit=1)[0]
        camera = uow.rounds.visits(newest.id)[0].camera
    at = {
        "wall": f"/rounds/{newest.id}",
        "camera": f"/rounds/{newest.id}/camera/{camera}",
        "case": f"/cases/{town.case.id}",
    }
    rules = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}
    pages: dict[str, Page] = {}
    found: list[str] = []
    for who, path, name in PAGES:
        if who not in pages:
            pages[who] = enter(who, **(PHONE if who == "leader" else WALL_SCREEN))
            cookie = {"name": "patrol_lang", "value": language, "url": console.url}
            pages[who].context.add_cookies([cookie])
        page = pages[who]
        page.goto(path.format(**at))
        page.wait_for_timeout(700)
        page.screenshot(path=artifacts / f"{name}-{language}.png")
        result = Axe().run(page, options=rules)
        found += [
            f"{name}: {one['id']}: {one['nodes'][0]['html'][:120]}"
            for one in result.response["violations"]
        ]
    assert not found, "\n".join(found)
