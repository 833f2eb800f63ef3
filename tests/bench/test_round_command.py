"""`patrol bench round` as a command: what it measures, and what a signal leaves behind."""

import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from patrol.cli.root import run

FARM = """
import sys
from pathlib import Path
from simulators.rtsp_farm.process import running_farm
with running_farm(Path(sys.argv[1]), cameras=1, profile="tiny") as farm:
    print(farm.pid, flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize(("arguments", "asked"), [
    pytest.param([], {}, id="three sizes and the mixture"),
    pytest.param(["--cameras", "20"], {"sizes": [20], "mixed_cameras": 0}, id="one size"),
    pytest.param(["--cameras", "20,60"], {"sizes": [20, 60], "mixed_cameras": 0}, id="two"),
    pytest.param(["--cameras", "9", "--mixed", "4"], {"sizes": [9], "mixed_cameras": 4}, id="both"),
    pytest.param(["--mixed", "0"], {"mixed_cameras": 0}, id="no mixture"),
])  # fmt: skip
def test_the_sizes_are_the_callers(
    arguments: list[str], asked: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    got: dict[str, object] = {}

    def measure(*, report: object, **more: object) -> dict[str, Any]:
        assert callable(report)
        got.update(more)
        return {"rounds": []}

    monkeypatch.setattr("patrol.bench.round.run", measure)
    assert run(["bench", "round", *arguments, "--json"]) == 0
    assert got == asked


@pytest.mark.parametrize("sizes", ["0", "-1", "600,60", "many", "20001", "1,,2", "1.5"])
def test_no_sizes_are_told(sizes: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", "round", "--cameras", sizes]) == 2
    assert "--cameras" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_bench_through_its_cleanup(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    cleaned_up: list[bool] = []

    def measure(**_more: object) -> dict[str, Any]:
        try:
            os.kill(os.getpid(), number)
            return {"rounds": []}
        finally:
            cleaned_up.append(True)

    monkeypatch.setattr("patrol.bench.round.run", measure)
    assert run(["bench", "round"]) == 1
    assert cleaned_up == [True]


def test_the_cameras_end_with_the_program_that_started_them_even_where_it_is_killed(
    tmp_path: Path,
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", FARM, str(tmp_path / "town")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as program:
        assert program.stdout is not None
        farm = os.pidfd_open(int(program.stdout.readline()))
        try:
            program.kill()
            ended, _, _ = select.select([farm], [], [], 60.0)
            assert ended == [farm]
        finally:
            os.close(farm)
