"""All numbers that the gauges need of one picture, taken in one pass over its view.

Physical quantities only; no threshold, no memory. Cell arrays are CELL_ROWS × CELL_COLUMNS, NaN
where the cell is not visible.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from patrol.vision.quality.blocks import Blocks, measure_blocks
from patrol.vision.quality.detail import STRUCTURED, Detail, measure_detail, percentile
from patrol.vision.quality.grain import Grain, measure_grain
from patrol.vision.quality.stripes import Stripes, measure_stripes
from patrol.vision.quality.tone import Tone, measure_tone
from patrol.vision.quality.view import PictureView

Cells = NDArray[np.float32]
RICH = 15.0  # luma deviation at which a third of it still stands out of noise and rounding
ENOUGH_CELLS = 6
FLAT_CELL = 3.0  # luma deviation: soil and asphalt have more
NIGHT_LUMA, SKY_LUMA = 35.0, 140.0  # beyond, a scene may be flat by nature
CRISP = 25.0  # luma deviation of a cell that nothing dims


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Measures:
    """One picture in numbers."""

    tone: Tone
    detail: Detail
    blocks: Blocks
    stripes: Stripes
    grain: Grain

    @property
    def flat_share(self) -> float:
        """Share of the visible cells that are flat and neither night nor sky.

        0 unless something else in the picture has its full contrast: a squeezed picture is flat
        too, but then nothing in it is crisp, burnt-in text included.
        """
        contrast, luma = self.detail.contrast, self.tone.cell_luma
        visible = np.isfinite(contrast)
        if not visible.any() or float(contrast[visible].max()) < CRISP:
            return 0.0
        flat = (contrast < FLAT_CELL) & (luma > NIGHT_LUMA) & (luma < SKY_LUMA)
        return float(flat.sum()) / int(visible.sum())

    def contrast_ratios(self, usual: Cells) -> Cells:
        """Contrast now ÷ usual in the well structured cells; NaN in the others."""
        rich = usual >= RICH
        where = rich if int(rich.sum()) >= ENOUGH_CELLS else usual >= STRUCTURED
        return _ratio(self.detail.contrast, usual, where)

    def sharpness_ratio(self, usual: Cells) -> float:
        """Median over the cells that have structure in both, of now ÷ usual; NaN without any.

        Defocus takes sharpness everywhere; a covered part, moving leaves, a passing car only in
        some cells. Cells that lost their structure altogether have no say.
        """
        return percentile(_ratio(self.detail.sharpness, usual, usual > 0), 50)


def measure(view: PictureView) -> Measures:
    """Take all of them."""
    return Measures(
        tone=measure_tone(view),
        detail=measure_detail(view),
        blocks=measure_blocks(view),
        stripes=measure_stripes(view),
        grain=measure_grain(view),
    )


def _ratio(now: Cells, usual: Cells, where: NDArray[np.bool_]) -> Cells:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(where, now / usual, np.float32(np.nan)).astype(np.float32)
