"""`mosquitto`, `key`, `deliveries` on the command line."""

import json
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from patrol.cli.root import run
from patrol.dispatch import Wire
from patrol.dispatch.sending import SendGate
from patrol.domain.delivery import Delivery
from patrol.domain.sending import SendLimits
from patrol.review import confirm
from patrol.store import open_store
from simulators import hamlet

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


def test_what_is_held_is_listed_with_its_reason(shell: Shell, sqlite_database: str) -> None:
    registry = hamlet.registry()
    gate = SendGate(site="shangba", registry=registry, limits=SendLimits(new_per_hour=1))
    wire = Wire(site="shangba", zone=ZoneInfo("Asia/Shanghai"), registry=registry)
    with open_store(sqlite_database) as store, store.begin() as uow:
        for number in (1, 2):
            lead = hamlet.finding(f"F{number}", category=f"kind_{number}")
            uow.findings.add(lead)
            confirm(uow, lead.id, by="op", now=hamlet.NOON, registry=registry, announcer=wire,
                    gate=gate)  # fmt: skip
        uow.commit()
    shell("--version")  # what was logged above is said
    document = json.loads(shell("deliveries", "list", "--json")[1])
    assert document["unsent"] == 1
    (held,) = document["held"]
    assert held | {"case": ""} == {
        "case": "", "grid": hamlet.GROUP, "why": "grid_busy", "first_word": True,
        "since": "2026-11-22T04:00:00Z", "until": "2026-11-22T05:00:00Z",
    }  # fmt: skip
    assert "暂缓 held: grid_busy, 至 until 11-22 13:00" in shell("deliveries", "list")[1]
    one = json.loads(shell("case", held["case"], "--json")[1])
    assert one["held"]["why"] == "grid_busy"
    assert [event["what"] for event in one["events"]] == ["dispatch", "hold"]
    assert "暂缓推送 held" in shell("case", held["case"])[1]


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
