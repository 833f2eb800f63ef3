"""Gauges of the visit as a whole: frozen picture, rare key frames, wrong clock, stuck infrared.

They compare the pictures of a visit, or read the stream's timings; each returns None where it
cannot measure.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import date, time
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from patrol.domain.observation import Light
from patrol.pixels import AnyPicture, PicturePyramid
from patrol.vision.quality.baseline import QualityHistory
from patrol.vision.quality.exposure_checks import is_colourless, is_grey
from patrol.vision.quality.features import PictureFeatures
from patrol.vision.quality.image_views import U8
from patrol.vision.quality.percentiles import percentile
from patrol.vision.quality.reencoding import PairFeatures
from patrol.vision.quality.report import (
    GaugeReading,
    PictureFault,
    QualityThresholds,
    StreamTimings,
    make_reading,
)
from streams.model import Freshness

PROVEN = {Freshness.REPEATED_BITS: "bits/1", Freshness.MEDIA_CLOCK_STOOD_STILL: "media_clock/1"}
UNPROVEN = frozenset({Freshness.SINGLE.value, Freshness.STILL.value})
STILL_GAUGE = "still/1"
REPEATED_GAUGE = "repeated/1"
RECORDED_GAUGE = "stir/1"
ENCODED_GAUGE = "encoded_twice/1"
LIVING = 0.04  # share of blocks or coefficients that changed at each visit, before it is a measure
UNMOVED = frozenset(
    {STILL_GAUGE, REPEATED_GAUGE, RECORDED_GAUGE, ENCODED_GAUGE}
)  # by comparison, not by the stream's own proof
SHAKE_GAUGE = "view_shift/1"
BURNT_IN_GAUGE = "burnt_in/1"
FEW_ROWS = 16
LIVELY = 0.08  # of the values in those rows: more than a line of text makes
CLOCK_BAND = 8  # burnt-in text stands in the top or the bottom eighth,
NO_CLOCK_S = 30 * 365.25 * 86_400  # farther off is no time of day; 2000-01-01 still is one
TEXT_LINE = 16  # ... or is a line of at most this part of the height
MIDSUMMER_DAY, DAYS_A_YEAR = 172, 365.25
COLOUR_LEFT = 0.4  # of the usual spread of colours
STRUCTURE_LEFT = 0.4  # of the usual contrast, in the middle cell: less is fog, snow or a cover


def check_freeze(
    pictures: Sequence[AnyPicture], freshness: str, limits: QualityThresholds
) -> GaugeReading | None:
    """Time advances and the picture does not. A quiet yard is no freeze: a live sensor has noise.

    A stream's timestamps prove it only together with equal bits (streams.sampling.freshness_of).
    None for a single picture of a stream that was not watched longer.
    """
    for proof, gauge in PROVEN.items():
        if freshness == proof:
            return _freeze_reading(0.0, gauge, limits, over=True)
    changes = [
        changed_share(*_comparable(first, second))
        for first, second in pairwise(PicturePyramid.of(picture) for picture in pictures)
        if first.size_px == second.size_px
    ]
    if not changes or freshness == Freshness.STILL:
        return None
    value = max(changes)
    return _freeze_reading(value, STILL_GAUGE, limits, over=value <= limits.frozen_change)


def check_repeated(
    measured: Sequence[PictureFeatures],
    history: QualityHistory | None,
    freshness: str,
    limits: QualityThresholds,
) -> GaugeReading | None:
    """The very picture of an earlier visit: a slide, or a camera that hangs behind its server.

    For sources of one picture a visit, which nothing within the visit proves live; hours lie
    between visits, and no sensor sees the same twice. None where the visit has its own proof.
    """
    if freshness not in UNPROVEN or history is None or not measured or not len(history.rows):
        return None
    same = history.holds_same_picture(measured[0])
    return _freeze_reading(0.0 if same else 1.0, REPEATED_GAUGE, limits, over=same)


def check_recorded_freeze(
    pair: PairFeatures | None,
    history: QualityHistory | None,
    limits: QualityThresholds,
) -> GaugeReading | None:
    """A picture that stands still, but was encoded anew each time: a recorder behind a dead camera.

    Every pixel differs then as little and as evenly as in a quiet yard, so one visit alone proves
    nothing. At a camera where something has moved at every visit so far, leaves, cars or the light,
    a visit in which nothing does by a whole grey level, away from the clock, is no living one.
    """
    if history is None or pair is None:
        return None
    usual = history.stirred()
    if len(usual) < limits.frozen_visits:
        return None
    threshold = min(limits.frozen_stir, limits.frozen_stir_ratio * min(usual))
    return make_reading(
        PictureFault.FREEZE, pair.stir, threshold, RECORDED_GAUGE,
        over=pair.stir <= threshold, below=True,
    )  # fmt: skip


def check_encoded_twice(
    pair: PairFeatures | None, history: QualityHistory | None, limits: QualityThresholds
) -> GaugeReading | None:
    """One picture that was encoded twice, told by its blocks (reencoding.py): the same recorder.

    A living camera's noise changes nearly every structured block, and leaves some coefficients that
    no single original can have had. Where a camera's own noise reduction, or its encoder, leaves
    few even while it lives, so does its history, and nothing is told.
    """
    if history is None or pair is None:
        return None
    readings = []
    for share, usual, ratio in (
        (pair.renewed, history.renewed(), limits.encoded_renewed),
        (pair.independent, history.independent(), limits.encoded_independent),
    ):
        if share is None or len(usual) < limits.min_history:
            continue
        threshold = ratio * min(usual)
        over = share <= threshold and min(usual) >= LIVING
        readings.append(
            make_reading(
                PictureFault.FREEZE, share, threshold, ENCODED_GAUGE, over=over, below=True
            )
        )
    return max(readings, key=lambda one: (one.over, one.score), default=None)


def check_shake(pair: PairFeatures | None, limits: QualityThresholds) -> GaugeReading | None:
    """The whole view moved within the visit: a loose mount, or a pole in the wind."""
    if pair is None:
        return None
    limit = limits.shake_share
    return make_reading(
        PictureFault.SHAKE, pair.shift, limit, SHAKE_GAUGE, over=pair.shift >= limit
    )


def _comparable(first: PicturePyramid, second: PicturePyramid) -> tuple[U8, U8]:
    if (first.planes is None) != (second.planes is None):
        return first.bgr, second.bgr
    return first.samples, second.samples


def changed_share(first: U8, second: U8) -> float:
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


def _differing(first: U8, second: U8) -> NDArray[np.float64]:
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
    measured: Sequence[PictureFeatures],
    histories: Mapping[Light, QualityHistory],
    local: time | None,
    limits: QualityThresholds,
    *,
    on: date | None = None,
) -> GaugeReading | None:
    """Black and white in hours of daylight, at a camera that usually has colour then.

    `histories`: what is remembered of either light; a camera whose colour picture is known is held
    against that, whatever its infrared memory holds, so a filter that hangs is told at once and
    grey days do not become a habit by themselves. None without a history of the camera: some
    cameras have no colour at all.
    """
    known = {light: h for light, h in histories.items() if len(h.rows) >= limits.min_history}
    if local is None or not known or not measured:
        return None
    start, end = daylight_hours(on, limits)
    daylight = start <= local.hour + local.minute / 60 < end
    colour, infrared = known.get(Light.DAY), histories.get(Light.INFRARED)
    grey_by_day = 0 if infrared is None else infrared.count_between(int(start), int(end))
    if colour is None:
        usual, grey = grey_by_day > 0, all(is_grey(m, Light.INFRARED) for m in measured)
    else:
        usual = grey_by_day > colour.count_between(int(start), int(end))
        grey = all(_lost_colour_alone(m, colour) for m in measured)
    value = 1.0 if grey else 0.0
    over = grey and daylight and not usual
    return make_reading(PictureFault.INFRARED_STUCK, value, 1.0, "infrared/2", over=over)


def daylight_hours(on: date | None, limits: QualityThresholds) -> tuple[float, float]:
    """From and to which local hour it is day everywhere under one wall clock, in this season.

    The limits are midwinter's. The sun of the middle latitudes rises two hours earlier and more by
    midsummer, and sets later: two hours and one are added then, half of that at the equinoxes.
    """
    if on is None:
        return limits.infrared_from_h, limits.infrared_to_h
    turn = 2 * math.pi * (on.timetuple().tm_yday - MIDSUMMER_DAY) / DAYS_A_YEAR
    summer = (1 + math.cos(turn)) / 2
    return limits.infrared_from_h - 2 * summer, limits.infrared_to_h + summer


def _lost_colour_alone(features: PictureFeatures, usual: QualityHistory) -> bool:
    """Whether the picture has its usual structure and no colour left: fog and snow take both.

    A view of concrete and asphalt has hardly any colour to lose: there nothing is told.
    """
    baseline = usual.baseline()
    if baseline is None or not is_colourless(features):
        return False
    if features.levels.chroma_spread > COLOUR_LEFT * baseline.scalar["spread"]:
        return False
    left = percentile(features.contrast_ratios(baseline.grid["contrast"]), 50)
    return not math.isfinite(left) or left >= STRUCTURE_LEFT
