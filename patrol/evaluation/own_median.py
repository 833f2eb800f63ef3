"""The simple alternative that the gauges are held against: compare with the camera's own medians.

What anybody would write in an afternoon with OpenCV: six numbers of the picture and one per cell,
medians of the accepted visits, a factor for each. Without a history it has absolute limits for
blur, darkness and brightness alone. Used by real_faults.py, on the same pictures.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from streams.model import BgrImage

WIDTH_PX, HEIGHT_PX, CELL_PX = 320, 180, 40
LEARNED = 3  # visits from which there is a median


@dataclass(slots=True)
class OwnMedian:
    """One camera's numbers so far, and what a visit's first picture reads against them."""

    numbers: list[NDArray[np.float32]] = field(default_factory=list)

    def judge(self, pictures: Sequence[BgrImage], *, accept: bool) -> frozenset[str]:
        """The names of what is unusual; the visit becomes usual where it is accepted."""
        now = _measure(pictures[0])
        usual = np.median(self.numbers, axis=0) if len(self.numbers) >= LEARNED else None
        if accept:
            self.numbers.append(now)
        found = _against(now, usual) if usual is not None else _absolute(now)
        still = len(pictures) > 1 and bool((pictures[0] == pictures[1]).all())
        return frozenset(found | ({"freeze"} if still else set()))


def _measure(picture: BgrImage) -> NDArray[np.float32]:
    """Mean, 95th percentile, Laplacian variance, red and blue shift, noise; then cells' spread."""
    whole = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    small = cv2.resize(picture, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY).astype(np.float32)
    cells = grey.reshape(-1, CELL_PX // 2, WIDTH_PX // CELL_PX, CELL_PX).std(axis=(1, 3)).ravel()
    blue, green, red = (float(small[..., channel].mean()) for channel in range(3))
    grain = np.abs(whole.astype(np.float32) - cv2.medianBlur(whole, 3))
    return np.array([
        grey.mean(), np.percentile(grey, 95), cv2.Laplacian(whole, cv2.CV_32F).var(), red - green,
        blue - green, grain.mean(), *cells,
    ], np.float32)  # fmt: skip


def _against(now: NDArray[np.float32], usual: NDArray[np.float32]) -> set[str]:
    structured = usual[6:] > 6.0  # noqa: PLR2004  grey levels
    gone = (now[6:] < 0.5 * usual[6:]) & structured
    checks = {
        "too_bright": now[0] > usual[0] + 50,
        "too_dark": now[0] < 0.5 * usual[0],
        "blur": now[2] < 0.4 * usual[2],
        "color_cast": np.hypot(now[3] - usual[3], now[4] - usual[4]) > 25,  # noqa: PLR2004
        "noise": now[5] > 2 * usual[5] + 1,
        "occlusion": gone.sum() > 0.15 * max(1, structured.sum()),
    }
    return {kind for kind, over in checks.items() if over}


def _absolute(now: NDArray[np.float32]) -> set[str]:
    checks = {"blur": now[2] < 100, "too_dark": now[0] < 25, "too_bright": now[0] > 225}  # noqa: PLR2004
    return {kind for kind, over in checks.items() if over}
