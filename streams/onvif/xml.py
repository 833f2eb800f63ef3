"""Read XML of devices: bounded, without document types, namespaces kept apart from local names.

Expat with every way to grow refused: a DOCTYPE (and so entities), processing beyond MAX_ELEMENTS or
MAX_DEPTH. Devices use any prefix and several versions of one namespace, so elements are found by
their local names.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final
from xml.parsers import expat

from streams.errors import Unreadable
from streams.rtsp.message import printable

MAX_XML_BYTES: Final = 1024 * 1024  # GetProfiles of a recorder with 64 channels is below 400 kB
MAX_ELEMENTS: Final = 50_000
MAX_DEPTH: Final = 64  # SOAP with its deepest capability goes twelve levels down
_SEPARATOR: Final = " "  # between namespace and local name; in neither


@dataclass(slots=True)
class SoapElement:
    """An element: its local name, namespace, attributes by local name, text and children."""

    name: str
    namespace: str = ""
    attributes: dict[str, str] = field(default_factory=dict)
    text: str = ""
    children: list["SoapElement"] = field(default_factory=list)

    def child(self, *names: str) -> "SoapElement | None":
        """The first descendant down this path of local names."""
        element: SoapElement | None = self
        for name in names:
            if element is None:
                return None
            element = next((c for c in element.children if c.name == name), None)
        return element

    def text_at(self, *names: str) -> str:
        """The text of that descendant, stripped; empty without one."""
        element = self.child(*names)
        return element.text.strip() if element is not None else ""

    def all(self, name: str) -> list["SoapElement"]:
        """The children of a local name."""
        return [child for child in self.children if child.name == name]

    def find(self, name: str) -> "SoapElement | None":
        """The first element of a local name in the whole tree, itself included."""
        return next((element for element in self.descendants() if element.name == name), None)

    def descendants(self) -> Iterator["SoapElement"]:
        """This element and all below, in the order of the document."""
        waiting = [self]
        while waiting:
            element = waiting.pop()
            yield element
            waiting.extend(reversed(element.children))


class _TreeReader:
    """Collects expat's events into a tree, within the limits."""

    def __init__(self) -> None:
        self.root: SoapElement | None = None
        self._open: list[SoapElement] = []
        self._texts: list[list[str]] = []  # of the open elements, piece by piece
        self._count = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins. Raises Unreadable beyond a limit."""
        self._count += 1
        if self._count > MAX_ELEMENTS or len(self._open) >= MAX_DEPTH:
            raise Unreadable(f"XML of more than {MAX_ELEMENTS} elements or {MAX_DEPTH} levels")
        namespace, _, local = name.rpartition(_SEPARATOR)
        plain = {key.rpartition(_SEPARATOR)[2]: value for key, value in attributes.items()}
        element = SoapElement(local, namespace, plain)
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)
        self._texts.append([])

    def end(self, _name: str) -> None:
        """An element ends."""
        self._open.pop().text = "".join(self._texts.pop())

    def characters(self, text: str) -> None:
        """Text of the innermost element; what is between its children counts as its own."""
        self._texts[-1].append(text)


def _refuse(*_: object) -> None:
    raise Unreadable("XML with a document type; none is read")


def read_xml(data: bytes) -> SoapElement:
    """The root of a document. Raises Unreadable."""
    if len(data) > MAX_XML_BYTES:
        raise Unreadable(f"XML of more than {MAX_XML_BYTES >> 10} kB")
    reader = _TreeReader()
    parser = expat.ParserCreate(namespace_separator=_SEPARATOR)
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.characters
    parser.StartDoctypeDeclHandler = _refuse
    parser.EntityDeclHandler = _refuse
    data = data.strip(b"\x00\r\n\t ")
    if not data:
        raise Unreadable("not XML: it is empty")
    try:
        parser.Parse(_as_utf_8(data), True)  # noqa: FBT003  expat takes it by position
    except (expat.ExpatError, ValueError, LookupError) as exc:
        raise Unreadable(f"not XML: {printable(str(exc), 60)}") from None
    if reader.root is None:
        raise Unreadable("not XML: it is empty")
    return reader.root


_CHINESE_PROLOG: Final = re.compile(
    rb"\s*<\?xml[^>]{0,100}encoding\s*=\s*[\"'](?:gb2312|gbk|gb18030)[\"'][^>]{0,40}\?>",
    re.IGNORECASE,
)


def _as_utf_8(data: bytes) -> bytes:
    """Data whose prolog names a Chinese charset, which expat does not read, as UTF-8.

    What is UTF-8 in spite of its prolog is taken as that.
    """
    prolog = _CHINESE_PROLOG.match(data)
    if prolog is None:
        return data
    rest = data[prolog.end() :]
    try:
        rest.decode("utf-8")
    except UnicodeDecodeError:
        return rest.decode("gb18030", "replace").encode("utf-8", "replace")
    return rest


def escape(text: str) -> str:
    """Text as it may stand inside an element or a quoted attribute; control characters go."""
    clean = "".join(c for c in text if c.isprintable() or c in "\t\n")
    for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        clean = clean.replace(character, entity)
    return clean
