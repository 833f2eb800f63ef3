"""Text that cannot be printed is refused with 422 wherever it stands; 405 names what is allowed."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from patrol.web.app import API_PATH
from patrol.web.printable_requests import is_printable

LogIn = Callable[[str], httpx.Client]
UNPRINTABLE = ("a\0b", "\x1b[2J", "\x7f", "\x85", "\ufffd")
JSON_HEADERS = {"content-type": "application/json"}


@pytest.mark.parametrize("text", [*UNPRINTABLE, "\ud800"])
def test_what_is_no_text(text: str) -> None:
    assert not is_printable(text)
    assert not is_printable(f"上坝镇{text}")


@pytest.mark.parametrize(
    "text", ["", "上坝镇", "two\r\nlines\t", "é 👩🏽‍🌾 ﷽", "\u3000\u00a0\u2028"]
)
def test_what_is_text(text: str) -> None:
    assert is_printable(text)


def test_a_line_end_stands_in_a_text_and_in_no_path() -> None:
    assert not is_printable("a\nb", layout="")


@pytest.mark.parametrize("text", UNPRINTABLE)
@pytest.mark.parametrize(
    "path", ["/cases/{}", "/static/{}", "/no/such/{}", "/case/picture/{}", "/api/v1/cases/{}"]
)
def test_a_path(log_in: LogIn, path: str, text: str) -> None:
    quoted = path.format("".join(f"%{byte:02X}" for byte in text.encode()))
    answer = log_in("operator").get(quoted, headers={"accept": "text/html"})
    assert answer.status_code == 422, answer.text


@pytest.mark.parametrize("raw", ["%00", "%ff", "%ED%A0%80", "a%1Bb"])
@pytest.mark.parametrize("path", ["/cases?q=", "/review?", "/api/v1/rounds?plan=", "/login?next="])
def test_a_query(log_in: LogIn, path: str, raw: str) -> None:
    assert log_in("operator").get(path + raw).status_code == 422


@pytest.mark.parametrize(
    "value",
    [r'"a\u0000b"', r'"\ud800"', r'["\u001b"]', r'{"\u0000": 1}', r'{"x": [{"y": "\u007f"}]}'],
)
def test_a_json_body_of_pages_and_api(log_in: LogIn, value: str) -> None:
    browser = log_in("operator")
    for path in ("/api/account/password", f"{API_PATH}/findings/F000001/dismiss"):
        answer = browser.post(path, content=f'{{"reason": {value}}}', headers=JSON_HEADERS)
        assert answer.status_code == 422, path
        assert answer.json()["error"] == 422
        assert answer.json()["detail"] == "body"


def test_a_form_says_so_in_the_readers_language(log_in: LogIn) -> None:
    form = {"name": "a\0b", "password": "correct-horse-9"}
    answer = log_in("operator").post("/login", data=form, headers={"accept": "text/html"})
    assert answer.status_code == 422
    assert "不可打印" in answer.text


def test_a_text_of_several_lines_reaches_its_route(log_in: LogIn) -> None:
    body = json.dumps({"old": "one\ntwo", "new": "three\tfour"})
    answer = log_in("operator").post("/api/account/password", content=body, headers=JSON_HEADERS)
    assert answer.json().get("detail") != "body"


@pytest.mark.parametrize(
    "path", ["/login", "/api/v1/rounds", "/api/v1/cameras/x/consent", "/cases"]
)
def test_every_method_of_a_path_is_named_beside_405(log_in: LogIn, path: str) -> None:
    browser = log_in("operator")
    answer = browser.request("PROPFIND", path)
    assert answer.status_code == 405
    named = set(answer.headers["allow"].split(", "))
    assert named == taken_methods(browser, path)
    assert browser.request("TRACE", path).headers["allow"] == answer.headers["allow"]


def taken_methods(browser: Any, path: str) -> set[str]:
    """What is not answered with 405, asked one by one."""
    methods = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
    return {one for one in methods if browser.request(one, path).status_code != 405}
