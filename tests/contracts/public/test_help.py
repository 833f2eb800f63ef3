"""Help of every verb: names of verbs and options, and their words."""

import re
from collections.abc import Callable

Photograph = Callable[[str, str], None]
FRAME = re.compile("[\u2500-\u257f]+")


def plain(text: str) -> str:
    """Without frames, and without the spaces that make columns: how it is drawn is no name."""
    lines = (re.sub(r"\s+", " ", FRAME.sub(" ", line)).strip() for line in text.splitlines())
    return "\n".join(line for line in lines if line)


def test_every_help_reads_as_photographed(helps: dict[str, str], photograph: Photograph) -> None:
    assert len(helps) > 60
    pages = [f"## patrol {verb}".rstrip() + f"\n{plain(text)}\n" for verb, text in helps.items()]
    photograph("help.txt", "\n".join(sorted(pages)))
