"""A walk through every page, in both languages, on every screen: a photograph of each.

`PATROL_ARTIFACTS=DIR pytest -m soak tests/web/test_browser_walk.py` keeps them, to be looked at, as
NAME-LANGUAGE-SIZE.jpg. A page without a place in the walk fails its first test.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, Page

from patrol.app.town_service import TownService
from patrol.domain.household_link import HOUSEHOLD_PATH
from patrol.households.links import household_link_signer, make_link
from patrol.settings.site_settings import ConsoleSettings
from patrol.settings.site_town import HandOffSection
from patrol.web.app import create_app
from patrol.web.context import WebContext
from patrol.web.server import ConsoleAddress
from simulators.people.patrollers import patrol_todays_roster
from tests.web.conftest import BROWSERS, PASSWORD
from tests.web.test_access_matrix import api_routes
from tests.web.test_human_patrols import pictured, planned

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

LANGUAGES: Final = ("zh", "en")
SIZES: Final = {
    "1366": {"viewport": {"width": 1366, "height": 768}},
    "1920": {"viewport": {"width": 1920, "height": 1080}},
    "4k": {"viewport": {"width": 3840, "height": 2160}},
    "390": {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True},
}
NOBODY: Final = ""
SETTLES_MS: Final = 600  # pictures of a page that is loaded
WALK: Final[Mapping[str, tuple[str, ...]]] = {
    # who: the routes that he opens, as the application's own table names them
    "duty_lead": (
        "/", "/rounds", "/rounds/{round_id}", "/rounds/{round_id}/camera/{ident}",
        "/rounds/{round_id}/rotation", "/review", "/decided", "/cases", "/cases/{case_id}",
        "/verify", "/approvals", "/overdue", "/hand-offs", "/hand-offs/{hand_off}", "/grid",
        "/reports", "/meetings", "/shift", "/stoppages", "/holds", "/account", "/patrols",
        "/patrols/{patrol_id}", "/rosters", "/rosters/{roster_id}", "/rosters/codes",
        "/rosters/reports", "/cameras/{ident}/areas", "/cameras/{ident}/reference",
        "/households/{ident}",
    ),
    "admin": (
        "/accounts", "/sessions", "/keys", "/suppressions", "/system", "/audit", "/cameras",
        "/cameras/{ident}", "/camera-import", "/people", "/people-import/{table}",
    ),
    "operator": ("/cameras/{looked_at}/live?for=finding:{finding}",),
    "maintainer": ("/troubles",),
    "leader": ("/leader",),
    "helper": ("/ground",),
    NOBODY: ("/login", "/welcome", "/display", HOUSEHOLD_PATH + "{token}"),
}  # fmt: skip
NOT_PAGES: Final = re.compile(
    r"/api/|/part$|\.(csv|xlsx|svg|js|txt|webmanifest|\{kind\})$|^/(language|picture|p)/|^/home$"
)  # parts of pages, files, pictures, redirections
SAME_ROUTE: Final = {
    "/hand-offs/{hand_off}": "/hand-offs/{ident}",
    "/rosters/{roster_id}": "/rosters/{patrol_id}",
    "/cameras/{looked_at}/live": "/cameras/{ident}/live",
}
FOLDS: Final = {
    # page: what decides on it, wholly on a laptop's screen
    "/review": "[data-do=confirm], [data-do=dismiss], [data-do=unsure]",
    "/cases/{case_id}": "main .actions button",
    "/verify": "main .actions button",
    "/stoppages": "form.signing button",
    "/shift": "form.signing button",
    "/rounds": "main .actions summary, main .actions > button",
    "/account": "main button.strong",
    "/cameras/{ident}/areas": "main button.strong",
    "/cameras/{ident}/reference": "main button.strong",
    "/patrols/{patrol_id}": "main button.strong",
    "/login": "button.strong",
    "/grid": "#map",
}


@pytest.fixture(scope="module")
def values(town: Any) -> Iterator[dict[str, str]]:
    """What stands in the addresses: of each the one that has most to show."""
    app = town.app
    patrol_todays_roster(app)
    cameras = pictured(town, 6)
    patrol = planned(town, "walk", cameras, assigned=("duty_lead",))
    before = app.site
    police = {"police": HandOffSection(title="派出所", channel="print")}
    app.site = replace(before, settings=before.settings.model_copy(update={"hand_off": police}))
    signer = household_link_signer(app.store, "https://patrol.example")
    given = TownService(app).hand_off(town.case.id, "police", by="op", why="请派出所到场警戒")
    with app.store.begin() as uow:
        newest = uow.rounds.of_plan("afternoon", limit=1)[0]
        finding = next(one for one in uow.findings.queue() if one.picture)
        roster = uow.ground_patrols.list(limit=1)[0]
        address = make_link(uow, signer, cameras[0], by="desk", now=app.clock.now())
        uow.commit()
    yield {
        "round_id": str(newest.id), "ident": str(cameras[0]), "case_id": str(town.case.id),
        "hand_off": given.id, "patrol_id": patrol, "roster_id": str(roster.id), "table": "leave",
        "finding": str(finding.id), "looked_at": str(finding.camera),
        "token": address.rpartition("/")[2],
    }  # fmt: skip
    app.site = before


def test_every_page_is_on_the_walk(town: Any) -> None:
    app = create_app(WebContext.build(town.app, ConsoleSettings()))
    pages = {
        route.path
        for route in api_routes(app.routes)
        if "GET" in route.methods and not NOT_PAGES.search(route.path)
    }
    paths = {route.partition("?")[0] for way in WALK.values() for route in way}
    assert {SAME_ROUTE.get(path, path) for path in paths} == pages


def name_of(route: str) -> str:
    return re.sub(r"[^a-z]+", "-", route.partition("?")[0]).strip("-") or "today"


def log_in(page: Page, who: str) -> None:
    if who:
        page.goto("/login")
        page.fill("input[name=name]", who)
        page.fill("input[name=password]", PASSWORD)
        page.click("button.strong")
        page.wait_for_url(lambda url: "/login" not in url)


def problems_of(page: Page, route: str, size: str) -> list[str]:
    """What is wrong with the page as it stands there: script errors are counted elsewhere."""
    found = []
    wide = page.evaluate("document.scrollingElement.scrollWidth - innerWidth")
    if wide > 0:
        found.append(f"{wide} px too wide")
    cut = page.evaluate(
        """() => [...document.querySelectorAll('button, h1, h2, th, .tag, label, summary')]
          .filter((one) => one.checkVisibility() && one.scrollWidth > one.clientWidth + 1
            && getComputedStyle(one).overflowX !== 'visible'
            && !one.title && one.clientWidth > 1).map((one) => one.innerText.slice(0, 40))"""
    )
    found += [f"cut: {text}" for text in cut]
    if size == "1366" and route in FOLDS:
        below = page.evaluate(
            """(selector) => [...document.querySelectorAll(selector)].filter((one) => {
                const r = one.getBoundingClientRect()
                return one.checkVisibility() && r.height > 0
                  && (r.bottom > innerHeight || r.right > innerWidth || r.top < 0)
            }).map((one) => one.innerText.slice(0, 40) || one.id)""",
            FOLDS[route],
        )
        found += [f"below the fold: {text}" for text in below]
    return found


@pytest.mark.soak
@pytest.mark.parametrize("size", SIZES)
def test_a_walk_through_every_page(
    browser: Browser, console: ConsoleAddress, town: Any, values: dict[str, str],
    artifacts: Path, size: str,
) -> None:  # fmt: skip
    problems: list[str] = []

    def add_script_error(error: object) -> None:
        problems.append(f"script: {error}")

    for who, routes in WALK.items():
        sender = {"x-forwarded-for": f"10.8.9.{next(BROWSERS) % 250 + 1}"}
        context = browser.new_context(
            base_url=console.url, extra_http_headers=sender, **SIZES[size]
        )
        page = context.new_page()
        page.on("pageerror", add_script_error)
        log_in(page, who)
        for language in LANGUAGES:
            context.add_cookies([{"name": "patrol_lang", "value": language, "url": console.url}])
            for route in routes:
                answer = page.goto(route.format(**values), wait_until="load")
                page.wait_for_timeout(SETTLES_MS)
                shown = f"{name_of(route)}-{language}-{size}"
                if answer is None or not answer.ok:
                    problems.append(f"{shown}: {answer and answer.status}")
                problems += [f"{shown}: {one}" for one in problems_of(page, route, size)]
                if os.environ.get("PATROL_ARTIFACTS"):
                    page.screenshot(path=artifacts / f"{shown}.jpg", type="jpeg", quality=70)
        context.close()
    assert problems == [], "\n".join(problems)
