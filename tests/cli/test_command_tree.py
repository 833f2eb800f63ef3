"""The table of verbs: its texts are those of the functions, and a list of verbs imports none."""

import inspect
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from patrol.cli.root import load_function, run
from patrol.cli.verbs import GROUPS, VERBS

# What takes a tenth of a second or more to import.
HEAVY = {
    "alembic", "apprise", "av", "cv2", "fastapi", "httpx", "numpy", "onnxruntime", "paho",
    "prometheus_client", "pydantic", "sqlalchemy", "structlog", "xlsxwriter", "zxcvbn",
    "patrol.app", "patrol.settings", "patrol.store", "patrol.web", "simulators",
}  # fmt: skip
OPTIONAL = (
    "apprise", "fastapi", "iotcore", "jinja2", "multipart", "onnxruntime", "playwright", "psycopg",
    "pwdlib", "pypinyin", "python_calamine", "python_multipart", "starlette", "uvicorn",
    "xlsxwriter", "zxcvbn",
)  # fmt: skip
# Verbs of the console, whose extra they need; the demo shows it, too.
CONSOLE_VERBS = ("demo", "simulate")


@pytest.mark.parametrize("path", VERBS)
def test_the_table_shows_the_first_line_of_the_function(path: str) -> None:
    verb = VERBS[path]
    lines = (inspect.getdoc(load_function(verb)) or "").splitlines()
    assert verb.short_help == lines[0]


def test_every_group_has_verbs_and_every_verb_its_group() -> None:
    assert {path.rpartition(" ")[0] for path in VERBS if " " in path} == set(GROUPS)


@pytest.mark.parametrize("arguments", [["--help"], ["--version"]])
def test_a_list_of_verbs_imports_nothing_heavy(arguments: list[str]) -> None:
    """In a process of its own, as this one has imported everything."""
    script = (
        "import sys\nfrom patrol.cli.root import run\n"
        f"code = run({arguments!r})\n"
        f"print(code, sorted(set(sys.modules) & {HEAVY!r}), file=sys.stderr)\n"
    )
    done = in_a_process(script)
    assert done.stderr == "0 []\n"
    assert "patrol" in done.stdout


# What shows rows of the store, and what a person waits for with it: half a second in all.
LISTS = ("queue", "cases", "case")
NEEDED_BY_LISTS = {"pydantic", "sqlalchemy", "structlog", "patrol.settings", "patrol.store"}
ACTING = {"patrol.vision", "patrol.messaging.outbox_relay", "patrol.store.fsck"}
NOT_FOR_LISTS = (HEAVY | ACTING) - NEEDED_BY_LISTS


def test_a_list_imports_nothing_that_acts() -> None:
    modules = sorted({VERBS[path].function.partition(":")[0] for path in LISTS})
    script = (
        "import importlib, sys\n"
        f"for name in {modules!r}: importlib.import_module('patrol.cli.' + name)\n"
        f"print(sorted(set(sys.modules) & {NOT_FOR_LISTS!r}))\n"
    )
    assert in_a_process(script).stdout == "[]\n"


def test_verbs_work_without_optional_extras() -> None:
    modules = sorted({
        verb.function.partition(":")[0]
        for path, verb in VERBS.items()
        if path.partition(" ")[0] not in CONSOLE_VERBS
    })  # fmt: skip
    script = (
        "import importlib, sys\n"
        f"for name in {OPTIONAL!r}: sys.modules[name] = None\n"
        f"for name in {modules!r}: importlib.import_module('patrol.cli.' + name)\n"
    )
    done = in_a_process(script)
    assert done.returncode == 0, done.stderr


def in_a_process(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("name", ["capture", "round", "mqtt", "alerts", "console", "vision"])
def test_a_bench_is_run_with_its_progress_on_stderr(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bench = pytest.importorskip(f"patrol.bench.{name}")
    assert "report" in inspect.signature(bench.run).parameters

    def measured(*, report: Any) -> dict[str, int]:
        report("measuring")
        return {"cameras": 3}

    monkeypatch.setattr("patrol.cli.bench.import_module", lambda _: SimpleNamespace(run=measured))
    assert run(["bench", name, "--json"]) == 0
    out, err = capsys.readouterr()
    assert (out, err) == ('{\n  "cameras": 3\n}\n', "measuring\n")
