"""Jobs run at their pace whatever the wall clock does, and a scheduler that stops is noticed."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from patrol.app.scheduler import FROZEN_AFTER_S, DailyJob, JobScheduler, ScheduledJob
from tests.support.clock import ManualClock
from tests.support.fake_time import FakeWallClock

ZONE = ZoneInfo("Asia/Shanghai")
EVENING = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)  # 20:00 in the town
HALF_PAST_THREE = datetime(2026, 11, 22, 19, 30, tzinfo=UTC)  # 03:30 of the next day there
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
PROCESS = Path(__file__).with_name("clock_stepped_process.py")
MOST_S = 30.0  # a busy machine; a clock that holds the jobs up does so for its whole step
SETS = (-360, 0, 3600, -3600, 345_600, 34_560_000, 0, -34_560_000, 0)  # seconds


class SteppedProcess:
    """The scheduler's process."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, PROCESS],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
        )

    def run(self, most_s: float = MOST_S) -> dict[str, Any]:
        """Let it run until each job ran as often as it should, `most_s` at most; what it did."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{most_s}\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def end(self) -> int:
        """Close it; its exit code."""
        self._process.communicate(timeout=20)
        return self._process.returncode


@contextmanager
def stepped_process(clock: FakeWallClock) -> Iterator[SteppedProcess]:
    process = SteppedProcess(clock.environment)
    try:
        yield process
    finally:
        assert process.end() == 0


@pytest.mark.slow
def test_jobs_keep_their_pace_whatever_is_set(tmp_path: Path) -> None:
    """Minutes, hours, days and more than a year, both ways, without a second of standing still."""
    clock = FakeWallClock(tmp_path)
    with stepped_process(clock) as process:
        first = process.run()
        for seconds in SETS:
            clock.set(seconds)
            seen = process.run()
            off = datetime.fromisoformat(seen["wall"]) - datetime.fromisoformat(first["wall"])
            assert abs(off - timedelta(seconds=seconds)) < 2 * MINUTE, "the clock was set"
            assert seen["runs"]["often"] >= 5
            assert seen["runs"]["each second"] >= 1
            assert (seen["failures"], seen["frozen"]) == ([], "")
            assert seen["rss_mb"] < 2 * first["rss_mb"], "no run is planned for the time between"


def test_a_scheduler_that_dies_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    died = threading.Event()
    told: list[tuple[str, BaseException]] = []

    def on_failure(name: str, why: BaseException) -> None:
        told.append((name, why))
        died.set()

    scheduler = JobScheduler(ZONE, on_failure)
    monkeypatch.setattr(scheduler._scheduler, "_process_jobs", _raise_memory_error)
    scheduler.start()
    assert died.wait(10)
    assert [(name, type(why)) for name, why in told] == [("scheduler", MemoryError)]
    scheduler.stop()


def _raise_memory_error() -> float:
    raise MemoryError


def test_what_stands_still_is_named() -> None:
    clock, at_work, go_on = ManualClock(EVENING), threading.Event(), threading.Event()

    def stuck() -> None:
        at_work.set()
        go_on.wait(20)

    scheduler = JobScheduler(ZONE, lambda *_: None, clock)
    scheduler.add(ScheduledJob(name="ladder", run=stuck, every_s=0.01, longest_s=60.0))
    scheduler.start()
    assert at_work.wait(10)
    assert scheduler.frozen() == ""
    clock.sleep(61.0)
    assert scheduler.frozen() == "ladder has been running for 61 s"
    clock.sleep(FROZEN_AFTER_S)
    assert "has stood still for" in scheduler.frozen() or "ladder" in scheduler.frozen()
    go_on.set()
    scheduler.stop()


class TestDailyJob:
    """Once after each passing of its time, by the service's clock."""

    def setup_method(self) -> None:
        self.clock, self.runs, self.may = ManualClock(EVENING), 0, True
        self.job = DailyJob(self._run, time(3, 30), ZONE, self.clock, lambda: self.may)

    def _run(self) -> None:
        self.runs += 1

    def runs_at(self, at: datetime) -> int:
        self.clock.current = at
        self.job.run_if_due()
        return self.runs

    def test_once_a_day(self) -> None:
        assert self.runs_at(HALF_PAST_THREE - MINUTE) == 0
        assert self.runs_at(HALF_PAST_THREE) == 1
        assert self.runs_at(HALF_PAST_THREE + HOUR) == 1
        assert self.runs_at(HALF_PAST_THREE + DAY) == 2

    def test_a_start_after_its_time_waits_for_the_next(self) -> None:
        assert self.runs_at(EVENING + HOUR) == 0

    def test_it_waits_until_it_may(self) -> None:
        self.may = False
        assert self.runs_at(HALF_PAST_THREE + HOUR) == 0
        self.may = True
        assert self.runs_at(HALF_PAST_THREE + 2 * HOUR) == 1

    def test_days_at_once_are_one_run(self) -> None:
        assert self.runs_at(HALF_PAST_THREE + 400 * DAY) == 1

    def test_a_clock_that_went_back_lets_the_time_come_again(self) -> None:
        assert self.runs_at(HALF_PAST_THREE + 40 * DAY) == 1
        assert self.runs_at(EVENING) == 1
        assert self.runs_at(HALF_PAST_THREE) == 2
