"""The outside world: time, cameras, detectors."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from patrol.domain.observation import Box
from streams.address import StreamAddress
from streams.model import BgrImage, Sample, VisitOptions


class Clock(Protocol):
    """Where time comes from."""

    def now(self) -> datetime:
        """Aware UTC wall-clock time."""

    def monotonic_s(self) -> float:
        """Seconds that never step, for durations."""

    def sleep(self, seconds: float) -> None:
        """Wait; a manual clock advances instead."""


class Visitor(Protocol):
    """Looks through one camera."""

    async def __call__(self, address: StreamAddress, options: VisitOptions) -> Sample:
        """One visit. Raises StreamError, and only StreamError (cancellation apart)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """One object that a detector saw."""

    label: str  # COCO name
    score: float  # 0..1
    box: Box  # fractions of the picture


class Detector(Protocol):
    """Finds objects in a picture. Called from several threads at once."""

    @property
    def gauge(self) -> str:
        """Name and version of the weights: `yolox_nano/615e2661`."""

    @property
    def min_score(self) -> float:
        """The score from which it answers at all: the threshold of what it reads."""

    @property
    def input_px(self) -> tuple[int, int]:
        """Width and height that pictures are brought to: what is small in them is not seen."""

    def detect(self, bgr: BgrImage) -> Sequence[Detection]:
        """Objects in a BGR picture of any size, best first."""


class Busy(Exception):
    """Another process does it just now; says what it holds."""
