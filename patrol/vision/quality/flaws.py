"""Gauges of what stands between the scene and us: defocus, noise, stripes, blocks, covers.

Same shape as gauges.py: (measures, usual, limits) → Reading.
"""

import math

import numpy as np
from numpy.typing import NDArray

from patrol.vision.quality.detail import STRUCTURED
from patrol.vision.quality.history import Usual
from patrol.vision.quality.limits import QualityLimits
from patrol.vision.quality.measures import Measures
from patrol.vision.quality.report import Fault, Reading, take

VANISHED = 0.3  # of a cell's usual contrast: its detail is gone
SMEARED = 0.35  # of a cell's usual sharpness, while the picture as a whole stays sharp
STILL_SHARP = 0.7
WHITE_OUT = (165.0, 9.0)  # luma from which, chroma up to which it may be snow or fog
CHANGED_LUMA = 35.0  # beyond the change of the whole picture's exposure
CHANGED_CHROMA = 14.0


def blur(measures: Measures, usual: Usual | None, limits: QualityLimits) -> Reading:
    """Out of focus: fine structure gone where contrast is left."""
    value = measures.detail.sharp
    if usual is not None:
        ratio = measures.sharpness_ratio(usual.grid["sharpness"])
        if math.isfinite(ratio):
            over = ratio < limits.blur_ratio
            return take(Fault.BLUR, ratio, limits.blur_ratio, "blur/1", over=over, below=True)
    over = value < limits.blur_absolute  # False when NaN: nothing to be sharp
    shown = value if math.isfinite(value) else 1.0
    return take(Fault.BLUR, shown, limits.blur_absolute, "blur/1", over=over, below=True)


def noise(measures: Measures, usual: Usual | None, limits: QualityLimits) -> Reading:
    """Grain even where the scene is calm."""
    value, threshold = measures.detail.noise, limits.noise_sigma
    if usual is not None and math.isfinite(usual.scalar["noise"]):
        threshold = max(threshold, limits.noise_ratio * usual.scalar["noise"])
    return take(Fault.NOISE, value, threshold, "noise/1", over=value >= threshold)


def stripes(measures: Measures, usual: Usual | None, limits: QualityLimits) -> Reading:
    """Bars or lines through the whole picture that are not always there."""
    value, threshold = measures.stripes, limits.stripes_sigma
    if usual is not None and math.isfinite(usual.scalar["stripes"]):
        threshold += usual.scalar["stripes"]
    else:
        threshold *= 3  # a roller shutter or a ploughed field is striped by nature
    return take(Fault.STRIPES, value, threshold, "stripes/1", over=value >= threshold)


def artifacts(measures: Measures, usual: Usual | None, limits: QualityLimits) -> Reading:
    """Broken into blocks, or filled with a decoder's own colours."""
    blocks = measures.blocks
    parts = [("mosaic", blocks.mosaic), ("green", blocks.green), ("grey", blocks.grey)]
    surplus = []
    for name, share in parts:
        known = usual is not None and math.isfinite(usual.scalar[name])
        own = usual.scalar[name] if usual is not None and known else 0.0
        surplus.append(share - own - (0.0 if known or name == "mosaic" else 0.1))
    value = max(0.0, *surplus)
    over = value >= limits.artifact_share
    return take(Fault.ARTIFACTS, value, limits.artifact_share, "blocks/1", over=over)


def occlusion(measures: Measures, usual: Usual | None, limits: QualityLimits) -> Reading:
    """Something close to the lens: detail that this camera always has is gone from a part."""
    if usual is None:
        flat = measures.detail.contrast < 1.5  # noqa: PLR2004  not even sensor noise has less
        lit = (measures.tone.cell_luma > 40) & (measures.tone.cell_luma < 200)  # noqa: PLR2004
        value = _share(flat & lit, measures)
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
    """Cells that something hides: detail gone or smeared, and another colour than usual."""
    detail, tone = measures.detail, measures.tone
    contrast, sharpness = usual.grid["contrast"], usual.grid["sharpness"]
    exposure = tone.mean - usual.scalar["mean"]
    with np.errstate(invalid="ignore"):
        vanished = (contrast >= STRUCTURED) & (detail.contrast < VANISHED * contrast)
        flat = detail.contrast < STRUCTURED
        luma_gone = np.abs(tone.cell_luma - usual.grid["luma"] - exposure) > CHANGED_LUMA
        chroma_gone = np.hypot(
            tone.cell_cr - usual.grid["cell_cr"], tone.cell_cb - usual.grid["cell_cb"]
        ) > CHANGED_CHROMA  # fmt: skip
        other = luma_gone | chroma_gone
        smeared = detail.sharpness < SMEARED * sharpness
        whole_is_sharp = measures.sharpness_ratio(sharpness) >= STILL_SHARP
        white = (tone.cell_luma >= WHITE_OUT[0]) & (
            np.hypot(tone.cell_cr, tone.cell_cb) <= WHITE_OUT[1]
        )
    hidden = vanished | (flat & other) | (smeared & other & whole_is_sharp)
    return np.asarray(hidden & ~white, np.bool_)


def _share(cells: NDArray[np.bool_], measures: Measures) -> float:
    visible = np.isfinite(measures.detail.contrast)
    return float((cells & visible).sum()) / max(1, int(visible.sum()))
