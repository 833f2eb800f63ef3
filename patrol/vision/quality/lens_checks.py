"""Gauges of lens, sensor and transmission: defocus, noise, stripes, decoding artifacts, covers.

Each is a function (features, baseline, limits) → GaugeReading, as in exposure_checks.py.
"""

import math

import numpy as np
from numpy.typing import NDArray

from patrol.vision.quality.baseline import Baseline
from patrol.vision.quality.exposure_checks import COLOURLESS
from patrol.vision.quality.features import STRUCTURED, PictureFeatures, measure_focus
from patrol.vision.quality.image_views import BAND_PX, Cells
from patrol.vision.quality.percentiles import percentile
from patrol.vision.quality.report import GaugeReading, PictureFault, QualityThresholds, make_reading
from patrol.vision.quality.soft_cover import softly_covered_share

CONCEALED_GAUGE = "concealed/1"  # drawn by the decoder: nothing else resembles it
LIKE_THE_CALMEST = 2.0  # times the noise of the calmest cell: grain is everywhere, gravel is not
NOISE_IN_BARS = 1 / (6 * BAND_PX)  # of its variance, left in the mean of a band and of six bands
EDGES_GAUGE = "edges/1"  # no edge in the whole picture is steep
EDGED_GAUGE = "cover_edge/1"  # hidden here, untouched there: nothing else does that
VANISHED = 0.5  # of a cell's usual contrast: its detail is gone; sound weeks keep more in 95 of 100
VANISHED_QUITE = 0.3  # ... all of it
KEPT_CELLS = 3  # as they were, beside a cover
SMEARED = 0.35  # of a cell's usual sharpness, while the picture as a whole stays sharp
WEAKENED = 0.5  # of its usual contrast, with too little left to tell its sharpness
STILL_SHARP = 0.7
CAME_AND_WENT = 0.7  # cells with new detail per cell that lost its own
PALE_CHROMA = 12.0
FADED = 0.7  # of the cell's usual chroma
SNOW_LUMA = 170.0
BURNT_LUMA = 250.0  # a cobweb in the light of the camera's own lamps
FOG_LUMA = 105.0
UNTOUCHED = 0.7  # of a cell's usual contrast
HALF_GONE = 0.2  # share of the structured cells
LIT_LUMA = 50.0  # mean; in a darker picture what the lamps do not reach ends softly
LEFT_ALONE = 0.04  # share of the structured cells: less is untouched where all is hazy
FAR_ROWS = 3  # of CELL_ROWS: the upper half
FAR_CELLS = 3  # structured ones there, before they tell anything of fog
FAR_LEFT = 0.3  # share of them that fog leaves: a pole or a tree that stands near
LEVEL_ROWS = 0.12  # of the usual contrast: how far cells of one height differ in fog
NEAR_ROWS = 2  # at the bottom
SNOWED_NEAR = 0.6  # share of the cells there
SHADE = 0.4  # of the usual luma; darker is no shadow by day
PROOF_CELLS = 4  # with their detail gone, before flat cells are believed to be covered
FULLY_SHARP = 0.75  # of a cell's usual sharpness
MIN_CELL_SHARE = 0.2  # of the cells: a lens out of focus leaves none as sharp as they were
ENOUGH_CELLS = 6
NIGHT_FOCUS = 0.8  # of the limits by day: glass bends infrared less than light
FINE_WIDTH_PX = 416  # of the small copy: fewer pixels cannot hold the finest detail asked for
TOP_ROWS = 2  # of CELL_ROWS: snow lies on the ground
TOP_CELLS = 4  # without their detail there: it is no snow
CHANGED_LUMA = 35.0  # beyond the change of the whole picture's exposure
CHANGED_CHROMA = 14.0


def check_blur(
    features: PictureFeatures, baseline: Baseline | None, limits: QualityThresholds
) -> GaugeReading:
    """Out of focus: fine structure gone where contrast is left."""
    if baseline is not None:
        ratio = features.sharpness_ratio(baseline.grid["sharpness"])
        if math.isfinite(ratio):
            return _blur_by_history(features, baseline, ratio, limits)
    value = percentile(_without_text(features.detail.sharpness), 85)
    if value < limits.blur_absolute:  # False when NaN: nothing to be sharp
        return make_reading(
            PictureFault.BLUR, value, limits.blur_absolute, "blur/2", over=True, below=True
        )
    return _blur_at_first(features, limits)


