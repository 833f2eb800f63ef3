"""The service manager hears that all moves, and a service whose scheduler stands still ends."""

import socket
import threading
from pathlib import Path

import pytest

from patrol.app.watchdog import notify_systemd, wait_until_stopped


def test_systemd_gets_the_message(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(5)
        assert notify_systemd("WATCHDOG=1", {"NOTIFY_SOCKET": str(tmp_path / "notify")})
        assert manager.recv(100) == b"WATCHDOG=1"


@pytest.mark.parametrize("address", ["", "relative", "/nobody/listens/here"])
def test_without_a_manager_nothing_is_sent(address: str) -> None:
    assert not notify_systemd("READY=1", {"NOTIFY_SOCKET": address})


def test_it_says_ready_then_alive_then_stopping() -> None:
    stop = threading.Event()
    sent: list[str] = []

    def notify(message: str) -> None:
        sent.append(message)
        if len(sent) == 3:
            stop.set()

    assert wait_until_stopped(stop, lambda: "", look_every_s=0.01, notify=notify) == ""
    assert sent == ["READY=1", "WATCHDOG=1", "WATCHDOG=1", "STOPPING=1"]


def test_what_stands_still_ends_the_wait_and_the_reports() -> None:
    sent: list[str] = []
    frozen = iter(["", "its pool has stood still for 121 s"])
    what = wait_until_stopped(
        threading.Event(), lambda: next(frozen), look_every_s=0.01, notify=sent.append
    )
    assert (what, sent) == ("its pool has stood still for 121 s", ["READY=1", "WATCHDOG=1"])
