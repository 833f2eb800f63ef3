"""The quality history of one camera in one light: the last accepted samples, and their medians.

The medians are the baseline that the gauges compare with. About 8 kB, kept as bytes in the camera
memory; `learn` returns a new history. Bytes of another version, or broken ones, read as an empty
history: it relearns within a week of rounds, and nothing else depends on it.
"""

import math
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from patrol.domain.observation import Light
from patrol.vision.quality.features import STRUCTURED, PictureFeatures
from patrol.vision.quality.image_views import CELL_COLUMNS, CELL_ROWS, CELLS
from patrol.vision.quality.percentiles import column_medians, percentile
from patrol.vision.quality.report import QualityReport

KEPT_SAMPLES: Final = 15  # accepted samples: a week of two rounds a day
HISTORY_MAGIC: Final = b"PVQ"
HISTORY_VERSION: Final = 2  # of the numbers too: medians of other gauges are no measure
NO_HOUR: Final = 255
SAME_CELLS: Final = 2  # with structure, of a picture that is told from others by it
_HEAD: Final = struct.Struct("<3sBBBB")  # magic, version, light, samples, numbers per sample / 8

SCALARS: Final[Mapping[str, Callable[[PictureFeatures], float]]] = {
    "mean": lambda m: m.levels.mean,
    "p5": lambda m: m.levels.p5,
    "p95": lambda m: m.levels.p95,
    "span": lambda m: m.levels.span,
    "clipped": lambda m: m.levels.clipped,
    "cr": lambda m: m.levels.cr,
    "cb": lambda m: m.levels.cb,
    "spread": lambda m: m.levels.chroma_spread,
    "noise": lambda m: m.detail.noise,
    "sharp": lambda m: m.detail.sharp,
    "bars": lambda m: m.stripes.bars,
    "wave": lambda m: m.stripes.wave,
    "mosaic": lambda m: m.artifacts.mosaic,
    "grey": lambda m: m.artifacts.grey,
    "green": lambda m: m.artifacts.green,
    "smear": lambda m: m.artifacts.smear,
    "coarse": lambda m: m.noise.coarse,
    "speckle": lambda m: m.noise.speckle,
}
GRIDS: Final = ("contrast", "sharpness", "luma", "cell_cr", "cell_cb")
ROW_WIDTH: Final = (len(SCALARS) + len(GRIDS) * CELLS + 7) // 8 * 8
STIR: Final = len(SCALARS) + len(GRIDS) * CELLS  # in the padding: 0 where it was not measured
RENEWED, INDEPENDENT = STIR + 1, STIR + 2  # the shares of reencoding.py, there too
SLOPE: Final = INDEPENDENT + 1  # of the edges (edges.py), there too
SLOPES_KEPT: Final = 5  # of the samples have it: a lens in focus has the same, and it takes 4 ms
LEAST_STIR: Final = 0.01
LEAST_SHARE: Final = 0.001

F16 = NDArray[np.float16]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Baseline:
    """Medians over the kept samples, what is usual at a camera; NaN where never measured."""

    samples: int
    scalar: dict[str, float]
    grid: dict[str, NDArray[np.float32]]  # CELL_ROWS × CELL_COLUMNS
    slope: float = math.nan  # of the steep edges (edges.py)