def _blur_by_history(
    features: PictureFeatures, baseline: Baseline, ratio: float, limits: QualityThresholds
) -> GaugeReading:
    """Softer than usual: by the cells' fine structure alone, or by it and the edges together.

    A little defocus leaves each of the two measures within what light and leaves do to it; only
    defocus lowers both, so their product tells a smaller one. The edges are measured in doubt only.
    """
    by_structure = make_reading(
        PictureFault.BLUR, ratio, limits.blur_ratio, "blur/2",
        over=ratio < limits.blur_ratio, below=True,
    )  # fmt: skip
    if by_structure.over or ratio >= limits.blur_asks_edges or not math.isfinite(baseline.slope):
        return by_structure
    slope = features.edge_slope / baseline.slope
    if not math.isfinite(slope) or slope >= limits.blur_asks_edges:
        return by_structure
    value, limit = ratio * slope, limits.blur_both
    return make_reading(
        PictureFault.BLUR, value, limit, "blur_edges/1", over=value < limit, below=True
    )


def _blur_at_first(features: PictureFeatures, limits: QualityThresholds) -> GaugeReading:
    """Without a memory: no edge as steep as a lens in focus makes it, in most of the picture.

    A little defocus leaves edges as steep as a soft lens has them; what it takes besides is fine
    structure, so where both are low their product tells. Where no edge stands out: the sharpest
    quarter of the cells, or the middle one, per picture width, which a sound lens has at any number
    of pixels. Infrared at night, whose focus lies elsewhere, has a fifth less of each.
    """
    usual = NIGHT_FOCUS if features.levels.colourless >= COLOURLESS else 1.0
    slope = features.edge_slope / usual
    if math.isfinite(slope):
        by_edges = make_reading(
            PictureFault.BLUR, slope, limits.edge_slope, EDGES_GAUGE,
            over=slope < limits.edge_slope, below=True,
        )  # fmt: skip
        pale = features.levels.span < limits.contrast_span  # a veil takes fine structure as well
        if by_edges.over or pale or slope >= limits.edge_asks_focus:
            return by_edges
    upper, middle = _focus_at_first(features, usual)
    if not math.isfinite(upper):
        return make_reading(PictureFault.BLUR, math.inf, 1.0, "focus/1", over=False, below=True)
    if math.isfinite(slope):
        value, limit, gauge = slope * upper, limits.edge_and_focus, "edges_focus/1"
    else:
        value, limit = min(upper / limits.focus_upper, middle / limits.focus_middle), 1.0
        gauge = "focus/1"
    return make_reading(PictureFault.BLUR, value, limit, gauge, over=value < limit, below=True)


def _focus_at_first(features: PictureFeatures, usual: float) -> tuple[float, float]:
    """Focus of the sharpest quarter and of the middle cell, of what is usual; NaN: too few."""
    focus = _without_text(measure_focus(features.luma, np.isfinite(features.detail.contrast)))
    if np.isfinite(focus).sum() < ENOUGH_CELLS:
        return math.nan, math.nan
    usual *= min(1.0, max(features.luma.shape) / FINE_WIDTH_PX)
    return percentile(focus, 75) / usual, percentile(focus, 50) / usual


def _without_text(sharpness: Cells) -> Cells:
    """The rows of cells without burnt-in text, which is always sharp, where they show enough."""
    inner = sharpness[1:-1]
    return inner if np.isfinite(inner).sum() >= ENOUGH_CELLS else sharpness


