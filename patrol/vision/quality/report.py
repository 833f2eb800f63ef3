"""Thresholds of the quality gauges, readings held against them, and the report made of a visit's.

The thresholds are one frozen policy, set from the site's settings. Luma and chroma are 0..255,
shares and ratios 0..1. Where a fault is relative to the camera itself there is a ratio to the
camera's own median, and beside it an absolute limit so extreme that it needs no memory.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import time
from enum import StrEnum, auto
from typing import Protocol

from patrol.domain.observation import Light
from patrol.vision.quality.features import PictureFeatures
from patrol.vision.quality.reencoding import PairFeatures


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
    SHAKE = auto()


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
    pair: PairFeatures | None = None  # how its first two pictures differ

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


def with_fault(report: QualityReport, reading: GaugeReading) -> QualityReport:
    """The report with one reading more, instead of its kind's if it is over, and with its fault."""
    kind = reading.kind.value
    if not reading.over or kind in report.faults:
        return report
    others = tuple(one for one in report.readings if one.kind is not reading.kind)
    return replace(report, readings=(*others, reading), faults=(*report.faults, kind))


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


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityThresholds:
    """The values from which a reading is a fault."""

    min_history: int = 3  # accepted samples before a camera is compared with itself

    black_luma: float = 26.0  # nothing but overlay text and lamps is brighter
    black_range: float = 9.0  # and what is left has no structure: it is no dark scene
    solid_range: float = 7.0  # luma and chroma range of the whole picture
    drawn_levels: float = 0.85  # share of the picture in 8 levels; sound views: 0.5 and less
    drawn_ramp: float = 0.8  # share on the level of its row and column; photographs: 0.66 at most
    drawn_grain: float = 0.5  # grey levels; a sensor's before strong compression: 1 and more
    dark_luma: float = 30.0  # mean luma
    dark_highlight: float = 85.0  # ... while even the brightest twentieth stays below
    dark_ratio: float = 0.42  # of the own median, where mean luma is below dark_own_luma
    dark_own_luma: float = 52.0
    dark_unusual: float = 0.6  # of the own median; nights that are always dark are no fault
    burnt_luma: float = 250.0  # highlights at the end of the scale
    bright_luma: float = 200.0  # mean luma
    bright_own_luma: float = 165.0  # ... or this, and 45 above the own median
    bright_most_luma: float = 228.0  # ... at a camera that is usually bright, at most this
    bright_clipped: float = 0.33  # share of pixels burnt out
    bright_own_clipped: float = 0.25  # ... or this, and 0.2 above the own median
    bright_shadow: float = 90.0  # luma of the darkest twentieth: no shadow is left
    overexposed_ratio: float = 1.33  # of the own mean: ×2 of light and more, as the curve bends it
    overexposed_luma: float = 125.0  # and at least this mean
    overexposed_clipped: float = 0.04  # share of pixels burnt out beyond the own median
    far_overexposed_p95: float = 245.0  # these three where every part is far brighter than ever
    far_overexposed_luma: float = 100.0
    far_overexposed_clipped: float = 0.035
    contrast_span: float = 62.0  # luma range, thin things and 3 % at either end left out
    contrast_structure: float = 14.0  # luma deviation in the upper quarter of the cells
    contrast_dark: float = 45.0  # mean luma below which the picture is dark rather than pale
    contrast_bright: float = 225.0
    contrast_ratio: float = 0.5  # of the own median, range and cells
    blur_ratio: float = 0.65  # of the own median sharpness
    blur_asks_edges: float = 0.93  # ... below which the edges are asked too; sound weeks have more
    blur_both: float = (
        0.7  # of both medians, multiplied; sound: 0.81 and more, 0.4 % of defocus 0.62
    )
    blur_absolute: float = 0.42  # sharpness of the sharpest parts, radians per pixel
    blur_hopeless: float = 0.2
    edge_slope: float = 0.3  # at a width of 480 px; of 916 sound views none has less, one 0.301
    edge_asks_focus: float = 0.36  # ... below which the focus of the cells is asked too
    edge_and_focus: float = (
        112.0  # both multiplied: the middle, by ratio, of 91, which names the asked share of
        # 0.4 % of defocus and one view to spare, and of the least sound developing view, 137
    )
    focus_upper: float = 207.0  # radians per width, sharpest quarter; 60 sound real views: 374 up
    focus_middle: float = 179.0  # ... in the middle cell; there 339 and up
    cast_chroma: float = 25.0  # how far the mean colour lies from neutral
    cast_drift: float = 11.0  # how far from the own median
    noise_sigma: float = 8.5  # of luma, in the calmest quarter of the picture
    noise_own_sigma: float = 6.5  # ... or this, and noise_ratio times the own median
    noise_ratio: float = 2.0  # of the own median
    noise_coarse_sigma: float = 5.0  # of luma, at an eighth of 1080p; only beside the own median
    noise_colour_sigma: float = 3.2  # of a colour difference, there
    stripes_sigma: float = 4.0  # of luma, common to all bands across the picture
    stripes_alone: float = 4.5  # times that, without a memory
    wave_sigma: float = 7.5  # of luma, in one spatial frequency
    wave_own_sigma: float = 3.8  # ... or this, where it runs through the whole picture
    wave_throughout: float = 0.8  # of its strongest quarter; sound views beside their own have less
    wave_alone: float = 1.5  # times that, without a memory
    wave_everywhere: float = 0.3  # of its strongest quarter; a chequered floor is in some of them
    occluded_share: float = 0.12  # of the picture, where detail vanished
    occluded_absolute: float = 0.5  # flat share that needs no memory
    occluded_soft: float = 0.4  # of the picture, plain with a soft edge; sound views have none
    occluded_scattered: float = (
        0.03  # of the detailed places, beyond what is usual there (compare.py)
    )
    artifact_share: float = 0.05  # of the picture, broken into blocks or fills
    artifact_seams: float = 0.012  # surplus of seams on the codec's grid; sound pictures have none
    artifact_smear: float = 0.12  # of the picture, drawn out from its last line
    frozen_change: float = 0.0005  # share of pixels that differ outside the clock
    frozen_visits: int = 5  # with two pictures, before it is known how much always moves
    frozen_stir: float = 1.0  # grey levels in the place that changed most: codecs leave 0.7
    frozen_stir_ratio: float = 0.2  # of the least that ever moved at this camera
    encoded_renewed: float = 0.5  # of the least share of blocks that ever changed at this camera
    encoded_independent: float = 0.4  # of the least share of coefficients that ever disagreed
    shake_share: float = 0.005  # of the width that the view moves within a visit; a calm pole: 0
    slow_keyframe_s: float = 8.0
    clock_skew_s: float = 60.0
    infrared_from_h: int = 10  # local hours that are daylight all year
    infrared_to_h: int = 17
    unusable_blur_ratio: float = 0.2  # below this a blurred picture cannot be judged
    unusable_occluded: float = 0.6
    unusable_artifacts: float = 0.35
    unusable_noise: float = 35.0
