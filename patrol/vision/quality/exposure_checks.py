"""Gauges of light and colour: a picture's levels alone, and against the camera's baseline.

A gauge is a function (features, baseline, limits) → GaugeReading and uses no other gauge. Which of
several faults is the cause is decided in diagnose.py.
"""

import math

import numpy as np

from patrol.domain.observation import Light
from patrol.vision.quality.baseline import Baseline
from patrol.vision.quality.drawn import ramp_share
from patrol.vision.quality.features import RICH, PictureFeatures
from patrol.vision.quality.percentiles import percentile
from patrol.vision.quality.report import GaugeReading, PictureFault, QualityThresholds, make_reading

CAST_ALIKE = 0.5
DAYLIGHT_ALLOWANCE = 0.5  # sunrise and tungsten lamps shift colours by twice what green ever does
FADED = 0.75  # of the usual spread of colours
DARK_CELL, PALE_CELL = 25.0, 240.0  # luma beyond which rounding and clipping make the colour
ORDINARY_LUMA = 100.0  # mean; a darker picture has less contrast without any fault
NEAR_ROWS = 2  # of CELL_ROWS: what stands near is at the bottom
TINY = 1e-6
OVEREXPOSED_EVERYWHERE = 1.2  # of the usual luma, in four cells of five
FAR_OVEREXPOSED = 1.4  # ... beyond what the sun does to a camera with automatic exposure: 1.24
COLOURLESS = 0.985  # share of pixels exactly grey; the rest may be coloured burnt-in text
ROUNDED_RANGE = 2.0  # of chroma: what conversion and compression leave of grey
INFRARED_RANGE = 4.0  # chroma percentile range below which a picture is black and white


def is_colourless(features: PictureFeatures) -> bool:
    """Whether the picture has no colour at all, burnt-in text and rounding left out."""
    levels = features.levels
    return levels.colourless >= COLOURLESS or levels.chroma_range <= ROUNDED_RANGE


def is_grey(features: PictureFeatures, remembered: Light | None) -> bool:
    """Whether the picture is black and white.

    A picture without any colour is, always. Where the camera's memory is of infrared, a coloured
    cover or a green fill over less than half of it does not make it day; where it is of day, fog
    and snow, which leave little colour, do not make it night. Without a memory a constant tint is
    no colour either.
    """
    levels = features.levels
    if levels.colourless >= COLOURLESS:
        return True
    if remembered is Light.INFRARED:
        return levels.colourless >= 0.5  # noqa: PLR2004  argued above
    if remembered is Light.DAY:
        return False
    return levels.chroma_range <= INFRARED_RANGE


def check_black_screen(
    features: PictureFeatures, _baseline: Baseline | None, limits: QualityThresholds
) -> GaugeReading:
    """No picture: dark, and without the structure or lights that a dark scene has."""
    levels = features.levels
    structureless = levels.span <= limits.black_range
    over = (
        levels.luma_high <= limits.black_luma
        and structureless
        and levels.brightest <= 2 * limits.black_luma + limits.black_range
    )
    return make_reading(
        PictureFault.BLACK_SCREEN,
        levels.luma_high,
        limits.black_luma,
        "black/1",
        over=over,
        below=True,
    )


def check_solid_color(
    features: PictureFeatures, baseline: Baseline | None, limits: QualityThresholds
) -> GaugeReading:
    """One colour and nothing else (blue screen, whole lens covered), or a drawing of few.

    A slide with words or an emblem has a handful of levels and crisp things in its middle; light,
    grain and texture give a scene more levels even where it is nearly even, as in snow. On a
    gradient it has many, in even rows or columns and without a sensor's grain (drawn.py); asked at
    a first visit alone.
    """
    levels = features.levels
    crisp = percentile(features.detail.contrast[1:-1], 100) >= RICH
    lit = levels.mean >= limits.dark_luma
    if lit and crisp and levels.commonest >= limits.drawn_levels:
        return make_reading(
            PictureFault.SOLID_COLOR, levels.commonest, limits.drawn_levels, "drawn/1", over=True
        )
    grainless = features.detail.noise < limits.drawn_grain
    if lit and crisp and grainless and baseline is None:
        ramp = ramp_share(features.luma)
        if ramp >= limits.drawn_ramp:
            return make_reading(
                PictureFault.SOLID_COLOR, ramp, limits.drawn_ramp, "ramp/1", over=True
            )
    span = max(levels.span, levels.chroma_range)
    burnt = levels.luma_low >= limits.burnt_luma  # white everywhere: too bright, not a colour
    over = span <= limits.solid_range and levels.luma_high > limits.black_luma and not burnt
    return make_reading(
        PictureFault.SOLID_COLOR, span, limits.solid_range, "solid/1", over=over, below=True
    )