def _no_rows() -> F16:
    return np.empty((0, ROW_WIDTH), np.float16)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class QualityHistory:
    """The last KEPT accepted samples of one camera in one light."""

    light: Light = Light.DAY
    rows: F16 = field(default_factory=_no_rows)
    hours: bytes = b""  # local hour of each sample, NO_HOUR where unknown

    def learn(self, report: QualityReport, *, accepted: bool = False) -> "QualityHistory":
        """The history with one sample more; a faulty report is learned only if it was accepted."""
        if not report.features or (not accepted and (report.faults or not report.any_usable)):
            return self
        if report.light is not self.light:
            return QualityHistory(light=report.light).learn(report, accepted=accepted)
        row = _row(report.features[0])
        if report.pair is not None:
            row[STIR] = max(report.pair.stir, LEAST_STIR)
            shares = {RENEWED: report.pair.renewed, INDEPENDENT: report.pair.independent}
            for column, share in shares.items():
                row[column] = 0 if share is None else max(share, LEAST_SHARE)
        if len(self._measured(SLOPE)) < SLOPES_KEPT:
            slope = report.features[0].edge_slope
            row[SLOPE] = slope if math.isfinite(slope) else 0
        hour = report.local.hour if report.local else NO_HOUR
        rows = np.concatenate([self.rows, row[np.newaxis]])[-KEPT_SAMPLES:]
        return replace(self, rows=rows, hours=(self.hours + bytes([hour]))[-KEPT_SAMPLES:])

    def baseline(self) -> Baseline | None:
        """The medians, or None before the first sample."""
        if len(self.rows) == 0:
            return None
        median = column_medians(self.rows.astype(np.float32))
        cells = median[len(SCALARS) : len(SCALARS) + len(GRIDS) * CELLS]
        grids = cells.reshape(len(GRIDS), CELL_ROWS, CELL_COLUMNS)
        return Baseline(
            samples=len(self.rows),
            scalar={name: float(median[i]) for i, name in enumerate(SCALARS)},
            grid=dict(zip(GRIDS, grids, strict=True)),
            slope=percentile(np.array(self._measured(SLOPE), np.float32), 50),
        )

    def count_between(self, from_hour: int, to_hour: int) -> int:
        """How many of the kept samples were taken in these local hours."""
        return sum(from_hour <= hour < to_hour for hour in self.hours)

    def holds_same_picture(self, features: PictureFeatures) -> bool:
        """Whether a kept sample has exactly this picture's cells, away from burnt-in clocks.

        Contrast, sharpness and colours of 32 cells to a thousandth: a live sensor's noise alone
        changes some of them. A picture without structure in them proves nothing.
        """
        now = _inner_cells(_row(features))
        if int((now[0] >= STRUCTURED).sum()) < SAME_CELLS or not len(self.rows):
            return False
        return any(np.array_equal(now, _inner_cells(kept), equal_nan=True) for kept in self.rows)

    def stirred(self) -> list[float]:
        """How much moved within each kept visit, where it had two pictures."""
        return self._measured(STIR)

    def renewed(self) -> list[float]:
        """The share of structured blocks that were not equal in the pictures of each kept visit."""
        return self._measured(RENEWED)

    def independent(self) -> list[float]:
        """The share of coefficients that no single original can have had, of each kept visit."""
        return self._measured(INDEPENDENT)

    def _measured(self, column: int) -> list[float]:
        return [float(row[column]) for row in self.rows if row[column] > 0]

    def to_bytes(self) -> bytes:
        """Versioned bytes for the camera memory."""
        light = list(Light).index(self.light)
        head = _HEAD.pack(HISTORY_MAGIC, HISTORY_VERSION, light, len(self.rows), ROW_WIDTH // 8)
        return head + self.hours + self.rows.astype("<f2").tobytes()

    @classmethod
    def from_bytes(cls, blob: bytes) -> "QualityHistory":
        """Read the bytes; an empty history where they are unknown."""
        if len(blob) < _HEAD.size:
            return cls()
        magic, version, light, samples, width = _HEAD.unpack_from(blob)
        hours_end = _HEAD.size + samples
        fits = len(blob) == hours_end + samples * ROW_WIDTH * 2
        lights = list(Light)
        known = (magic, version, width) == (
            HISTORY_MAGIC,
            HISTORY_VERSION,
            ROW_WIDTH // 8,
        ) and light < len(lights)
        if not (fits and known):
            return cls()
        rows = np.frombuffer(blob, "<f2", offset=hours_end).reshape(samples, ROW_WIDTH)
        return cls(
            light=lights[light],
            rows=rows.astype(np.float16),
            hours=blob[_HEAD.size : hours_end],
        )


def _inner_cells(row: F16) -> F16:
    """The grids of one row without the upper and the lower cells, where a clock may run."""
    cells = row[len(SCALARS) : len(SCALARS) + len(GRIDS) * CELLS]
    return cells.reshape(len(GRIDS), CELL_ROWS, CELL_COLUMNS)[:, 1:-1]


def _row(features: PictureFeatures) -> F16:
    levels, detail = features.levels, features.detail
    grids = (detail.contrast, detail.sharpness, levels.cell_luma, levels.cell_cr, levels.cell_cb)
    numbers = np.array([read_scalar(features) for read_scalar in SCALARS.values()])
    row = np.zeros(ROW_WIDTH, np.float16)
    row[: len(SCALARS)] = numbers
    row[len(SCALARS) : len(SCALARS) + len(GRIDS) * CELLS] = np.stack(grids).ravel()
    return row
