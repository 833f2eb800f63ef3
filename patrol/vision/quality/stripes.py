"""Measure stripes through the whole picture: interference bars, dropped lines, rolling bands.

Two measurements. Along rows and along columns: what all BANDS thin bands across the picture have in
common, in most of its segments; a horizon or a roof ridge is common to all bands too, but only in
one place. And slanted: one spatial frequency that stands far above its neighbours in the spectrum
of the small luma, wherever it lies; a fence or a tiled roof is periodic too, but not over the whole
picture, so its line is broad and weak.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from patrol.vision.quality.image_views import BANDS, F32, U8, PictureView

FINE_LENGTH: Final = 1200  # up to here single lines count: an interlaced field can be lost
SEGMENTS: Final = 8
SEGMENT_RANK: Final = 2  # of SEGMENTS, from the weakest: six of eight must show it
LONGEST_PERIOD: Final = 8  # periods up to an eighth of the length
SPECTRUM_PX: Final = 192
LOWEST_CYCLES: Final = 9  # per SPECTRUM_PX; below, everything has structure
FAINT: Final = 0.5  # luma: a weaker wave is invisible
RING_WIDTH: Final = 2  # cycles
PROMINENCE: Final = 12.0  # peak over the median of its ring of frequencies


@dataclass(frozen=True, slots=True, kw_only=True)
class Stripes:
    """Deviations of luma."""

    bars: float  # common to all bands along rows or along columns
    wave: float  # of the one spatial frequency that stands out; 0 when none does
    everywhere: float  # the wave in the third-strongest quarter, beside the strongest


def measure_stripes(view: PictureView) -> Stripes:
    """Measure on the largest upright part that no mask cuts: its edges would be stripes."""
    if min(view.barred.shape) < SEGMENTS:
        return Stripes(bars=0.0, wave=0.0, everywhere=0.0)
    wave, everywhere = _slanted(view.barred)
    bars = max(_common(view.rows), _common(view.columns))
    return Stripes(bars=bars, wave=wave, everywhere=everywhere)


def _common(bands: F32) -> float:
    """RMS of what all bands share, in the third-weakest of the segments along them."""
    if bands.shape[1] > FINE_LENGTH:  # pairs: half the work, and no stripe is one pixel of 1920
        even = bands.shape[1] // 2 * 2
        bands = (bands[:, 0:even:2] + bands[:, 1:even:2]) * np.float32(0.5)
    length = bands.shape[1]
    window = max(3, length // LONGEST_PERIOD) | 1
    apart = bands - cv2.blur(bands, (window, 1), borderType=cv2.BORDER_REFLECT)
    # The middle half of the bands: as stubborn as a median, and steadier.
    common = np.sort(apart, axis=0)[BANDS // 4 : -(BANDS // 4)].mean(axis=0)
    usable = common[: length // SEGMENTS * SEGMENTS].reshape(SEGMENTS, -1)
    rms = np.sqrt((usable**2).mean(axis=1))
    return float(np.sort(rms)[SEGMENT_RANK])


def _slanted(luma: U8) -> tuple[float, float]:
    """RMS of the one wave that stands out of the spectrum, and how much it is everywhere."""
    square = np.asarray(cv2.resize(luma, (SPECTRUM_PX, SPECTRUM_PX)), np.uint8)
    power = _spectrum(square)
    peak = int(np.argmax(power))
    highest = float(power.flat[peak]) ** 0.5
    wave = highest * float(np.sqrt(2)) / float(_WINDOW.sum())
    if wave < FAINT:
        return 0.0, 0.0
    neighbours = power[_near(float(_RADIUS.flat[peak]))]
    if highest < PROMINENCE * float(np.median(neighbours)) ** 0.5:
        return 0.0, 0.0
    return wave, _everywhere(square, *divmod(peak, _RADIUS.shape[1]))


def _everywhere(square: U8, down: int, across: int) -> float:
    """How strong the wave is in the third-strongest quarter, beside the strongest of them."""
    place = np.arange(SPECTRUM_PX) * (2j * np.pi / SPECTRUM_PX)
    wave = np.outer(np.exp(-down * place), np.exp(-across * place))
    turned = (square - square.mean(dtype=np.float32)) * wave
    half = SPECTRUM_PX // 2
    quarters = np.abs(turned.reshape(2, half, 2, half).mean(axis=(1, 3)))
    ordered = np.sort(quarters, axis=None)
    return float(ordered[1] / max(float(ordered[-1]), FAINT / SPECTRUM_PX))


def _hann() -> F32:
    line = np.hanning(SPECTRUM_PX).astype(np.float32)
    return np.outer(line, line)


def _radius() -> F32:
    cycles = np.fft.fftfreq(SPECTRUM_PX, 1 / SPECTRUM_PX).astype(np.float32)
    return np.hypot(cycles[:, None], cycles[None, : SPECTRUM_PX // 2])


_WINDOW: Final = _hann()
_RADIUS: Final = _radius()
_LOW: Final = _RADIUS < LOWEST_CYCLES


@lru_cache(maxsize=2 * SPECTRUM_PX)
def _near(ring: float) -> NDArray[np.bool_]:
    """The frequencies about as high as this one."""
    return np.asarray((np.abs(_RADIUS - ring) <= RING_WIDTH) & ~_LOW, np.bool_)


def _spectrum(luma: U8) -> F32:
    """Squared magnitudes of the half plane, lowest frequencies left out.

    From the packed transform of a real picture, at half the cost of the whole one: columns 1, 2 are
    the real and imaginary parts of frequency 1 across, and so on; column 0, frequency 0 across, is
    packed downwards in the same way.
    """
    wave = (luma.astype(np.float32) - np.float32(luma.mean())) * _WINDOW
    packed = np.asarray(cv2.dft(wave), np.float32)
    packed *= packed
    power = np.empty(_RADIUS.shape, np.float32)
    np.add(packed[:, 1:-1:2], packed[:, 2:-1:2], out=power[:, 1:])
    half = SPECTRUM_PX // 2
    power[1:half, 0] = packed[1:-1:2, 0] + packed[2:-1:2, 0]
    power[half:, 0] = 0  # the mirror image of the other half
    power[_LOW] = 0
    return power
