"""docs/install.md, walked: its commands run below a prefix, Debian's broker starts with the result.

Blocks that need the machine itself (packages, users, systemd) are marked `machine` on the page and
only checked for their spelling.
"""

import os
import queue
import re
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from patrol.mqtt.embedded_broker import free_port, in_use
from patrol.settings import load_site
from patrol.store import open_store
from simulators.mosquitto import find_mosquitto

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/install.md").read_text("utf-8")
BLOCKS = re.findall(r"```sh( machine)?\n(.*?)```", PAGE, re.DOTALL)
PLACES = re.compile(r"(?<![\w.-])/(?:etc|var|run)/(?:patrol|mosquitto|lib|log)\b")
PROGRAM = "/opt/patrol/.venv/bin/patrol"
READY_S = 10.0
# /etc/mosquitto/mosquitto.conf of Debian 12 and 13, in front of every conf.d file
DEBIAN_CONF = """
pid_file /run/mosquitto/mosquitto.pid
persistence true
persistence_location /var/lib/mosquitto/
log_dest file /var/log/mosquitto/mosquitto.log
include_dir /etc/mosquitto/conf.d
"""


def below(prefix: Path, text: str) -> str:
    """The text with the machine's places below a prefix."""
    return PLACES.sub(lambda found: f"{prefix}{found[0]}", text)


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A machine's directories, after every command of the page that needs no more than these."""
    root = tmp_path_factory.mktemp("machine")
    for place in ("var/lib/patrol/var", "var/lib/mosquitto", "var/log/mosquitto", "run/mosquitto"):
        (root / place).mkdir(parents=True)
    (root / "etc/mosquitto/conf.d").mkdir(parents=True)
    program = root / "patrol"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m patrol "$@"\n', "utf-8")
    program.chmod(0o755)
    for machine, block in BLOCKS:
        if machine:
            continue
        commands = below(root, block).replace(PROGRAM, str(program))
        commands = commands.replace("--duty admin", "--duty admin --password-stdin")
        done = subprocess.run(
            ["bash", "-euc", commands], input="correct-horse-9\n", text=True, timeout=60,
            env={**os.environ, "BROKER": "broker.example", "PYTHONPATH": str(ROOT)},
            capture_output=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{block}\n{done.stderr}"
    return root


@contextmanager
def debians_broker(prefix: Path, names: tuple[str, ...]) -> Iterator[dict[int, int]]:
    """Mosquitto by Debian's configuration and these of our files; real port by shipped port."""
    ports = {1883: free_port(), 8883: free_port()}
    conf_d = prefix / "etc/mosquitto/conf.d"
    used = prefix / "used.d"
    used.mkdir(exist_ok=True)
    for old in used.iterdir():
        old.unlink()
    for name in names:
        text = below(prefix, (conf_d / name).read_text("utf-8"))
        for shipped, free in ports.items():
            text = re.sub(rf"^listener {shipped}\b", f"listener {free}", text, flags=re.MULTILINE)
        (used / name).write_text(text, "utf-8")
    main = below(prefix, DEBIAN_CONF).replace(str(conf_d), str(used)) + "user root\n"
    (prefix / "mosquitto.conf").write_text(main, "utf-8")
    program = find_mosquitto()
    assert program is not None
    broker = subprocess.Popen([program, "-c", str(prefix / "mosquitto.conf")])
    wanted = [
        ports[port] for port, name in ((1883, "patrol.conf"), (8883, "patrol-tls.conf"))
        if name in names
    ]  # fmt: skip
    try:
        deadline = threading.Event()
        for _ in range(int(READY_S / 0.05)):
            if broker.poll() is not None or all(map(in_use, wanted)):
                break
            deadline.wait(0.05)
        log = (prefix / "var/log/mosquitto/mosquitto.log").read_text("utf-8")
        assert broker.poll() is None, log
        yield ports
    finally:
        broker.terminate()
        broker.wait(10)


def connect(port: int, **options: Any) -> Any:
    """The reason code of a connection with MQTT 5."""
    answers: queue.Queue[Any] = queue.Queue()
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    client.on_connect = lambda _client, _data, _flags, code, _properties: answers.put(code)
    if "user" in options:
        client.username_pw_set(options["user"], options["password"])
    if "tls" in options:
        client.tls_set_context(options["tls"])
    client.connect("localhost", port)
    client.loop_start()
    try:
        return answers.get(timeout=READY_S)
    finally:
        client.disconnect()
        client.loop_stop()


@pytest.mark.skipif(find_mosquitto() is None, reason="Mosquitto is not installed")
@pytest.mark.parametrize(
    "names", [("patrol.conf",), ("patrol-tls.conf",), ("patrol.conf", "patrol-tls.conf")],
    ids=" and ".join,
)  # fmt: skip
def test_debians_broker_takes_the_shipped_files(prefix: Path, names: tuple[str, ...]) -> None:
    strict = ssl.create_default_context(cafile=str(prefix / "etc/patrol/ca.pem"))
    strict.verify_flags |= ssl.VERIFY_X509_STRICT  # what Python 3.13 does by itself
    password = (prefix / "etc/patrol/mosquitto/centre.password").read_text("utf-8").strip()
    with debians_broker(prefix, names) as ports:
        if "patrol.conf" in names:
            assert not connect(ports[1883]).is_failure
        if "patrol-tls.conf" in names:
            account = {"user": "centre", "password": password}
            assert not connect(ports[8883], tls=strict, **account).is_failure
            assert connect(ports[8883], tls=strict).is_failure
            assert connect(ports[8883], tls=strict, user="centre", password="x").is_failure


def test_the_site_has_its_database_where_the_page_says_and_an_administrator(prefix: Path) -> None:
    database = prefix / "var/lib/patrol/var/patrol.db"
    assert database.is_file()
    assert load_site(prefix / "etc/patrol", env={}).registry.cameras
    with open_store(f"sqlite:///{database}") as store, store.begin_read() as uow:
        assert [(one.name, one.duty) for one in uow.accounts.all()] == [("admin", "admin")]


def test_the_marked_commands_are_shell_and_name_files_that_are_there(prefix: Path) -> None:
    assert sum(bool(machine) for machine, _ in BLOCKS) >= 6
    for _, block in BLOCKS:
        subprocess.run(["bash", "-n", "-c", block], check=True)
        for name in re.findall(r"/etc/patrol/systemd/([\w.-]+)", block):
            assert (prefix / "etc/patrol/systemd" / name).is_file()