def check_noise(
    features: PictureFeatures, baseline: Baseline | None, limits: QualityThresholds
) -> GaugeReading:
    """Grain even where the scene is calm: in single pixels, in blotches, or in the colours."""
    candidates = [
        (features.detail.noise, limits.noise_sigma),
        (features.noise.speckle, limits.noise_colour_sigma),
    ]
    if baseline is None:  # gravel is as fine as grain, but not everywhere
        calmest = LIKE_THE_CALMEST * features.detail.calmest_noise
        candidates[0] = (min(features.detail.noise, calmest), limits.noise_sigma)
    else:  # without a memory blotches may be leaves
        own = baseline.scalar
        candidates = [
            (features.detail.noise, _above(own["noise"], limits.noise_own_sigma, limits)),
            (features.noise.speckle, _above(own["speckle"], limits.noise_colour_sigma, limits)),
            (features.noise.coarse, _above(own["coarse"], limits.noise_coarse_sigma, limits)),
        ]
    value, threshold = max(candidates, key=lambda look: look[0] / look[1])
    return make_reading(PictureFault.NOISE, value, threshold, "noise/2", over=value >= threshold)


def _above(own: float, floor: float, limits: QualityThresholds) -> float:
    return max(floor, limits.noise_ratio * _finite(own))


def check_stripes(
    features: PictureFeatures, baseline: Baseline | None, limits: QualityThresholds
) -> GaugeReading:
    """Bars or lines through the whole picture that are not always there.

    Without a memory bars must be strong: a roller shutter or a ploughed field is barred by nature.
    """
    by_chance = features.detail.noise**2 * NOISE_IN_BARS
    bars = math.sqrt(max(0.0, features.stripes.bars**2 - by_chance))
    wave = features.stripes.wave
    if baseline is None:
        wave *= features.stripes.everywhere >= limits.wave_everywhere
        bars_limit = limits.stripes_alone * limits.stripes_sigma
        wave_limit = limits.wave_alone * limits.wave_sigma
    else:
        bars_limit = limits.stripes_sigma + 1.5 * _finite(baseline.scalar["bars"])
        throughout = features.stripes.everywhere >= limits.wave_throughout
        least = limits.wave_own_sigma if throughout else limits.wave_sigma
        wave_limit = least + 1.5 * _finite(baseline.scalar["wave"])
    value, threshold = max((bars, bars_limit), (wave, wave_limit), key=lambda v: v[0] / v[1])
    return make_reading(
        PictureFault.STRIPES, value, threshold, "stripes/2", over=value >= threshold
    )


def check_artifacts(
    features: PictureFeatures, baseline: Baseline | None, limits: QualityThresholds
) -> GaugeReading:
    """Broken into blocks, or filled with a decoder's own colours."""
    artifacts, share = features.artifacts, limits.artifact_share
    shares = {
        "mosaic": artifacts.mosaic,
        "seams": artifacts.seams * share / limits.artifact_seams,  # on the shares' scale
        "smear": artifacts.smear * share / limits.artifact_smear,
        "green": artifacts.green,
        "grey": artifacts.grey,
    }
    if baseline is not None:
        shares = {
            n: area_share - _finite(baseline.scalar.get(n, 0.0)) for n, area_share in shares.items()
        }
    if features.levels.span < limits.contrast_span:
        shares["grey"] = 0.0  # a pale picture lies around middle grey by itself
    worst = max(shares, key=shares.__getitem__)
    value = max(0.0, shares[worst])
    gauge = "blocks/2" if worst in {"mosaic", "seams"} else CONCEALED_GAUGE
    return make_reading(PictureFault.ARTIFACTS, value, share, gauge, over=value >= share)


def _finite(number: float) -> float:
    return number if math.isfinite(number) else 0.0


def check_occlusion(
    features: PictureFeatures, baseline: Baseline | None, limits: QualityThresholds
) -> GaugeReading:
    """Something close to the lens: detail that this camera always has is gone from a part."""
    if baseline is None:
        return _cover_at_first(features, limits)
    cells, ratio = _cells_and_ratios(features, baseline)
    value = _share(cells, features)
    known = np.isfinite(ratio)
    faded = float((cells & known).sum()) / max(1, int(known.sum()))
    over = value >= limits.occluded_share or (
        faded >= limits.occluded_share and int((cells & known).sum()) >= PROOF_CELLS
    )
    # An edge: the rest as it was, in contrast and in focus. Nothing but a cover leaves that.
    with np.errstate(invalid="ignore", divide="ignore"):
        plain = np.where(known, features.detail.contrast / baseline.grid["contrast"], 0)
        kept = (plain >= UNTOUCHED) & (plain <= 1 / UNTOUCHED)
        kept &= features.detail.sharpness > STILL_SHARP * baseline.grid["sharpness"]
    edged = over and int(kept.sum()) >= KEPT_CELLS
    return make_reading(
        PictureFault.OCCLUSION,
        max(value, faded) if over else value,
        limits.occluded_share,
        EDGED_GAUGE if edged else "cover/3",
        over=over,
    )


