"""Helpers of the end-to-end tests: a site of real `patrol` processes, a phone, GStreamer.

Everything runs on loopback. Progress is polled from what the product itself writes (totals in its
store, messages on its broker), with a deadline.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest
import yaml
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from patrol.clock import SystemClock
from patrol.domain.round import RoundTotals
from patrol.store import StoreUnavailable, open_store

T = TypeVar("T")
WITHIN_S = 60.0


def need(part: str, found: object) -> None:
    """Skip the test unless the part was found; fail it with CI=true."""
    if found:
        return
    problem = f"{part} is not installed (tests/debian-packages.txt)"
    if os.environ.get("CI") == "true":
        pytest.fail(problem)
    pytest.skip(problem)


def wait_for(what: str, ready: Callable[[], T | None], within_s: float = WITHIN_S) -> T:
    """Poll ten times a second until the answer is true; return it. Fails with `what`."""
    clock, pause = SystemClock(), threading.Event()
    until_s = clock.monotonic_s() + within_s
    while True:
        if answer := ready():
            return answer
        assert clock.monotonic_s() < until_s, f"not within {within_s:g} s: {what}"
        pause.wait(0.1)


@dataclass
class PatrolSite:
    """One site: its configuration directory and the commands on it."""

    folder: Path
    children: list["subprocess.Popen[str]"] = field(default_factory=list)
    environment: Mapping[str, str] = field(default_factory=dict)  # added to ours

    def patrol(self, *arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end."""
        done = subprocess.run(
            self._command(*arguments), capture_output=True, text=True, timeout=150, check=False,
            env={**os.environ, **self.environment},
        )  # fmt: skip
        if check:
            assert done.returncode == 0, f"{arguments}: {done.returncode}\n{done.stderr}"
        return done

    def json(self, *arguments: str) -> Any:
        """Run a command with --json."""
        return json.loads(self.patrol(*arguments, "--json").stdout)

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start a command; it is ended with the test."""
        log = (self.folder / f"{arguments[0]}.log").open("a")
        child = subprocess.Popen(
            self._command(*arguments), stdout=log, stderr=log, text=True,
            env={**os.environ, **self.environment},
        )  # fmt: skip
        log.close()
        self.children.append(child)
        return child

    def edit(self, **changes: Any) -> None:
        """Change sections of site.yaml."""
        path = self.folder / "site.yaml"
        site = yaml.safe_load(path.read_text("utf-8"))
        path.write_text(yaml.safe_dump({**site, **changes}, allow_unicode=True), "utf-8")

    @property
    def database(self) -> str:
        """The URL of its database."""
        text = yaml.safe_load((self.folder / "site.yaml").read_text("utf-8"))["database"]
        return str(text)

    def round_totals(self, plan: str = "morning") -> RoundTotals | None:
        """The totals of the plan's newest round; None before there is one."""
        if not (self.folder / "patrol.db").exists():
            return None
        try:
            with open_store(self.database) as store, store.begin_read() as uow:
                rounds = uow.rounds.of_plan(plan, limit=1)
                return uow.rounds.totals(rounds[0].id) if rounds else None
        except StoreUnavailable:  # its tables are being made just now
            return None

    def end(self) -> None:
        """Kill whatever still runs."""
        for child in self.children:
            if child.poll() is None:
                child.kill()
            child.wait(10)

    def _command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "patrol", "-c", str(self.folder), *arguments]


class Phone:
    """A grid leader's MQTT client that knows only docs/mqtt.md."""

    def __init__(self, port: int, site: str = "shangba") -> None:
        self.prefix = f"patrol/v1/{site}/grid"
        self.received: list[tuple[str, dict[str, Any] | None]] = []
        self.arrived = threading.Condition()
        self.client = Client(CallbackAPIVersion.VERSION2, client_id="phone", clean_session=False)
        self.client.reconnect_delay_set(1, 2)
        self.client.on_connect = lambda client, *_: client.subscribe(f"{self.prefix}/+/case/+", 1)
        self.client.on_message = lambda _c, _d, message: self._on_message(message)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()

    def _on_message(self, message: Any) -> None:
        body = json.loads(message.payload) if message.payload else None
        with self.arrived:
            self.received.append((message.topic, body))
            self.arrived.notify_all()

    def wait(self, state: str | None, within_s: float = WITHIN_S) -> tuple[str, Any]:
        """The newest message about a case in `state` (None: cleared)."""

        def found() -> tuple[str, Any] | None:
            fitting = (
                (topic, body)
                for topic, body in reversed(self.received)
                if (body is None if state is None else (body or {}).get("state") == state)
            )
            return next(fitting, None)

        with self.arrived:
            assert self.arrived.wait_for(found, within_s), (
                f"no message in state {state}: {self.received}"
            )
            answer = found()
        assert answer is not None
        return answer

    def reply(self, topic: str, key: str, kind: str, **more: str) -> None:
        """Answer on the case's reply topic."""
        body = {"v": 1, "key": key, "at": "2026-11-22T01:00:00Z", "type": kind, **more}
        reply_topic = topic.replace("/case/", "/reply/")
        self.client.publish(reply_topic, json.dumps(body).encode(), qos=1).wait_for_publish(10)

    def disconnect(self) -> None:
        """Disconnect for good."""
        self.client.disconnect()
        self.client.loop_stop()


class Gstreamer:
    """GStreamer's own RTSP server showing a clip, run by the system's Python."""

    def __init__(self, script: Path) -> None:
        self.script = script
        self.process: subprocess.Popen[str] | None = None

    def show(self, clip: Path, port: int = 0) -> int:
        """Serve the clip at /clip in place of an earlier one; return the port."""
        self.stop()
        command = ["/usr/bin/python3", str(self.script), str(clip), str(port)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        return int(self.process.stdout.readline())

    def stop(self) -> None:
        """End the server."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(10)
            assert self.process.stdout is not None
            self.process.stdout.close()
            self.process = None
