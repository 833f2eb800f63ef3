"""A site on which nobody can log in yet says so, on the login page and in the log."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from structlog.testing import CapturingLogger

from patrol.administration.accounts import hash_password
from patrol.administration.site_files import write_site
from patrol.app import Application, build
from patrol.domain.account import FIRST_ACCOUNT_COMMAND, Account, AccountRole
from patrol.domain.camera import Placement
from patrol.settings import load_site
from patrol.settings.site_settings import ConsoleSettings
from patrol.web.server import serve
from simulators import small_site
from tests.support.clock import ManualClock
from tests.support.store import copy_template

PASSWORD = "correct-horse-9"


@pytest.fixture
def placement() -> Placement:
    """Where all cameras of the site hang."""
    return Placement.OUTDOOR


@pytest.fixture
def app(tmp_path: Path, placement: Placement) -> Iterator[Application]:
    """A site as `patrol init` and `patrol db upgrade` leave it."""
    write_site(tmp_path / "site", program=Path("/usr/bin/patrol"))
    (tmp_path / "site/var").mkdir()
    copy_template(tmp_path / "site/var/patrol.db")
    site = load_site(tmp_path / "site", env={})
    registry = small_site.registry()
    cameras = {key: replace(one, placement=placement) for key, one in registry.cameras.items()}
    site = replace(site, registry=replace(registry, cameras=cameras))
    with build(site, clock=ManualClock(small_site.NOON)) as built:
        yield built


def put_account(app: Application, name: str, duty: AccountRole) -> None:
    """An account of a site that has none, with `PASSWORD`."""
    with app.store.begin() as uow:
        uow.accounts.put(
            Account(
                name=name, duty=duty, shown_as=name, created_at=small_site.NOON,
                password=hash_password(PASSWORD),
            )
        )  # fmt: skip
        uow.commit()


def test_the_command_is_told_until_there_is_an_account(
    app: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages, logs = [], []
    for accounts in range(2):
        log = CapturingLogger()
        monkeypatch.setattr("patrol.web.server.log", log)
        with serve(app, ConsoleSettings(port=0)) as at:
            zh, en = (
                httpx.get(f"{at.url}/login", cookies={"patrol_language": one}).text
                for one in ("zh", "en")
            )
            pages.append((zh, en))
        logs.append([line for line in log.calls if FIRST_ACCOUNT_COMMAND in line.kwargs.values()])
        if not accounts:
            put_account(app, "first", AccountRole.ADMIN)
    assert [len(lines) for lines in logs] == [1, 0]
    assert all(FIRST_ACCOUNT_COMMAND in page for page in pages[0])
    assert all("user add" not in page for page in pages[1])
    assert "还没有账号" in pages[0][0]


@pytest.fixture
def shift_supervisor(app: Application) -> Iterator[httpx.Client]:
    """Somebody who looks after the site, logged in at its console."""
    put_account(app, "lead", AccountRole.SHIFT_SUPERVISOR)
    with (
        serve(app, ConsoleSettings(port=0)) as at,
        httpx.Client(base_url=at.url, timeout=30) as client,
    ):
        client.post("/login", data={"name": "lead", "password": PASSWORD})
        yield client


NEXT_STEPS = {
    # page: what a site without a round, a case and a model is told to do
    "/": (
        ("可巡 2/2 路", "立即加巡", "patrol models install"),
        ("2 of 2", "patrol models install"),
    ),
    "/rounds": (("自动开始", "立即加巡"), ("they begin at", "buttons above")),
    "/cases": (("研判确认后立案",), ("confirmed on the page of review",)),
    "/review": (("新的线索一到就会出现在这里",), ("New findings appear here",)),
}


def test_a_new_sites_pages_say_what_to_do_next(shift_supervisor: httpx.Client) -> None:
    for number, language in enumerate(("zh", "en")):
        shift_supervisor.get(f"/language/{language}")
        for page, said in NEXT_STEPS.items():
            text = shift_supervisor.get(page).text
            assert [one for one in said[number] if one not in text] == [], (page, language)


@pytest.mark.parametrize("placement", [Placement.INDOOR])
@pytest.mark.usefixtures("placement")
def test_a_site_without_a_camera_to_patrol_says_what_is_missing(
    shift_supervisor: httpx.Client,
) -> None:
    text = shift_supervisor.get("/").text
    assert "没有可巡的点位" in text
    assert "农户同意" in text
