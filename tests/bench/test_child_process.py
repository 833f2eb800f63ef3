"""Programs of a bench: one document in, one out, and failures that say which program failed."""

import sys
from importlib import import_module
from inspect import signature

import pytest

from patrol.bench.child_process import json_from_process, thread_cpu_ms
from patrol.cli import bench as bench_verbs

BENCHES = [name.removeprefix("bench_") for name in dir(bench_verbs) if name.startswith("bench_")]

ECHO = "import json, sys; print(json.dumps({'asked': json.load(sys.stdin)}, indent=2))"


def test_a_request_goes_in_and_a_document_comes_out() -> None:
    command = [sys.executable, "-c", ECHO]
    answer = json_from_process(command, name="echo", timeout_s=20, request={"urls": ["rtsp://x"]})
    assert answer == {"asked": {"urls": ["rtsp://x"]}}


@pytest.mark.parametrize(("program", "timeout_s", "problem"), [
    pytest.param("raise SystemExit('no camera')", 20, "way: ended with 1: no camera", id="failed"),
    pytest.param("import time; time.sleep(20)", 0.2, "way: not done in 0.2 s", id="too slow"),
])  # fmt: skip
def test_a_program_that_fails_is_named(program: str, timeout_s: float, problem: str) -> None:
    with pytest.raises(RuntimeError, match=problem):
        json_from_process(
            [sys.executable, "-c", program], name="way", timeout_s=timeout_s, quote_stderr=True
        )


def test_what_a_program_wrote_is_quoted_only_on_request() -> None:
    program = "raise SystemExit('rtsp://admin:s3cret@10.0.0.1')"
    with pytest.raises(RuntimeError, match=r"way: ended with 1$"):
        json_from_process([sys.executable, "-c", program], name="way", timeout_s=20)


def test_cpu_time_is_counted() -> None:
    assert thread_cpu_ms(lambda: sum(range(100_000))) > 0


@pytest.mark.parametrize("name", BENCHES)
def test_every_bench_takes_what_the_command_gives_it(name: str) -> None:
    parameters = signature(import_module(f"patrol.bench.{name}").run).parameters
    required = {n for n, p in parameters.items() if p.default is p.empty}
    assert "report" in parameters
    assert required <= {"report"}
