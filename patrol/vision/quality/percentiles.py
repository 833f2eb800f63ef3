"""Percentiles of a few numbers, some of them not known (NaN): cells of a picture, kept samples.

numpy's own take twenty to forty times as long for so few numbers, and every visit asks for some
seventy of them. Used by all gauges of picture faults. Pure.
"""

import numpy as np
from numpy.typing import NDArray


def percentile(cells: NDArray[np.floating], percent: float) -> float:
    """The percentile (0..100) of the finite cells, between neighbours; NaN when there are none."""
    there = cells[np.isfinite(cells)]  # a copy, with one axis
    there.sort()
    if not there.size:
        return float("nan")
    at = (there.size - 1) * percent / 100
    low = int(at)
    high = min(low + 1, there.size - 1)
    return float(there[low] + (there[high] - there[low]) * (at - low))


def column_medians(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """The median of each column's finite numbers; NaN in a column without any."""
    ordered = np.sort(rows, axis=0)  # NaN goes last
    there = np.count_nonzero(np.isfinite(rows), axis=0)
    columns = np.arange(rows.shape[1])
    low, high = np.maximum(there - 1, 0) // 2, there // 2
    middle = (ordered[low, columns] + ordered[np.minimum(high, len(rows) - 1), columns]) / 2
    medians: NDArray[np.float32] = np.where(there > 0, middle, np.float32(np.nan))
    return medians
