"""One language for one reader: every page, in Chinese and in English, against word lists.

What is left out is data: names of the town, of people, devices and accounts, what people wrote, and
the names of files, formats and programs.
"""

import re
from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

import httpx
import pytest

from patrol.administration.accounts import hash_password
from patrol.app import Application, build
from patrol.clock import SystemClock
from patrol.domain.account import Account, AccountRole
from patrol.domain.case import Case, CaseEvent
from patrol.domain.display_link import display_token
from patrol.domain.ids import CaseId
from patrol.domain.registry import Role
from patrol.settings import load_site
from patrol.settings.site_settings import ConsoleSettings
from patrol.web.server import serve
from simulators.people.patrollers import patrol_todays_roster
from simulators.town.history import write_history
from tests.support.visible_text import other_language, visible_texts
from tests.web.conftest import PASSWORD, write_ground_patrols

DESK: Final = (
    "/", "/rounds", "/patrols", "/review", "/decided?day=all", "/cases", "/verify", "/approvals",
    "/overdue", "/hand-offs", "/cameras", "/grid", "/reports", "/meetings", "/shift", "/stoppages",
    "/troubles", "/suppressions", "/holds", "/account", "/people", "/rosters", "/rosters/codes",
    "/rosters/reports",
)  # fmt: skip
PAGES: Final = {
    AccountRole.SHIFT_SUPERVISOR: DESK,
    AccountRole.ADMIN: (
        "/accounts", "/sessions", "/keys", "/suppressions", "/system", "/audit", "/camera-import",
        "/people", "/people-import/people", "/people-import/leave",
    ),
    AccountRole.MAINTAINER: ("/", "/troubles", "/cameras"),
    AccountRole.HELPER: ("/ground",),
}  # fmt: skip
# Names of formats, programs and settings, which no language translates.
NAMES: Final = (
    "Excel", "WPS", "Unicode", "Wilson", "html", "xlsx", "docx", "csv", "json", "patrols", "patrol",
    "assets", "install",
    "python-httpx", "English", "中文", "morning", "afternoon",
)  # fmt: skip
STORED: Final = (
    (
        "finding F000044: 区域「渠边」内发现人,水边有人"
        " (person in zone 渠边: person near water, score 0.78)"
    ),
    "黑屏:实测 0.98,界限 0.9 (black screen: measured 0.98, limit 0.9)",
    "no answer: silence; told nobody named of grid 620902104200002",
    "grid_busy: waited 12 min; it went with other news",
    "机器仍检出：black_screen 0.98 (the machine still sees it: black_screen 0.98)",
    "延期 24 小时 (extension of 24 h): asked for on the ground",
    "looked 3 times in vain, a person has to look: freeze too_dark",
    "need_help; until 2026-11-22T18:00:00Z",
)


@dataclass(frozen=True)
class QuietTown:
    """A town of its own: nothing but its history was written, so that every word is known."""

    app: Application
    leader_case: Case
    url: str


@pytest.fixture(scope="module")
def quiet_town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QuietTown]:
    config_dir = tmp_path_factory.mktemp("quiet")
    now = SystemClock().now()
    write_history(config_dir, cameras=20, days=2, now=now, seed=11)
    write_ground_patrols(config_dir)
    site = load_site(config_dir)
    hashed = hash_password(PASSWORD)
    with build(site, config_dir=config_dir) as app:
        with app.store.begin() as uow:
            case = uow.cases.list(open_only=True)[0]
            people = site.registry.people.values()
            leader = next(p for p in people if p.role is Role.GRID_LEADER and p.grid == case.grid)
            for duty in (*PAGES, AccountRole.GRID_LEADER, AccountRole.DISPLAY):
                on_the_ground = duty in {AccountRole.GRID_LEADER, AccountRole.HELPER}
                person = leader if on_the_ground else None
                uow.accounts.put(
                    Account(
                        name=str(duty), duty=duty, shown_as=str(duty), password=hashed,
                        grid=person.grid if person else None, person=person.id if person else None,
                        created_at=now,
                    )
                )  # fmt: skip
            uow.commit()
        patrol_todays_roster(app)
        with serve(app, ConsoleSettings(port=0)) as address:
            yield QuietTown(app=app, leader_case=case, url=address.url)


