"""Today says when the machine's clock waits for a confirmation, and when it was set."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from patrol.domain.wall_clock import ClockTrust

LogIn = Callable[[str], httpx.Client]


@pytest.fixture
def monitor(town: Any) -> Iterator[Any]:
    """The clock monitor of the application, as it was afterwards."""
    one = town.app.clock_monitor
    before = one.record
    yield one
    one.record = before


def test_a_clock_that_is_not_believed_is_a_banner(log_in: LogIn, monitor: Any) -> None:
    assert "本机时钟" not in log_in("operator").get("/today/part").text
    monitor.record = replace(monitor.record, trust=ClockTrust.JUMPED, jump_s=-3 * 86400.0)
    page = log_in("operator").get("/today/part").text
    assert "本机时钟不可信" in page
    assert "3 天" in page
    assert "patrol clock accept" in page


@pytest.mark.parametrize(("step_s", "text"), [(-360.0, "拨慢 6 分钟"), (1800.0, "拨快 30 分钟")])
def test_a_step_is_shown_for_a_day(log_in: LogIn, monitor: Any, step_s: float, text: str) -> None:
    now = monitor.clock.now()
    monitor.record = replace(monitor.record, step_s=step_s, step_at=now - timedelta(hours=1))
    assert text in log_in("operator").get("/today/part").text
    monitor.record = replace(monitor.record, step_at=now - timedelta(hours=25))
    assert text not in log_in("operator").get("/today/part").text
