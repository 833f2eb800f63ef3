"""Gauges of the visit as a whole: frozen picture, rare key frames, wrong clock, stuck infrared.

They compare the pictures of a visit, or read the stream's timings; each returns None where it
cannot measure.
"""

import math
from collections.abc import Sequence
from datetime import time
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from patrol.domain.observation import Light
from patrol.vision.quality.baseline import QualityHistory
from patrol.vision.quality.report import (
    GaugeReading,
    PictureFault,
    QualityThresholds,
    StreamTimings,
    make_reading,
)
from streams.model import BgrImage, Freshness

PROVEN = {Freshness.REPEATED_BITS: "bits/1", Freshness.MEDIA_CLOCK_STOOD_STILL: "media_clock/1"}
STILL_GAUGE = "still/1"
BURNT_IN_GAUGE = "burnt_in/1"
FEW_ROWS = 16
LIVELY = 0.08  # of the values in those rows: more than a line of text makes
CLOCK_BAND = 8  # burnt-in text stands in the top or the bottom eighth,
NO_CLOCK_S = 30 * 365.25 * 86_400  # farther off is no time of day; 2000-01-01 still is one
TEXT_LINE = 16  # ... or is a line of at most this part of the height


def check_freeze(
    pictures: Sequence[BgrImage], freshness: str, limits: QualityThresholds
) -> GaugeReading | None:
    """Time advances and the picture does not. A quiet yard is no freeze: a live sensor has noise.

    A stream's timestamps prove it only together with equal bits (streams.sampling.freshness_of).
    None for a single picture of a stream that was not watched longer.
    """
    for proof, gauge in PROVEN.items():
        if freshness == proof:
            return _freeze_reading(0.0, gauge, limits, over=True)
    changes = [
        changed_share(first, second)
        for first, second in pairwise(pictures)
        if first.shape == second.shape
    ]
    if not changes or freshness == Freshness.STILL:
        return None
    value = max(changes)
    return _freeze_reading(value, STILL_GAUGE, limits, over=value <= limits.frozen_change)


def changed_share(first: BgrImage, second: BgrImage) -> float:
    """The share of values that differ at all, away from where a clock is burnt in.

    That is the top and the bottom of the picture, and one line of text anywhere else. A live
    picture differs in a few rows already; only where those hardly differ are all compared.
    """
    height = first.shape[0]
    margin = height // CLOCK_BAND if height >= 2 * CLOCK_BAND else 0
    few = slice(margin, height - margin, FEW_ROWS)
    sampled = float(_differing(first[few], second[few]).mean())
    if sampled > LIVELY:
        return sampled
    rows = _differing(first[margin : height - margin], second[margin : height - margin])
    line = max(1, height // TEXT_LINE)
    running = np.concatenate([[0.0], np.cumsum(rows)])
    text = (running[line:] - running[:-line]).max(initial=0.0)
    return float((running[-1] - text) / max(1, rows.size))


def _differing(first: BgrImage, second: BgrImage) -> NDArray[np.float64]:
    """Of each row, the share of its values that differ."""
    differences = cv2.absdiff(first, second).reshape(len(first), -1)
    counts = np.count_nonzero(differences, axis=1)
    return np.asarray(counts / max(1, differences.shape[1]), np.float64)


def _freeze_reading(
    value: float, gauge: str, limits: QualityThresholds, *, over: bool
) -> GaugeReading:
    return make_reading(
        PictureFault.FREEZE, value, limits.frozen_change, gauge, over=over, below=True
    )


def check_slow_keyframe(
    timings: StreamTimings | None, limits: QualityThresholds
) -> GaugeReading | None:
    """Key frames so rare that a visit has to wait for them. No measure where no clock runs."""
    value = None if timings is None else timings.key_frame_interval_s
    if value is None or not 0.0 < value < math.inf:
        return None
    over = value >= limits.slow_keyframe_s
    return make_reading(
        PictureFault.SLOW_KEYFRAME, value, limits.slow_keyframe_s, "rtp_time/1", over=over
    )


def check_clock_skew(
    timings: StreamTimings | None, limits: QualityThresholds, burnt_in_s: float | None = None
) -> GaugeReading | None:
    """The camera's clock is off ours: its burnt-in time is no evidence.

    `burnt_in_s`: how far the clock in the picture is ahead, where it could be read. It is what
    people will see and quote, so it takes precedence over the stream's own clock.
    """
    if burnt_in_s is not None:
        value = abs(burnt_in_s)
        over = value >= limits.clock_skew_s
        return make_reading(
            PictureFault.CLOCK_SKEW, value, limits.clock_skew_s, BURNT_IN_GAUGE, over=over
        )
    offset_s = None if timings is None else timings.clock_offset_s
    if offset_s is None or not math.isfinite(offset_s):
        return None
    value = abs(offset_s)
    if value > NO_CLOCK_S:
        return None
    over = value >= limits.clock_skew_s
    return make_reading(PictureFault.CLOCK_SKEW, value, limits.clock_skew_s, "rtcp/1", over=over)


def check_infrared_stuck(
    light: Light, history: QualityHistory | None, local: time | None, limits: QualityThresholds
) -> GaugeReading | None:
    """Black and white in hours of daylight, at a camera that usually has colour then.

    None without a history of the camera: some cameras have no colour at all.
    """
    if local is None or history is None or len(history.rows) < limits.min_history:
        return None
    daylight = limits.infrared_from_h <= local.hour < limits.infrared_to_h
    usually_infrared = history.light is Light.INFRARED and history.seen_between(
        limits.infrared_from_h, limits.infrared_to_h
    )
    over = light is Light.INFRARED and daylight and not usually_infrared
    value = 1.0 if light is Light.INFRARED else 0.0
    return make_reading(PictureFault.INFRARED_STUCK, value, 1.0, "infrared/1", over=over)