@pytest.fixture(scope="module")
def data(quiet_town: QuietTown) -> frozenset[str]:
    """Names of the town, its people and accounts, and what people wrote."""
    app = quiet_town.app
    names = {one.name for one in app.registry.tree.grids.values()}
    for camera in app.registry.cameras.values():
        names |= {camera.name, camera.place, camera.link, str(camera.id)}
    for person in app.registry.people.values():
        names |= {person.name, str(person.id)}
    with app.store.begin_read() as uow:
        names |= {account.name for account in uow.accounts.all()}
        for case in uow.cases.list(limit=500):
            names |= {case.place, *(e.by for e in case.entries)} - {"system", "patrol"}
        names |= {str(one.id) for one in uow.ground_patrols.list(limit=500)}
        for plan in ("morning", "afternoon"):
            names |= {str(one.id) for one in uow.rounds.of_plan(plan)}
    settings = app.site.settings
    names |= {point.name for point in app.registry.points.values()}
    names |= {plan.title for plan in settings.ground_patrols.plans.values()}
    for pattern in settings.ground_patrols.patterns.values():
        names |= {number.means for number in pattern.values()}
    names |= {*settings.broadcast.templates.values(), "已到场清理", settings.site.name}
    return frozenset({*names, *NAMES} - {""})


@pytest.fixture(params=["zh", "en"])
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def reader(quiet_town: QuietTown, language: str) -> Iterator[Callable[[str], httpx.Client]]:
    """A client logged in under a duty, reading in one language."""
    with ExitStack() as stack:

        def enter(name: str) -> httpx.Client:
            client = stack.enter_context(httpx.Client(base_url=quiet_town.url, timeout=30))
            client.get(f"/language/{language}")
            answer = client.post("/login", data={"name": name, "password": PASSWORD})
            assert answer.status_code == 303
            return client

        yield enter


def _wrong(client: httpx.Client, address: str, language: str, data: AbstractSet[str]) -> list[str]:
    answer = client.get(address)
    assert answer.status_code == 200, (address, answer.status_code)
    return other_language(visible_texts(answer.text), language, data)


@pytest.mark.parametrize("duty", PAGES)
def test_no_page_shows_the_other_language(
    duty: AccountRole, reader: Any, language: str, data: frozenset[str]
) -> None:
    client = reader(str(duty))
    wrong = {address: _wrong(client, address, language, data) for address in PAGES[duty]}
    assert {address: texts for address, texts in wrong.items() if texts} == {}


def test_a_patrol_on_the_ground_is_told_in_one_language(
    reader: Any, quiet_town: QuietTown, language: str, data: frozenset[str]
) -> None:
    client = reader(str(AccountRole.SHIFT_SUPERVISOR))
    patrols = re.findall(r'href="(/rosters/\d{8}-[^"?]+)"', client.get("/rosters").text)
    assert patrols
    assert _wrong(client, patrols[0], language, data) == []


def test_a_wall_display_speaks_one_language(
    quiet_town: QuietTown, language: str, data: frozenset[str]
) -> None:
    with quiet_town.app.store.begin_read() as uow:
        screen = next(one for one in uow.accounts.all() if one.duty is AccountRole.DISPLAY)
    with httpx.Client(base_url=quiet_town.url, timeout=30) as client:
        client.get(f"/language/{language}")
        assert _wrong(client, "/display", language, data) == []
        assert client.post("/api/display", json={"token": display_token(screen)}).is_success
        assert _wrong(client, "/", language, data) == []


@pytest.fixture(scope="module")
def annotated(quiet_town: QuietTown) -> CaseId:
    """An open case of the leader's grid whose history has a note of every form."""
    now, ident = SystemClock().now(), quiet_town.leader_case.id
    with quiet_town.app.store.begin() as uow:
        noted = uow.cases.get(ident)
        for minutes, note in enumerate(STORED, start=1):
            at = now + timedelta(minutes=minutes)
            noted = noted.apply_event(CaseEvent.URGE, at=at, by="system", note=note)
        uow.cases.put(replace(noted, note=STORED[0]))
        uow.commit()
    return ident


@pytest.mark.parametrize("who", [str(AccountRole.SHIFT_SUPERVISOR), str(AccountRole.GRID_LEADER)])
def test_a_case_tells_its_history_in_one_language(
    who: str, reader: Any, language: str, data: frozenset[str], annotated: CaseId
) -> None:
    address = "/leader" if who == str(AccountRole.GRID_LEADER) else f"/cases/{annotated}"
    client = reader(who)
    assert _wrong(client, address, language, {*data, "渠边"}) == []
    text = "\n".join(visible_texts(client.get(address).text))
    assert not re.search(r"\d\dT\d\d:\d\d", text)  # the site's clock, never RFC 3339
    assert not re.search(r"grid \d{12}", text)
