"""`mosquitto`, `key`, `deliveries` on the command line."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from patrol.cases.save_and_send import SendGate
from patrol.cli.root import run
from patrol.domain.ids import MessageKey
from patrol.domain.outbox import Delivery, DeliveryState, OutboxMessage
from patrol.domain.send_policy import SendLimits
from patrol.messaging import PayloadBuilder
from patrol.review import confirm
from patrol.store import open_store
from simulators import small_site

SOURCE = Path(__file__).parents[2] / "config"
NOW = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)


class CommandLine:
    def __init__(self, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._config, self._capsys = config, capsys

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        code = run(["-c", str(self._config), *arguments])
        captured = self._capsys.readouterr()
        return code, captured.out, captured.err


@pytest.fixture
def command_line(
    tmp_path: Path, sqlite_database: str, capsys: pytest.CaptureFixture[str]
) -> CommandLine:
    config = tmp_path / "config"
    config.mkdir()
    for name in ("grids.csv", "people.csv", "cameras.csv"):
        (config / name).write_bytes((SOURCE / name).read_bytes())
    (config / "site.yaml").write_text(
        "site: {id: shangba, name: 上坝镇, latitude: 39.6, longitude: 98.75}\n"
        f"database: {sqlite_database}\n",
        "utf-8",
    )
    return CommandLine(config, capsys)


def test_the_broker_s_files_and_no_password_on_the_screen(
    command_line: CommandLine, tmp_path: Path
) -> None:
    code, out, err = command_line("mosquitto", "write", "--out", str(tmp_path / "m"), "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["accounts"] == len(json.loads(out)["new"]) > 100
    secrets = [
        line.split(",")[1]
        for line in (tmp_path / "m" / "accounts.csv").read_text("utf-8").splitlines()[1:]
    ]
    code, again, err = command_line("mosquitto", "write", "--out", str(tmp_path / "m"))
    assert (code, err) == (0, "")
    assert not [secret for secret in secrets if secret in out + again]
    assert "新密码 0" in again
    assert command_line("mosquitto", "write", "--out", str(tmp_path / "m" / "accounts.csv"))[0] == 2


def test_a_key_is_shown_once_and_revoked_at_once(command_line: CommandLine) -> None:
    code, out, _ = command_line("key", "add", "county", "--scope", "cases:read", "--json")
    made = json.loads(out)
    assert code == 0
    assert made["secret"].startswith("patrol_")
    _, listed, _ = command_line("key", "list", "--json")
    assert made["secret"] not in listed
    assert [row["revoked_at"] for row in json.loads(listed)] == [None]
    assert command_line("key", "revoke", made["id"])[0] == 0
    assert command_line("key", "revoke", made["id"])[0] == 2
    assert json.loads(command_line("key", "list", "--json")[1])[0]["revoked_at"]
    code, _, err = command_line("key", "add", "county", "--scope", "everything")
    assert (code, "'everything' is unknown" in err) == (2, True)


def test_what_is_held_is_listed_with_its_reason(
    command_line: CommandLine, sqlite_database: str
) -> None:
    registry = small_site.registry()
    gate = SendGate(site="shangba", registry=registry, limits=SendLimits(new_per_hour=1))
    wire = PayloadBuilder(site="shangba", zone=ZoneInfo("Asia/Shanghai"), registry=registry)
    with open_store(sqlite_database) as store, store.begin() as uow:
        for number in (1, 2):
            finding = small_site.finding(f"F{number}", category=f"kind_{number}")
            uow.findings.add(finding)
            confirm(uow, finding.id, by="op", now=small_site.NOON, registry=registry, payloads=wire,
                    send_gate=gate)  # fmt: skip
        uow.commit()
    command_line("--version")  # what was logged above is said
    document = json.loads(command_line("deliveries", "list", "--json")[1])
    assert document["unsent"] == 1
    (held,) = document["held"]
    assert held | {"case": ""} == {
        "case": "", "grid": small_site.GROUP, "why": "grid_busy", "first_word": True,
        "since": "2026-11-22T04:00:00Z", "until": "2026-11-22T05:00:00Z",
    }  # fmt: skip
    assert "暂缓：该网格一小时内推送过多，至 11-22 13:00" in command_line("deliveries", "list")[1]
    one = json.loads(command_line("case", held["case"], "--json")[1])
    assert one["held"]["why"] == "grid_busy"
    assert [event["what"] for event in one["events"]] == ["dispatch", "hold"]
    shown = command_line("case", held["case"])[1]
    assert re.search(r"暂缓推送 +该网格一小时内推送过多，至 11-22 13:00", shown), shown


def test_what_was_given_up_is_tried_again(command_line: CommandLine, sqlite_database: str) -> None:
    lost = Delivery(
        key="C1-opened", target="webhook:county", event="case.opened", payload=b"{}",
        queued_at=NOW, due_at=NOW,
    )  # fmt: skip
    with open_store(sqlite_database) as store, store.begin() as uow:
        uow.deliveries.add(lost)
        uow.deliveries.save_result(lost.refused("HTTP 410", NOW))
        uow.commit()
    document = json.loads(command_line("deliveries", "list", "--json")[1])
    assert document["waiting"] == {}
    assert [(one["key"], one["reason"]) for one in document["dead"]] == [("C1-opened", "HTTP 410")]
    assert command_line("deliveries", "retry", "webhook:county", "C1-opened")[0] == 0
    assert command_line("deliveries", "retry", "webhook:county", "C1-opened")[0] == 2
    document = json.loads(command_line("deliveries", "list", "--json")[1])
    assert document["waiting"]["webhook:county"]["count"] == 1


def refused_message(key: str, **fields: Any) -> OutboxMessage:
    return OutboxMessage(
        key=MessageKey(key), topic=f"patrol/v1/shangba/round/{key}/latest", payload=b"{}",
        queued_at=NOW, retain=True, tries=4, problem="Packet too large (0x95)", **fields,
    )  # fmt: skip


def test_what_the_broker_refuses_is_listed_retried_and_dropped(
    command_line: CommandLine, sqlite_database: str
) -> None:
    with open_store(sqlite_database) as store, store.begin() as uow:
        for key in ("one", "two", "three"):
            uow.outbox.add(refused_message(key, state=DeliveryState.QUARANTINED))
        uow.outbox.add(refused_message("later", due_at=NOW))
        uow.commit()
    document = json.loads(command_line("deliveries", "list", "--json")[1])
    assert [(one["key"], one["given_up"]) for one in document["refused"]] == [
        ("one", True), ("two", True), ("three", True), ("later", False),
    ]  # fmt: skip
    assert document["refused"][0]["reason"] == "Packet too large (0x95)"
    text = command_line("deliveries", "list")[1]
    assert "mqtt one：代理拒收" in text
    assert "Packet too large (0x95) (patrol/v1/shangba/round/one/latest)" in text
    health = json.loads(command_line("health", "--json")[1])["messages"]
    assert (health["refused"], health["given_up"], health["first"][0]["key"]) == (1, 3, "one")

    assert command_line("deliveries", "drop", "mqtt", "one", "--why", "电话已通知")[0] == 0
    assert command_line("deliveries", "drop", "mqtt", "one", "--why", "again")[0] == 2
    assert command_line("deliveries", "drop", "webhook:county", "x", "--why", "y")[0] == 2
    assert command_line("deliveries", "drop", "mqtt", "two", "--why", " ")[0] == 2
    assert command_line("deliveries", "retry", "mqtt", "two")[0] == 0
    assert command_line("deliveries", "retry", "mqtt", "nobody")[0] == 2
    assert command_line("deliveries", "retry", "mqtt")[0] == 2
    assert command_line("deliveries", "retry", "webhook:county", "--all")[0] == 2
    assert command_line("deliveries", "retry", "mqtt", "--all")[0] == 0
    assert json.loads(command_line("deliveries", "list", "--json")[1])["refused"] == []
