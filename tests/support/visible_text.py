"""What a reader sees of a page, for tests of its language: text, titles, labels, placeholders."""

import re
from collections.abc import Iterable
from html.parser import HTMLParser
from typing import Final

from typing_extensions import override

HAN: Final = re.compile("[\u3400-\u9fff]+")
ENGLISH: Final = re.compile(r"[A-Za-z][a-z]{2,}")
SHOWN: Final = frozenset({
    "title", "alt", "aria-label", "placeholder", "data-missing", "data-ask", "data-done",
    "data-kept", "data-label", "data-empty",
})  # fmt: skip
UNSEEN: Final = frozenset({"script", "style", "code", "kbd", "pre"})
VOID: Final = frozenset({"img", "input", "br", "meta", "link", "hr", "wbr", "source"})
_NOT_LANGUAGE: Final = re.compile(  # addresses, places to fill in, names of files
    r"\S+@\S+|https?://\S+|/\S+|\{\w+\}|[\w.-]+\.(?:csv|yaml|geojson)"
)


class _VisibleText(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._unseen = 0

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in UNSEEN:
            self._unseen += 1
        for name, value in attrs:
            seen = name in SHOWN or name.startswith("data-text-")
            if seen and value:
                self.found.append(value)

    @override
    def handle_endtag(self, tag: str) -> None:
        if tag in UNSEEN:
            self._unseen -= 1

    @override
    def handle_data(self, data: str) -> None:
        if not self._unseen and data.strip():
            self.found.append(" ".join(data.split()))


def visible_texts(html: str) -> list[str]:
    """Every text that the page shows or says, in its order."""
    parser = _VisibleText()
    parser.feed(html)
    return parser.found


def other_language(texts: Iterable[str], language: str, allowed: Iterable[str]) -> list[str]:
    """Texts with words of the other language, once what is `allowed` (names, codes) is left out.

    In a Chinese text an English word is one of three letters or more; in an English text every
    Chinese character counts.
    """
    names = sorted(
        {_NOT_LANGUAGE.sub(" ", name) for name in allowed} - {"", " "}, key=len, reverse=True
    )
    wrong = []
    for text in texts:
        rest = _NOT_LANGUAGE.sub(" ", text)
        for name in names:
            rest = rest.replace(name, " ")
        foreign = ENGLISH if language == "zh" else HAN
        if foreign.search(rest):
            wrong.append(text)
    return wrong
