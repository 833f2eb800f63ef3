"""What a terminal shows, as a picture (SVG) for a page or a notice board; no font from anywhere."""

import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console, RenderableType

WIDTH: Final = 100  # columns
_WEB_FONTS = re.compile(r"@font-face \{.*?\}", re.DOTALL)


def save_svg(parts: Sequence[RenderableType], path: Path, *, title: str) -> None:
    """Draw the parts one below the other. Raises OSError."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), highlight=False)
    for part in parts:
        console.print(part)
    svg = console.export_svg(title=title)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_WEB_FONTS.sub("", svg), "utf-8")
