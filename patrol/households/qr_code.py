"""QR codes (ISO/IEC 18004) as rows of modules and as SVG, drawn by OpenCV's encoder."""

from typing import Final

import cv2

QUIET_MODULES: Final = 4  # the margin that the standard asks for


def qr_code_rows(text: str) -> list[str]:
    """The rows of a QR code, `#` for a dark module and `.` for a light one."""
    params = cv2.QRCodeEncoder.Params()
    params.correction_level = cv2.QRCODE_ENCODER_CORRECT_LEVEL_M  # it is printed, and folded
    code = cv2.QRCodeEncoder.create(params).encode(text)
    return ["".join("#" if module == 0 else "." for module in row) for row in code]


def qr_code_svg(text: str, label: str) -> str:
    """The code as one SVG path, without any style; `label` (HTML-escaped) names it to readers."""
    rows = qr_code_rows(text)
    size = len(rows) + 2 * QUIET_MODULES
    path = "".join(
        f"M{x + QUIET_MODULES} {y + QUIET_MODULES}h1v1h-1z"
        for y, row in enumerate(rows)
        for x, module in enumerate(row)
        if module == "#"
    )
    return (
        f'<svg class="qr" role="img" aria-label="{label}" xmlns="http://www.w3.org/2000/svg"'
        f' viewBox="0 0 {size} {size}" width="180" height="180" shape-rendering="crispEdges">'
        f'<rect width="{size}" height="{size}" fill="#fff"/><path d="{path}" fill="#000"/></svg>'
    )