def check_too_dark(
    features: PictureFeatures, baseline: Baseline | None, limits: QualityThresholds
) -> GaugeReading:
    """Too little light to see by; a dark street under lamps is not, nor is a usual night."""
    levels = features.levels
    if baseline is None:
        over = levels.mean < limits.dark_luma and levels.p95 < limits.dark_highlight
        return make_reading(
            PictureFault.TOO_DARK, levels.mean, limits.dark_luma, "dark/1", over=over, below=True
        )
    own = baseline.scalar["mean"]
    threshold = min(limits.dark_own_luma, max(limits.dark_luma, limits.dark_ratio * own))
    dim = levels.p95 < max(limits.dark_highlight, 0.65 * baseline.scalar["p95"])
    over = dim and levels.mean < threshold and levels.mean < limits.dark_unusual * own
    return make_reading(
        PictureFault.TOO_DARK, levels.mean, threshold, "dark/1", over=over, below=True
    )


def check_too_bright(
    features: PictureFeatures, baseline: Baseline | None, limits: QualityThresholds
) -> GaugeReading:
    """Burnt out: highlights lost, and either much of them or no shadow left.

    Snow is bright and keeps its shadows; fog lifts the shadows and burns nothing; a bright sky
    leaves the ground as it is.
    """
    levels = features.levels
    threshold, clipped, lifted = limits.bright_luma, limits.bright_clipped, limits.bright_shadow
    if baseline is not None:
        above = max(limits.bright_own_luma, baseline.scalar["mean"] + 45)
        threshold = min(limits.bright_most_luma, above)
        clipped = max(limits.bright_own_clipped, baseline.scalar["clipped"] + 0.2)
        lifted = min(lifted, max(60.0, baseline.scalar["p5"] + 40))
    burnt = levels.p95 >= limits.burnt_luma and (levels.clipped >= clipped or levels.p5 >= lifted)
    over = (burnt and levels.mean >= threshold) or _overexposed(features, baseline, limits)
    return make_reading(PictureFault.TOO_BRIGHT, levels.mean, threshold, "bright/1", over=over)


def _overexposed(
    features: PictureFeatures, baseline: Baseline | None, limits: QualityThresholds
) -> bool:
    """Whether every part is brighter than ever, by more than an aperture step, and some burnt.

    Snow leaves walls and trunks as they were, fog burns nothing, a sunny day is within the usual.
    Where every part is far brighter, a dim street need not become a bright one.
    """
    if baseline is None:
        return False
    levels, own = features.levels, baseline.scalar
    usual = np.maximum(baseline.grid["luma"], DARK_CELL)
    least = percentile(np.maximum(levels.cell_luma, DARK_CELL) / usual, 20)
    far = least >= FAR_OVEREXPOSED
    burnt, bright = (
        (limits.far_overexposed_p95, limits.far_overexposed_luma)
        if far
        else (limits.burnt_luma, limits.overexposed_luma)
    )
    clipped = limits.far_overexposed_clipped if far else limits.overexposed_clipped
    return (
        levels.p95 >= burnt
        and levels.clipped >= own["clipped"] + clipped
        and levels.mean >= max(bright, limits.overexposed_ratio * own["mean"])
        and least >= OVEREXPOSED_EVERYWHERE
    )


