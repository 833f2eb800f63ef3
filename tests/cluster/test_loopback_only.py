"""The watch over a network namespace notices what it is there for, or its silence says nothing."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.loopback_only import ELSEWHERE, NO_NAMESPACE

ROOT = Path(__file__).parents[2]
DIALS = "import socket; socket.socket().connect_ex(('192.0.2.1', 80))"
SENDS = "import socket; s = socket.socket(type=socket.SOCK_DGRAM); s.connect_ex(('192.0.2.1', 53))"
# Waits for its own connection to be looked at: the watch looks every 50 ms.
LISTENS = "import socket, time; s = socket.create_server((HOST, 0)); time.sleep(0.5)"


@pytest.mark.parametrize(
    ("program", "code"),
    [
        (DIALS, ELSEWHERE),
        (SENDS, ELSEWHERE),
        (LISTENS.replace("HOST", "'0.0.0.0'"), ELSEWHERE),
        (LISTENS.replace("HOST", "'127.0.0.1'"), 0),
        ("raise SystemExit(7)", 7),
    ],
    ids=["a dial", "a datagram", "listens everywhere", "listens on loopback", "its own code"],
)
def test_what_goes_elsewhere_is_noticed(program: str, code: int) -> None:
    watching = (sys.executable, "-m", "tests.support.loopback_only", sys.executable, "-c", program)
    done = subprocess.run(watching, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode == NO_NAMESPACE:
        pytest.skip(done.stderr)
    assert done.returncode == code, done.stderr
