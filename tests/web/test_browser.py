"""The whole story in a real browser: a round, a review by keyboard, a phone without a link.

Screenshots of every page in both languages go to PATROL_ARTIFACTS (else the test's own folder).
"""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from patrol.cases.actions import apply_recheck
from patrol.domain.case import CaseState
from patrol.domain.finding import FindingState
from patrol.domain.priority import Level
from patrol.domain.registry import Role
from patrol.domain.round import PlannedVisit, Round, RoundEvent, Visit, VisitOutcome
from patrol.web.server import ConsoleAddress
from tests.support.pages import until_true

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

WAIT_S = 30.0
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
WALL_SCREEN = {"viewport": {"width": 1920, "height": 1080}}
Enter = Callable[..., Page]
OF_EVERYBODY = {
    "/login", "/home", "/leader", "/leader/api/cases", "/leader/worker.js", "/api/live",
    "/leader/manifest.webmanifest",
}  # fmt: skip


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
    ).apply_event(RoundEvent.START, at=now)
    with town.store.begin() as uow:
        planned = [PlannedVisit(round=begun.id, camera=c, order=n) for n, c in enumerate(cameras)]
        uow.rounds.add(begun, planned)
        uow.commit()
    page = enter("operator")
    until_true(
        page, "document.querySelector('.plan.running .big')?.textContent.startsWith('0')", WAIT_S
    )
    page.wait_for_selector("#line.on", state="attached")
    page.wait_for_timeout(600)  # the pulse has its first marks
    with town.store.begin() as uow:
        for camera in cameras[:7]:
            times = {"started_at": now, "finished_at": now, "usable_pictures": 1}
            normal = VisitOutcome.NORMAL
            uow.rounds.record_visit(Visit(round=begun.id, camera=camera, outcome=normal, **times))
        uow.commit()
    until_true(
        page, "document.querySelector('.plan.running .big').textContent.startsWith('7')", 5.0
    )
    page.goto(f"/rounds/{begun.id}")
    until_true(page, "document.querySelectorAll('.tile').length === 7", WAIT_S)
    with town.store.begin() as uow:
        uow.rounds.miss_pending(begun.id, "test", now)
        uow.rounds.put(begun.apply_event(RoundEvent.FINISH, at=now))
        uow.commit()
    until_true(page, "!!document.querySelector('.pill.finished')", 5.0)
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
    operator_page = enter("operator")
    case_id, leader_of = _confirm_one(operator_page, town, artifacts)
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
    phone.click(f"{card} [data-reply=acknowledge]")
    _wait(town, case_id, CaseState.ACKNOWLEDGED)
    phone.screenshot(path=artifacts / "leader-zh.png")
    _speak_without_a_link(phone, card, tmp_path, artifacts)
    _wait(town, case_id, CaseState.FED_BACK)
    with town.store.begin_read() as uow:
        case = uow.cases.get(case_id)
        photos = uow.case_photos.of_case(case_id)
    assert sum("已清理完毕" in entry.note for entry in case.entries) == 1
    assert len(photos) == 1
    operator_page.goto(f"/cases/{case_id}")
    until_true(operator_page, "document.body.innerText.includes('已清理完毕')", WAIT_S)
    with town.store.begin() as uow:
        now = town.app.clock.now()
        apply_recheck(uow, case_id, gone=True, by="patrol", now=now, payloads=town.app.payloads,
                 after=case.before, note="复看已消失")  # fmt: skip
        uow.commit()
    until_true(operator_page, "document.body.innerText.includes('复看已消失')", 5.0)
    operator_page.screenshot(path=artifacts / "case-zh.png")
    until_true(phone, f'!document.querySelector("{card}")', 10.0)
    auditor = enter("auditor")
    auditor.goto("/audit?what=view_picture")
    assert "operator" in auditor.inner_text("tbody")
    refused_to_a_stranger(enter, town, case.grid)


