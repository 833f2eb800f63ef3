"""Run a real Mosquitto on a free port of loopback, to be killed and started again.

Uses Debian's `mosquitto`; `find_mosquitto` returns None where it is not installed. Its folder
keeps sessions and retained messages on disk, as a site's broker does. For tests and benchmarks.
"""

import shutil
import signal
import subprocess  # nosec B404
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from patrol.mqtt.embedded_broker import free_port, in_use

HOST: Final = "127.0.0.1"
READY_S: Final = 10.0


def find_mosquitto() -> str | None:
    """The path of the `mosquitto` program, or None."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


@dataclass
class Mosquitto:
    """A broker process: `start`, `kill` (as a power cut does), `stop`; a restart keeps its port."""

    folder: Path
    port: int = field(default_factory=free_port)
    extra_config: str = ""  # further lines of mosquitto.conf
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The `mqtt://` address for clients."""
        return f"mqtt://{HOST}:{self.port}"

    @property
    def pid(self) -> int | None:
        """The process id, or None while it does not run."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start and wait until it accepts connections. Raises RuntimeError with its log."""
        program = find_mosquitto()
        if program is None:
            raise RuntimeError("mosquitto is not installed (Debian: apt install mosquitto)")
        config = self.folder / "mosquitto.conf"
        config.write_text(self._config(), "utf-8")
        self._process = subprocess.Popen(  # noqa: S603  our own configuration  # nosec B603
            [program, "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        waiting = threading.Event()
        for _ in range(int(READY_S / 0.02)):
            if in_use(self.port):
                return
            if self._process.poll() is not None:
                break
            waiting.wait(0.02)
        log = self.folder / "mosquitto.log"
        raise RuntimeError(f"mosquitto did not start: {log.read_text() if log.exists() else ''}")

    def save(self) -> None:
        """Have it write its sessions and retained messages to disk now (SIGUSR1)."""
        if self._process is not None:
            self._process.send_signal(signal.SIGUSR1)

    def kill(self) -> None:
        """SIGKILL: what it had only in memory is lost."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM: it saves its state first."""
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(how)
            process.wait(10)

    def _config(self) -> str:
        lines = [
            f"listener {self.port} {HOST}",
            "allow_anonymous true" if "password_file" not in self.extra_config else "",
            "persistence true",
            f"persistence_location {self.folder}/",
            "autosave_interval 1",
            "max_queued_messages 0",
            f"log_dest file {self.folder}/mosquitto.log",
            "user root",
            self.extra_config,
        ]
        return "\n".join(lines) + "\n"
