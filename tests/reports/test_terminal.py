"""A round on a screen: the summary, the live bar, and plain lines where there is no terminal."""

import io
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from rich.console import Console

from patrol.reports.terminal import (
    coverage_bar,
    duration_text,
    percent_text,
    progress_display,
    progress_line,
    render_round,
)
from tests.support.logs import captured_logs

ZONE = ZoneInfo("Asia/Shanghai")
NINE = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
SUMMARY: dict[str, Any] = {
    "round": "20261122-morning-1", "plan": "morning", "state": "finished", "reason": "",
    "started_at": "2026-11-22T01:00:03Z", "finished_at": "2026-11-22T01:00:44Z",
    "planned": 600, "seen": 571, "not_viewable": 12, "missed": 17, "pending": 0, "refused": 41,
    "refusals": {"indoor": 30, "consent_pending": 11},
    "failures": {"unreachable": 9, "refused_us": 1, "went_silent": 1, "unreadable": 1},
    "pictures": 1142, "observations": 37, "findings": 9,
    "messages": {"queued": 3, "published": 2}, "wall_s": 41.2, "cpu_s": 55.0, "peak_rss_mb": 280,
}  # fmt: skip


def shown(summary: dict[str, Any], width: int = 100) -> str:
    out = io.StringIO()
    Console(file=out, width=width).print(render_round(summary, zone=ZONE))
    return out.getvalue()


def test_a_round_tells_everything_that_matters() -> None:
    text = shown(SUMMARY)
    for words in (
        "上午 · 20261122-morning-1", "95.2 %", "应巡", "600", "571",
        "无法查看", "9 连接不上", "漏巡", "30 室内",
        "线索", "消息", "2/3", "待发 1", "41.2 s", "280 MB",
        "14.2 路/s", "2026-11-22 09:00:03 – 09:00:44",
    ):  # fmt: skip
        assert words in text


def test_it_fits_a_plain_terminal() -> None:
    assert max(len(line) for line in shown(SUMMARY, width=80).splitlines()) <= 80


def test_a_round_that_was_interrupted_says_why() -> None:
    stopped = {**SUMMARY, "state": "interrupted", "reason": "disk full", "pending": 100,
               "finished_at": None}  # fmt: skip
    text = shown(stopped)
    assert "已中断：disk full" in text
    assert "待查" in text
    assert "– …" in text


def test_a_round_of_nobody_divides_by_nothing() -> None:
    nothing = {
        key: 0 if isinstance(value, int | float) else value for key, value in SUMMARY.items()
    }
    assert "—" in shown(nothing | {"failures": {}, "refusals": {}})


@pytest.mark.parametrize("planned", [1, 7, 44, 600, 10_000])
def test_what_happened_once_still_shows_and_the_bar_keeps_its_length(planned: int) -> None:
    counts = {"planned": planned, "seen": planned - 1, "not_viewable": 1, "missed": 0}
    cells = coverage_bar(counts).plain.split("  ")[0]
    assert len(cells) == 44
    colours = {str(span.style) for span in coverage_bar(counts).spans}
    assert "yellow" in colours


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.04, "0.0 s"), (59.9, "59.9 s"), (185, "3 min 05 s"), (4320, "1 h 12 min")],
)
def test_duration(seconds: float, words: str) -> None:
    assert duration_text(seconds) == words


def test_percent_of_nothing() -> None:
    assert (percent_text(0, 0), percent_text(1, 3)) == ("—", "33.3 %")


@dataclass(frozen=True)
class Step:
    round: str = "20261122-morning-1"
    plan: str = "morning"
    planned: int = 100
    done: int = 0
    seen: int = 0
    not_viewable: int = 0
    missed: int = 0
    findings: int = 0
    per_s: float | None = None
    forecast: datetime | None = None
    finish_by: datetime = NINE + timedelta(minutes=90)


def test_the_forecast_stands_beside_the_limit() -> None:
    step = Step(done=50, seen=48, not_viewable=2, per_s=10.0, forecast=NINE + timedelta(seconds=5))
    assert progress_line(step, ZONE) == (
        "20261122-morning-1: 50/100 · 实巡 48 · 无法查看 2 · 剩余 50"
        " · 10.0/s · 线索 0 · 预计 09:00:05 / 10:30"
    )
    late = replace(step, forecast=NINE + timedelta(hours=2))
    assert "赶不上" in progress_line(late, ZONE)


def test_without_a_terminal_a_round_is_a_dozen_lines() -> None:
    out = io.StringIO()
    with progress_display(Console(file=out, width=40), ZONE) as show:
        for done in range(101):
            show(Step(done=done, seen=done))
        show(Step(done=100, seen=100))
    lines = out.getvalue().splitlines()
    assert 10 <= len(lines) <= 12
    assert lines[-1].startswith("20261122-morning-1: 100/100")
    assert sum("100/100" in line for line in lines) == 1


def test_every_round_of_a_service_has_its_lines_as_fields() -> None:
    with (
        captured_logs() as lines,
        progress_display(Console(file=io.StringIO()), ZONE, as_log=True) as show,
    ):
        for name in ("20261122-morning-1", "20261122-afternoon-1"):
            for done in range(101):
                show(replace(Step(done=done, seen=done), round=name))
        for done in (40, 41, 100):  # interrupted, and resumed by the next start
            show(replace(Step(done=done, seen=done), round="20261123-morning-1"))
    told = [line for line in lines if line["event"] == "round progress"]
    by_round = Counter(line["round"] for line in told)
    assert by_round == {
        "20261122-morning-1": 11, "20261122-afternoon-1": 11, "20261123-morning-1": 2,
    }  # fmt: skip
    assert told[-1]["done"] == told[-1]["planned"] == 100
    assert told[-1]["finish_by"].endswith("Z")


def test_on_a_terminal_the_bar_shows_the_counts_and_goes() -> None:
    out = io.StringIO()
    console = Console(file=out, width=140, force_terminal=True, color_system=None)
    with progress_display(console, ZONE) as show:
        show(Step(done=40, seen=38, not_viewable=2, findings=3, per_s=9.5))
        console.file.flush()
    text = out.getvalue()
    assert "40/100" in text
    assert "✓38" in text
    assert "◆3" in text
