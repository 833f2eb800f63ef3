"""Pauses between tries."""

from datetime import timedelta

import pytest

from patrol.domain.backoff import backoff, jittered_backoff_s

MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("failures", "wait_s"), [(0, 0.25), (1, 0.25), (2, 0.5), (5, 4.0), (99, 30.0)]
)
def test_pauses_double_up_to_the_limit(failures: int, wait_s: float) -> None:
    assert backoff(failures, 0.25, 30.0) == wait_s
    assert jittered_backoff_s(failures, 0.25, 30.0, lambda _low, high: high) == wait_s
    assert jittered_backoff_s(failures, 0.25, 30.0, lambda low, _high: low) == wait_s / 2


def test_a_pause_may_be_a_timedelta() -> None:
    waits = [backoff(failures, 5 * MINUTE, 30 * MINUTE) for failures in (1, 2, 3, 4)]
    assert waits == [5 * MINUTE, 10 * MINUTE, 20 * MINUTE, 30 * MINUTE]
