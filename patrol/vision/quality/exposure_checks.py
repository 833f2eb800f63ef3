"""Gauges of light and colour: what a picture's levels say, alone and against the camera's usual.

A gauge is a function (measures, usual, limits) → Reading; it never looks at another gauge. Which of
several faults is the cause is decided in judge.py.
"""

import math

import numpy as np

from patrol.domain.observation import Light
from patrol.vision.quality.baseline import Baseline
from patrol.vision.quality.features import PictureFeatures, percentile
from patrol.vision.quality.report import GaugeReading, PictureFault, make_reading
from patrol.vision.quality.thresholds import QualityThresholds

CAST_ALIKE = 0.5
FADED = 0.75  # of the usual spread of colours
DARK_CELL, PALE_CELL = 25.0, 240.0  # luma beyond which rounding and clipping make the colour
ORDINARY_LUMA = 100.0  # mean; a darker picture has less contrast without any fault
NEAR_ROWS = 2  # of CELL_ROWS: what stands near is at the bottom
TINY = 1e-6
COLOURLESS = 0.985  # share of pixels exactly grey; the rest may be coloured burnt-in text
INFRARED_RANGE = 4.0  # chroma percentile range below which a picture is black and white


def is_grey(measures: PictureFeatures, remembered: Light | None) -> bool:
    """Whether the picture is black and white.

    A picture without any colour is, always. Where the camera's memory says infrared, a coloured
    cover or a green fill over less than half of it does not make it day; where it says day, fog and
    snow, which leave little colour, do not make it night. Without a memory a constant tint is no
    colour either.
    """
    tone = measures.tone
    if tone.colourless >= COLOURLESS:
        return True
    if remembered is Light.INFRARED:
        return tone.colourless >= 0.5  # noqa: PLR2004  argued above
    if remembered is Light.DAY:
        return False
    return tone.chroma_range <= INFRARED_RANGE


def check_black_screen(
    measures: PictureFeatures, _baseline: Baseline | None, limits: QualityThresholds
) -> GaugeReading:
    """Nothing there: dark, and without the structure or lamps that a dark scene has."""
    tone = measures.tone
    structureless = tone.span <= limits.black_range
    over = (
        tone.luma_high <= limits.black_luma
        and structureless
        and tone.brightest <= 2 * limits.black_luma + limits.black_range
    )
    return make_reading(
        PictureFault.BLACK_SCREEN,
        tone.luma_high,
        limits.black_luma,
        "black/1",
        over=over,
        below=True,
    )


def check_solid_color(
    measures: PictureFeatures, _baseline: Baseline | None, limits: QualityThresholds
) -> GaugeReading:
    """One colour and nothing else (blue screen, whole lens covered)."""
    tone = measures.tone
    span = max(tone.span, tone.chroma_range)
    burnt = tone.luma_low >= limits.burnt_luma  # white everywhere: too bright, not a colour
    over = span <= limits.solid_range and tone.luma_high > limits.black_luma and not burnt
    return make_reading(
        PictureFault.SOLID_COLOR, span, limits.solid_range, "solid/1", over=over, below=True
    )


def check_too_dark(
    measures: PictureFeatures, baseline: Baseline | None, limits: QualityThresholds
) -> GaugeReading:
    """Too little light to see by; a dark street under lamps is not, nor is a usual night."""
    tone = measures.tone
    if baseline is None:
        over = tone.mean < limits.dark_luma and tone.p95 < limits.dark_highlight
        return make_reading(
            PictureFault.TOO_DARK, tone.mean, limits.dark_luma, "dark/1", over=over, below=True
        )
    own = baseline.scalar["mean"]
    threshold = min(limits.dark_own_luma, max(limits.dark_luma, limits.dark_ratio * own))
    dim = tone.p95 < max(limits.dark_highlight, 0.65 * baseline.scalar["p95"])
    over = dim and tone.mean < threshold and tone.mean < limits.dark_unusual * own
    return make_reading(
        PictureFault.TOO_DARK, tone.mean, threshold, "dark/1", over=over, below=True
    )


def check_too_bright(
    measures: PictureFeatures, baseline: Baseline | None, limits: QualityThresholds
) -> GaugeReading:
    """Burnt out: highlights lost, and either much of them or no shadow left.

    Snow is bright and keeps its shadows; fog lifts the shadows and burns nothing; a bright sky
    leaves the ground as it is.
    """
    tone = measures.tone
    threshold, clipped, lifted = limits.bright_luma, limits.bright_clipped, limits.bright_shadow
    if baseline is not None:
        above = max(limits.bright_own_luma, baseline.scalar["mean"] + 45)
        threshold = min(limits.bright_most_luma, above)
        clipped = max(limits.bright_own_clipped, baseline.scalar["clipped"] + 0.2)
        lifted = min(lifted, max(60.0, baseline.scalar["p5"] + 40))
    burnt = tone.p95 >= limits.burnt_luma and (tone.clipped >= clipped or tone.p5 >= lifted)
    over = burnt and tone.mean >= threshold
    return make_reading(PictureFault.TOO_BRIGHT, tone.mean, threshold, "bright/1", over=over)


