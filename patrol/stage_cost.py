"""CPU time of visits by stage, as each thread counts its own; there is one count a process.

Stages measure themselves where they are called (`STAGE_COSTS.measure`), at two microseconds a call,
so that the shares are those of a real round and not of a profiler. Read by `patrol bench round`.
"""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum, auto
from typing import Final


class Stage(StrEnum):
    """What the CPU time of a visit goes to; in none of them: talking to cameras, and the rest."""

    DECODE = auto()  # compressed key frames to the decoder's planes
    GAUGES = auto()  # picture faults, light, burnt-in clock
    CHANGE = auto()  # against the reference, and what is learned for it
    FIRE = auto()  # flames and smoke
    OBJECTS = auto()  # the detector, whole picture and tiles
    PICTURES = auto()  # JPEG, and its file
    WRITING = auto()  # rows and commits, in the writer's thread


class StageCosts:
    """CPU seconds by stage, added up by any number of threads; stages do not nest."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._spent_s: dict[Stage, float] = dict.fromkeys(Stage, 0.0)

    @contextmanager
    def measure(self, stage: Stage) -> Iterator[None]:
        """Count this thread's CPU time inside the block."""
        start_s = time.thread_time()
        try:
            yield
        finally:
            spent_s = time.thread_time() - start_s
            with self._lock:
                self._spent_s[stage] += spent_s

    def spent_s(self) -> Mapping[Stage, float]:
        """Seconds of CPU of every stage so far."""
        with self._lock:
            return dict(self._spent_s)


STAGE_COSTS: Final = StageCosts()
