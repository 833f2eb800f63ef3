"""`patrol round`: its document, its progress beside it, its words when it was interrupted."""

import json
import os
import signal
import subprocess
import sys
from typing import Any

import pytest

CliSite = Any  # conftest's
CONTRACT = {
    "round", "plan", "started_at", "finished_at", "planned", "seen", "not_viewable", "missed",
    "refused", "failures", "pictures", "observations", "findings", "messages", "wall_s", "cpu_s",
    "peak_rss_mb",
}  # fmt: skip


def test_a_round_whose_only_camera_is_off(cli_site: CliSite) -> None:
    ended = cli_site("round", "morning", "--json")
    assert ended.code == 0, ended.err
    summary = ended.document
    assert summary.keys() >= CONTRACT
    assert summary["planned"] == 1
    assert summary["not_viewable"] == 1
    assert summary["refused"] == 1, "the indoor one"
    assert summary["failures"] == {"unreachable": 1}
    assert "1/1 · 实巡 0 · 无法查看 1" in ended.err
    assert "s3cret" not in ended.err + ended.out
    again = cli_site("round", "morning")
    assert again.code == 0
    assert "上午" in again.out
    assert "1 连接不上" in again.out
    assert "-morning-2" in again.out, "a second round of the day has its own number"


def test_a_round_is_refused_while_rounds_are_paused(cli_site: CliSite) -> None:
    paused = cli_site(
        "pause", "--reason", "平台割接", "--until", "2099-01-01 18:00", "--by", "wang"
    )
    assert paused.code == 0, paused.err
    for words in (("morning",), ("--grid", "620902104203001"), ("morning", "--json")):
        refused = cli_site("round", *words)
        assert refused.code == 1
        assert "paused by wang: 平台割接, until 2099-01-01 18:00" in refused.err
        assert not refused.out.strip()
    assert cli_site("resume").code == 0
    assert cli_site("round", "morning").code == 0


def test_a_round_over_what_may_not_be_visited_says_so(cli_site: CliSite) -> None:
    listed = cli_site("consent", "list", "--json").document
    indoor = next(one["camera"] for one in listed if one["why"] == "indoor")
    ended = cli_site("round", "--camera", indoor)
    assert "没有可以巡查的点位" in ended.err
    assert "没有可以巡查的点位：室内 1" in ended.err


def test_a_round_that_stopped_half_way_says_how_to_go_on(
    cli_site: CliSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = {
        "round": "20261122-morning-1", "plan": "morning", "state": "interrupted",
        "reason": "disk full", "started_at": None, "finished_at": None, "planned": 2, "seen": 0,
        "not_viewable": 0, "missed": 0, "pending": 2, "refused": 0, "refusals": {}, "failures": {},
        "pictures": 0, "observations": 0, "findings": 0, "messages": {"queued": 0, "published": 0},
        "wall_s": 0.0, "cpu_s": 0.0, "peak_rss_mb": 0.0,
    }  # fmt: skip
    monkeypatch.setattr(
        "patrol.app.application.Application.run_round", lambda *_args, **_named: stopped
    )
    ended = cli_site("round", "morning", "--json")
    assert ended.code == 1
    assert ended.document["state"] == "interrupted"
    last = ended.err.splitlines()[-1]
    assert last == "20261122-morning-1: disk full; `patrol round morning` takes it up again"


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_service_starts_and_stops_at_a_signal(
    cli_site: CliSite, number: signal.Signals
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "patrol", "-c", str(cli_site.home / "config"), "run"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "NO_COLOR": "1"},
    )  # fmt: skip
    try:
        output = ""
        assert process.stderr is not None
        while "已就绪" not in output:
            line = process.stderr.readline()
            assert line, output
            output += line
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, output + err
    assert "小镇（small）：上午 09:00–10:30、下午 15:00–17:30" in output
    assert err.splitlines()[-1] == "已停止"
    assert out == "", "stdout is for documents"


def test_the_document_is_json_for_any_reader(cli_site: CliSite) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "patrol", "-c", str(cli_site.home / "config"), "queue", "--json"],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout) == []