def check_low_contrast(
    measures: PictureFeatures, baseline: Baseline | None, limits: QualityThresholds
) -> GaugeReading:
    """The whole picture squeezed into few levels.

    Fog takes contrast by distance and leaves it to what stands near; a failing lens, sensor or
    cable takes it from all cells alike. What is merely dark is told by its own gauge.
    """
    tone = measures.tone
    span = tone.span
    if baseline is None:
        lit = limits.contrast_dark < tone.mean < limits.contrast_bright
        least = limits.contrast_span * min(1.0, tone.mean / ORDINARY_LUMA)
        near = percentile(measures.detail.contrast[-NEAR_ROWS:], 75)  # what fog leaves
        structure = np.fmax(measures.detail.structure, near)
        weak = span < least and structure < limits.contrast_structure
        covered = measures.flat_share >= limits.occluded_absolute
        return make_reading(
            PictureFault.LOW_CONTRAST,
            span,
            least,
            "contrast/2",
            over=lit and weak and not covered,
            below=True,
        )
    dimmer = min(1.0, tone.mean / max(1.0, baseline.scalar["mean"]))  # takes contrast in proportion
    least = limits.contrast_ratio * dimmer
    threshold = least * baseline.scalar["span"]
    ratios = measures.contrast_ratios(baseline.grid["contrast"])
    everywhere = max(percentile(ratios, 75), percentile(ratios[-NEAR_ROWS:], 75))
    over = span < threshold and everywhere < least
    return make_reading(
        PictureFault.LOW_CONTRAST, span, threshold, "contrast/2", over=over, below=True
    )


def check_color_cast(
    measures: PictureFeatures, baseline: Baseline | None, limits: QualityThresholds
) -> GaugeReading:
    """All colours shifted one way, white things included.

    Against the own usual: every part of the picture shifted alike. Snow takes the colour of the
    ground and not of the walls, fog of what is far.
    """
    tone = measures.tone
    if baseline is not None:
        drift, alike = _drift(measures, baseline)
        over = (
            drift >= limits.cast_drift
            and alike >= CAST_ALIKE
            and not _all_colours_paler(measures, baseline)
        )
        return make_reading(PictureFault.COLOR_CAST, drift, limits.cast_drift, "cast/1", over=over)
    value = math.hypot(tone.cr, tone.cb)
    together = value > 1.1 * tone.chroma_spread and tone.neutral < 0.05  # noqa: PLR2004  argued in its name
    over = value >= limits.cast_chroma and together and tone.highlight >= limits.cast_chroma
    return make_reading(PictureFault.COLOR_CAST, value, limits.cast_chroma, "cast/1", over=over)


def _all_colours_paler(measures: PictureFeatures, baseline: Baseline) -> bool:
    """Whether all colours went paler, as in fog and haze: closer to grey and to each other."""
    tone, scalar = measures.tone, baseline.scalar
    now, before = max(1.0, tone.mean), max(1.0, scalar["mean"])
    closer = math.hypot(tone.cr, tone.cb) / now < math.hypot(scalar["cr"], scalar["cb"]) / before
    return closer and tone.chroma_spread / now < FADED * scalar["spread"] / before


def _drift(measures: PictureFeatures, baseline: Baseline) -> tuple[float, float]:
    """How far the cells' colours moved, in the middle; and which share of it even the laggards did.

    Chroma grows with exposure, so each cell's is taken per luma and told at the mean luma.
    """
    tone, grid = measures.tone, baseline.grid
    with np.errstate(invalid="ignore"):
        fair = (np.minimum(tone.cell_luma, grid["luma"]) >= DARK_CELL) & (
            tone.cell_luma <= PALE_CELL
        )
    if not fair.any():
        return 0.0, 0.0
    now, before = tone.cell_luma[fair], grid["luma"][fair]
    red = (tone.cell_cr[fair] / now - grid["cell_cr"][fair] / before) * tone.mean
    blue = (tone.cell_cb[fair] / now - grid["cell_cb"][fair] / before) * tone.mean
    middle = percentile(red, 50), percentile(blue, 50)
    drift = math.hypot(*middle)
    along = (red * middle[0] + blue * middle[1]) / max(drift, TINY)
    return drift, percentile(along, 20) / max(drift, TINY)
