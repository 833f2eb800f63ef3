"""All numbers that the gauges need of one picture, taken in one pass over its view.

Physical quantities only; no threshold, no memory. Cell arrays are CELL_ROWS × CELL_COLUMNS, NaN
where the cell is not visible.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from patrol.vision.quality.blocks import Blocks, measure_blocks
from patrol.vision.quality.detail import STRUCTURED, Detail, measure_detail, percentile
from patrol.vision.quality.stripes import measure_stripes
from patrol.vision.quality.tone import Tone, measure_tone
from patrol.vision.quality.view import PictureView

Cells = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Measures:
    """One picture in numbers."""

    tone: Tone
    detail: Detail
    blocks: Blocks
    stripes: float

    def contrast_ratio(self, usual: Cells) -> float:
        """Upper quartile over the structured cells of contrast now ÷ usual; NaN without any."""
        return percentile(_ratio(self.detail.contrast, usual, usual >= STRUCTURED), 75)

    def sharpness_ratio(self, usual: Cells) -> float:
        """Upper quartile over the cells that have structure in both; NaN without any.

        Defocus takes sharpness everywhere; a covered part, fog or moving leaves only here and
        there, so a quarter of the picture that is still sharp acquits the lens.
        """
        return percentile(_ratio(self.detail.sharpness, usual, usual > 0), 75)


def measure(view: PictureView) -> Measures:
    """Take all of them."""
    return Measures(
        tone=measure_tone(view),
        detail=measure_detail(view),
        blocks=measure_blocks(view),
        stripes=measure_stripes(view),
    )


def _ratio(now: Cells, usual: Cells, where: NDArray[np.bool_]) -> Cells:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(where, now / usual, np.float32(np.nan)).astype(np.float32)
