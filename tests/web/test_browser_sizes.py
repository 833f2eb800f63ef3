"""Screens of every size: laptops, a desk, a wall of 4K, a phone; and the wall without a login.

Both languages. Screenshots go to PATROL_ARTIFACTS.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from patrol.domain.account import AccountRole
from patrol.domain.case import Case, CaseEvent
from patrol.domain.display_link import display_token
from patrol.domain.finding import FindingState
from patrol.domain.shift_handover import shift_owner
from patrol.web.server import ConsoleAddress

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

Enter = Callable[..., Page]
LogIn = Callable[[str], httpx.Client]
LAPTOPS = {"1366": (1366, 768), "1280": (1280, 720)}
WALLS = {"1920": (1920, 1080), "4k": (3840, 2160)}
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
LANGUAGES = ("zh", "en")
MAX_HEADER_PX = 60  # one line of a laptop's height
DECIDES = {
    # page: what must be seen and pressed without scrolling
    "/review": ".item:not([hidden]) [data-do=confirm], .item:not([hidden]) [data-do=dismiss],"
    " .item:not([hidden]) [data-do=unsure], .item:not([hidden]) [name=category],"
    " .item:not([hidden]) [name=level], .item:not([hidden]) [name=note]",
    "/cases/{case}": "[data-move=gone], [data-move=still_there], [data-move=extend],"
    " [data-move=reassign], [data-move=phone]",
    "/verify": "main .actions button",
    "/stoppages": "form.signing button",
    "/shift": "form.signing button",
    "/rounds": "main .actions summary, main .actions > button",
    "/account": "main button.strong",
}
READ = {
    "/": (".top a", ".plan .big", ".caseline", ".village", ".notice"),
    "/cases": (".column h2", ".case-card"),
    "/cases/{case}": ("h1", ".timeline time", "dd", ".actions button"),
    "/grid": ("h1", ".tree th", ".person"),
    "/review": (".judge h2", ".judge dd", ".verdicts button"),
}


@pytest.fixture
def returned(town: Any) -> Iterator[Case]:
    """A case that was fed back and waits for a person."""
    now = town.app.clock.now()
    with town.store.begin() as uow:
        number = uow.next_number("test-sizes")
        case = replace(town.case, id=f"C20990401-{number:04}", finding=None, category=f"t_{number}")
        done = case.apply_event(CaseEvent.FEED_BACK, at=now, by="leader")
        done = replace(done, recheck_due_at=None, after=case.before)
        uow.cases.add(done)
        uow.commit()
    yield done
    with town.store.begin() as uow:
        uow.cases.put(uow.cases.get(done.id).apply_event(CaseEvent.VOID, at=now, by="test"))
        uow.commit()


@pytest.fixture
def lead(town: Any) -> None:
    """A finding with a picture that nobody has decided."""
    with town.store.begin() as uow:
        for ident in uow.claims.active(town.app.clock.now()):
            uow.claims.drop(ident)
        found = next(f for f in uow.findings.queue() if f.picture)
        uow.findings.put(
            replace(found, state=FindingState.CANDIDATE, decided_by="", decided_at=None)
        )
        uow.commit()


@pytest.fixture
def shift(town: Any, log_in: LogIn) -> None:
    """The shift is the duty lead's, whoever had it in another file's tests."""
    with town.store.begin_read() as uow:
        owner = shift_owner(uow.handovers.entries())
    if owner not in {"", "duty_lead"}:
        given = log_in(owner).post("/api/shift/give", json={"to": "duty_lead"})
        assert given.status_code == 201
        assert log_in("duty_lead").post("/api/shift/take", json={}).status_code == 201


def picture(page: Page, path: Path) -> None:
    """A screenshot to look at, where somebody asked for them: of 4K it takes seconds."""
    if os.environ.get("PATROL_ARTIFACTS"):
        page.screenshot(path=path)


def outside(page: Page, selector: str) -> list[str]:
    """What of the selector is not wholly on the screen, or lies under something."""
    found: list[str] = page.evaluate(
        """(selector) => [...document.querySelectorAll(selector)].filter((one) => {
            const r = one.getBoundingClientRect()
            const at = document.elementFromPoint(r.left + r.width / 2, r.top + r.height / 2)
            const off = r.top < 0 || r.left < 0 || r.bottom > innerHeight || r.right > innerWidth
            return one.checkVisibility() && (off || !(one === at || one.contains(at)))
        }).map((one) => one.innerText)""",
        selector,
    )
    return found


@pytest.mark.usefixtures("lead", "shift")
@pytest.mark.parametrize("size", LAPTOPS)
def test_what_decides_is_above_the_fold(
    enter: Enter, returned: Case, artifacts: Path, size: str
) -> None:
    width, height = LAPTOPS[size]
    page = enter("duty_lead", viewport={"width": width, "height": height})
    for language in LANGUAGES:
        page.context.add_cookies([{"name": "patrol_lang", "value": language, "url": page.url}])
        for path, selector in DECIDES.items():
            page.goto(path.format(case=returned.id))
            page.wait_for_selector(selector)
            assert page.locator(selector).count() > 0
            assert outside(page, selector) == [], (path, language)
            assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth"), path
            header = page.locator(".top").bounding_box()
            assert header
            assert header["height"] <= MAX_HEADER_PX, (path, language)
            name = path.strip("/").replace("/{case}", "-one") or "today"
            picture(page, artifacts / f"{name}-{language}-{size}.png")
        page.goto("/")
        page.wait_for_selector(".village")
        assert page.evaluate("document.scrollingElement.scrollHeight <= innerHeight")
        picture(page, artifacts / f"today-{language}-{size}.png")


@pytest.mark.usefixtures("lead")
def test_everything_grows_with_the_screen(enter: Enter, returned: Case, artifacts: Path) -> None:
    sizes: dict[str, dict[str, float]] = {}
    for size, (width, height) in WALLS.items():
        page = enter("duty_lead", viewport={"width": width, "height": height})
        sizes[size] = {}
        for path, selectors in READ.items():
            page.goto(path.format(case=returned.id))
            for selector in selectors:
                page.wait_for_selector(selector)
                sizes[size][f"{path} {selector}"] = page.evaluate(
                    "(it) => parseFloat(getComputedStyle(document.querySelector(it)).fontSize)",
                    selector,
                )
            assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth"), path
            name = path.strip("/").partition("/")[0] or "today"
            picture(page, artifacts / f"{name}-{size}.png")
        page.context.close()
    for what, small in sizes["1920"].items():
        assert sizes["4k"][what] >= 1.9 * small, what


def test_a_phone_shows_today_and_a_case_without_scrolling_sideways(
    enter: Enter, returned: Case, artifacts: Path
) -> None:
    page = enter(
        "duty_lead", viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True
    )
    for path in ("/", "/cases", f"/cases/{returned.id}", "/account"):
        page.goto(path)
        assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth"), path
        page.screenshot(
            path=artifacts / f"{path.strip('/').partition('/')[0] or 'today'}-phone.png"
        )


@pytest.fixture
def wall(browser: Browser, console: ConsoleAddress, town: Any) -> Iterator[BrowserContext]:
    """A browser of 4K that nobody logs in at."""
    context = browser.new_context(
        base_url=console.url,
        viewport={"width": 3840, "height": 2160},
        extra_http_headers={"x-forwarded-for": "10.9.250.1"},
    )
    yield context
    context.close()
    with town.store.begin() as uow:
        uow.accounts.put(replace(uow.accounts.get(AccountRole.DISPLAY), disabled_at=None))
        uow.commit()


def test_a_display_stays_until_it_is_revoked(
    wall: BrowserContext, town: Any, artifacts: Path
) -> None:
    with town.store.begin_read() as uow:
        account = uow.accounts.get(AccountRole.DISPLAY)
    page = wall.new_page()
    pictures: list[str] = []
    page.on("request", lambda r: pictures.append(r.url) if "/picture/" in r.url else None)
    page.goto(f"/display#{display_token(account)}")
    page.wait_for_selector(".today .village")
    assert "#" not in page.url
    assert page.locator("main a[href], main button, nav").count() == 0, "nothing leads away"
    assert page.evaluate("document.scrollingElement.scrollHeight <= innerHeight")
    page.wait_for_selector("#line.on", state="attached")
    picture(page, artifacts / "display-4k.png")
    with town.store.begin() as uow:  # an expiry, an administrator's "log out"
        uow.sessions.end_all(account.name)
        uow.commit()
    page.wait_for_timeout(800)
    for path in ("/", "/login", "/cases"):
        page.goto(path)
        assert "/login" not in page.url
    page.goto("/")
    page.wait_for_selector(".today .village")
    with town.store.begin() as uow:
        now = town.app.clock.now()
        uow.accounts.put(replace(account, disabled_at=now))
        uow.sessions.end_all(account.name)
        uow.commit()
    page.wait_for_selector("#display", timeout=30_000)  # by itself: the page asks as ever
    assert "无效或已停用" in page.inner_text("#said")
    assert page.locator("input[type=password]").count() == 0
    assert pictures == []
