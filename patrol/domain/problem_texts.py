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
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from string import Formatter
from typing import Final

from typing_extensions import override

CATALOGUE_FILE: Final = "problem_texts.zh.po"
MAX_CHARACTERS: Final = 4000  # of one line; a longer one quotes a document
MAX_TEXTS: Final = 60  # within one line that are looked up; what is left stays as it is
MAX_PLACES: Final = 4  # before a problem: a file, a line, a field, an address
_HOLE: Final = "{}"
_JOINT: Final = ": "  # between a place and its problem
_JOINTS: Final = (("; ", "；"), (_JOINT, "："), ("：", "："))
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

    def own_text_start(self, values: Sequence[str]) -> int:
        """Where in a text with these values the first of the template's own words begins."""
        at = 0
        for piece, value in zip(self.pieces, values, strict=False):
            if _LETTERS.search(piece):
                break
            at += len(piece) + len(value)
        return at

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

    def find(self, text: str, *, begins: bool = False) -> tuple[_Template, list[str]] | None:
        """The heaviest template of the whole text; `begins`: that begins with words of its own."""
        for anchor, template in self.templates:
            if (
                anchor in text
                and (template.pieces[0] or not begins)
                and (values := template.values(text)) is not None
            ):
                return template, values
        return None

    def problem_begins(self, text: str, found: tuple[_Template, list[str]] | None) -> int | None:
        """Where a place (`FILE:LINE: field`) ends and the problem begins: the joint between them.

        A template that begins with a value takes the place and the problem's first words for one
        value; so what follows the place is meant if it is heavier by itself. None: nothing is.
        """
        if self.find(text, begins=True) is not None:
            return None
        weight, end = 1, len(text)
        if found is not None:
            template, values = found
            weight = template.weight - 1  # its first blank may be the joint's
            end = template.own_text_start(values) + len(_JOINT)
        at = -1
        for _ in range(MAX_PLACES):
            at = text.find(_JOINT, at + 1, end)
            if at < 0:
                break
            problem = text[at + len(_JOINT) :]
            own = self.find(problem, begins=True)
            if problem.lower() in self.whole or (own is not None and own[0].weight >= weight):
                return at
        return None


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
    return _Translation().of_text(line) or line


class _Translation:
    """Translates one line; a bounded number of texts within it is looked up."""

    def __init__(self) -> None:
        self._left = MAX_TEXTS

    def of_text(self, text: str) -> str | None:
        """The Chinese of one text; None where neither it nor a part of it is known."""
        if self._left == 0 or not _LETTERS.search(text):
            return None
        self._left -= 1
        catalogue = _catalogue()
        if (known := catalogue.whole.get(text.lower())) is not None:
            return known
        found = catalogue.find(text)
        if (at := catalogue.problem_begins(text, found)) is not None:
            return f"{self._of_place(text[:at])}：{self._of_value(text[at + len(_JOINT) :])}"
        if found is None:
            return self._of_joined(text)
        template, values = found
        shown = [_Value(self._of_value(value)) for value in values]
        if not template.pieces[0]:
            shown[0] = _Value(shown[0].replace(_JOINT, "："))
        return template.chinese.format(*shown)

    def _of_value(self, text: str) -> str:
        return self.of_text(text) or text

    def _of_place(self, place: str) -> str:
        """What stands before a problem: a file, a line, a field, or another text."""
        return self._of_value(place).replace(_JOINT, "：")

    def _of_joined(self, text: str) -> str | None:
        for joint, chinese_joint in _JOINTS:
            head, found, tail = text.partition(joint)
            if not found:
                continue
            first, rest = self.of_text(head), self.of_text(tail)
            if first is not None or rest is not None:
                return f"{first or head}{chinese_joint}{rest or tail}"
        return None
