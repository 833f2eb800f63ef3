"""Chinese of what is said about wrong input, failures and unreachable cameras: a message catalogue.

Such texts are raised and noted in English, with names and figures in them; logs, JSON documents and
the store keep them so. Where one is shown to a person, `problem_text` finds its template in
problem_texts.zh.po (gettext's format: `msgid` English, `msgstr` Chinese, `{}` a value) and fills in
the Chinese. A value that is itself such a text is translated as well, and so are texts that were
joined by `: ` and `; `, as `FILE:LINE: field: problem` is. What the catalogue lacks stays as it is;
tests/project_rules/test_problem_texts.py holds that it has every text of the code.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from string import Formatter
from typing import Final

from typing_extensions import override

CATALOGUE_FILE: Final = "problem_texts.zh.po"
MAX_CHARACTERS: Final = 4000  # of one line; a longer one quotes a document
MAX_DEPTH: Final = 6  # of texts within texts
_HOLE: Final = "{}"
_JOINTS: Final = (("; ", "；"), (": ", "："), ("：", "："))
_ENTRY: Final = re.compile(r'^(msgid|msgstr) (".*")$', re.MULTILINE)
_PART: Final = re.compile(r"[,;] | ?\(")
_LETTERS: Final = re.compile(r"[A-Za-z]{2}")


class _Value(str):
    """A value within a Chinese text; as `{:code}` it is a code of ours, shown by its label."""

    __slots__ = ()

    @override
    def __format__(self, spec: str) -> str:
        if spec != "code":
            return str(self)
        from patrol.domain import state_labels  # noqa: PLC0415  needed where a state is named

        return state_labels.chinese_of_state(str(self))


@dataclass(frozen=True, slots=True)
class _Template:
    """An English text with holes, cut at them, and its Chinese."""

    pieces: tuple[str, ...]
    chinese: str

    @property
    def anchor(self) -> str:
        """The longest piece: a text without it cannot be of this template."""
        return max(self.pieces, key=len)

    @property
    def weight(self) -> int:
        """How many characters are the template's own; of two that fit, the heavier is meant."""
        return sum(map(len, self.pieces))

    def values(self, text: str) -> list[str] | None:
        """What stands in the holes of `text`; None where it is not of this template.

        Each piece is looked for once, from left to right: linear, whatever is quoted in the text.
        """
        first, *inner, last = self.pieces
        if len(text) < self.weight or not (text.startswith(first) and text.endswith(last)):
            return None
        end = len(text) - len(last)
        at, found = len(first), []
        for piece in inner:
            start = text.find(piece, at, end) if piece else _next_part(text, at, end)
            if start < 0:
                return None
            found.append(text[at:start])
            at = start + len(piece)
        return None if at > end else [*found, text[at:end]]


def _next_part(text: str, at: int, end: int) -> int:
    """Where the second of two holes begins that stand side by side: at a comma or a bracket."""
    found = _PART.search(text, at, end)
    return found.start() if found else end


@dataclass(frozen=True, slots=True)
class _Catalogue:
    whole: Mapping[str, str]  # texts without holes, in lower case: systems differ in it
    templates: tuple[tuple[str, _Template], ...]  # with their anchors, the heaviest first


def catalogue_entries() -> Iterator[tuple[str, str]]:
    """Every English template of the catalogue with its Chinese, as the file has them."""
    text = resources.files(__package__).joinpath(CATALOGUE_FILE).read_text("utf-8")
    found = [(kind, json.loads(quoted)) for kind, quoted in _ENTRY.findall(text)]
    for (_, english), (_, chinese) in zip(found[::2], found[1::2], strict=True):
        if english:  # the first is the file's header
            yield english, chinese


@cache
def _catalogue() -> _Catalogue:
    whole: dict[str, str] = {}
    templates: list[_Template] = []
    for english, chinese in catalogue_entries():
        pieces = tuple(piece.replace("{{", "{").replace("}}", "}") for piece in cut(english))
        if len(pieces) == 1:
            whole[pieces[0].lower()] = chinese.format()
        else:
            templates.append(_Template(pieces, chinese))
    templates.sort(key=lambda one: -one.weight)
    return _Catalogue(whole, tuple((one.anchor, one) for one in templates))


def cut(template: str) -> tuple[str, ...]:
    """A template's own text, cut at its holes; `{{` and `}}` stay as they are."""
    pieces = [""]
    for literal, name, _, _ in Formatter().parse(template):
        pieces[-1] += literal.replace("{", "{{").replace("}", "}}")
        if name is not None:
            pieces.append("")
    return tuple(pieces)


def problem_text(text: str, language: str) -> str:
    """The text for a reader of `language` (`zh`, `en`), line by line; unknown ones as they are."""
    if language != "zh" or not _LETTERS.search(text):
        return text
    return "\n".join(_line_in_chinese(line) for line in text.split("\n"))


def _line_in_chinese(line: str) -> str:
    if len(line) > MAX_CHARACTERS:
        return line
    return _in_chinese(line, MAX_DEPTH) or line


def _in_chinese(text: str, depth: int) -> str | None:
    """The Chinese of one text; None where neither it nor a part of it is known."""
    if depth == 0 or not _LETTERS.search(text):
        return None
    catalogue = _catalogue()
    if (known := catalogue.whole.get(text.lower())) is not None:
        return known
    for anchor, template in catalogue.templates:
        if anchor in text and (values := template.values(text)) is not None:
            shown = [_Value(_in_chinese(value, depth - 1) or value) for value in values]
            if not template.pieces[0]:  # what stands before the text itself: a file, a field
                shown[0] = _Value(shown[0].replace(": ", "："))
            return template.chinese.format(*shown)
    return _joined_in_chinese(text, depth)


def _joined_in_chinese(text: str, depth: int) -> str | None:
    for joint, chinese_joint in _JOINTS:
        head, found, tail = text.partition(joint)
        if not found:
            continue
        first, rest = _in_chinese(head, depth - 1), _in_chinese(tail, depth)
        if first is not None or rest is not None:
            return f"{first or head}{chinese_joint}{rest or tail}"
    return None