def refused_to_a_stranger(enter: Enter, town: Any, grid: str) -> None:
    """Whatever they all asked for is not for the leader of another grid."""
    asked = dict.fromkeys(enter.asked)  # type: ignore[attr-defined]
    people = town.app.registry.people.values()
    other = next(p for p in people if p.role is Role.GRID_LEADER and p.grid != grid)
    with town.store.begin() as uow:
        known = uow.accounts.get("other_leader")
        stranger = replace(known, name="stranger", grid=other.grid, person=other.id)
        uow.accounts.put(stranger)
        uow.commit()
    page = enter("stranger", **PHONE)
    token = page.get_attribute("meta[name=csrf]", "content")
    headers = {"x-patrol-csrf": token, "accept": "application/json"}
    headers["content-type"] = "application/json"
    wrong, refused = [], set()
    for method, address, body in asked:
        scheme, _, path, *_ = urlsplit(address)
        if scheme == "blob" or path in OF_EVERYBODY or path.startswith("/static"):
            continue
        answer = page.request.fetch(address, method=method, headers=headers, data=body)
        refused.add(path)
        if answer.status != 403:
            wrong.append((method, path, answer.status))
    assert {"/", "/review", "/api/review/decide", "/leader/api/say", "/audit"} <= refused
    for kind in ("/picture/", "/cases/", "/leader/api/photo/"):
        assert any(path.startswith(kind) for path in refused), kind
    assert wrong == []


DECIDABLE = "#stage .item[data-decidable]:not([hidden])"  # long enough on screen, with its picture


def _confirm_one(page: Page, town: Any, artifacts: Path) -> tuple[str, str]:
    with town.store.begin() as uow:
        ready = [f for f in uow.findings.queue() if f.state is FindingState.CANDIDATE]
        for finding in ready:  # no level that goes at once, no open case to be merged into
            if uow.cases.open_like(finding.camera, finding.category) is None:
                uow.findings.put(replace(finding, level=Level.ORDINARY))
        uow.commit()
    page.goto("/review")
    page.wait_for_selector(DECIDABLE)
    page.screenshot(path=artifacts / "review-zh.png")
    first = "document.querySelector('#stage .item:not([hidden])').dataset.id"
    ident = page.evaluate(first)
    page.keyboard.press("d")
    page.wait_for_selector("dialog[open]")
    page.keyboard.press("3")
    until_true(page, f"{first} !== '{ident}'", WAIT_S)
    page.keyboard.press("z")
    until_true(page, f"{first} === '{ident}'", WAIT_S)
    page.wait_for_selector(DECIDABLE)
    page.select_option(f".item[data-id={ident}] select[name=level]", "III")
    page.keyboard.press("b")
    page.keyboard.press("s")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Enter")
    until_true(page, f"{first} !== '{ident}'", 5.0)
    deadline = time.monotonic() + WAIT_S
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
    phone.wait_for_selector("body[data-cached]")
    phone.context.set_offline(True)
    phone.click(f"{card} [data-open=handled]")
    phone.fill(f"{card} form.feedback textarea", "已清理完毕")
    phone.set_input_files(f"{card} form.feedback input[type=file]", picture)
    phone.wait_for_selector(f"{card} form.feedback .chosen:not([hidden])")
    phone.click(f"{card} form.feedback button.go")
    phone.wait_for_selector("#link:not([hidden])")
    phone.screenshot(path=artifacts / "leader-offline-zh.png")
    phone.reload()  # the page itself opens without a link, and has not forgotten
    phone.wait_for_selector(f"{card} .sending")
    phone.context.set_offline(False)
    phone.evaluate("dispatchEvent(new Event('online'))")


def _wait(town: Any, case_id: str, state: CaseState) -> None:
    deadline = time.monotonic() + WAIT_S
    seen = None
    while time.monotonic() < deadline:
        with town.store.begin_read() as uow:
            seen = uow.cases.get(case_id).state
        if seen is state:
            return
        town.app.clock.sleep(0.05)
    pytest.fail(f"{case_id} is {seen}, not {state}")


def test_an_approval_is_requested_and_granted_by_clicking(enter: Enter, town: Any) -> None:
    with town.store.begin() as uow:
        request = replace(town.case, id="C20200102-0001", finding=None, request=None)
        uow.cases.add(request)
        uow.commit()
    operator_page, finding = enter("operator"), enter("duty_lead")
    operator_page.goto(f"/cases/{request.id}")
    operator_page.click("[data-move=extend]")
    operator_page.fill("[name=hours]", "48")
    operator_page.click("dialog [value=yes]")  # without a reason it stays open
    assert operator_page.is_visible("dialog")
    operator_page.fill("[name=note]", "等吊车")
    operator_page.click("dialog [value=yes]")
    operator_page.wait_for_selector("[data-move=withdraw]")
    finding.goto(f"/cases/{request.id}")
    assert "等吊车" in finding.inner_text(".banner")
    finding.click("[data-move=grant]")
    finding.click("dialog [value=yes]")
    until_true(operator_page, "!document.querySelector('[data-move=withdraw]')", 5.0)
    with town.store.begin_read() as uow:
        assert uow.cases.get(request.id).policy.limits.close > request.policy.limits.close