def _cover_at_first(features: PictureFeatures, limits: QualityThresholds) -> GaugeReading:
    """Without a memory: half of the cells flat, or two fifths plain with a soft edge."""
    flat, levels = features.flat_share, features.levels
    by_day = levels.colourless < COLOURLESS and levels.mean >= LIT_LUMA
    chroma = percentile(np.hypot(levels.cell_cr, levels.cell_cb), 50)
    warmth = np.asarray(levels.cell_cr - levels.cell_cb, np.float32)
    soft = 0.0
    if by_day:
        soft = softly_covered_share(features.luma, coloured=chroma > PALE_CHROMA, warmth=warmth)
    edged = soft >= limits.occluded_soft and flat < limits.occluded_absolute
    value, limit = (soft, limits.occluded_soft) if edged else (flat, limits.occluded_absolute)
    gauge = EDGED_GAUGE if edged else "cover/3"
    return make_reading(PictureFault.OCCLUSION, value, limit, gauge, over=value >= limit)


def _cells_and_ratios(
    features: PictureFeatures, baseline: Baseline
) -> tuple[NDArray[np.bool_], Cells]:
    """The covered cells, and each structured cell's contrast now ÷ what the light leaves of it.

    Covered: detail gone or smeared, and not the way fog or snow take it.
    """
    detail = features.detail
    contrast, sharpness = baseline.grid["contrast"], baseline.grid["sharpness"]
    with np.errstate(invalid="ignore", divide="ignore"):
        dim = np.clip(features.levels.cell_luma / np.maximum(baseline.grid["luma"], 1), SHADE, 1)
        expected = contrast * dim  # a shadow takes contrast with the light, and hides nothing
        ratio = np.where(contrast >= STRUCTURED, detail.contrast / expected, np.float32(np.nan))
        paled = _faded_cells(features, ratio, baseline)
        sharp = detail.sharpness > FULLY_SHARP * sharpness  # seen through haze, not hidden
        vanished = ((ratio < VANISHED_QUITE) | ((ratio < VANISHED) & ~sharp)) & ~paled
        other = _other_colour(features, baseline)
        flat = detail.contrast < STRUCTURED * dim
        crisp = detail.sharpness > STILL_SHARP * baseline.scalar["sharp"]
        gained = (contrast < STRUCTURED) & (detail.contrast > 2 * STRUCTURED) & crisp
    if vanished.sum() < PROOF_CELLS:  # a flat cell in another light is a shadow on a wall
        flat &= np.isfinite(ratio)
    hidden = vanished | (
        ((flat & other) | _smeared_cells(features, other, ratio, sharpness)) & ~paled
    )
    # What only hides adds no detail elsewhere; where it came and went, the scene is another one.
    hidden &= int(gained.sum()) < CAME_AND_WENT * int(hidden.sum())
    return np.asarray(hidden, np.bool_), np.asarray(ratio, np.float32)


def _smeared_cells(
    features: PictureFeatures, other: NDArray[np.bool_], ratio: Cells, before: Cells
) -> NDArray[np.bool_]:
    """Cells behind grease, a drop, something too near: out of focus while the lens is in focus."""
    with np.errstate(invalid="ignore"):
        smeared = features.detail.sharpness < SMEARED * before
        smeared |= (ratio < WEAKENED) & ~np.isfinite(features.detail.sharpness)
        sharp = features.detail.sharpness > FULLY_SHARP * before
    least = MIN_CELL_SHARE * int(np.isfinite(before).sum())
    if smeared.sum() >= least and sharp.sum() >= least:
        return np.asarray(smeared, np.bool_)
    in_focus = features.sharpness_ratio(before) >= STILL_SHARP
    return np.asarray(smeared & other & in_focus, np.bool_)


