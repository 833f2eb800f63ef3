"""The service against a real Mosquitto: canary, metrics, health, webhooks, second channel."""

import json
import os
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from patrol.administration.accounts import hash_password
from patrol.app import Application, build
from patrol.app.service import run_service
from patrol.domain.account import Account, AccountRole
from patrol.domain.case_opening import open_from_report
from patrol.domain.ids import CaseId, GridCode
from patrol.domain.priority import Level
from patrol.domain.registry import Role
from patrol.mqtt.embedded_broker import free_port
from patrol.mqtt.mosquitto_files import write_mosquitto_files
from patrol.settings import load_site
from patrol.settings.site_settings import ConsoleSettings
from patrol.store import Store
from patrol.web.auth import csrf_token
from patrol.web.server import serve
from simulators.mosquitto import Mosquitto, find_mosquitto
from tests.support.http_receiver import HttpReceiver, running_receiver

SOURCE = Path(__file__).parents[2] / "config"
WAIT_S = 30.0
CASE_GRID = GridCode("620902104203001")
PASSWORD = "correct-horse-9"
# One of Apprise's plugins imports it where it still exists.
pytestmark = pytest.mark.filterwarnings("ignore:.imghdr. is deprecated:DeprecationWarning")


@pytest.fixture
def http_receiver() -> Iterator[HttpReceiver]:
    with running_receiver() as server:
        yield server


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """With the generated accounts: the test leader's own rights are tested, too."""
    if find_mosquitto() is None:
        problem = "mosquitto is not installed (Debian: mosquitto)"
        pytest.fail(problem) if os.environ.get("CI") == "true" else pytest.skip(problem)
    files = tmp_path / "accounts"
    write_mosquitto_files(files, "shangba", load_site(SOURCE, env={}).registry)
    folder = tmp_path / "mosquitto"
    folder.mkdir()
    more = (
        f"allow_anonymous false\npassword_file {files}/patrol.passwd\nacl_file {files}/patrol.acl"
    )
    server = Mosquitto(folder, extra_config=more)
    server.start()
    yield server
    server.kill()


@contextmanager
def running(
    tmp_path: Path, broker: Mosquitto, http_receiver: HttpReceiver
) -> Iterator[tuple[Application, int]]:
    config = tmp_path / "config"
    config.mkdir()
    for name in ("grids.csv", "people.csv", "cameras.csv"):
        (config / name).write_bytes((SOURCE / name).read_bytes())
    port = free_port()
    (tmp_path / "secret").write_text("0123456789abcdef0123456789abcdef\n")
    (tmp_path / "urls").write_text(
        f"# the duty group\njson://127.0.0.1:{http_receiver.server_port}/duty\n"
    )
    accounts = tmp_path / "accounts"
    (config / "site.yaml").write_text(
        f"""
site: {{id: shangba, name: 上坝镇, latitude: 39.6, longitude: 98.75}}
database: sqlite:///{tmp_path}/patrol.db
evidence: {tmp_path}/evidence
objects: false
mqtt: {{url: "{broker.url}", username: centre, password_file: {accounts}/centre.password}}
metrics: {{port: {port}}}
canary:
  {{every_min: 0.1, within_s: 4, username: canary, password_file: {accounts}/canary.password}}
webhooks:
  county:
    url: "http://127.0.0.1:{http_receiver.server_port}/hook"
    secret_file: {tmp_path}/secret
notify:
  duty: {{url_file: {tmp_path}/urls}}
""",
        "utf-8",
    )
    stop, ready = threading.Event(), threading.Event()
    with build(load_site(config, env={})) as app:
        failed: list[BaseException] = []

        def work() -> None:
            try:
                run_service(app, stop, ready=ready.set, with_rounds=False)
            except BaseException as exc:  # noqa: BLE001  shown by the test
                failed.append(exc)
                ready.set()

        thread = threading.Thread(target=work)
        thread.start()
        try:
            assert ready.wait(WAIT_S)
            assert not failed, failed
            yield app, port
        finally:
            stop.set()
            thread.join(WAIT_S)
        assert not failed, failed