def test_a_shift_is_handed_over_by_clicking(enter: Enter, town: Any) -> None:
    goes, comes = enter("operator"), enter("duty_lead")
    goes.goto("/shift")
    with town.store.begin_read() as uow:
        before = len(uow.handovers.entries())
    goes.select_option("[data-sign$=give] [name=to]", "duty_lead")
    goes.fill("[data-sign$=give] [name=note]", "三组停电")
    goes.click("[data-sign$=give] button")
    goes.wait_for_selector(".banner.warn")
    comes.goto("/shift")
    comes.click("[data-sign$=take] button")
    comes.wait_for_selector("[data-sign$=take]", state="detached")
    comes.wait_for_load_state()  # of the page after it, whose script listens to the button
    comes.select_option("[data-sign$=give] [name=to]", "operator")
    comes.click("[data-sign$=give] button")
    comes.wait_for_selector(".banner.warn")
    goes.goto("/shift")
    goes.click("[data-sign$=take] button")
    goes.wait_for_selector("[data-sign$=take]", state="detached")
    with town.store.begin_read() as uow:
        assert len(uow.handovers.entries()) == before + 4


def test_a_leader_scans_the_code_and_installs_the_page(
    enter: Enter, browser: Browser, console: ConsoleAddress, town: Any, artifacts: Path
) -> None:
    admin = enter("admin")
    admin.goto("/accounts")
    leader = town.case.policy.ladder[0].person
    admin.fill("#add [name=name]", "scanner")
    admin.select_option("#add [name=duty]", "grid_leader")
    admin.select_option("#add [name=person]", leader)
    admin.click("#add button")
    admin.wait_for_selector("#once[open] .qr rect", state="attached")
    admin.screenshot(path=artifacts / "account-made-zh.png")
    address = admin.inner_text("#once-address")
    context = browser.new_context(**PHONE)
    phone = context.new_page()
    phone.goto(address)
    assert phone.inner_text("#whose") == "scanner"
    assert "#" not in phone.url
    phone.screenshot(path=artifacts / "invitation-zh.png")
    phone.fill("[name=password]", "my-own-words-5")
    phone.fill("[name=again]", "my-own-words-5")
    phone.click("button.strong")
    phone.wait_for_url(f"{console.url}/leader")
    phone.wait_for_selector("body[data-cached]")
    link = phone.get_attribute("link[rel=manifest]", "href")
    manifest = context.request.get(f"{console.url}{link}").json()
    assert (manifest["display"], manifest["start_url"]) == ("standalone", "/leader")
    for icon in manifest["icons"]:
        answer = context.request.get(f"{console.url}{icon['src']}")
        assert answer.headers["content-type"] == icon["type"]
        if icon["sizes"] != "any":
            data = cv2.imdecode(np.frombuffer(answer.body(), np.uint8), cv2.IMREAD_COLOR)
            assert f"{data.shape[1]}x{data.shape[0]}" == icon["sizes"]
    assert {"192x192", "512x512"} <= {icon["sizes"] for icon in manifest["icons"]}
    context.close()


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
    ("admin", "/sessions", "sessions"),
    ("admin", "/keys", "keys"),
    ("admin", "/suppressions", "suppressions"),
    ("admin", "/system", "system"),
    ("duty_lead", "/shift", "shift"),
    ("duty_lead", "/stoppages", "stoppages"),
    ("maintainer", "/troubles", "troubles"),
    ("auditor", "/audit", "audit"),
    ("operator", "/grid", "grid"),
    ("operator", "/reports?month={month}", "reports"),
    ("operator", "/account", "account"),
    ("leader", "/leader", "leader"),
]


@pytest.mark.parametrize("language", ["zh", pytest.param("en", marks=pytest.mark.soak)])
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
        "month": f"{newest.day:%Y-%m}",
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
        page.wait_for_timeout(300)
        page.screenshot(path=artifacts / f"{name}-{language}.png")
        if language != "zh":
            continue  # the same elements in the same colours
        result = Axe().run(page, options=rules)
        found += [
            f"{name}: {one['id']}: {one['nodes'][0]['html'][:120]}"
            for one in result.response["violations"]
        ]
    assert not found, "\n".join(found)
