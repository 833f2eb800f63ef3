"""Fixtures of the console's tests: a seeded town, its application, a login for every duty."""

import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, Request, expect, sync_playwright

from patrol.administration.accounts import hash_password
from patrol.app import Application, build
from patrol.clock import SystemClock
from patrol.domain.account import Account, AccountRole
from patrol.domain.case import Case
from patrol.domain.display_link import display_token
from patrol.domain.registry import Role
from patrol.settings import load_site
from patrol.settings.site_settings import ConsoleSettings
from patrol.store import Store
from patrol.web.auth import csrf_token
from patrol.web.server import ConsoleAddress, serve
from simulators.town.history import write_history

PASSWORD = "correct-horse-9"
CHROMIUM = os.environ.get("PATROL_CHROMIUM", "/usr/bin/chromium")
BROWSERS = itertools.count()  # each at an address of its own: logins are counted per address
WALL_SCREEN = {"viewport": {"width": 1920, "height": 1080}}


@dataclass(frozen=True)
class SeededTown:
    """A town with a day of history; `case` is open and its leader is `leader`."""

    app: Application
    case: Case
    config_dir: Path

    @property
    def store(self) -> Store:
        return self.app.store


@pytest.fixture(scope="session")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeededTown]:
    """Seeded once; tests that move something take what nobody else relies on."""
    config_dir = tmp_path_factory.mktemp("town")
    now = SystemClock().now()
    write_history(config_dir, cameras=30, days=2, now=now, seed=11)
    write_ground_patrols(config_dir)
    site = load_site(config_dir)
    with build(site, config_dir=config_dir) as app:
        cases = app.store
        with cases.begin_read() as uow:
            case = next(c for c in uow.cases.list(open_only=True) if c.before is not None)
        people = list(site.registry.people.values())
        leader = next(p for p in people if p.role is Role.GRID_LEADER and p.grid == case.grid)
        leaders = (p for p in people if p.role is Role.GRID_LEADER and p.grid != case.grid)
        other, busy = next(leaders), next(leaders)
        village = site.registry.tree.grids[case.grid].parent
        cadre = next(p for p in people if p.role is Role.VILLAGE_CADRE and p.grid == village)
        far = next(p for p in people if p.role is Role.VILLAGE_CADRE and p.grid != village)
        plain = (
            AccountRole.OPERATOR,
            AccountRole.SHIFT_SUPERVISOR,
            AccountRole.MAINTAINER,
            AccountRole.AUDITOR,
            AccountRole.ADMIN,
            AccountRole.DISPLAY,
        )
        named = [(str(duty), duty, None) for duty in plain]
        named += [
            ("leader", AccountRole.GRID_LEADER, leader.id),
            ("other_leader", AccountRole.GRID_LEADER, other.id),
            ("cadre", AccountRole.VILLAGE_CADRE, cadre.id),
            ("far_cadre", AccountRole.VILLAGE_CADRE, far.id),
            ("operator2", AccountRole.OPERATOR, None),
            ("helper", AccountRole.HELPER, leader.id),
            ("far_helper", AccountRole.HELPER, other.id),
            ("busy_leader", AccountRole.GRID_LEADER, busy.id),  # reach the limits of an hour
            ("busy_helper", AccountRole.HELPER, busy.id),
        ]
        hashed = hash_password(PASSWORD)  # once: it is slow on purpose
        for name, duty, person in named:
            known = site.registry.people.get(person) if person else None
            account = Account(
                name=name,
                duty=duty,
                shown_as=name,
                password=hashed,
                grid=known.grid if known else None,
                person=person,
                created_at=now,
            )
            with app.store.begin() as uow:
                uow.accounts.put(account)
                uow.commit()
        yield SeededTown(app=app, case=case, config_dir=config_dir)


def write_ground_patrols(config_dir: Path) -> None:
    """Two points in every group, and a plan of site.yaml that grid leaders walk each day."""
    grids = (config_dir / "grids.csv").read_text("utf-8-sig").splitlines()[1:]
    groups = [line.split(",")[0] for line in grids if ",group," in line]
    lines = ["point_id,name,kind,grid_code,longitude,latitude"]
    for number, grid in enumerate(groups):
        lines.append(f"W{number}-1,渠口{number},grid,{grid},98.5{number:02d},39.7")
        lines.append(f"W{number}-2,道口{number},railway,{grid},,")
    (config_dir / "points.csv").write_text("\n".join(lines) + "\n", "utf-8")
    with (config_dir / "site.yaml").open("a", encoding="utf-8") as file:
        file.write(GROUND_PATROLS)


