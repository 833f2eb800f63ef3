"""Stripes: interference bars, dropped lines, rolling bands; what runs through the whole picture.

Two looks. Along rows and along columns: what all BANDS thin bands across the picture have in
common, in most of its segments; a horizon or a roof ridge is common to all bands too, but only in
one place. And slanted: one spatial frequency that stands far above its neighbours in the spectrum
of the small luma, wherever it lies; a fence or a tiled roof is periodic too, but not over the whole
picture, so its line is broad and weak.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from patrol.vision.quality.view import BANDS, F32, PictureView

FINE_LENGTH: Final = 1200  # up to here single lines count: an interlaced field can be lost
SEGMENTS: Final = 8
SEGMENT_RANK: Final = 2  # of SEGMENTS, from the weakest: six of eight must show it
LONGEST_PERIOD: Final = 8  # periods up to an eighth of the length
SPECTRUM_PX: Final = 192
LOWEST_CYCLES: Final = 9  # per SPECTRUM_PX; below, everything has structure
PROMINENCE: Final = 12.0  # peak over the median of its ring of frequencies


@dataclass(frozen=True, slots=True, kw_only=True)
class Stripes:
    """Deviations of luma."""

    bars: float  # common to all bands along rows or along columns
    wave: float  # of the one spatial frequency that stands out; 0 when none does


def measure_stripes(view: PictureView) -> Stripes:
    """Both looks; none through a mask, whose own edges run through the picture."""
    if not view.whole:
        return Stripes(bars=0.0, wave=0.0)
    return Stripes(bars=max(_common(view.rows), _common(view.columns)), wave=_slanted(view))


def _common(bands: F32) -> float:
    """RMS of what all bands share, in the third-weakest of the segments along them."""
    if bands.shape[0] > FINE_LENGTH:  # pairs: half the work, and no stripe is one pixel of 1920
        even = len(bands) // 2 * 2
        bands = (bands[0:even:2] + bands[1:even:2]) * np.float32(0.5)
    length = bands.shape[0]
    window = max(3, length // LONGEST_PERIOD) | 1
    apart = bands - cv2.blur(bands, (1, window), borderType=cv2.BORDER_REFLECT)
    # The middle half of the bands: as stubborn as a median, and steadier.
    ordered = np.sort(np.ascontiguousarray(apart.T), axis=0)
    common = ordered[BANDS // 4 : -(BANDS // 4)].mean(axis=0)
    usable = common[: length // SEGMENTS * SEGMENTS].reshape(SEGMENTS, -1)
    rms = np.sqrt((usable**2).mean(axis=1))
    return float(np.sort(rms)[SEGMENT_RANK])


def _slanted(view: PictureView) -> float:
    """RMS of the one wave that stands out of the spectrum; 0 when none does."""
    luma = cv2.resize(view.luma, (SPECTRUM_PX, SPECTRUM_PX), interpolation=cv2.INTER_LINEAR)
    power = _spectrum(luma)
    peak = np.unravel_index(int(np.argmax(power)), power.shape)
    ring = _RADIUS[peak]
    neighbours = power[(np.abs(_RADIUS - ring) <= 2) & (power > 0)]  # noqa: PLR2004  cycles
    if neighbours.size == 0 or power[peak] < PROMINENCE * float(np.median(neighbours)):
        return 0.0
    return float(power[peak]) * float(np.sqrt(2)) / float(_WINDOW.sum())


def _hann() -> NDArray[np.float32]:
    line = np.hanning(SPECTRUM_PX).astype(np.float32)
    return np.outer(line, line)


def _radius() -> NDArray[np.float32]:
    cycles = np.fft.fftfreq(SPECTRUM_PX, 1 / SPECTRUM_PX).astype(np.float32)
    return np.hypot(cycles[:, None], cycles[None, : SPECTRUM_PX // 2])


_WINDOW: Final = _hann()
_RADIUS: Final = _radius()


def _spectrum(luma: NDArray[np.generic]) -> NDArray[np.float32]:
    """Magnitudes of the half plane, lowest frequencies left out."""
    wave = (luma.astype(np.float32) - np.float32(luma.mean())) * _WINDOW
    planes = cv2.dft(wave, flags=cv2.DFT_COMPLEX_OUTPUT)[:, : SPECTRUM_PX // 2]
    power = cv2.magnitude(
        np.ascontiguousarray(planes[..., 0]), np.ascontiguousarray(planes[..., 1])
    )
    return np.where(_RADIUS < LOWEST_CYCLES, np.float32(0), np.asarray(power, np.float32))
