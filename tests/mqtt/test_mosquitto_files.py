"""Accounts and ACL from people.csv, held against a real Mosquitto."""

import json
import os
import queue
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from patrol.administration.site_files import write_site
from patrol.cli.root import run
from patrol.domain.ids import PersonId
from patrol.domain.registry import Registry, Role
from patrol.mqtt.mosquitto_files import (
    HANDOUT,
    AccountsProblem,
    acl_text,
    broker_accounts,
    write_mosquitto_files,
)
from patrol.settings import ConfigProblems, load_site
from simulators import small_site
from simulators.mosquitto import Mosquitto

SITE = "shangba"
P = f"patrol/v1/{SITE}"
WAIT_S = 5.0


@pytest.fixture
def registry() -> Registry:
    """The hamlet, each with an account."""
    plain = small_site.registry()
    people = {key: replace(who, mqtt_user=f"u-{key}") for key, who in plain.people.items()}
    return replace(plain, people=people)


@pytest.fixture
def guarded(mosquitto: Mosquitto, registry: Registry, tmp_path: Path) -> Mosquitto:
    """A broker with the generated files; nobody without an account."""
    files = tmp_path / "accounts"
    write_mosquitto_files(files, SITE, registry)
    for name in ("patrol.passwd", "patrol.acl"):
        (files / name).chmod(0o600)
    mosquitto.kill()
    mosquitto.extra_config = (
        f"allow_anonymous false\npassword_file {files}/patrol.passwd\nacl_file {files}/patrol.acl"
    )
    mosquitto.start()
    return mosquitto


def passwords(folder: Path) -> dict[str, str]:
    lines = (folder / HANDOUT).read_text("utf-8").splitlines()[1:]
    return {line.split(",")[0]: line.split(",")[1] for line in lines}