GROUND_PATROLS = """
ground_patrols:
  patterns:
    "1357":
      "7": {means: 村组干部每天, who: [village_group_cadre], every_days: 1, people: 2}
  plans:
    beat: {title: 联动巡防, pattern: "1357", start: "00:00", finish_by: "23:59", early_min: 0}
"""


@pytest.fixture(scope="session")
def console(town: SeededTown) -> Iterator[ConsoleAddress]:
    """Served for real; X-Forwarded-For is trusted, so that tests can come from many addresses."""
    assets = Path(__file__).parents[2] / "var/assets"
    options = ConsoleSettings(port=0, trusted_proxies=("127.0.0.1",), assets=assets)
    with serve(town.app, options) as address:
        yield address


@pytest.fixture(scope="session")
def visitor(console: ConsoleAddress) -> Iterator[Callable[[], httpx.Client]]:
    """A fresh browser at an address of its own."""
    clients: list[httpx.Client] = []

    def fresh() -> httpx.Client:
        headers = {"x-forwarded-for": f"10.0.{len(clients) // 250}.{len(clients) % 250 + 1}"}
        clients.append(httpx.Client(base_url=console.url, headers=headers, timeout=30))
        return clients[-1]

    yield fresh
    for client in clients:
        client.close()


@pytest.fixture(scope="session")
def log_in(town: SeededTown, visitor: Callable[[], httpx.Client]) -> Callable[[str], httpx.Client]:
    """A client logged in under a name, the same one each time; "" is nobody."""
    known: dict[str, httpx.Client] = {}

    def client(name: str) -> httpx.Client:
        if name not in known:
            known[name] = visitor()
            if name == AccountRole.DISPLAY:
                with town.store.begin_read() as uow:
                    token = display_token(uow.accounts.get(name))
                answer = known[name].post("/api/display", json={"token": token})
                assert answer.status_code == 200, answer.text
            elif name:
                answer = known[name].post("/login", data={"name": name, "password": PASSWORD})
                assert answer.status_code == 303, answer.text
            if name:
                known[name].headers["x-patrol-csrf"] = csrf_token(
                    known[name].cookies["patrol_session"]
                )
        return known[name]

    return client


# Per module, not for the session: while Playwright runs, its event loop is this thread's, and no
# other folder's test could start one.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not Path(CHROMIUM).exists():
        missing = f"no browser at {CHROMIUM}"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    expect.set_options(timeout=30_000)  # as all other waits of a page
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    given = os.environ.get("PATROL_ARTIFACTS")
    folder = Path(given) if given else tmp_path_factory.mktemp("screens")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def enter(browser: Browser, console: ConsoleAddress) -> Iterator[Callable[..., Page]]:
    """Open a page logged in through the login form; a script error fails the test."""
    contexts: list[Any] = []
    errors: list[str] = []
    asked: list[tuple[str, str, str | None]] = []  # method, address, body: of all of them

    def open_page(name: str, **device: Any) -> Page:
        number = next(BROWSERS)
        contexts.append(
            browser.new_context(
                base_url=console.url,
                extra_http_headers={"x-forwarded-for": f"10.9.{number // 250}.{number % 250 + 1}"},
                **(device or WALL_SCREEN),
            )
        )
        page: Page = contexts[-1].new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda r: asked.append((r.method, r.url, _body_of(r))))
        page.goto("/login")
        page.fill("input[name=name]", name)
        page.fill("input[name=password]", PASSWORD)
        page.click("button.strong")
        page.wait_for_url(lambda url: "/login" not in url)
        return page

    open_page.asked = asked  # type: ignore[attr-defined]
    yield open_page
    for context in contexts:
        context.close()
    assert not errors


def _body_of(request: Request) -> str | None:
    """What was sent along, if it is a document."""
    sent = request.post_data_buffer
    return sent.decode("utf-8", "replace") if sent and sent[:1] == b"{" else None
