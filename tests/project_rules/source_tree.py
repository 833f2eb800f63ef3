"""Modules of the project and the identifiers they define, for the rules beside this file."""

import ast
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from typing_extensions import override

ROOT = Path(__file__).parents[2]
# Packages whose names and docstrings are held to the rules.
CHECKED = ("patrol", "streams", "simulators", "tests/support", "tests/long", "tests/project_rules")
_PART = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+")


@dataclass(frozen=True, slots=True)
class Definition:
    """One identifier where it is defined: a class, function, parameter, variable or attribute."""

    path: str
    line: int
    name: str

    @override
    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.name}"

    @property
    def parts(self) -> frozenset[str]:
        """The parts of the identifier, in lower case: `_LinkSigner` is {"link", "signer"}."""
        return name_parts(self.name)


def import_order() -> list[str]:
    """The layers of the import contract in pyproject.toml: each imports only those after it."""
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]
    contracts = tools["importlinter"]["contracts"]
    [layers] = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    return list(layers)


def name_parts(name: str) -> frozenset[str]:
    """The lower-case parts of an identifier in snake_case, CamelCase or CAPITALS."""
    return frozenset(part.lower() for part in _PART.findall(name))


@cache
def modules(*packages: str) -> tuple[Path, ...]:
    """The Python files at or below these paths (relative to the root), migrations apart."""
    found: set[Path] = set()
    for package in packages:
        place = ROOT / package
        found |= {place} if place.is_file() else set(place.rglob("*.py"))
    return tuple(sorted(path for path in found if "versions" not in path.parts))


def relative(path: Path) -> str:
    """The path below the root, as it stands in an answer and in pytest's ids."""
    return path.relative_to(ROOT).as_posix()


@cache
def tree_of(path: Path) -> ast.Module:
    """The parsed module."""
    return ast.parse(path.read_text("utf-8"), str(path))


@cache
def definitions(path: Path) -> tuple[Definition, ...]:
    """Every identifier that this module defines, its own name first."""
    place = relative(path)
    own = Definition(place, 0, path.parent.name if path.stem == "__init__" else path.stem)
    inside = (
        Definition(place, getattr(node, "lineno", 0), name)
        for node in ast.walk(tree_of(path))
        for name in _defined_by(node)
    )
    return own, *inside


def defined_names(tree: ast.Module) -> Iterator[str]:
    """The identifiers that a module defines, as often as it does."""
    for node in ast.walk(tree):
        yield from _defined_by(node)


def _defined_by(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            yield name
        case ast.arg(arg=name) | ast.Name(id=name, ctx=ast.Store()):
            yield name
        case ast.Attribute(attr=name, ctx=ast.Store()):
            yield name
        case ast.alias(asname=str(name)) | ast.ExceptHandler(name=str(name)):
            yield name
        case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            yield name
        case _:
            return


def classes(path: Path) -> Iterator[ast.ClassDef]:
    """Every class of a module, nested ones too."""
    yield from (node for node in ast.walk(tree_of(path)) if isinstance(node, ast.ClassDef))
