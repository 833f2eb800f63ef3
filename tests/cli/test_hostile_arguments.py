"""No argument is an internal error: values that no row can hold end in one line and exit code 2."""

from typing import Any

import pytest

CliSite = Any  # conftest's
HOSTILE = {
    "half a character": "a\udcff", "beyond 64 bits": str(2**64), "below": f"-{2**70}",
    "first day": "0001-01-01", "last day": "9999-12-31", "last month": "9999-12",
    "first month": "0001-01", "first moment": "0001-01-01 00:00+14:00",
}  # fmt: skip
LINES = (
    ("cases", "--limit"), ("case", ""), ("phoned", "", "--note", "x"), ("confirm", ""),
    ("dismiss", "", "--reason", "x"), ("troubles", "--take"), ("health", ""),
    ("deliveries", "list", "--limit"), ("deliveries", "retry", "x", ""), ("who-looked", ""),
    ("suppress", "revoke", ""), ("maintenance", "end", ""), ("handover", "list", "--limit"),
    ("report", "--round"), ("report", "--day"), ("report", "--month"),
    ("pause", "--reason", "x", "--until"), ("pause", "--until", "2099-01-01", "--reason"),
    ("consent", "withdraw", ""), ("reassign", "", "--to", "620902104203001"), ("key", "revoke", ""),
    ("key", "add", "", "--scope", "cases:read"), ("user", "disable", ""),
)  # fmt: skip


@pytest.mark.parametrize("line", LINES, ids=" ".join)
def test_it_ends_in_a_line(cli_site: CliSite, line: tuple[str, ...]) -> None:
    cli_site("db", "upgrade")
    for name, value in HOSTILE.items():
        filled = [value if word == "" else word for word in line]
        ended = cli_site(*filled, *([value] if "" not in line else []))
        assert ended.code in (0, 2), (name, ended.err)
        assert "internal error" not in ended.err, (name, ended.err)
