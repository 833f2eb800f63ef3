"""Pauses between tries that double up to a limit (exponential back-off). Pure."""

from collections.abc import Callable
from datetime import timedelta
from typing import Final, TypeVar

Duration = TypeVar("Duration", float, timedelta)
_MAX_DOUBLINGS: Final = 16  # 65,536 times the first pause: beyond every limit of ours


def backoff(failures: int, first: Duration, longest: Duration) -> Duration:
    """How long to wait after so many failures in a row: `first`, doubled by each further one."""
    return min(longest, first * (1 << min(max(failures - 1, 0), _MAX_DOUBLINGS)))


def jittered_backoff_s(
    failures: int, first_s: float, longest_s: float, pick: Callable[[float, float], float]
) -> float:
    """`backoff` in seconds, shortened by up to a half, so that clients do not return in step.

    `pick(low, high)`: a random number between the two, as `random.Random().uniform`.
    """
    wait_s = backoff(failures, first_s, longest_s)
    return pick(wait_s / 2, wait_s)
