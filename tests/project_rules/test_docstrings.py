"""Docstrings say what a thing is: no riddles, no pointers elsewhere, none on overrides."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.project_rules.source_tree import CHECKED, modules, relative, tree_of

# Anywhere in a docstring: it points elsewhere, names nobody, or puts a picture for the thing.
FORBIDDEN = re.compile(
    r"""
    ^see\ (the\ (port|door)|ports?\.|above|there)   # says it there, not here
    | \bfulfils\b                                   # the type says which Protocol
    | \bwhoever\b | \bthe\ house('s)?\b             # name the person, name the application
    | \b(a|the|each|every|this|waiting|new)\ leads?\b(?!\ to)   # finding
    | \b(desks?|bell|lamps?|wish(es)?|couriers?|climbs?|outposts?|rota|parcels?|seats)\b
    | \bthe\ (eye|ear|pulse|witness|shelf|books|glass)\b
    """,
    re.VERBOSE | re.IGNORECASE,
)
# In the first line, which alone must say what it is: a subject without a noun.
FORBIDDEN_IN_FIRST_LINE = re.compile(r"\b(somebody|anybody)\b(?!'s| else)", re.IGNORECASE)
# Things in pictures: a lamp is a lamp there, and people sit on seats.
PICTURES = ("patrol/vision/", "patrol/evaluation/", "simulators/scenes/")
LITERAL = re.compile(r"\b(lamps?|glass|house)\b", re.IGNORECASE)
DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
FILES = modules(*CHECKED)


def _documented(path: Path) -> Iterator[tuple[DOCUMENTED, str]]:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, DOCUMENTED) and (text := ast.get_docstring(node)):
            yield node, text


def _riddles(path: Path) -> Iterator[str]:
    literal = relative(path).startswith(PICTURES)
    for node, text in _documented(path):
        hit = FORBIDDEN.search(text) or FORBIDDEN_IN_FIRST_LINE.search(text.splitlines()[0])
        if hit and not (literal and LITERAL.search(hit[0])):
            yield f"{getattr(node, 'name', 'module')}: {hit[0]}: {text.splitlines()[0]}"


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_no_docstring_is_a_riddle(path: Path) -> None:
    assert list(_riddles(path)) == []


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_an_override_carries_no_docstring(path: Path) -> None:
    """The method that it overrides has said it."""
    found = [
        node.name
        for node, _ in _documented(path)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and any("override" in ast.unparse(mark) for mark in node.decorator_list)
    ]
    assert found == []
