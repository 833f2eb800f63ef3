"""Templates, scripts and styles: readable as a diff, and nothing in them that the CSP forbids."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted(
    path for path in (ROOT / "patrol").rglob("*") if path.suffix in {".html", ".js", ".css"}
)
SERVED = sorted((ROOT / "patrol").glob("*/templates/*.html"))
LONGEST_LINE = 160
INLINE = re.compile(
    r"<style\b|<script\b(?![^>]*\bsrc=)|\sstyle\s*=|\son[a-z]+\s*=|javascript:", re.IGNORECASE
)


def ids(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(ROOT)) for path in paths]


def test_there_is_something_to_look_at() -> None:
    assert len(SERVED) > 20
    assert {path.suffix for path in FILES} == {".html", ".js", ".css"}


@pytest.mark.parametrize("path", FILES, ids=ids(FILES))
def test_lines_are_short_and_clean(path: Path) -> None:
    text = path.read_text("utf-8")
    assert text.endswith("\n")
    wrong = [
        f"{number}: {line[:60]}"
        for number, line in enumerate(text.split("\n"), 1)
        if len(line) > LONGEST_LINE or "\t" in line or line != line.rstrip()
    ]
    assert not wrong


@pytest.mark.parametrize("path", SERVED, ids=ids(SERVED))
def test_a_served_page_has_no_inline_script_or_style(path: Path) -> None:
    """Files of a report stand alone and keep their style inside; pages of the service may not."""
    found = [match[0] for match in INLINE.finditer(path.read_text("utf-8"))]
    assert not found
