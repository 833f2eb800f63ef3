"""Wall displays: in by their link, never on the login page, without pictures, revocable at once."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from patrol.administration.accounts import hash_password
from patrol.domain.account import Account, AccountRole
from patrol.domain.display_link import (
    DisplayLinkInvalid,
    check_display_token,
    display_address,
    display_token,
)

LogIn = Callable[[str], httpx.Client]
Visitor = Callable[[], httpx.Client]
HTML = {"accept": "text/html"}


@pytest.fixture(scope="module")
def hashed() -> str:
    return hash_password("nobody-knows-this-one-4")


@pytest.fixture
def display(town: Any, hashed: str) -> Iterator[Account]:
    """A display of its own, disabled afterwards."""
    account = Account(
        name="wall-1", duty=AccountRole.DISPLAY, shown_as="指挥大厅", password=hashed,
        created_at=town.app.clock.now(),
    )  # fmt: skip
    put(town, account)
    yield account
    put(town, replace(account, disabled_at=town.app.clock.now()))


def put(town: Any, account: Account) -> None:
    with town.store.begin() as uow:
        uow.accounts.put(account)
        if account.disabled_at:
            uow.sessions.end_all(account.name)
        uow.commit()


def opened(visitor: Visitor, account: Account) -> httpx.Client:
    client = visitor()
    answer = client.post("/api/display", json={"token": display_token(account)})
    assert answer.status_code == 200, answer.text
    return client


def test_a_link_opens_today_without_pictures_or_ways_out(
    visitor: Visitor, display: Account
) -> None:
    client = opened(visitor, display)
    page = client.get("/", headers=HTML)
    assert page.status_code == 200
    assert "在办案件" in page.text
    for absent in (
        "<img",
        "/picture/",
        'id="logout"',
        "<nav",
        'href="/cases',
        'href="/rounds',
        "tel:",
    ):
        assert absent not in page.text, absent
    assert client.get("/home", follow_redirects=True).url.path == "/"


@pytest.mark.parametrize("lost", ["ended by an administrator", "cookie gone", "expired"])
def test_it_comes_back_by_itself(visitor: Visitor, town: Any, display: Account, lost: str) -> None:
    client = opened(visitor, display)
    if lost == "cookie gone":
        client.cookies.delete("patrol_session")
    else:
        with town.store.begin() as uow:
            uow.sessions.end_all(display.name)
            uow.commit()
    for path in ("/", "/login", "/login?next=/cases", "/today/part"):
        client.cookies.delete("patrol_session")
        seen = client.get(path, headers=HTML, follow_redirects=True)
        assert seen.url.path == "/", path
        assert "在办案件" in seen.text
        assert all(answer.status_code == 303 for answer in seen.history)


@pytest.mark.parametrize("how", ["disabled", "new link", "another duty"])
def test_a_revoked_display_says_so_and_shows_nothing(
    visitor: Visitor, log_in: LogIn, town: Any, display: Account, how: str
) -> None:
    client = opened(visitor, display)
    admin = log_in("admin")
    if how == "disabled":
        assert admin.post(f"/api/accounts/{display.name}/disable", json={}).status_code == 200
    elif how == "new link":
        answer = admin.post(f"/api/accounts/{display.name}/password", json={}).json()
        assert answer["password"] == ""
        assert "/display#" in answer["address"]
        assert display_token(display) not in answer["address"]
    else:
        path = f"/api/accounts/{display.name}/duty"
        assert admin.post(path, json={"duty": "auditor"}).status_code == 204
    for path in ("/", "/login", "/display"):
        seen = client.get(path, headers=HTML, follow_redirects=True)
        assert seen.url.path == "/display", path
        assert "无效或已停用" in seen.text
        assert "在办案件" not in seen.text
        assert "data-again" in seen.text
    assert client.get("/today/part").status_code in (401, 200, 303)
    assert "在办案件" not in client.get("/today/part").text
    again = client.post("/api/display", json={"token": display_token(display)})
    assert again.status_code == 422
    assert client.get("/login?person=1", headers=HTML).status_code == 200, "a person may log in"


def test_forged_links_and_passwords_open_nothing(
    visitor: Visitor, town: Any, display: Account
) -> None:
    good = display_token(display)
    with town.store.begin_read() as uow:
        operator = uow.accounts.get("operator")
    forged = [
        "", "~", display.name, f"{display.name}~", good[:-1], f"{good}0", f"x{good}",
        f"operator~{good.partition('~')[2]}", display_token(operator), "\u200b" + good, "é~ü",
    ]  # fmt: skip
    client = visitor()
    for number, token in enumerate(forged):
        if number % 8 == 7:
            client = visitor()  # guesses of one address are counted
        answer = client.post("/api/display", json={"token": token})
        assert answer.status_code == 422, token
        assert not client.cookies.get("patrol_session")
    answer = visitor().post(
        "/login", data={"name": display.name, "password": "nobody-knows-this-one-4"}
    )
    assert answer.status_code == 401
    headers = {"sec-fetch-site": "cross-site"}
    assert visitor().post("/api/display", json={"token": good}, headers=headers).status_code == 403


def test_guesses_of_an_address_are_limited(visitor: Visitor) -> None:
    client = visitor()
    answers = [client.post("/api/display", json={"token": f"wall~{n:040}"}) for n in range(30)]
    assert answers[0].status_code == 422
    assert answers[-1].status_code == 429


def test_the_link_is_bound_to_the_account(display: Account) -> None:
    token = display_token(display)
    assert check_display_token(display, token) is display
    changed = (
        replace(
            display, password=display.password[:-1] + ("B" if display.password[-1] == "A" else "A")
        ),
        replace(display, duty=AccountRole.OPERATOR),
        replace(display, disabled_at=display.created_at),
        replace(display, name="wall-2"),
        None,
    )
    for account in changed:
        with pytest.raises(DisplayLinkInvalid):
            check_display_token(account, token)
    assert display_address("https://h/", display) == f"https://h/display#{token}"