def check_low_contrast(
    features: PictureFeatures, baseline: Baseline | None, limits: QualityThresholds
) -> GaugeReading:
    """The whole picture squeezed into few levels.

    Fog takes contrast by distance and leaves it to what stands near; a failing lens, sensor or
    cable takes it from all cells alike. What is merely dark has its own gauge.
    """
    levels = features.levels
    span = levels.span
    if baseline is None:
        lit = limits.contrast_dark < levels.mean < limits.contrast_bright
        least = limits.contrast_span * min(1.0, levels.mean / ORDINARY_LUMA)
        near = percentile(features.detail.contrast[-NEAR_ROWS:], 75)  # what fog leaves
        structure = np.fmax(features.detail.structure, near)
        weak = span < least and structure < limits.contrast_structure
        covered = features.flat_share >= limits.occluded_absolute
        return make_reading(
            PictureFault.LOW_CONTRAST,
            span,
            least,
            "contrast/2",
            over=lit and weak and not covered,
            below=True,
        )
    # Less light takes contrast in proportion.
    dimmer = min(1.0, levels.mean / max(1.0, baseline.scalar["mean"]))
    least = limits.contrast_ratio * dimmer
    threshold = least * baseline.scalar["span"]
    ratios = features.contrast_ratios(baseline.grid["contrast"])
    everywhere = max(percentile(ratios, 75), percentile(ratios[-NEAR_ROWS:], 75))
    over = span < threshold and everywhere < least
    return make_reading(
        PictureFault.LOW_CONTRAST, span, threshold, "contrast/2", over=over, below=True
    )


def check_color_cast(
    features: PictureFeatures, baseline: Baseline | None, limits: QualityThresholds
) -> GaugeReading:
    """All colours shifted one way, white things included.

    Against the own usual: every part of the picture shifted alike. Snow takes the colour of the
    ground and not of the walls, fog of what is far. From dawn to dusk and from lamp to lamp light
    changes between blue and orange, by twice the limit and alike in every part; no natural light is
    green or magenta.
    """
    levels = features.levels
    if baseline is not None:
        drift, alike = _drift(features, baseline)
        over = (
            drift >= limits.cast_drift
            and alike >= CAST_ALIKE
            and not _all_colours_paler(features, baseline)
        )
        return make_reading(PictureFault.COLOR_CAST, drift, limits.cast_drift, "cast/1", over=over)
    value = _unnatural(levels.cr, levels.cb, cooler=1.0)
    together = value > 1.1 * levels.chroma_spread and levels.neutral < 0.05  # noqa: PLR2004  argued in its name
    over = value >= limits.cast_chroma and together and levels.highlight >= limits.cast_chroma
    return make_reading(PictureFault.COLOR_CAST, value, limits.cast_chroma, "cast/1", over=over)


def _all_colours_paler(features: PictureFeatures, baseline: Baseline) -> bool:
    """Whether all colours went paler, as in fog and haze: closer to grey and to each other."""
    levels, scalar = features.levels, baseline.scalar
    now, before = max(1.0, levels.mean), max(1.0, scalar["mean"])
    chroma, usual = math.hypot(levels.cr, levels.cb), math.hypot(scalar["cr"], scalar["cb"])
    closer = chroma / now < usual / before
    return closer and levels.chroma_spread / now < FADED * scalar["spread"] / before


def _drift(features: PictureFeatures, baseline: Baseline) -> tuple[float, float]:
    """How far the cells' colours moved, in the middle; and which share of it even the laggards did.

    Chroma grows with exposure, so each cell's is taken per luma and given at the mean luma.
    """
    levels, grid = features.levels, baseline.grid
    with np.errstate(invalid="ignore"):
        fair = (np.minimum(levels.cell_luma, grid["luma"]) >= DARK_CELL) & (
            levels.cell_luma <= PALE_CELL
        )
    if not fair.any():
        return 0.0, 0.0
    now, before = levels.cell_luma[fair], grid["luma"][fair]
    red = (levels.cell_cr[fair] / now - grid["cell_cr"][fair] / before) * levels.mean
    blue = (levels.cell_cb[fair] / now - grid["cell_cb"][fair] / before) * levels.mean
    middle = percentile(red, 50), percentile(blue, 50)
    drift = math.hypot(*middle)
    along = (red * middle[0] + blue * middle[1]) / max(drift, TINY)
    unnatural = _unnatural(*middle, cooler=DAYLIGHT_ALLOWANCE)
    return unnatural, percentile(along, 20) / max(drift, TINY)


def _unnatural(red: float, blue: float, *, cooler: float) -> float:
    """How far a colour lies from neutral, its part along daylight's own axis counted for less.

    `cooler`: the share of a shift towards blue that counts; no camera's sound picture is blue all
    over, so at a first visit all of it does.
    """
    warmth, green = (red - blue) / math.sqrt(2), (red + blue) / math.sqrt(2)
    return math.hypot(warmth * (DAYLIGHT_ALLOWANCE if warmth > 0 else cooler), green)