def ask(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as exc:
        with exc:
            return exc.code, exc.read().decode()


def eventually(question: Callable[[], Any]) -> Any:
    """Poll until the answer is true; return it."""
    pause = threading.Event()
    for _ in range(int(WAIT_S / 0.1)):
        if answer := question():
            return answer
        pause.wait(0.1)
    pytest.fail("it never came")


def queued_and_published(store: Store, app: Application) -> tuple[int, int]:
    with store.begin_read() as uow:
        from_start = app.clock.now().replace(year=2020)
        return uow.outbox.count_queued_and_published(from_start, app.clock.now())


def open_case(app: Application) -> None:
    """Open a case as the reply handler does with a leader's report."""
    case = open_from_report(
        CaseId("C20261122-0001"), app.site.registry, grid=CASE_GRID, by="x",
        now=app.clock.now(), category="other", level=Level.ORDINARY, place="一组东口", text="水",
    )  # fmt: skip
    with app.store.begin() as uow:
        uow.cases.add(case)
        uow.commit()


@pytest.mark.slow
def test_the_canary_notices_what_no_other_check_does(
    tmp_path: Path, broker: Mosquitto, http_receiver: HttpReceiver
) -> None:
    pytest.importorskip("apprise")
    with running(tmp_path, broker, http_receiver) as (app, port):
        metrics = eventually(
            lambda: "patrol_canary_round_trip_seconds" in (m := ask(port, "/metrics")[1]) and m
        )
        for line in (
            "patrol_canary_up 1.0",
            "patrol_canary_lost_total 0.0",
            "patrol_store_up 1.0",
            "patrol_outbox_age_seconds",
            "patrol_ladder_lag_seconds 0.0",
        ):
            assert line in metrics
        code, health = ask(port, "/healthz")
        assert code == 200, health
        assert {"relay", "ladder", "looks", "canary", "canary came back"} <= set(
            json.loads(health)["checks"]
        )
        assert queued_and_published(app.store, app) == (0, 0)  # a canary is in no statistics
        with app.store.begin_read() as uow:
            assert uow.cases.list() == []  # nor among the cases
            assert uow.inbox.dead_letters() == []
        assert ask(port, "/anything")[0] == 404

        with serve(app, ConsoleSettings(port=0)) as console:
            assert ask(console.port, "/api/v1/openapi.json")[0] == 200
            code, refused = ask(console.port, "/api/v1/cases")
            assert (code, json.loads(refused)["error"]) == (401, 401)
        open_case(app)
        notification = json.loads(
            http_receiver.wait_for(lambda one: one.path == "/hook" and b"opened" in one.body).body
        )
        assert (notification["type"], notification["data"]["place"]) == ("case.opened", "一组东口")
        eventually(
            lambda: 'fate="delivered",target="webhook:county"} 1.0' in ask(port, "/metrics")[1]
        )

        # The test leader's account loses its rights, as after a careless edit of the ACL: every
        # other check stays green.
        acl = tmp_path / "accounts" / "patrol.acl"
        acl.write_text(acl.read_text("utf-8").replace("/canary/reply", "/canary/nowhere"), "utf-8")
        broker.kill()
        broker.start()
        http_receiver.wait_for(
            lambda one: (
                one.path == "/duty" and "网格长可能收不到推送" in json.loads(one.body)["message"]
            )
        )
        code, health = eventually(lambda: (a := ask(port, "/healthz"))[0] == 503 and a)
        assert not json.loads(health)["checks"]["canary came back"]["ok"]
        assert "patrol_canary_up 0.0" in ask(port, "/metrics")[1]


def log_in_leader(app: Application, client: httpx.Client) -> None:
    """As the leader of the grid that `open_case` opens its case in."""
    people = app.site.registry.people.values()
    leader = next(p for p in people if p.role is Role.GRID_LEADER and p.grid == CASE_GRID)
    account = Account(
        name="leader", duty=AccountRole.GRID_LEADER, shown_as=leader.name, grid=leader.grid,
        password=hash_password(PASSWORD), person=leader.id, created_at=app.clock.now(),
    )  # fmt: skip
    with app.store.begin() as uow:
        uow.accounts.put(account)
        uow.commit()
    answer = client.post("/login", data={"name": account.name, "password": PASSWORD})
    assert answer.status_code == 303, answer.text
    client.headers["x-patrol-csrf"] = csrf_token(client.cookies["patrol_session"])


@pytest.mark.slow
def test_a_reply_through_the_phone_page_is_counted_at_metrics(
    tmp_path: Path, broker: Mosquitto, http_receiver: HttpReceiver
) -> None:
    pytest.importorskip("apprise")
    with (
        running(tmp_path, broker, http_receiver) as (app, port),
        serve(app, ConsoleSettings(port=0)) as console,
        httpx.Client(base_url=console.url) as client,
    ):
        open_case(app)
        log_in_leader(app, client)
        assert 'what="moved"' not in ask(port, "/metrics")[1]
        reply = {"case": "C20261122-0001", "key": "key-00000001", "type": "acknowledge"}
        answer = client.post("/leader/api/say", json=reply)
        assert answer.status_code == 200, answer.text
        assert 'patrol_inbox_total{what="moved"} 1.0' in ask(port, "/metrics")[1]
