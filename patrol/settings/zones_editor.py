"""Edits zones.yaml as a text: one camera's part is written anew, every other line stays.

Other cameras, comments and the order of things are kept line by line; of the camera itself only the
keys that change are written anew, with the comments that stood in them put above. Pure: text in,
text out. The caller has the result read by `load_site` before it replaces anything.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from patrol.settings.config_file import ProblemLog
from patrol.settings.yaml_file import YamlDocument, read_yaml

PlainAreas = Mapping[str, Any]
AREA_KEYS: Final = ("visible", "ignore", "zones")
_BLANK_OR_COMMENT: Final = re.compile(r"\s*(#.*)?")  # a blank line, or nothing but a comment


class NotEditable(Exception):
    """zones.yaml uses YAML that this editor cannot change; the text names the construct."""


@dataclass(frozen=True, slots=True)
class _YamlEntry:
    """A key with its value, and the lines that are its own: `lines[first:end]`."""

    key: str
    node: yaml.Node
    first: int
    end: int


def camera_areas(path: Path, camera: str) -> PlainAreas:
    """The camera's entry as plain data; empty when there is none."""
    document = _read_zones(path)
    found = document.data.get(camera) if document is not None else None
    return {key: found[key] for key in found if found[key]} if isinstance(found, dict) else {}


def replace_camera(path: Path, camera: str, areas: PlainAreas) -> str:
    """The file's text with `areas` for the camera. Raises NotEditable."""
    wanted = {key: areas[key] for key in areas if areas[key]}
    document = _read_zones(path)
    if document is None or not document.data:
        return "\n".join([*_comments_of(path), *_block(camera, wanted), ""])
    root = document.root
    if not isinstance(root, yaml.MappingNode) or root.flow_style:
        raise NotEditable(f"{path.name} is one mapping in braces: give each camera its own lines")
    lines = path.read_text("utf-8-sig").splitlines()
    cameras = list(_entries(root, lines, len(lines)))
    here = next((entry for entry in cameras if entry.key == camera), None)
    if here is None:
        after = cameras[-1].end
        lines[after:after] = _block(camera, wanted)
    else:
        lines[here.first : here.end] = _rewrite_entry(here, lines, document.data[camera], wanted)
    return "\n".join([*lines, ""])


def remove_cameras(path: Path, gone: Collection[str]) -> str:
    """The file's text without these cameras. Raises NotEditable."""
    document = _read_zones(path)
    lines = _lines(path)
    if document is None or not set(gone) & set(document.data or ()):
        return "\n".join([*lines, ""])
    root = document.root
    if not isinstance(root, yaml.MappingNode) or root.flow_style:
        raise NotEditable(f"{path.name} is one mapping in braces: give each camera its own lines")
    for entry in reversed(list(_entries(root, lines, len(lines)))):
        if entry.key in gone:
            lines[entry.first : entry.end] = _comments_only(lines[entry.first : entry.end], "")
    left = [*lines, ""]
    return "\n".join(left if set(document.data) - set(gone) else [*left[:-1], "{}", ""])


def _read_zones(path: Path) -> YamlDocument | None:
    if not path.exists() or not path.read_bytes().strip():
        return None
    notes = ProblemLog()
    document = read_yaml(path, notes.for_file(path))
    if document is None and all(_BLANK_OR_COMMENT.fullmatch(line) for line in _lines(path)):
        return None
    if document is None or not isinstance(document.data, dict | None):
        raise NotEditable("; ".join(str(problem) for problem in notes.problems) or path.name)
    return document


def _lines(path: Path) -> list[str]:
    return path.read_text("utf-8-sig", errors="replace").splitlines()


def _comments_of(path: Path) -> list[str]:
    return [line for line in _lines(path) if line.lstrip().startswith("#")] if path.exists() else []


def _entries(node: yaml.MappingNode, lines: Sequence[str], end: int) -> Iterator[_YamlEntry]:
    """The keys of a block mapping that ends before line `end`."""
    starts = [key.start_mark.line for key, _ in node.value]
    for (key, value), first, after in zip(node.value, starts, [*starts[1:], end], strict=True):
        last = after
        while last > first + 1 and _is_separator(lines[last - 1]):
            last -= 1  # what stands above the next key is the next key's
        yield _YamlEntry(str(key.value), value, first, last)


def _is_separator(line: str) -> bool:
    return _BLANK_OR_COMMENT.fullmatch(line) is not None or line.startswith(("---", "..."))


def _rewrite_entry(
    entry_of_camera: _YamlEntry, lines: Sequence[str], now: Any, wanted: PlainAreas
) -> list[str]:
    """The camera's lines anew."""
    node = entry_of_camera.node
    if not wanted:
        return _comments_only(lines[entry_of_camera.first : entry_of_camera.end], "")
    if not isinstance(node, yaml.MappingNode) or node.flow_style or not node.value:
        own = lines[entry_of_camera.first : entry_of_camera.end]
        return [*_comments_only(own, ""), *_block(entry_of_camera.key, wanted)]
    inner = {part.key: part for part in _entries(node, lines, entry_of_camera.end)}
    indent = " " * node.value[0][0].start_mark.column
    out = list(lines[entry_of_camera.first : min(part.first for part in inner.values())])
    after = max(part.end for part in inner.values())
    at = len(out) + entry_of_camera.first
    for entry in inner.values():
        out += lines[at : entry.first]  # comments between the keys
        at = entry.end
        if entry.key in wanted and wanted[entry.key] == now.get(entry.key):
            out += lines[entry.first : entry.end]
        else:
            out += _comments_only(lines[entry.first : entry.end], indent)
            if entry.key in wanted:
                out += _written(entry.key, wanted[entry.key], indent)
    for key in wanted:
        if key not in inner:
            out += _written(key, wanted[key], indent)
    return [*out, *lines[after : entry_of_camera.end]]


def _comments_only(lines: Sequence[str], indent: str) -> list[str]:
    """The comments of lines that are removed."""
    found = [_comment(line) for line in lines]
    return [f"{indent}{comment}" for comment in found if comment]


def _comment(line: str) -> str:
    """`# …` of a line, unless the mark stands inside quotes."""
    for match in re.finditer(r"(^|\s)#", line):
        before = line[: match.start()]
        if before.count('"') % 2 == 0 and before.count("'") % 2 == 0:
            return line[match.start() :].strip()
    return ""


def _block(camera: str, wanted: PlainAreas) -> list[str]:
    if not wanted:
        return []
    lines = [f"{json.dumps(camera)}:"]
    for key in (*AREA_KEYS, *(key for key in wanted if key not in AREA_KEYS)):
        if key in wanted:
            lines += _written(key, wanted[key], "  ")
    return lines


def _written(key: str, value: Any, indent: str) -> list[str]:
    if key == "visible" or isinstance(value, Mapping):
        return [f"{indent}{key}: {_flow(value)}"]
    lines = [f"{indent}{key}:"]
    for item in value:
        if isinstance(item, Mapping):
            pairs = [f"{name}: {_flow(item[name])}" for name in item]
            lines += [f"{indent}  - {pairs[0]}", *(f"{indent}    {pair}" for pair in pairs[1:])]
        else:
            lines.append(f"{indent}  - {_flow(item)}")
    return lines


def _flow(value: Any) -> str:
    """JSON, which is flow YAML."""
    return json.dumps(value, ensure_ascii=False)
