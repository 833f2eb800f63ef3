"""What a request may cost before anybody has logged in: bytes, time, connections, hashes."""

import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import params
from fastapi.routing import APIRoute

from patrol.administration import accounts
from patrol.administration.accounts import HashingQueue, PasswordChecksBusy
from patrol.settings.site_settings import ConsoleSettings
from patrol.web import http_protocol, request_limits
from patrol.web.pages import ROUTERS
from patrol.web.request_limits import DEFAULT_LIMIT, KIB, MIB, RequestLimit, limit_of
from patrol.web.server import serve

LogIn = Callable[[str], httpx.Client]
STATUS = Path("/proc/self/status")


@contextmanager
def added_peak_mb() -> Iterator[list[float]]:
    """By how much the block raises this process's memory at its highest (proc(5), clear_refs)."""
    Path("/proc/self/clear_refs").write_text("5")
    before = _status_kb("VmRSS")
    added: list[float] = []
    yield added
    added.append((_status_kb("VmHWM") - before) / 1024)


def _status_kb(name: str) -> int:
    found = re.search(rf"{name}:\s+(\d+)", STATUS.read_text())
    assert found is not None
    return int(found[1])


def zeros(count: int) -> Iterator[bytes]:
    chunk = b" " * MIB
    for _ in range(count // MIB):
        yield chunk


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize(
    "path", ["/api/account/password", "/login", "/leader/api/say", "/api/v1/findings/x/confirm",
             "/api/cameras/import", "/api/cameras/import/check", "/leader/api/photo/c/key-00000001",
             "/ground/api/photo", "/api/people/people/import", "/api/v1/registry/people/import",
             "/no/such/page"],
)  # fmt: skip
@pytest.mark.parametrize("name", ["", "leader"])
def test_a_body_beyond_the_limit_is_refused_and_kept_nowhere(
    log_in: LogIn, path: str, name: str, *, announced: bool
) -> None:
    """Announced: 413 without a byte read. Not announced (chunked): at most the limit is held."""
    size = 100 * MIB
    is_form = "import" in path and not path.startswith("/api/v1/")
    kind = "multipart/form-data; boundary=b" if is_form else "application/json"
    headers = {"content-type": kind} | ({"content-length": str(size)} if announced else {})
    client = log_in(name)
    with added_peak_mb() as added:
        answer = client.post(path, content=zeros(size), headers=headers)
    refused = {413} if announced else {400, 401, 403, 404, 405, 413, 422}
    assert answer.status_code in refused
    assert added[0] < 40, "the client's own chunks, and what the route may have"


def test_the_refusal_has_words_in_the_readers_language_and_security_headers(log_in: LogIn) -> None:
    answer = log_in("operator").post("/api/logout", content=b" " * (DEFAULT_LIMIT.body_bytes + 1))
    assert (answer.status_code, answer.json()["words"]) == (413, "文件太大")
    assert "content-security-policy" in answer.headers


@pytest.mark.parametrize("length", ["-1", "1e9", "９", "9" * 400])
def test_an_odd_length_is_no_way_around(console: Any, length: str) -> None:
    host, port = console.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as raw:
        head = f"POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n"
        raw.sendall(head.encode())
        assert raw.recv(100).split()[1] in (b"400", b"413")


def test_few_routes_take_more_than_a_form() -> None:
    paths = {str(getattr(route, "path", "")) for router in ROUTERS for route in router.routes}
    assert len(paths) > 60
    large = {path for path in paths if limit_of(re.sub(r"{\w+}", "x", path)) != DEFAULT_LIMIT}
    assert large == {
        "/leader/api/photo/{case_id}/{key}",
        "/ground/api/photo",
        "/api/cameras/import",
        "/api/cameras/import/check",
        "/api/people/{table}/import",
        "/api/people/{table}/import/check",
    }
    assert DEFAULT_LIMIT.body_bytes == 256 * KIB


def test_what_takes_a_file_or_a_photo_takes_one_as_large_as_they_are() -> None:
    """A route that reads more than a form, by its own signature or code, has its limit."""
    routes = [route for router in ROUTERS for route in router.routes]
    taking = {
        route.path
        for route in routes
        if isinstance(route, APIRoute)
        and (
            any(isinstance(one.field_info, params.File) for one in route.dependant.body_params)
            or "read_photo" in route.endpoint.__code__.co_names
        )
    }
    assert len(taking) >= 6
    for path in taking:
        assert limit_of(re.sub(r"{\w+}", "x", path)).body_bytes > DEFAULT_LIMIT.body_bytes, path


@pytest.fixture
def hurried(town: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, int]]:
    """A console whose deadlines are short; its address."""
    monkeypatch.setattr(http_protocol, "HEADERS_S", 0.4)
    monkeypatch.setattr(http_protocol, "DISCARD_S", 0.4)
    monkeypatch.setattr(http_protocol, "MAX_CONNECTIONS", 12)
    monkeypatch.setattr(http_protocol, "MAX_PER_ADDRESS", 8)
    short = RequestLimit(body_bytes=DEFAULT_LIMIT.body_bytes, body_s=1.5)
    monkeypatch.setattr(request_limits, "DEFAULT_LIMIT", short)
    with serve(town.app, ConsoleSettings(port=0)) as at:
        yield "127.0.0.1", at.port


