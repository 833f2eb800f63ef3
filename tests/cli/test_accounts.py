"""`patrol user`: accounts by pipe; a password is never an argument and never printed."""

import io
from typing import Any

import pytest

pytest.importorskip("pwdlib", reason="the console extra is not installed")

CliSite = Any  # conftest's
SECRET = "correct horse battery"


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Any:
    def put(text: str) -> None:
        monkeypatch.setattr("sys.stdin", io.StringIO(text))

    return put


def test_an_account_is_made_closed_and_opened(cli_site: CliSite, pipe: Any) -> None:
    pipe(f"{SECRET}\n")
    made = cli_site("user", "add", "wang", "--duty", "operator", "--password-stdin", "--json")
    assert made.code == 0, made.err
    assert made.document["duty"] == "operator"
    pipe("another horse battery\n")
    assert cli_site("user", "passwd", "wang", "--password-stdin").code == 0
    assert cli_site("user", "disable", "wang").code == 0
    (account,) = cli_site("user", "list", "--json").document
    assert account == {
        "name": "wang", "duty": "operator", "shown_as": "wang", "grid": None, "person": None,
        "disabled": True,
    }  # fmt: skip
    assert cli_site("user", "enable", "wang").code == 0
    assert "wang  值班员  wang  可用" in cli_site("user", "list").out
    assert SECRET.encode() not in (cli_site.home / "patrol.db").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["add", "wang", "--duty", "operator", "--password-stdin"], "at least 10"),
        (["add", "w/ng", "--duty", "operator", "--password-stdin"], "'w/ng'"),
        (["add", "li", "--duty", "grid_leader", "--grid", "9", "--password-stdin"], "'9'"),
        (["add", "li", "--duty", "boss", "--password-stdin"], "--duty"),
        (["add", "li", "--duty", "operator"], "--password-stdin"),
        (["passwd", "nobody", "--password-stdin"], "at least 10"),
        (["disable", "nobody"], "account 'nobody': there is none"),
    ],
)
def test_what_cannot_be_done_is_bad_input_in_one_line(
    cli_site: CliSite, pipe: Any, arguments: list[str], message: str
) -> None:
    pipe("short\n" if "at least" in message else f"{SECRET}\n")
    ended = cli_site("user", *arguments)
    assert ended.code == 2
    assert message in ended.err
    assert len(ended.err.splitlines()) == 1
    assert ended.out == ""


def test_a_display_has_a_link_and_no_password(cli_site: CliSite) -> None:
    made = cli_site("user", "add", "wall", "--duty", "display", "--json")
    assert made.code == 0, made.err
    link = made.document["link"]
    assert "/display#wall~" in link
    renewed = cli_site("user", "passwd", "wall")
    assert renewed.code == 0, renewed.err
    assert "/display#wall~" in renewed.out
    assert link not in renewed.out, "the old one is revoked"
    assert cli_site("user", "disable", "wall").code == 0
