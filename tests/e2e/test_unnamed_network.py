"""Nothing of the product resolves or dials what its configuration does not name.

The demonstration is the whole product in one process: rounds over RTSP cameras with the object
detector, broker, messages, console. It runs in a network namespace with loopback alone, without
the variables by which libraries know a test machine and stay quiet, and with an empty home.
"""

import os
import sys
from pathlib import Path

import pytest

from tests.e2e.site import need
from tests.support.network_sink import IsolatedRun, can_isolate, run_isolated

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

ROOT = Path(__file__).parents[2]
MODELS, CACHE = ROOT / "var/models", ROOT / "var/cache"
WITHIN_S = 300.0
VERBS_OF_A_DAY = 13
ASKS_AND_DIALS = """
import pathlib, socket
for attempt in (
    lambda: socket.getaddrinfo("collector.example.org", 443),
    lambda: socket.create_connection(("192.0.2.7", 443), 2),
    lambda: socket.create_connection(("2001:db8::7", 443), 2),
):
    try:
        attempt()
    except OSError:
        pass
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
    probe.sendto(b"hello", ("198.51.100.9", 8125))
pathlib.Path.home().joinpath("queued.db").touch()
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    need("unshare and ip (util-linux, iproute2), the right to use them", can_isolate())
    made = tmp_path / "home"
    made.mkdir()
    return made


def run_in(home: Path, *command: str) -> IsolatedRun:
    """Run a command with nothing of this process's environment but its PATH."""
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": str(ROOT)}
    return run_isolated(command, env, home.parent, WITHIN_S)


def written_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_the_sink_sees_what_is_asked_dialled_and_written(home: Path) -> None:
    run = run_in(home, sys.executable, "-c", ASKS_AND_DIALS)
    assert run.code == 0, run.output
    assert {"tcp 192.0.2.7:443", "udp 198.51.100.9:8125"} <= set(run.foreign)
    assert any(to == "dns collector.example.org" or to.endswith(":53") for to in run.foreign)
    assert written_below(home) == ["queued.db"]


# Behind the demonstration's round: what else a day brings. The cameras are gone by then, so that
# further rounds meet refused connections; everything opens libraries of its own.
REST_OF_A_DAY = """
import os
from datetime import datetime
os.chdir({work!r})
from patrol.cli.root import run
assert run(["demo", "--once", "--cameras", "12", "--port", "0"]) == 0
site = ["-c", "var/demo"]
day = f"{{datetime.now():%Y-%m-%d}}"
for verb in (
    ["round"], ["round"], ["queue"], ["cases"],
    *(["report", "--day", day, "--format", kind, "--out", f"day.{{kind}}"]
      for kind in ("html", "xlsx", "csv", "json")),
    ["report", "--month", day[:7], "--public", "--out", "public.html"],
    ["backup", "--out", "day.tar"], ["db", "check"], ["health"], ["check"],
):
    code = run([*site, *verb])
    print("DONE", code, *verb[:2], flush=True)
"""


@pytest.mark.soak  # a minute and a half; what it counts with is tried above
def test_a_round_with_detector_broker_and_console_asks_and_dials_nobody(
    home: Path, tmp_path: Path
) -> None:
    need("the weight file (patrol models install)", (MODELS / "yolox_nano.onnx").exists())
    work = tmp_path / "work"
    (work / "var").mkdir(parents=True)
    CACHE.mkdir(parents=True, exist_ok=True)  # of encoded streams, as all farms share it
    for shared in (MODELS, CACHE):
        (work / "var" / shared.name).symlink_to(shared.resolve())
    run = run_in(home, sys.executable, "-c", REST_OF_A_DAY.format(work=str(work)))
    assert run.code == 0, run.output
    assert "yolox_nano" in run.output, "the object detector ran"
    done = [line for line in run.output.splitlines() if line.startswith("DONE ")]
    assert len(done) == VERBS_OF_A_DAY, run.output
    assert {line.split()[1] for line in done if "report" in line or "backup" in line} == {"0"}, done
    assert run.foreign == []
    assert written_below(home) == []