def _other_colour(features: PictureFeatures, baseline: Baseline) -> NDArray[np.bool_]:
    """Cells whose luma or chroma moved otherwise than most of the picture did.

    Exposure multiplies all cells, a cast shifts all in proportion to their luma; the medians are
    what most cells did, as long as less than half of the picture is covered.
    """
    levels, grid = features.levels, baseline.grid
    with np.errstate(invalid="ignore", divide="ignore"):
        now, before = np.maximum(levels.cell_luma, 1), np.maximum(grid["luma"], 1)
        gain = percentile(now / before, 50)
        luma = np.abs(np.minimum(now, 250) - np.minimum(before * gain, 250)) > CHANGED_LUMA
        red = levels.cell_cr / now - grid["cell_cr"] / before
        blue = levels.cell_cb / now - grid["cell_cb"] / before
        apart = np.hypot(red - percentile(red, 50), blue - percentile(blue, 50)) * before * gain
    return np.asarray(luma | (apart > CHANGED_CHROMA), np.bool_)


def _faded_cells(features: PictureFeatures, ratio: Cells, baseline: Baseline) -> NDArray[np.bool_]:
    """Cells as fog and snow leave them: pale, and greyer than they were.

    Fog takes all that is far, by degrees with distance; what fades beside far things that do not
    is behind a cover. Snow is the brightest, lies on all open ground and never before the sky.
    """
    levels = features.levels
    with np.errstate(invalid="ignore"):
        chroma = np.hypot(levels.cell_cr, levels.cell_cb)
        before = np.hypot(baseline.grid["cell_cr"], baseline.grid["cell_cb"])
        greyer = (chroma <= PALE_CHROMA) | (chroma < FADED * before)
        # Burnt out by the sun is not covered; by the camera's own lamps, it is a web before them.
        lit = levels.colourless >= COLOURLESS
        burnt = levels.cell_luma >= BURNT_LUMA
        pale = greyer & (levels.cell_luma >= FOG_LUMA) & ~burnt
        if not _hazy(ratio):
            pale &= levels.cell_luma >= SNOW_LUMA
            pale &= _snowed(pale, ratio)
    return np.asarray(pale | (greyer & burnt & (not lit)), np.bool_)


def _hazy(ratio: Cells) -> bool:
    """Whether contrast went as distance and fog take it: from all that is far, and by degrees.

    A cover leaves what it does not hide as it was, with little between.
    """
    known = ratio[np.isfinite(ratio)]
    if not known.size:
        return False
    untouched = float((known >= UNTOUCHED).mean())
    half = float(((known >= VANISHED_QUITE) & (known < UNTOUCHED)).mean())
    far = ratio[:FAR_ROWS][np.isfinite(ratio[:FAR_ROWS])]
    all_far = far.size < FAR_CELLS or float((far >= UNTOUCHED).mean()) <= FAR_LEFT
    by_degrees = half > HALF_GONE and _spread_along_rows(ratio) <= LEVEL_ROWS
    return all_far and (by_degrees or untouched < LEFT_ALONE)


def _spread_along_rows(ratio: Cells) -> float:
    """How unlike the cells of one height are: what is equally far fades alike, a cover has sides.

    The mean distance from the row's median; what gained contrast has not been hidden.
    """
    known = np.minimum(ratio, 1.0)
    apart = [
        float(np.nanmean(np.abs(row - np.float32(percentile(row, 50)))))
        for row in known
        if int(np.isfinite(row).sum()) >= FAR_CELLS
    ]
    return float(np.mean(apart)) if apart else 0.0


def _snowed(pale: NDArray[np.bool_], ratio: Cells) -> bool:
    """Whether what is so bright can be snow: on most of the near ground, on nothing at the top."""
    gone = pale & (ratio < VANISHED)
    near = pale[-NEAR_ROWS:]
    return int(gone[:TOP_ROWS].sum()) < TOP_CELLS and float(near.mean()) >= SNOWED_NEAR


def _share(cells: NDArray[np.bool_], features: PictureFeatures) -> float:
    visible = np.isfinite(features.detail.contrast)
    return float((cells & visible).sum()) / max(1, int(visible.sum()))
