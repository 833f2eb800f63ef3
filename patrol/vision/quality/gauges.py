"""Gauges of light and colour: what a picture's levels say, alone and against the camera's usual.

A gauge is a function (measures, usual, limits) → Reading; it never looks at another gauge. Which of
several faults is the cause is decided in judge.py.
"""

import math

from patrol.vision.quality.history import Usual
from patrol.vision.quality.limits import QualityLimits
from patrol.vision.quality.measures import Measures
from patrol.vision.quality.report import Fault, Reading, take

INFRARED_RANGE = 5.0  # chroma percentile range below which a picture is black and white


def is_grey(measures: Measures) -> bool:
    """Whether the picture has no colour of its own (a constant tint is none)."""
    return measures.tone.chroma_range <= INFRARED_RANGE


def black_screen(measures: Measures, _usual: Usual | None, limits: QualityLimits) -> Reading:
    """Nothing there: dark, and without the structure or lamps that a dark scene has."""
    tone = measures.tone
    structureless = tone.calm_high - tone.calm_low <= limits.black_range
    over = (
        tone.calm_high <= limits.black_luma
        and structureless
        and tone.lamp <= 2 * limits.black_luma + limits.black_range
    )
    return take(
        Fault.BLACK_SCREEN, tone.calm_high, limits.black_luma, "black/1", over=over, below=True
    )


def solid_color(measures: Measures, _usual: Usual | None, limits: QualityLimits) -> Reading:
    """One colour and nothing else (blue screen, whole lens covered)."""
    tone = measures.tone
    span = max(tone.calm_high - tone.calm_low, tone.chroma_range)
    over = span <= limits.solid_range and tone.calm_high > limits.black_luma
    return take(Fault.SOLID_COLOR, span, limits.solid_range, "solid/1", over=over, below=True)


def too_dark(measures: Measures, usual: Usual | None, limits: QualityLimits) -> Reading:
    """Too little light to see by; a dark street under lamps is not."""
    tone = measures.tone
    threshold = limits.dark_luma
    if usual is not None:
        own = min(limits.dark_own_luma, limits.dark_ratio * usual.scalar["mean"])
        threshold = max(threshold, own)
        dim = tone.p95 < max(limits.dark_highlight, 0.6 * usual.scalar["p95"])
    else:
        dim = tone.p95 < limits.dark_highlight
    over = tone.mean < threshold and dim
    return take(Fault.TOO_DARK, tone.mean, threshold, "dark/1", over=over, below=True)


def too_bright(measures: Measures, usual: Usual | None, limits: QualityLimits) -> Reading:
    """Burnt out; snow is bright but not burnt out, a bright sky is not the whole picture."""
    tone = measures.tone
    usual_clipped = _number(usual, "clipped", 0.0)
    burnt = tone.clipped >= max(limits.bright_clipped, usual_clipped + 0.2)
    over = (tone.mean >= limits.bright_luma and burnt) or tone.mean >= limits.bright_flat_luma
    return take(Fault.TOO_BRIGHT, tone.mean, limits.bright_luma, "bright/1", over=over)


def low_contrast(measures: Measures, usual: Usual | None, limits: QualityLimits) -> Reading:
    """Little difference anywhere; in fog what stands near keeps its own."""
    value, threshold = measures.detail.structure, limits.low_contrast
    if usual is not None and math.isfinite(usual.scalar["structure"]):
        ratio = measures.contrast_ratio(usual.grid["contrast"])
        if math.isfinite(ratio):
            relative = limits.low_contrast_ratio * usual.scalar["structure"]
            over = ratio < limits.low_contrast_ratio and value < relative
            if over or threshold < value:
                return take(
                    Fault.LOW_CONTRAST, value, relative, "contrast/1", over=over, below=True
                )
    over = not value >= threshold
    return take(Fault.LOW_CONTRAST, value, threshold, "contrast/1", over=over, below=True)


def color_cast(measures: Measures, usual: Usual | None, limits: QualityLimits) -> Reading:
    """All colours shifted one way, white things included."""
    tone = measures.tone
    if usual is not None and math.isfinite(usual.scalar["cr"]):
        drift = math.hypot(tone.cr - usual.scalar["cr"], tone.cb - usual.scalar["cb"])
        away = math.hypot(tone.cr, tone.cb) > math.hypot(usual.scalar["cr"], usual.scalar["cb"])
        fewer = tone.neutral < max(0.1, 0.6 * usual.scalar["neutral"])
        over = drift >= limits.cast_drift and fewer and (away or tone.highlight > drift / 2)
        return take(Fault.COLOR_CAST, drift, limits.cast_drift, "cast/1", over=over)
    value = math.hypot(tone.cr, tone.cb)
    together = value > 1.1 * tone.chroma_spread and tone.neutral < 0.05  # noqa: PLR2004  argued in its name
    over = value >= limits.cast_chroma and together and tone.highlight >= limits.cast_chroma
    return take(Fault.COLOR_CAST, value, limits.cast_chroma, "cast/1", over=over)


def _number(usual: Usual | None, name: str, otherwise: float) -> float:
    if usual is None or not math.isfinite(usual.scalar[name]):
        return otherwise
    return usual.scalar[name]
