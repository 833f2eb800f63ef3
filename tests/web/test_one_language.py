"""One language for one reader: every page, in Chinese and in English, against word lists.

What is left out is data: names of the town, of people, devices and accounts, what people wrote, and
the names of files, formats and programs.
"""

import re
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import httpx
import pytest

from patrol.clock import SystemClock
from patrol.domain.account import AccountRole
from patrol.domain.case import CaseEvent
from patrol.domain.ids import CaseId
from tests.support.visible_text import other_language, visible_texts
from tests.web.conftest import PASSWORD

DESK: Final = (
    "/", "/rounds", "/patrols", "/review", "/decided?day=all", "/cases", "/verify", "/approvals",
    "/overdue", "/hand-offs", "/cameras", "/grid", "/reports", "/meetings", "/shift", "/stoppages",
    "/troubles", "/suppressions", "/holds", "/account",
)  # fmt: skip
PAGES: Final = {
    AccountRole.SHIFT_SUPERVISOR: DESK,
    AccountRole.ADMIN: (
        "/accounts", "/sessions", "/keys", "/suppressions", "/system", "/audit", "/camera-import",
    ),
    AccountRole.MAINTAINER: ("/", "/troubles", "/cameras"),
}  # fmt: skip
# Names of formats, programs and settings, which no language translates.
NAMES: Final = (
    "Excel", "WPS", "Unicode", "Wilson", "html", "xlsx", "docx", "csv", "json", "patrols", "patrol",
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


@pytest.fixture(scope="module")
def data(town: Any) -> frozenset[str]:
    """Names of the town, its people and accounts, and what people wrote."""
    registry = town.app.registry
    names = {one.name for one in registry.tree.grids.values()}
    for camera in registry.cameras.values():
        names |= {camera.name, camera.place, camera.link, str(camera.id)}
    for person in registry.people.values():
        names |= {person.name, str(person.id)}
    with town.store.begin_read() as uow:
        names |= {account.shown_as for account in uow.accounts.all()}
        names |= {account.name for account in uow.accounts.all()}
        names |= {one.id for one in uow.rounds.of_plan("morning")}
        names |= {one.id for one in uow.rounds.of_plan("afternoon")}
        for case in uow.cases.list(limit=500):
            names |= {case.place, *(e.by for e in case.entries)}
    settings = town.app.site.settings
    names |= {*settings.broadcast.templates.values(), "已到场清理", settings.site.name}
    return frozenset({*names, *NAMES} - {""})


@pytest.fixture(params=["zh", "en"])
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def reader(visitor: Callable[[], httpx.Client], language: str) -> Callable[..., httpx.Client]:
    """A client logged in under a duty, reading in one language."""

    def enter(name: str) -> httpx.Client:
        client = visitor()
        client.get(f"/language/{language}")
        assert client.post("/login", data={"name": name, "password": PASSWORD}).status_code == 303
        return client

    return enter


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


@pytest.fixture(scope="module")
def annotated(town: Any) -> CaseId:
    """An open case of the leader's grid whose history has a note of every form."""
    now, case = SystemClock().now(), town.case
    with town.store.begin() as uow:
        noted = uow.cases.get(case.id)
        for minutes, note in enumerate(STORED, start=1):
            at = now + timedelta(minutes=minutes)
            noted = noted.apply_event(CaseEvent.URGE, at=at, by="system", note=note)
        uow.cases.put(replace(noted, note=STORED[0]))
        uow.commit()
    return case.id


@pytest.mark.parametrize("who", [str(AccountRole.SHIFT_SUPERVISOR), "leader"])
def test_a_case_tells_its_history_in_one_language(
    who: str, reader: Any, language: str, data: frozenset[str], annotated: CaseId
) -> None:
    address = "/leader" if who == "leader" else f"/cases/{annotated}"
    client = reader(who)
    assert _wrong(client, address, language, {*data, "渠边"}) == []
    text = "\n".join(visible_texts(client.get(address).text))
    assert not re.search(r"\d\dT\d\d:\d\d", text)  # the site's clock, never RFC 3339
    assert not re.search(r"grid \d{12}", text)