FORM = b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
HALF_SENT = {
    "nothing": b"",
    "half a request line": b"GET /lo",
    "half the headers": b"GET /login HTTP/1.1\r\nHost: x\r\nX-A:",
    "no body": FORM + b"Content-Length: 100\r\n\r\n",
    "half a body": FORM + b"Content-Length: 100\r\n\r\nname=",
    "half a chunk": FORM + b"Transfer-Encoding: chunked\r\n\r\n50\r\nna",
    "half a second request": b"GET /robots.txt HTTP/1.1\r\nHost: x\r\n\r\nGET /log",
}
ANSWERED = {
    "a body that is too large": b"POST /no HTTP/1.1\r\nHost: x\r\nContent-Length: 999999\r\n\r\n{",
    "a body that no route reads": b"POST /no HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{",
}


@pytest.mark.parametrize("sent", HALF_SENT.values(), ids=HALF_SENT)
def test_a_half_sent_request_is_ended(hurried: tuple[str, int], sent: bytes) -> None:
    with socket.create_connection(hurried, timeout=20) as raw:
        raw.sendall(sent)
        answers = b"".join(iter(lambda: raw.recv(65536), b""))
    assert b"HTTP/1.1 408" in answers


@pytest.mark.parametrize("sent", ANSWERED.values(), ids=ANSWERED)
def test_a_body_behind_the_answer_is_not_waited_for(hurried: tuple[str, int], sent: bytes) -> None:
    with socket.create_connection(hurried, timeout=20) as raw:
        raw.sendall(sent)
        answers = b"".join(iter(lambda: raw.recv(65536), b""))
    assert answers.startswith((b"HTTP/1.1 404", b"HTTP/1.1 405", b"HTTP/1.1 413"))


def test_one_byte_at_a_time_does_not_extend_the_time(hurried: tuple[str, int]) -> None:
    begun, pause = time.monotonic(), threading.Event()
    sent: list[int] = []
    with socket.create_connection(hurried, timeout=20) as raw, suppress(OSError):
        for byte in b"GET /login HTTP/1.1\r\nX: " + b"a" * 10_000:
            raw.sendall(bytes([byte]))
            sent.append(byte)
            pause.wait(0.02)  # the slow sender that this is about
    assert time.monotonic() - begun < 8
    assert len(sent) < 1_000


def test_connections_have_a_number_and_the_others_are_told_to_come_later(
    hurried: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_protocol, "HEADERS_S", 20.0)
    held = [socket.create_connection(hurried, timeout=20) for _ in range(8)]
    try:
        with socket.create_connection(hurried, timeout=20) as late:
            answer = late.recv(1000)
        assert answer.startswith(b"HTTP/1.1 503")
        assert b"Retry-After: " in answer
    finally:
        for one in held:
            one.close()
    url = f"http://{hurried[0]}:{hurried[1]}/robots.txt"
    for _ in range(100):  # as soon as the server has seen them close
        if httpx.get(url).status_code == 200:
            return
    pytest.fail("closed connections still count")


def test_a_slow_answer_is_not_ended_by_a_deadline(hurried: tuple[str, int], town: Any) -> None:
    """The event stream stays open although its request is long over."""
    url = f"http://{hurried[0]}:{hurried[1]}"
    with httpx.Client(base_url=url, timeout=20) as browser:
        form = {"name": "auditor", "password": "correct-horse-9"}
        assert browser.post("/login", data=form).status_code == 303
        with browser.stream("GET", "/api/live") as stream:
            lines = stream.iter_lines()
            assert next(lines).startswith("retry")
            threading.Event().wait(1.0)  # more than twice every deadline
            with town.store.begin() as uow:
                uow.cases.put(uow.cases.get(town.case.id))
                uow.commit()
            assert stream.is_closed is False


def test_hashing_has_a_number_at_once_and_a_short_queue() -> None:
    queue = HashingQueue(at_once=2, waiting=3)
    inside, release = threading.Semaphore(0), threading.Event()
    running: list[int] = []

    def hash_one() -> bool:
        try:
            with queue:
                running.append(1)
                inside.release()
                assert release.wait(20)
                running.pop()
        except PasswordChecksBusy:
            return False
        return True

    with ThreadPoolExecutor(20) as pool:
        done = [pool.submit(hash_one) for _ in range(20)]
        assert inside.acquire(timeout=20)
        assert inside.acquire(timeout=20)
        assert not inside.acquire(timeout=0.2)
        assert len(running) == 2
        release.set()
        assert sum(one.result() for one in done) == 5


def test_sixty_logins_at_once_take_the_memory_of_two(
    console: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the route: a login, and a change of the own password."""
    waiting = HashingQueue(at_once=2, waiting=4)
    monkeypatch.setattr(accounts, "HASHING", waiting)

    def log_in(number: int) -> httpx.Response:
        origin = {"x-forwarded-for": f"10.77.0.{number}"}
        form = {"name": f"nobody{number}", "password": "wrong-password"}
        return httpx.post(f"{console.url}/login", data=form, headers=origin, timeout=60)

    accounts.placeholder_hash()
    with ThreadPoolExecutor(60) as pool, added_peak_mb() as added:
        answers = list(pool.map(log_in, range(60)))
    statuses = {answer.status_code for answer in answers}
    assert statuses <= {401, 503}
    assert 401 in statuses
    for answer in answers:
        if answer.status_code == 503:
            assert answer.headers["retry-after"] == "2"
    assert added[0] < 2 * 64 + 60


def test_the_own_password_is_checked_behind_the_same_queue(
    log_in: LogIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = log_in("auditor")
    monkeypatch.setattr(accounts, "HASHING", HashingQueue(at_once=1, waiting=0))
    form = {"old": "wrong-password", "new": "another-horse-9"}
    with accounts.HASHING:
        answer = client.post("/api/account/password", json=form)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert client.post("/api/account/password", json=form).status_code == 422
