"""Gauges of what stands between the scene and us: defocus, noise, stripes, blocks, covers.

Same shape as gauges.py: (measures, usual, limits) → Reading.
"""

import math

import numpy as np
from numpy.typing import NDArray

from patrol.vision.quality.detail import STRUCTURED, percentile
from patrol.vision.quality.history import Usual
from patrol.vision.quality.limits import QualityLimits
from patrol.vision.quality.measures import Measures
from patrol.vision.quality.report import Fault, Reading, take

VANISHED = 0.3  # of a cell's usual contrast: its detail is gone
SMEARED = 0.35  # of a cell's usual sharpness, while the picture as a whole stays sharp
STILL_SHARP = 0.7
CAME_AND_WENT = 0.7  # cells with new detail per cell that lost its own
PALE_CHROMA = 12.0
FADED = 0.7  # of the cell's usual chroma
SNOW_LUMA = 170.0
BURNT_LUMA = 250.0  # a cobweb in the light of the camera's own lamps
FOG_LUMA = 90.0
UNTOUCHED = 0.7  # of a cell's usual contrast
HALF_GONE = 0.2  # share of the structured cells
HAZY = 0.75  # median of the cells' contrast ratios
CHANGED_LUMA = 35.0  # beyond the change of the whole picture's exposure
CHANGED_CHROMA = 14.0


def blur(measures: Measures, usual: Usual | None, limits: QualityLimits) -> Reading:
    """Out of focus: fine structure gone where contrast is left."""
    if usual is not None:
        ratio = measures.sharpness_ratio(usual.grid["sharpness"])
        if math.isfinite(ratio):
            over = ratio < limits.blur_ratio
            return take(Fault.BLUR, ratio, limits.blur_ratio, "blur/1", over=over, below=True)
    value = percentile(measures.detail.sharpness, 85)  # the sharpest that burnt-in text leaves
    over = value < limits.blur_absolute  # False when NaN: nothing to be sharp
    shown = value if math.isfinite(value) else 1.0
    return take(Fault.BLUR, shown, limits.blur_absolute, "blur/1", over=over, below=True)


def noise(measures: Measures, usual: Usual | None, limits: QualityLimits) -> Reading:
    """Grain even where the scene is calm."""
    value, threshold = measures.detail.noise, limits.noise_sigma
    if usual is not None and math.isfinite(usual.scalar["noise"]):
        threshold = max(limits.noise_own_sigma, limits.noise_ratio * usual.scalar["noise"])
    return take(Fault.NOISE, value, threshold, "noise/1", over=value >= threshold)


def stripes(measures: Measures, usual: Usual | None, limits: QualityLimits) -> Reading:
    """Bars or lines through the whole picture that are not always there.

    Without a memory bars must be strong: a roller shutter or a ploughed field is barred by nature.
    """
    bars, wave = measures.stripes.bars, measures.stripes.wave
    if usual is None:
        bars_limit = limits.stripes_alone * limits.stripes_sigma
        wave_limit = limits.wave_alone * limits.wave_sigma
    else:
        bars_limit = limits.stripes_sigma + 1.5 * _finite(usual.scalar["bars"])
        wave_limit = limits.wave_sigma + 1.5 * _finite(usual.scalar["wave"])
    value, threshold = max((bars, bars_limit), (wave, wave_limit), key=lambda v: v[0] / v[1])
    return take(Fault.STRIPES, value, threshold, "stripes/1", over=value >= threshold)


def artifacts(measures: Measures, usual: Usual | None, limits: QualityLimits) -> Reading:
    """Broken into blocks, or filled with a decoder's own colours."""
    blocks = measures.blocks
    seams = blocks.seams * limits.artifact_share / limits.artifact_seams  # on the shares' scale
    shares = {"mosaic": blocks.mosaic, "seams": seams, "green": blocks.green, "grey": blocks.grey}
    if usual is not None:
        own = usual.scalar
        shares = {n: share - _finite(own.get(n, 0.0)) for n, share in shares.items()}
    if measures.tone.span < limits.contrast_span:
        shares["grey"] = 0.0  # a pale picture lies around middle grey by itself
    value = max(0.0, *shares.values())
    over = value >= limits.artifact_share
    return take(Fault.ARTIFACTS, value, limits.artifact_share, "blocks/1", over=over)


