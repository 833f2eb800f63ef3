"""What the fuzzer knows of one way in."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrance:
    """One way in: good samples, what reads them, and by which errors it may refuse."""

    name: str
    samples: tuple[bytes, ...]
    feed: Callable[[bytes], object]
    refusals: tuple[type[Exception], ...] = ()
    covers: tuple[str, ...] = ()  # file:function
    share: float = 1.0  # of the inputs that are asked for: costly ones get fewer
