"""An embedded MQTT broker (rumqttd, from the wheel `iotcore`), on loopback only.

rumqttd speaks one protocol version per port: the main port speaks MQTT 3.1.1, which every client
knows, `port_v5` speaks MQTT 5; both share topics and retained messages. It keeps everything in
memory: after a kill it is empty, and the relay publishes the retained messages again. It has no way
to stop, so it lives in a child process that ends when ours does, however that ends.

With `accounts` it asks for a login and keeps to their rights, as Mosquitto does with the files of
`patrol mosquitto write` (access_proxy.py stands in front of it); without, everybody may everything.
"""

import json
import logging
import os
import secrets
import socket
import subprocess  # nosec B404
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Self

from patrol.mqtt.access_proxy import AccessProxy, Rights, run_proxies
from patrol.mqtt.connection import BrokerAddress, Protocol
from patrol.mqtt.mosquitto_files import CENTRE, MqttAccount

HOST: Final = "127.0.0.1"
_handed_out: Final[set[int]] = set()
PORT_TRIES: Final = 4
LARGEST_BYTES: Final = 256 * 1024  # our own limit of 64 KiB is answered with a reason, not a cut
_CONFIG = """\
id = 0
[router]
id = 0
max_connections = 10010
max_outgoing_packet_count = 200
max_segment_size = 104857600
max_segment_count = 10
"""
_LISTENER = """\
[{version}.1]
name = "{version}"
listen = "{host}:{port}"
next_connection_delay_ms = 1
[{version}.1.connections]
connection_timeout_ms = 60000
max_payload_size = {largest}
max_inflight_count = 500
dynamic_filters = true
"""


class EmbeddedBroker:
    """The broker's process. `start`, `stop`, or as a context manager; port 0 takes a free one."""

    def __init__(
        self, port: int = 0, *, port_v5: int = 0, accounts: Sequence[MqttAccount] = ()
    ) -> None:
        self.accounts = accounts  # with passwords; may be set before `start`
        self._chooses_ports = not port and not port_v5
        self.port = port or free_port()
        self.port_v5 = port_v5 or free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._sending = threading.Lock()

    @property
    def address(self) -> BrokerAddress:
        """For our own clients (MQTT 3.1.1), under the centre's account."""
        centre = next((a for a in self.accounts if a.user == CENTRE), None)
        return BrokerAddress(
            host=HOST, port=self.port, protocol=Protocol.V311,
            username=centre.user if centre else "", password=centre.password if centre else "",
        )  # fmt: skip

    @property
    def url(self) -> str:
        """For other programs."""
        return f"mqtt://{HOST}:{self.port}"

    @property
    def pid(self) -> int | None:
        """Of the child process, while it runs."""
        return self._process.pid if self._process else None

    def start(self, timeout_s: float = 15.0) -> None:
        """Start and wait until both ports answer. Raises RuntimeError with the reason.

        A free port may be taken by another program before the child binds it: others are chosen,
        unless the caller named them.
        """
        for tries_left in reversed(range(PORT_TRIES if self._chooses_ports else 1)):
            try:
                self._start_once(timeout_s)
            except RuntimeError:
                self.stop()
                if not tries_left:
                    raise
                self.port, self.port_v5 = free_port(), free_port()
            else:
                return

    def _start_once(self, timeout_s: float) -> None:
        if in_use(self.port) or in_use(self.port_v5):
            raise RuntimeError(f"port {self.port} or {self.port_v5} of {HOST} is taken")
        self._process = subprocess.Popen(  # noqa: S603  our own module, our own numbers  # nosec B603
            [
                sys.executable,
                "-m",
                "patrol.mqtt.embedded_broker",
                str(self.port),
                str(self.port_v5),
            ],
            stdin=subprocess.PIPE,  # the child ends when this closes
            start_new_session=True,  # Ctrl-C is for us; we stop the broker last
        )
        self._send_accounts(self._process)
        gone = threading.Event()
        for _ in range(int(timeout_s / 0.05)):
            if self._process.poll() is not None:
                raise RuntimeError(f"the embedded broker ended with {self._process.returncode}")
            if in_use(self.port) and in_use(self.port_v5):
                return
            gone.wait(0.05)
        raise RuntimeError(f"the embedded broker did not listen within {timeout_s:g} s")

    def change_accounts(self, accounts: Sequence[MqttAccount]) -> None:
        """Ask for these logins and keep to these rights from now on.

        A connection whose account has gone, or has other rights or another password, ends at its
        next packet in either direction, which goes no further. A broker that was started without
        accounts stays open to everybody.
        """
        if not self.accounts or list(accounts) == list(self.accounts):
            return
        self.accounts = accounts
        if self._process is not None:
            self._send_accounts(self._process)

    def _send_accounts(self, process: "subprocess.Popen[bytes]") -> None:
        """Hand them over by the pipe: a command line is everybody's to read."""
        rights = {a.user: [a.password, [*a.reads], [*a.writes]] for a in self.accounts}
        with self._sending, suppress(BrokenPipeError):
            if process.stdin is not None:
                process.stdin.write(json.dumps(rights).encode() + b"\n")
                process.stdin.flush()

    def stop(self) -> None:
        """End the child process; nothing happens when it is ended already."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()  # it keeps nothing on disk that an orderly end would save
        process.wait(5.0)
        if process.stdin is not None:
            process.stdin.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()


def free_port() -> int:
    """A port of loopback that is free just now and was not handed out by this process before.

    The kernel may give one number twice in a row while nothing listens there yet.
    """
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    if port in _handed_out:
        return free_port()
    _handed_out.add(port)
    return port


def in_use(port: int) -> bool:
    """Whether a server accepts connections on this port of loopback."""
    try:
        with socket.create_connection((HOST, port), timeout=0.2):
            return True
    except OSError:
        return False


def rumqttd_config(port: int, port_v5: int, login: tuple[str, str] | None = None) -> str:
    """Rumqttd's configuration: two listeners, both on loopback; `login`: the only one it knows."""
    text = _CONFIG
    for version, number in (("v4", port), ("v5", port_v5)):
        text += _LISTENER.format(version=version, host=HOST, port=number, largest=LARGEST_BYTES)
        if login is not None:
            text += f'[{version}.1.connections.auth]\n{login[0]} = "{login[1]}"\n'
    return text


