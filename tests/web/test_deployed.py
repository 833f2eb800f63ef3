"""As a real site runs it: behind https, and with its store in PostgreSQL."""

import ssl
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import httpx
import pytest

from patrol.administration.accounts import hash_password
from patrol.app import build
from patrol.clock import SystemClock
from patrol.domain.account import Account, AccountRole
from patrol.settings import load_site
from patrol.settings.site_settings import ConsoleSettings
from patrol.web.auth import csrf_token
from patrol.web.server import ConsoleFailed, serve
from simulators.town.history import write_history

FORM = {"name": "operator", "password": "correct-horse-9"}
SECURE = "__Host-patrol_session"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    key, chain = folder / "key.pem", folder / "cert.pem"
    command = [
        *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
        *("-keyout", str(key), "-out", str(chain), "-subj", "/CN=127.0.0.1"),
        *("-addext", "subjectAltName=IP:127.0.0.1"),
    ]
    subprocess.run(command, check=True, capture_output=True)
    return chain, key


def trusting(chain: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(chain))


def test_over_https_cookies_are_secure_and_browsers_are_told_to_stay(
    town: Any, certificate: tuple[Path, Path]
) -> None:
    chain, key = certificate
    options = ConsoleSettings(port=0, tls_certificate=chain, tls_key=key)
    with serve(town.app, options) as at, httpx.Client(verify=trusting(chain)) as browser:
        assert at.url.startswith("https://")
        answer = browser.post(f"{at.url}/login", data=FORM)
        assert answer.status_code == 303
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith(f"{SECURE}=")
        assert "secure" in cookie.lower()
        assert "max-age=" in answer.headers["strict-transport-security"]
        assert browser.get(f"{at.url}/cases").status_code == 200
        live = browser.stream("GET", f"{at.url}/api/live")
        with live as line:
            assert next(line.iter_lines()).startswith("retry:")
        with pytest.raises(httpx.HTTPError):
            httpx.get(at.url.replace("https", "http"))


def test_a_certificate_that_cannot_be_read_is_one_line(town: Any, tmp_path: Path) -> None:
    broken = tmp_path / "cert.pem"
    broken.write_text("this is no certificate")
    options = ConsoleSettings(port=0, tls_certificate=broken, tls_key=broken)
    with pytest.raises(ConsoleFailed, match="certificate"), serve(town.app, options):
        pass


def test_a_port_that_is_taken_is_one_line_with_the_way_out(town: Any) -> None:
    with serve(town.app, ConsoleSettings(port=0)) as at:
        again = ConsoleSettings(port=at.port)
        with pytest.raises(ConsoleFailed, match="give it another"), serve(town.app, again):
            pass


def test_behind_a_proxy_that_speaks_https(town: Any) -> None:
    options = ConsoleSettings(port=0, behind_tls=True, trusted_proxies=("127.0.0.1",))
    proxied = {"x-forwarded-proto": "https", "x-forwarded-for": "10.7.0.1"}
    with serve(town.app, options) as at, httpx.Client(headers=proxied) as browser:
        answer = browser.post(f"{at.url}/login", data=FORM)
        assert "secure" in answer.headers["set-cookie"].lower()
        assert "strict-transport-security" in answer.headers


@pytest.mark.slow
def test_the_same_pages_with_the_store_in_postgresql(
    new_postgres_database: Callable[[], str], tmp_path: Path
) -> None:
    now = SystemClock().now()
    url = new_postgres_database()
    write_history(tmp_path / "town", cameras=12, days=2, now=now, seed=3, database=url)
    with build(load_site(tmp_path / "town")) as app:
        account = Account(
            name="operator", duty=AccountRole.SHIFT_SUPERVISOR, shown_as="operator", created_at=now,
            password=hash_password(FORM["password"]),
        )  # fmt: skip
        with app.store.begin() as uow:
            uow.accounts.put(account)
            uow.accounts.put(replace(account, name="operator2"))
            uow.commit()
        with (
            serve(app, ConsoleSettings(port=0)) as at,
            closing(_in(at.url, "operator")) as one,
            closing(_in(at.url, "operator2")) as two,
        ):
            _every_page_opens(one)
            _two_never_get_the_same(one, two)
            _a_decision_is_seen(one, app)


def _in(url: str, name: str) -> httpx.Client:
    client = httpx.Client(base_url=url, timeout=30)
    assert client.post("/login", data={**FORM, "name": name}).status_code == 303
    client.headers["x-patrol-csrf"] = csrf_token(client.cookies["patrol_session"])
    return client


def _every_page_opens(client: httpx.Client) -> None:
    for path in (
        "/", "/rounds", "/cases", "/reports", "/shift", "/stoppages", "/troubles",
        "/suppressions", "/system", "/cameras", "/grid", "/account",
    ):  # fmt: skip
        assert client.get(path).status_code == 200, path
    rounds = client.get("/rounds").text
    newest = rounds.partition('href="/rounds/')[2].partition('"')[0]
    wall = client.get(f"/rounds/{newest}")
    sheet = unescape(wall.text.partition('<img src="')[2].partition('"')[0])
    assert client.get(sheet).headers["content-type"] == "image/jpeg"


def _two_never_get_the_same(one: httpx.Client, two: httpx.Client) -> None:
    with ThreadPoolExecutor(2) as both:
        batches = list(both.map(lambda who: who.post("/api/review/hand", json={}), (one, two)))
    first, second = (set(batch.json()["mine"]) for batch in batches)
    assert first
    assert not first & second


def _a_decision_is_seen(client: httpx.Client, app: Any) -> None:
    with app.store.begin_read() as uow:
        before = uow.change_tokens.read()
    ident = client.post("/api/review/hand", json={}).json()["mine"][0]
    body = {"id": ident, "decision": "confirm", "category": "dumping", "level": "III"}
    answer = client.post("/api/review/decide", json=body)
    assert answer.status_code == 200
    assert client.get(f"/cases/{answer.json()['case']}").status_code == 200
    with app.store.begin_read() as uow:
        after = uow.change_tokens.read()
        assert uow.access.first_broken() is None
    assert before["queue"] != after["queue"]
    assert before["cases"] != after["cases"]
