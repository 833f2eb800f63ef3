"""An embedded broker's accounts follow people.csv and the hand-out while it runs."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from patrol.domain.ids import PersonId
from patrol.domain.registry import Registry
from patrol.mqtt.embedded_broker import EmbeddedBroker
from patrol.mqtt.mosquitto_files import HandedOutAccounts, MqttAccount, write_mosquitto_files
from simulators import small_site

SITE, WAIT_S = "shangba", 10.0


def with_users(registry: Registry, *without: str) -> Registry:
    people = {
        key: replace(who, mqtt_user=f"u-{key}")
        for key, who in registry.people.items()
        if key not in without
    }
    return replace(registry, people=people)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[tuple[EmbeddedBroker, HandedOutAccounts]]:
    registry = with_users(small_site.registry())
    write_mosquitto_files(tmp_path, SITE, registry)
    followed = HandedOutAccounts(tmp_path, SITE)
    with EmbeddedBroker(accounts=followed.read(registry)) as running:
        yield running, followed


def connected(broker: EmbeddedBroker, account: MqttAccount) -> tuple[Client, threading.Event]:
    """A client that is in, or was refused; the event is set when its connection has ended."""
    client = Client(
        CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5, reconnect_on_failure=False
    )
    answered, ended = threading.Event(), threading.Event()
    client.username_pw_set(account.user, account.password)
    client.on_connect = lambda *_: answered.set()
    client.on_disconnect = lambda *_: (answered.set(), ended.set())
    client.connect("127.0.0.1", broker.port_v5, keepalive=60)
    client.loop_start()
    assert answered.wait(WAIT_S)
    return client, ended


def test_a_successor_under_the_same_account_puts_the_departed_out(
    broker: tuple[EmbeddedBroker, HandedOutAccounts], tmp_path: Path
) -> None:
    running, followed = broker
    before = {account.user: account for account in running.accounts}["u-leader"]
    departed, ended = connected(running, before)
    assert departed.is_connected()
    changed = with_users(small_site.registry(), "leader")
    left = small_site.registry().people[PersonId("leader")]
    successor = replace(left, id=PersonId("next"), mqtt_user="u-leader")
    changed = replace(changed, people={**changed.people, successor.id: successor})
    running.change_accounts(followed.read(changed))  # before the hand-out follows
    while not ended.wait(0.05):
        departed.publish(f"patrol/v1/{SITE}/x", b"x", 1)
    write_mosquitto_files(tmp_path, SITE, changed)
    running.change_accounts(followed.read(changed))
    refused, refused_ended = connected(running, before)
    assert refused_ended.wait(WAIT_S)
    after = {account.user: account for account in running.accounts}["u-leader"]
    assert after.person == successor.id
    new, _ = connected(running, after)
    assert new.is_connected()
    for client in (departed, refused, new):
        client.disconnect()
        client.loop_stop()


def test_who_has_left_is_out_and_who_came_is_in(
    broker: tuple[EmbeddedBroker, HandedOutAccounts], tmp_path: Path
) -> None:
    running, followed = broker
    before = {account.user: account for account in running.accounts}
    leader, ended = connected(running, before["u-leader"])
    stays, stays_ended = connected(running, before["u-cadre"])
    assert leader.is_connected()

    changed = with_users(small_site.registry(), "leader", "worker")
    newcomer = replace(changed.people[PersonId("party")], id=PersonId("new"), mqtt_user="u-new")
    changed = replace(changed, people={**changed.people, newcomer.id: newcomer})
    assert followed.have_changed(changed)
    running.change_accounts(followed.read(changed))
    assert not followed.have_changed(changed)
    for topic in ("a", "b"):  # the child's reader may be a packet behind
        leader.publish(f"patrol/v1/{SITE}/{topic}", b"x", 1)
    while not ended.wait(0.05):
        leader.publish(f"patrol/v1/{SITE}/x", b"x", 1)
    refused, refused_ended = connected(running, before["u-leader"])
    assert refused_ended.wait(WAIT_S)

    write_mosquitto_files(tmp_path, SITE, changed)
    assert followed.have_changed(changed)  # the hand-out alone has
    running.change_accounts(followed.read(changed))
    after = {account.user: account for account in running.accounts}
    new, new_ended = connected(running, after["u-new"])
    assert new.is_connected()
    assert stays.is_connected()
    assert not stays_ended.is_set()
    assert not new_ended.is_set()
    for client in (leader, stays, refused, new):
        client.disconnect()
        client.loop_stop()