class Phone:
    """A bare client: what it was granted, what it received, what the broker said of its words."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.got: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self.messages: queue.Queue[str] = queue.Queue()
        client.on_message = lambda _c, _d, m: self.got.put((m.topic, bytes(m.payload)))
        client.on_publish = lambda _c, _d, _m, reason, _p: self.messages.put(str(reason))
        client.on_subscribe = lambda _c, _d, _m, reasons, _p: self.messages.put(str(reasons[0]))

    def publish(self, topic: str, *, retain: bool = False) -> str:
        self.client.publish(topic, json.dumps({"topic": topic}), qos=1, retain=retain)
        return self.messages.get(timeout=WAIT_S)

    def subscribe(self, topic: str) -> str:
        self.client.subscribe(topic, qos=1)
        return self.messages.get(timeout=WAIT_S)

    def receives(self) -> str:
        return self.got.get(timeout=WAIT_S)[0]


@contextmanager
def connected(broker: Mosquitto, user: str, password: str) -> Iterator[Phone]:
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    client.username_pw_set(user, password)
    answer: queue.Queue[str] = queue.Queue()
    client.on_connect = lambda _c, _d, _f, reason, _p: answer.put(str(reason))
    phone = Phone(client)
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    try:
        reason = answer.get(timeout=WAIT_S)
        if reason != "Success":
            raise PermissionError(reason)
        yield phone
    finally:
        client.disconnect()
        client.loop_stop()


def test_a_leader_has_the_own_grid_and_no_other(guarded: Mosquitto, tmp_path: Path) -> None:
    known = passwords(tmp_path / "accounts")
    own, other = f"{P}/grid/{small_site.GROUP}", f"{P}/grid/{small_site.SECOND_GROUP}"
    with (
        connected(guarded, "centre", known["centre"]) as centre,
        connected(guarded, "u-leader", known["u-leader"]) as leader,
    ):
        assert centre.subscribe(f"{P}/grid/+/reply/+") == "Granted QoS 1"
        assert centre.subscribe(f"{P}/grid/+/report") == "Granted QoS 1"
        leader.subscribe(f"{P}/#")  # Mosquitto grants it, and then withholds message by message
        leader.subscribe(f"{other}/case/+")
        for topic in (f"{other}/case/C2", f"{own}/case/C1"):
            assert centre.publish(topic, retain=True) == "Success"
        assert leader.receives() == f"{own}/case/C1"
        assert leader.got.empty()

        assert leader.publish(f"{other}/reply/C2") == "Not authorized"
        assert leader.publish(f"{other}/report") == "Not authorized"
        assert leader.publish(f"{own}/case/C1") == "Not authorized"
        assert leader.publish(f"{P}/centre/status") == "Not authorized"
        assert leader.publish(f"{P}/canary/reply") == "Not authorized"
        assert leader.publish(f"{own}/reply/C1") == "Success"
        assert leader.publish(f"{own}/report") == "Success"
        assert [centre.receives(), centre.receives()] == [f"{own}/reply/C1", f"{own}/report"]
        assert centre.got.empty()


def test_a_cadre_is_told_in_the_village_and_a_maintainer_of_no_yard(
    guarded: Mosquitto, tmp_path: Path
) -> None:
    known = passwords(tmp_path / "accounts")
    with (
        connected(guarded, "centre", known["centre"]) as centre,
        connected(guarded, "u-cadre", known["u-cadre"]) as cadre,
        connected(guarded, "u-fixer", known["u-fixer"]) as fixer,
    ):
        for phone in (cadre, fixer):
            phone.subscribe(f"{P}/#")
        for topic in (
            f"{P}/grid/{small_site.OTHER_VILLAGE}/case/C1",
            f"{P}/grid/{small_site.TOWN}/case/C1",
            f"{P}/grid/{small_site.VILLAGE}/case/C1",
            f"{P}/camera/{small_site.CAMERA}/health",
            f"{P}/link/v203/health",
            f"{P}/grid/{small_site.VILLAGE}/health",
            f"{P}/centre/status",
        ):
            assert centre.publish(topic) == "Success"
        received = [cadre.receives(), cadre.receives()]
        assert received == [f"{P}/grid/{small_site.VILLAGE}/case/C1", f"{P}/centre/status"]
        assert fixer.receives() == f"{P}/camera/{small_site.CAMERA}/health"
        assert fixer.receives() == f"{P}/link/v203/health"
        assert fixer.receives() == f"{P}/grid/{small_site.VILLAGE}/health"
        assert fixer.receives() == f"{P}/centre/status"
        assert cadre.got.empty()
        assert fixer.got.empty()


@pytest.mark.parametrize(("user", "password"), [("u-leader", "wrong"), ("nobody", "x"), ("", "")])
def test_without_the_right_password_nobody_comes_in(
    guarded: Mosquitto, user: str, password: str
) -> None:
    with pytest.raises(PermissionError), connected(guarded, user, password):
        pass


def test_passwords_stay_until_rotated_and_leavers_lose_theirs(
    registry: Registry, tmp_path: Path
) -> None:
    first = write_mosquitto_files(tmp_path, SITE, registry)
    before = passwords(tmp_path)
    assert set(first.new) == set(before)
    fewer = replace(
        registry,
        people={key: who for key, who in registry.people.items() if key != PersonId("leader")},
    )
    second = write_mosquitto_files(tmp_path, SITE, fewer)
    assert (second.new, second.gone) == ((), ("u-leader",))
    assert passwords(tmp_path) == {u: p for u, p in before.items() if u != "u-leader"}
    assert "u-leader:" not in (tmp_path / "patrol.passwd").read_text("utf-8")
    write_mosquitto_files(tmp_path, SITE, fewer, rotate=True)
    assert not set(passwords(tmp_path).values()) & set(before.values())


def test_every_file_is_its_owners_alone_and_no_password_is_in_the_broker_s(
    registry: Registry, tmp_path: Path
) -> None:
    written = write_mosquitto_files(tmp_path, SITE, registry)
    assert {path.stat().st_mode & 0o777 for path in written.files} == {0o600}
    broker_files = (tmp_path / "patrol.passwd").read_text("utf-8") + (
        tmp_path / "patrol.acl"
    ).read_text("utf-8")
    assert not [password for password in passwords(tmp_path).values() if password in broker_files]


def test_two_people_with_one_account_are_refused(registry: Registry) -> None:
    people = {key: replace(who, mqtt_user="same") for key, who in registry.people.items()}
    with pytest.raises(AccountsProblem, match="'same' is used by duty and fixer"):
        broker_accounts(SITE, replace(registry, people=people))


@pytest.mark.parametrize("user", ["a b", "a:b", "a#", "+", "a/b", "a\nb", "centre"])
def test_names_that_would_change_the_files_are_refused(registry: Registry, user: str) -> None:
    people = dict(registry.people)
    people[PersonId("leader")] = replace(people[PersonId("leader")], mqtt_user=user)
    with pytest.raises(AccountsProblem, match="mqtt_user"):
        broker_accounts(SITE, replace(registry, people=people))


def test_the_rest_of_the_team_may_report_and_reads_no_case(registry: Registry) -> None:
    workers = [
        a for a in broker_accounts(SITE, registry)
        if a.person and registry.people[a.person].role is Role.PARTY_GROUP_LEADER
        and registry.people[a.person].grid == small_site.GROUP
    ]  # fmt: skip
    # The leader's substitute is the worker who says so; the party-group leader is on no ladder.
    home = f"{P}/grid/{small_site.GROUP}"
    assert [a.writes for a in workers] == [(
        f"{home}/report", f"{home}/person/party/report", f"{P}/person/party/checkin/+",
    )]  # fmt: skip
    assert all("/case/" not in topic for a in workers for topic in a.reads)


def test_the_acl_has_no_topic_for_everybody(registry: Registry) -> None:
    text = acl_text(broker_accounts(SITE, registry))
    assert "pattern" not in text
    assert text.index("user centre") < text.index("topic ")


def test_the_example_s_acl_is_what_its_people_csv_makes() -> None:
    folder = Path(__file__).parents[2] / "config"
    made = acl_text(broker_accounts(SITE, load_site(folder, env={}).registry))
    assert (folder / "mosquitto" / "patrol.acl").read_text("utf-8") == made


def test_both_shifts_of_a_post_read_what_the_post_is_told(registry: Registry) -> None:
    people = dict(registry.people)
    duty = people[PersonId("duty")]
    night = replace(duty, id=PersonId("night"), mqtt_user="u-night")
    found = {
        a.user: a
        for a in broker_accounts(SITE, replace(registry, people={**people, night.id: night}))
    }
    own = f"{P}/person/"  # patrols that one of them walks

    def of_the_post(user: str) -> list[str]:
        return [topic for topic in found[user].reads if not topic.startswith(own)]

    assert of_the_post("u-night") == of_the_post("u-duty")
    assert f"{P}/grid/{small_site.TOWN}/case/+" in found["u-night"].reads


def test_the_accounts_of_a_site_whose_password_file_is_not_there_yet(tmp_path: Path) -> None:
    """The command that makes `mqtt.password_file` does not ask for it."""
    write_site(tmp_path / "site", program=Path("/usr/bin/patrol"))
    site_yaml = tmp_path / "site/site.yaml"
    text = site_yaml.read_text("utf-8").replace(
        "mqtt:\n", "mqtt:\n  username: centre\n  password_file: mosquitto/centre.password\n", 1
    )
    site_yaml.write_text(text, "utf-8")
    with pytest.raises(ConfigProblems, match="no such file"):
        load_site(tmp_path / "site", env={})
    assert (
        run(
            [
                "-c",
                str(tmp_path / "site"),
                "mosquitto",
                "write",
                "--out",
                str(tmp_path / "site/mosquitto"),
            ]
        )
        == 0
    )
    load_site(tmp_path / "site", env={})


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_what_root_writes_is_the_service_users_to_read(tmp_path: Path, registry: Registry) -> None:
    os.chown(tmp_path, 12345, 12345)
    written = write_mosquitto_files(tmp_path / "new", SITE, registry)
    owners = {
        (file.stat().st_uid, file.stat().st_gid) for file in (tmp_path / "new", *written.files)
    }
    assert owners == {(12345, 12345)}
