"""A service whose scheduler dies or stands still ends with one clear line."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from patrol.app import Application, build
from patrol.app.scheduler import JobScheduler
from patrol.app.service import ServiceFailed, run_service
from patrol.settings import Site


@pytest.fixture
def app(write_small_site: Callable[..., Site]) -> Any:
    with build(write_small_site("mqtt://127.0.0.1:9", "metrics: {enabled: false}")) as built:
        yield built


def run_to_its_end(app: Application, limit_s: float = 60.0) -> BaseException:
    """Run the service in this thread; what it ends with. A timer stops one that does not."""
    stop = threading.Event()
    timer = threading.Timer(limit_s, stop.set)
    timer.start()
    try:
        with pytest.raises(ServiceFailed) as raised:
            run_service(app, stop, with_rounds=False)
    finally:
        timer.cancel()
    return raised.value


def test_the_death_of_the_scheduler_ends_the_service(
    app: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    def out_of_memory(_self: object) -> float:
        raise MemoryError("no room for 34 million runs")

    monkeypatch.setattr("patrol.app.scheduler._SteplessScheduler._process_jobs", out_of_memory)
    failure = run_to_its_end(app)
    assert str(failure) == "scheduler: MemoryError: no room for 34 million runs"


def test_a_scheduler_that_stands_still_ends_the_service(
    app: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(JobScheduler, "frozen", lambda _self: "the scheduler has stood still")
    failure = run_to_its_end(app)
    assert str(failure) == "scheduler: the scheduler has stood still"
    assert isinstance(failure, ServiceFailed)
    assert failure.is_frozen
