"""XML of GB/T 28181 peers, read tolerantly and in one pass; written exactly. Pure.

Not a general parser: no document type, no entities but the five and numbers, no namespaces. What
strict parsers refuse and the field sends is read: a prolog that names another charset, a bare `&`,
an end tag that stands twice, NUL bytes, elements that are never closed. What is bounded is refused
instead: size, depth, number of elements, and any document type (which XML bombs need).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final
from xml.sax.saxutils import escape  # nosec B406

from streams.gb28181.text import GB18030, decode_with_charset

MAX_DEPTH: Final = 16
MAX_ELEMENTS: Final = 400_000  # 10,000 catalogue items of 30 elements, and room
MAX_VALUE: Final = 4096
_TAG: Final = re.compile(r"<(/?)([A-Za-z_][\w.:-]{0,63})([^<>]{0,1000})>")
_DECLARATION: Final = re.compile(r"<!\s*(?:DOCTYPE|ENTITY|ELEMENT|ATTLIST|NOTATION)", re.IGNORECASE)
_REFERENCE: Final = re.compile(r"&(?:#(\d{1,7})|#x([0-9A-Fa-f]{1,6})|(amp|lt|gt|quot|apos));")
_NAMED: Final = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_MAX_CODE_POINT: Final = 0x10FFFF


class BadXml(ValueError):
    """The document is refused; the text says why, and quotes nothing of it."""


@dataclass(slots=True)
class XmlElement:
    """An element: its name, its text, its children in their order."""

    name: str
    text: str = ""
    children: list["XmlElement"] = field(default_factory=list)

    def get(self, *names: str) -> str:
        """The text of the first child with one of these names, whatever their letters' case."""
        child = self.find(*names)
        return child.text if child is not None else ""

    def find(self, *names: str) -> "XmlElement | None":
        """The first child with one of these names."""
        wanted = {name.lower() for name in names}
        return next((child for child in self.children if child.name.lower() in wanted), None)

    def all(self, name: str) -> Iterator["XmlElement"]:
        """Every child of this name."""
        wanted = name.lower()
        return (child for child in self.children if child.name.lower() == wanted)


def parse_xml(data: bytes) -> tuple[XmlElement, str]:
    """The outermost element, and the charset that the document was in. Raises BadXml."""
    text, charset = decode_with_charset(data)
    if _DECLARATION.search(text):
        raise BadXml("it declares a document type")
    if "<!--" in text:
        text = _without_comments(text)
    root = _read(_CONTROL.sub("", text))
    if root is None:
        raise BadXml("there is no element in it")
    return root, charset


def _without_comments(text: str) -> str:
    """The text outside of comments; one that is not closed ends it. In one pass."""
    kept: list[str] = []
    at = 0
    while (begin := text.find("<!--", at)) >= 0:
        kept.append(text[at:begin])
        end = text.find("-->", begin + 4)
        if end < 0:
            return "".join(kept)
        at = end + 3
    return "".join((*kept, text[at:]))


def _read(text: str) -> XmlElement | None:
    root = XmlElement("")  # holds the outermost element
    path: list[XmlElement] = []
    end_of_tag = count = 0
    for match in _TAG.finditer(text):
        if path and not path[-1].children:
            path[-1].text = _value(text[end_of_tag : match.start()])
        end_of_tag = match.end()
        if match[1]:
            _close(path, match[2])
        else:
            count += 1
            if count > MAX_ELEMENTS or len(path) >= MAX_DEPTH:
                raise BadXml("it has too many elements, or nests too deep")
            element = XmlElement(match[2])
            (path[-1] if path else root).children.append(element)
            if not match[3].endswith("/"):
                path.append(element)
        if not path and root.children:
            break
    return root.children[0] if root.children else None


def _close(path: list[XmlElement], name: str) -> None:
    """Close the innermost open element of this name; an end tag without one is passed over."""
    for at in range(len(path) - 1, -1, -1):
        if path[at].name == name:
            if path[at].children:
                path[at].text = path[at].text.strip()
            del path[at:]
            return


def _value(raw: str) -> str:
    value = raw.strip()[:MAX_VALUE]
    return _REFERENCE.sub(_resolved, value) if "&" in value else value


def _resolved(match: re.Match[str]) -> str:
    if match[3]:
        return _NAMED[match[3]]
    code = int(match[1]) if match[1] else int(match[2], 16)
    printable = 0x20 <= code <= _MAX_CODE_POINT and not 0xD800 <= code < 0xE000  # noqa: PLR2004
    return chr(code) if printable else ""


def xml_document(root: str, values: list[tuple[str, str]], *, version_2022: bool = False) -> bytes:
    """A flat document in the charset of an edition: GB2312 is named, GB18030 is written.

    An empty name begins a nested part: its value is written as it is.
    """
    prolog = "GB18030" if version_2022 else "GB2312"
    lines = [f'<?xml version="1.0" encoding="{prolog}"?>', f"<{root}>"]
    lines += [f"<{name}>{escape(value)}</{name}>" if name else value for name, value in values]
    lines += [f"</{root}>", ""]
    return "\r\n".join(lines).encode(GB18030)
