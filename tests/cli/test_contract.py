"""The command line's promises: verbs, exit codes, one document on stdout, one line for an error."""

import errno
import subprocess
import sys
from typing import Any

import pytest

from patrol.cli.root import run
from patrol.web.server import ConsoleFailed

CliSite = Any  # conftest's
VERBS = {
    "demo": ["--cameras", "--once", "--port", "--json"],
    "run": [],
    "round": ["PLAN", "--json"],
    "check": ["--json"],
    "probe": ["URL", "--save", "--json"],
    "queue": ["--json"],
    "confirm": ["ID", "--category", "--level", "--by"],
    "dismiss": ["ID", "--reason", "--by"],
    "cases": ["--json"],
    "case": ["ID", "--json"],
    "report": ["--round", "--day", "--month", "--format", "--out"],
    "db upgrade": [],
    "db check": [],
    "models install": ["--from"],
    "models list": [],
    "simulate cameras": ["--count", "--port", "--out", "--seed", "--faults"],
    "simulate leaders": [],
    "bench capture": ["--json"],
    "bench round": ["--cameras", "--mixed", "--json"],
    "consent withdraw": ["CAMERA", "--by"],
    "consent restore": ["CAMERA", "--by"],
    "consent list": ["--json"],
    "eval": ["--json"],
}


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_of_the_contract_is_there(
    verb: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    assert run([*verb.split(), "--help"]) == 0
    output = capsys.readouterr().out
    for option in VERBS[verb]:
        assert option in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["nonsense"], "No such command 'nonsense'", id="verb"),
        pytest.param(["queue", "--jsn"], "No such option: --jsn", id="option"),
        pytest.param(["round"], "Missing argument 'PLAN'", id="argument"),
        pytest.param(["dismiss", "F1"], "Missing option '--reason'", id="needed option"),
        pytest.param(["user", "add", "anna"], "Missing option '--duty'. Choose", id="choice"),
        pytest.param(["demo", "--cameras", "many"], "Invalid value for '--cameras'", id="number"),
        pytest.param(
            ["-c", "/nowhere", "queue"], "/nowhere:1: directory: does not exist", id="dir"
        ),
        pytest.param(["-c", "/nowhere", "run"], "/nowhere:1: directory: does not exist", id="run"),
        pytest.param(["report", "--out", "x"], "give one of --round", id="no period"),
        pytest.param(
            ["report", "--day", "2026-11-22", "--out", "/nowhere/x"],
            "/nowhere: no such directory",
            id="no directory",
        ),
        pytest.param(
            ["simulate", "cameras", "--out", "x", "--faults", "hail"],
            "--faults: 'hail' is no mixture, give one of none, town, storm, power_cut",
            id="no mixture",
        ),
    ],
)
def test_bad_input_is_one_line_and_two(
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATROL_LANGUAGE", "en")
    assert run(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert len(err.strip().splitlines()) == 1


def test_bad_configuration_is_every_problem_and_two(cli_site: CliSite) -> None:
    cli_site.spoil("people.csv", "grid_leader", "leader")
    cli_site.spoil("cameras.csv", "一号,620902104203001", "一号,999999999999999")
    ended = cli_site("consent", "list", "--json")
    assert ended.code == 2
    assert ended.out == ""
    config = cli_site.home / "config"
    assert [line.split(" is ")[0] for line in ended.err.splitlines()] == [
        f"{config}/cameras.csv:2: grid_code: grid '999999999999999'",
        f"{config}/people.csv:5: role: 'leader'",
    ]


def test_the_unexpected_is_one_line_and_a_file(
    cli_site: CliSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_args: object, **_named: object) -> None:
        raise ZeroDivisionError("a mistake of ours")

    (cli_site.home / "var").mkdir()
    monkeypatch.setattr("patrol.settings.load_site", broken)
    ended = cli_site("db", "check")
    assert ended.code == 1
    assert ended.err == (
        "patrol: 内部错误：ZeroDivisionError：a mistake of ours（见 var/patrol-error.log）\n"
    )
    log = cli_site.home / "var" / "patrol-error.log"
    assert "Traceback" in log.read_text(encoding="utf-8")
    assert log.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("failure", "line"),
    [
        pytest.param(
            OSError(errno.EADDRINUSE, "error while binding ('127.0.0.1', 554): address in use"),
            "patrol: error while binding ('127.0.0.1', 554): address in use,"
            " give another address or port",
            id="a port that is taken",
        ),
        pytest.param(
            ExceptionGroup("a task group", [PermissionError(13, "Permission denied", "/proc/x")]),
            "/proc/x: Permission denied",
            id="one failure of a task group",
        ),
        pytest.param(
            ConsoleFailed(
                "console 127.0.0.1:8624: Address already in use, give it another address or port"
            ),
            "console 127.0.0.1:8624: Address already in use, give it another address or port",
            id="the console's port",
        ),
    ],
)
def test_what_the_system_refuses_is_one_line(
    failure: Exception, line: str, cli_site: CliSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_args: object, **_named: object) -> None:
        raise failure

    monkeypatch.setattr("patrol.settings.load_site", refused)
    ended = cli_site("db", "check")
    assert (ended.code, ended.err) == (1, f"{line}\n")
    assert not (cli_site.home / "var" / "patrol-error.log").exists()


def test_ctrl_c_is_one_line(cli_site: CliSite, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_args: object, **_named: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("patrol.settings.load_site", interrupted)
    ended = cli_site("db", "check")
    assert (ended.code, ended.err) == (1, "已中断\n")


def test_a_closed_pipe_is_no_traceback() -> None:
    command = f"{sys.executable} -m patrol models list --json | head -c 1 >/dev/null"
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, timeout=60, check=False
    )
    assert "Traceback" not in done.stderr