def _follow_parent(accounts: dict[str, Rights]) -> None:
    """Take over each further line of accounts; end the process with the pipe."""
    for line in sys.stdin.buffer:
        changed = _rights_of(line)
        for user in accounts.keys() - changed.keys():
            del accounts[user]
        accounts.update(changed)
    os._exit(0)


def _rights_of(line: bytes) -> dict[str, Rights]:
    found: Mapping[str, Any] = json.loads(line or b"{}")
    return {
        user: Rights(password, tuple(reads), tuple(writes))
        for user, (password, reads, writes) in found.items()
    }


def _serve(port: int, port_v5: int) -> None:
    accounts = _rights_of(sys.stdin.buffer.readline())
    threading.Thread(target=_follow_parent, args=(accounts,), daemon=True).start()
    if not accounts:
        _run_rumqttd(rumqttd_config(port, port_v5))
        return
    login = ("proxy", secrets.token_hex(16))
    inner = {port: free_port(), port_v5: free_port()}
    proxies = {
        outer: AccessProxy(host=HOST, inner_port=number, inner_login=login, accounts=accounts)
        for outer, number in inner.items()
    }
    config = rumqttd_config(inner[port], inner[port_v5], login)
    threading.Thread(target=_run_proxies, args=(proxies,), daemon=True).start()
    _run_rumqttd(config)


def _run_proxies(proxies: Mapping[int, AccessProxy]) -> None:
    """Once rumqttd listens: nobody meets a port behind which there is nothing."""
    waiting = threading.Event()
    while not all(in_use(proxy.inner_port) for proxy in proxies.values()):
        waiting.wait(0.02)
    run_proxies(proxies)


def _run_rumqttd(config: str) -> None:
    from iotcore.iotcore import IotCoreBroker  # noqa: PLC0415  optional, and only the child needs it

    logging.disable(logging.CRITICAL)  # rumqttd reports every packet as an error
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rumqttd.toml"
        path.write_text(config, "utf-8")
        broker = IotCoreBroker(config_path=str(path))
    broker.run_forever()


if __name__ == "__main__":
    try:
        _serve(int(sys.argv[1]), int(sys.argv[2]))
    except (OSError, RuntimeError) as exc:
        sys.stderr.write(f"embedded broker: {exc}\n")
        sys.stderr.flush()
        os._exit(1)  # an orderly end would wait for the thread that reads the pipe
