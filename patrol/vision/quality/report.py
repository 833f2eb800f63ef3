"""Readings of the gauges with their thresholds, and the quality report of a visit made of them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time
from enum import StrEnum, auto
from typing import Protocol

from patrol.domain.observation import Light
from patrol.vision.quality.features import PictureFeatures


class PictureFault(StrEnum):
    """The kinds of picture faults (VQD); the value is the public name."""

    BLACK_SCREEN = auto()
    SOLID_COLOR = auto()
    TOO_DARK = auto()
    TOO_BRIGHT = auto()
    LOW_CONTRAST = auto()
    BLUR = auto()
    COLOR_CAST = auto()
    NOISE = auto()
    STRIPES = auto()
    FREEZE = auto()
    OCCLUSION = auto()
    ARTIFACTS = auto()
    SLOW_KEYFRAME = auto()
    INFRARED_STUCK = auto()
    CLOCK_SKEW = auto()


class StreamTimings(Protocol):
    """Timings measured on the stream, as `streams.model.StreamFacts` has them."""

    @property
    def key_frame_interval_s(self) -> float | None:
        """Media time between key frames."""

    @property
    def clock_offset_s(self) -> float | None:
        """The sender's clock minus ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GaugeReading:
    """What one gauge measured, against its threshold."""

    kind: PictureFault
    value: float
    threshold: float
    over: bool
    score: float  # 0..1; 0.5 at the threshold
    gauge: str  # name/version
    picture: int = 0  # index of the picture that shows it most

    def __post_init__(self) -> None:
        if not 0.0 <= self.score <= 1.0:
            raise ValueError(f"score is 0..1: {self!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityReport:
    """The picture faults of one visit, with every reading behind them."""

    readings: tuple[GaugeReading, ...]  # every gauge of every kind, over its threshold or not
    faults: tuple[str, ...]  # what is wrong, causes only: a black picture is not also blurred
    usable: tuple[bool, ...]  # per picture: can anything be judged from it
    light: Light
    features: tuple[
        PictureFeatures, ...
    ]  # per picture that could be measured; what histories learn
    local: time | None = None  # of the site, when the pictures were taken

    @property
    def any_usable(self) -> bool:
        """Whether the camera was seen at all."""
        return any(self.usable)

    @property
    def numbers(self) -> Mapping[str, float]:
        """Kind → value, for the visit's row."""
        return {reading.kind.value: round(reading.value, 4) for reading in self.readings}

    def reading(self, kind: str) -> GaugeReading | None:
        """The reading of a kind, or None where it could not be taken."""
        return next((reading for reading in self.readings if reading.kind == kind), None)


def make_reading(
    kind: PictureFault,
    value: float,
    threshold: float,
    gauge: str,
    *,
    over: bool,
    below: bool = False,
) -> GaugeReading:
    """A reading whose score agrees with `over`: from 0.5 it is a fault.

    The score grows with the distance from the threshold, reaching 1 at twice it (`below`: at none
    of it). A number that could not be taken reads 0.
    """
    number = value if math.isfinite(value) else 0.0
    ratio = number / threshold if threshold > 0 else float(over)
    distance = 1.0 - ratio if below else ratio - 1.0
    score = min(1.0, max(0.0, 0.5 + 0.5 * distance))
    score = max(0.5, score) if over else min(0.49, score)
    return GaugeReading(
        kind=kind, value=number, threshold=threshold, over=over, score=score, gauge=gauge
    )
