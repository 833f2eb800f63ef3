"""The service run for a simulated day where only loopback exists, and the addresses it dials.

Two instruments that know nothing of each other: a packet filter sees what leaves for other
machines, from a library's C++ thread too; an audit hook in the process sees each
address and name that Python code dials or asks for: loopback alone, and there the parts that the
configuration names. The morning's round in every slow run, the whole day behind `make soak`.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.site import need
from tests.support.network_sink import can_isolate, run_isolated

ROOT = Path(__file__).parents[3]
CACHE = ROOT / "var/cache"
WITHIN_S = 1500.0
OUR_OWN = {"127.0.0.1", "localhost", "::1"}


@pytest.mark.timeout(WITHIN_S)
@pytest.mark.parametrize(
    ("begins", "hours", "rounds"),
    [
        pytest.param("09:25", 0.3, 1, id="morning", marks=pytest.mark.slow),
        pytest.param("00:00", 24.5, 2, id="day", marks=pytest.mark.soak),
    ],
)
def test_a_day_resolves_and_dials_what_is_configured(
    tmp_path: Path, begins: str, hours: float, rounds: int
) -> None:
    need("unshare and ip (util-linux, iproute2), the right to use them", can_isolate())
    home = tmp_path / "home"
    home.mkdir()
    command = [
        sys.executable, "-m", "tests.long.day.run_day", str(tmp_path / "site"),
        "--begins", begins, "--hours", str(hours),
    ]  # fmt: skip
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": str(ROOT)}
    run = run_isolated(command, env, tmp_path, WITHIN_S)
    assert run.code == 0, run.output[-3000:]
    day = found_in(run.output)
    assert day["finished"] == rounds, day
    assert min(day["cases"], day["replies"]) > 0, "people worked"
    assert set(day["pages"]) == {"200"}, day
    hosts = {one.rsplit(":", 1)[0] for one in day["dialled"]} | set(day["asked"])
    assert hosts <= OUR_OWN, day
    ports = {int(one.rsplit(":", 1)[1]) for one in day["dialled"]}
    for name in ("cameras", "webhook", "broker", "console"):  # so the hook is known to see them
        assert day["configured"][name] in ports, (name, day)
    assert run.foreign == []
    assert list(home.rglob("*")) == []


def found_in(output: str) -> dict[str, Any]:
    (line,) = [one for one in output.splitlines() if one.startswith("DAY ")]
    found: dict[str, Any] = json.loads(line.removeprefix("DAY "))
    return found
