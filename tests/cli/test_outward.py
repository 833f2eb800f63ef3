"""`mosquitto`, `key`, `deliveries` on the command line."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from patrol.cli.root import run
from patrol.domain.delivery import Delivery
from patrol.store import open_store

SOURCE = Path(__file__).parents[2] / "config"
NOW = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)


class Shell:
    def __init__(self, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._config, self._capsys = config, capsys

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        code = run(["-c", str(self._config), *arguments])
        said = self._capsys.readouterr()
        return code, said.out, said.err


@pytest.fixture
def shell(tmp_path: Path, sqlite_database: str, capsys: pytest.CaptureFixture[str]) -> Shell:
    config = tmp_path / "config"
    config.mkdir()
    for name in ("grids.csv", "people.csv", "cameras.csv"):
        (config / name).write_bytes((SOURCE / name).read_bytes())
    (config / "site.yaml").write_text(
        "site: {id: shangba, name: 上坝镇, latitude: 39.6, longitude: 98.75}\n"
        f"database: {sqlite_database}\n",
        "utf-8",
    )
    return Shell(config, capsys)


def test_the_broker_s_files_and_no_password_on_the_screen(shell: Shell, tmp_path: Path) -> None:
    code, out, err = shell("mosquitto", "write", "--out", str(tmp_path / "m"), "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["accounts"] == len(json.loads(out)["new"]) > 100
    secrets = [
        line.split(",")[1]
        for line in (tmp_path / "m" / "accounts.csv").read_text("utf-8").splitlines()[1:]
    ]
    code, again, err = shell("mosquitto", "write", "--out", str(tmp_path / "m"))
    assert (code, err) == (0, "")
    assert not [word for word in secrets if word in out + again]
    assert "新口令 new passwords 0" in again
    assert shell("mosquitto", "write", "--out", str(tmp_path / "m" / "accounts.csv"))[0] == 2


def test_a_key_is_shown_once_and_revoked_at_once(shell: Shell) -> None:
    code, out, _ = shell("key", "add", "county", "--scope", "cases:read", "--json")
    made = json.loads(out)
    assert code == 0
    assert made["secret"].startswith("patrol_")
    _, listed, _ = shell("key", "list", "--json")
    assert made["secret"] not in listed
    assert [row["revoked_at"] for row in json.loads(listed)] == [None]
    assert shell("key", "revoke", made["id"])[0] == 0
    assert shell("key", "revoke", made["id"])[0] == 2
    assert json.loads(shell("key", "list", "--json")[1])[0]["revoked_at"]
    code, _, err = shell("key", "add", "county", "--scope", "everything")
    assert (code, "'everything' is unknown" in err) == (2, True)


def test_what_was_given_up_is_tried_again(shell: Shell, sqlite_database: str) -> None:
    lost = Delivery(
        key="C1-opened", target="webhook:county", event="case.opened", payload=b"{}",
        queued_at=NOW, due_at=NOW,
    )  # fmt: skip
    with open_store(sqlite_database) as store, store.begin() as uow:
        uow.deliveries.add(lost)
        uow.deliveries.settle(lost.refused("HTTP 410", NOW))
        uow.commit()
    document = json.loads(shell("deliveries", "list", "--json")[1])
    assert document["waiting"] == {}
    assert [(one["key"], one["reason"]) for one in document["dead"]] == [("C1-opened", "HTTP 410")]
    assert shell("deliveries", "retry", "webhook:county", "C1-opened")[0] == 0
    assert shell("deliveries", "retry", "webhook:county", "C1-opened")[0] == 2
    document = json.loads(shell("deliveries", "list", "--json")[1])
    assert document["waiting"]["webhook:county"]["count"] == 1
