"""A YAML file → plain data that knows its lines; problems are noted.

YAML 1.2's core schema instead of PyYAML's 1.1: `10:30` is text and not 630, `off` is text and not
False, a code with a leading zero keeps it. A key that stands twice is a problem, not the last one
silently winning. Aliases work; a document that grows without bounds through them does not.

Of PyYAML's errors only the place is used: their text changes with its releases, and with whether it
was built on libyaml. What the data must be, yaml_validation.py says.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from yaml.composer import ComposerError

from patrol.settings.config_file import FileProblemLog, read_text

MAX_NODES: Final = 2_000_000  # zones for 10,000 cameras are a tenth of this
MAX_DEPTH: Final = 64  # the deepest of our files goes seven levels down
_TOO_DEEP: Final = f"nested more than {MAX_DEPTH} deep, write it flatter"
MAX_DIGITS: Final = 40  # longer ones are codes gone wrong, not numbers
_NULL, _BOOL, _INT, _FLOAT = (
    f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float")
)
_CONTROL: Final = re.compile(r"[^\t\n\r -~\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_DEEP: Final = re.compile(rf"(?:[\[{{]\s*){{{MAX_DEPTH}}}[\[{{]")
_OPENING: Final = ("[", "{", "'", '"')
_LOOK_HERE: Final = "look at the indentation and the quotes here and just above"
_LOOK_BETWEEN: Final = "look for what is missing between there and here"


def core_schema_loader(base: Any) -> Any:
    """A loader on one of PyYAML's two parsers, with YAML 1.2's idea of what a plain scalar is."""

    class _Loader(base):  # type: ignore[misc]  # one of two classes, known only at run time
        yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  PyYAML's own shape of it

    for tag, pattern, first in (
        (_NULL, r"~|null|Null|NULL|", ["~", "n", "N", ""]),
        (_BOOL, r"true|True|TRUE|false|False|FALSE", list("tTfF")),
        (_INT, r"[-+]?(0|[1-9][0-9]*)", list("-+0123456789")),
        (_FLOAT, r"[-+]?(\.[0-9]+|[0-9]+\.[0-9]*)([eE][-+]?[0-9]+)?", list("-+.0123456789")),
    ):
        _Loader.add_implicit_resolver(tag, re.compile(rf"(?:{pattern})\Z"), first)
    return _Loader


# A build without libyaml is slower.
_Loader = core_schema_loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader))


@dataclass(frozen=True, slots=True)
class YamlDocument:
    """The data of a YAML file, and where each part of it stands."""

    data: Any  # dicts, lists, str, int, float, bool, None: judged by the caller's models
    root: yaml.Node

    def line(self, location: tuple[int | str, ...]) -> int:
        """The physical line of `location`, or of the nearest part around it that exists."""
        node, line = self.root, _line(self.root)
        for key_or_index in location:
            found = _child_node(node, key_or_index)
            if found is None:
                break
            node, line = found
        return line

    def key_lines(self) -> dict[str, int]:
        """Where each key of the outermost mapping stands."""
        pairs = self.root.value if isinstance(self.root, yaml.MappingNode) else []
        return {str(key.value): _line(key) for key, _ in pairs}


def read_yaml(path: Path, notes: FileProblemLog) -> YamlDocument | None:
    """The document, or None after a problem was noted."""
    text = read_text(path, notes)
    if text is None:
        return None
    try:
        _check_depth(text)
        root = yaml.compose(text, Loader=_Loader)
    except _UnboundedDocument as exc:
        notes.add_problem(exc.line, "yaml", str(exc))
        return None
    except yaml.YAMLError as exc:
        line, what = _syntax_problem(text, exc)
        notes.add_problem(line, "yaml", what)
        return None
    if root is None:
        notes.add_problem(1, "file", "holds nothing but comments, write a mapping: `name: value`")
        return None
    before = len(notes.notes.problems)
    try:
        data = _NodeReader(notes).value(root)
    except _UnboundedDocument as exc:
        notes.add_problem(exc.line, "yaml", str(exc))
        return None
    return YamlDocument(data, root) if len(notes.notes.problems) == before else None


def _check_depth(text: str) -> None:
    """Look at the document's events before a tree is made of them, which recurses in C.

    Raises _UnboundedDocument, YAMLError.
    """
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise _UnboundedDocument(_TOO_DEEP, _line(event))
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _syntax_problem(text: str, exc: yaml.YAMLError) -> tuple[int, str]:
    """The line that PyYAML stopped at, and what stands there, as a sentence."""
    control = _CONTROL.search(text)
    if control is not None:
        line = text.count("\n", 0, control.start()) + 1
        return line, f"holds the control character U+{ord(control[0]):04X}, delete it"
    deep = _DEEP.search(text)
    if deep is not None:  # libyaml looks so far ahead here that it gives up before any event
        return text.count("\n", 0, deep.end()) + 1, _TOO_DEEP
    mark = getattr(exc, "problem_mark", None)
    if mark is None:
        return 1, f"is not YAML, {_LOOK_HERE}"
    line = mark.line + 1
    if isinstance(exc, ComposerError):
        return line, _reference_problem(text[mark.index : mark.index + 1])
    opened = getattr(exc, "context_mark", None)
    if opened is not None and text[opened.index : opened.index + 1] in _OPENING:
        what = f"what {text[opened.index]} opens on line {opened.line + 1} is not closed"
        rest = "" if text[mark.index :].strip() else ", the file ends before"
        return line, f"{what}{rest}, {_LOOK_BETWEEN}"
    return line, _stray_problem(text[mark.index : mark.index + 1])


def _reference_problem(at: str) -> str:
    """The problem of a file whose syntax is right but whose references are not."""
    if at == "*":
        return "this alias has no anchor above it, write the value out"
    if at == "&":
        return "this anchor has a name that stands above already, give it another"
    return "a second document begins, keep one in a file"


def _stray_problem(at: str) -> str:
    if at == "\t":
        return "a tab cannot indent, use spaces"
    if at and at in "@`%":
        return f"a value cannot start with {at}, put it in quotes"
    if at == ":":
        return "a colon too many, put a text that holds `: ` in quotes and look at the indentation"
    return f"cannot be understood, {_LOOK_HERE}"


def _line(node: yaml.Node | yaml.Event) -> int:
    mark = node.start_mark
    return int(mark.line) + 1 if mark is not None else 1


def _child_node(node: yaml.Node, key_or_index: int | str) -> tuple[yaml.Node, int] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == key_or_index:
                return value, _line(key)
    elif (
        isinstance(node, yaml.SequenceNode)
        and isinstance(key_or_index, int)
        and key_or_index < len(node.value)
    ):
        return node.value[key_or_index], _line(node.value[key_or_index])
    return None


class _UnboundedDocument(Exception):
    """The document grows without bounds through its aliases, or nests too deep."""

    def __init__(self, text: str, line: int) -> None:
        super().__init__(text)
        self.line = line


class _NodeReader:
    """Turns PyYAML nodes into plain data and notes the line of each."""

    def __init__(self, notes: FileProblemLog) -> None:
        self._notes = notes
        self._open: set[int] = set()
        self._count = 0

    def value(self, node: yaml.Node) -> Any:
        """The data of `node`. Raises _UnboundedDocument."""
        self._count += 1
        if id(node) in self._open:
            raise _UnboundedDocument("an alias holds itself, write it out", _line(node))
        if self._count > MAX_NODES:
            raise _UnboundedDocument("aliases make this too large, use fewer", _line(node))
        if isinstance(node, yaml.ScalarNode):
            return _scalar(node)
        if len(self._open) >= MAX_DEPTH:  # aliases nest deeper than the text does
            raise _UnboundedDocument(_TOO_DEEP, _line(node))
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node)
            return [self.value(item) for item in node.value]
        finally:
            self._open.remove(id(node))

    def _mapping(self, node: yaml.MappingNode) -> dict[str, Any]:
        lines: dict[str, int] = {}
        data: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._notes.add_problem(
                    _line(key), "yaml", "a key is a word, not a list or mapping"
                )
                continue
            if key.value in lines:
                self._notes.add_problem(
                    _line(key), key.value, f"stands on line {lines[key.value]} already, delete one"
                )
                continue
            lines[key.value] = _line(key)
            data[key.value] = self.value(value)
        return data


def _scalar(node: yaml.ScalarNode) -> Any:
    text = str(node.value)
    if node.tag == _NULL:
        return None
    if node.tag == _BOOL:
        return text.lower() == "true"
    if node.tag == _INT:
        return int(text) if len(text) <= MAX_DIGITS else text
    return float(text) if node.tag == _FLOAT else text