def _finite(number: float) -> float:
    return number if math.isfinite(number) else 0.0


def occlusion(measures: Measures, usual: Usual | None, limits: QualityLimits) -> Reading:
    """Something close to the lens: detail that this camera always has is gone from a part."""
    if usual is None:
        value = measures.flat_share
        over = value >= limits.occluded_absolute
        return take(Fault.OCCLUSION, value, limits.occluded_absolute, "cover/1", over=over)
    value = _share(covered_cells(measures, usual), measures)
    return take(
        Fault.OCCLUSION,
        value,
        limits.occluded_share,
        "cover/1",
        over=value >= limits.occluded_share,
    )


def covered_cells(measures: Measures, usual: Usual) -> NDArray[np.bool_]:
    """Cells that something hides: detail gone or smeared, and not the way fog or snow take it."""
    detail = measures.detail
    contrast, sharpness = usual.grid["contrast"], usual.grid["sharpness"]
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where(contrast >= STRUCTURED, detail.contrast / contrast, np.float32(np.nan))
        vanished = ratio < VANISHED
        other = _other_colour(measures, usual)
        flat = detail.contrast < STRUCTURED
        smeared = detail.sharpness < SMEARED * sharpness
        crisp = detail.sharpness > STILL_SHARP * usual.scalar["sharp"]
        gained = (contrast < STRUCTURED) & (detail.contrast > 2 * STRUCTURED) & crisp
    whole_is_sharp = measures.sharpness_ratio(sharpness) >= STILL_SHARP
    hidden = vanished | (flat & other) | (smeared & other & whole_is_sharp)
    hidden &= ~_paled(measures, ratio, usual)
    # What only hides adds no detail elsewhere; where it came and went, the scene is another one.
    return np.asarray(hidden & (int(gained.sum()) < CAME_AND_WENT * int(hidden.sum())), np.bool_)


def _other_colour(measures: Measures, usual: Usual) -> NDArray[np.bool_]:
    """Cells whose luma or chroma moved otherwise than most of the picture did.

    Exposure multiplies all cells, a cast shifts all in proportion to their luma; the medians are
    what most cells did, as long as less than half of the picture is covered.
    """
    tone, grid = measures.tone, usual.grid
    with np.errstate(invalid="ignore", divide="ignore"):
        now, before = np.maximum(tone.cell_luma, 1), np.maximum(grid["luma"], 1)
        gain = percentile(now / before, 50)
        luma = np.abs(np.minimum(now, 250) - np.minimum(before * gain, 250)) > CHANGED_LUMA
        red = tone.cell_cr / now - grid["cell_cr"] / before
        blue = tone.cell_cb / now - grid["cell_cb"] / before
        apart = np.hypot(red - percentile(red, 50), blue - percentile(blue, 50)) * before * gain
    return np.asarray(luma | (apart > CHANGED_CHROMA), np.bool_)


def _paled(measures: Measures, ratio: NDArray[np.floating], usual: Usual) -> NDArray[np.bool_]:
    """Cells as fog and snow leave them: pale, and greyer than they were.

    Snow is the brightest. Fog takes detail by degrees, more with distance: between what is gone and
    what is untouched lie cells that are half gone, and most are gone a little. A cover has an edge.
    """
    tone = measures.tone
    with np.errstate(invalid="ignore"):
        chroma = np.hypot(tone.cell_cr, tone.cell_cb)
        before = np.hypot(usual.grid["cell_cr"], usual.grid["cell_cb"])
        greyer = (chroma <= PALE_CHROMA) | (chroma < FADED * before)
        half = (ratio >= VANISHED) & (ratio < UNTOUCHED)
        by_degrees = half.sum() > HALF_GONE * int(np.isfinite(ratio).sum())
        middle = percentile(measures.contrast_ratios(usual.grid["contrast"]), 50)
        floor = FOG_LUMA if by_degrees or middle < HAZY else SNOW_LUMA
        pale = (tone.cell_luma >= floor) & (tone.cell_luma < BURNT_LUMA)
    return np.asarray(greyer & pale, np.bool_)


def _share(cells: NDArray[np.bool_], measures: Measures) -> float:
    visible = np.isfinite(measures.detail.contrast)
    return float((cells & visible).sum()) / max(1, int(visible.sum()))
