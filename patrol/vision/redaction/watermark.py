"""Mark a picture that leaves the centre: site, case, time, receiver and purpose.

Readable below the picture, and faintly all over it, so that the receiver can still be read when
the foot is cut off. The glyphs are OpenCV's own (its `uni` font has Chinese).
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from streams.model import BgrImage

PURPOSE: Final = "仅供处置使用 · for handling only"
COARSE_NOTE: Final = "未装人脸车牌检测,已整体粗化 · coarse: no face and plate detector"
LETTERS_PX: Final = 15
LINE_PX: Final = 22
MARGIN_PX: Final = 8
FAINT: Final = 0.16  # of white over the picture: visible on any ground, hides nothing
FAINT_STEP_PX: Final = 150
SLANT_DEG: Final = 24.0
INK: Final = (235, 235, 235)
FOOT: Final = (28, 28, 28)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watermark:
    """The texts of the mark."""

    site: str
    case: str
    at: str  # local time of the site, as text
    recipient: str = ""  # account, person or grid; empty where unknown

    @property
    def lines(self) -> tuple[str, str]:
        """The two lines below the picture."""
        to = f" · {self.recipient}" if self.recipient else ""
        return f"{self.site} · {self.case} · {self.at}", f"{PURPOSE}{to}"


def watermarked(bgr: BgrImage, watermark: Watermark, *, coarse: bool) -> BgrImage:
    """The picture with its mark, taller by the lines of the foot."""
    lines = (*watermark.lines, COARSE_NOTE) if coarse else watermark.lines
    faint = _overlaid(bgr, f"{watermark.case}  {watermark.recipient or watermark.site}")
    width = bgr.shape[1]
    foot = np.full((LINE_PX * len(lines) + MARGIN_PX, width, 3), FOOT, np.uint8)
    for number, line in enumerate(lines):
        _draw_text(foot, _fitting(line, width), (MARGIN_PX, LINE_PX * (number + 1) - 4), LETTERS_PX)
    return np.asarray(np.vstack([faint, foot]), np.uint8)


def _overlaid(bgr: BgrImage, text: str) -> BgrImage:
    height, width = bgr.shape[:2]
    side = int(np.hypot(height, width)) + FAINT_STEP_PX
    sheet = np.zeros((side, side, 3), np.uint8)
    for row, y in enumerate(range(FAINT_STEP_PX // 2, side, FAINT_STEP_PX)):
        _draw_text(sheet, f"{text}      " * 6, (-120 * (row % 2), y), LETTERS_PX + 2)
    turn = cv2.getRotationMatrix2D((side / 2, side / 2), SLANT_DEG, 1.0)
    turned = cv2.warpAffine(sheet, turn, (side, side))
    top, left = (side - height) // 2, (side - width) // 2
    ink = turned[top : top + height, left : left + width].astype(np.float32) * FAINT
    # White on dark ground, black on light: an edge of both is seen on any.
    shadow = np.roll(ink, (1, 1), axis=(0, 1))
    return np.asarray(np.clip(bgr + ink - shadow, 0, 255), np.uint8)


def _fitting(text: str, width: int) -> str:
    """The text cut to the width of the picture, with an ellipsis."""
    most = max(8, int((width - 2 * MARGIN_PX) / (LETTERS_PX * 0.62)))
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _draw_text(bgr: BgrImage, text: str, origin: tuple[int, int], size: int) -> None:
    # A wrap range wider than the picture: the text is cut off, not broken into lines.
    cv2.putText(bgr, text, origin, INK, cv2.FontFace("uni"), size, 400, 0, (-10_000, 1_000_000))
