"""Names: no retired word in an identifier, no class name twice, the glossary in use."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import jinja2
import pytest
from jinja2 import nodes

from tests.project_rules.source_tree import (
    CHECKED,
    ROOT,
    classes,
    definitions,
    modules,
    name_parts,
    relative,
    tree_of,
)

# Words of the first version that said nothing to somebody who knows the field: metaphors, and words
# with so many meanings that a search for them finds everything. What each became: docs/adr/0019.
RETIRED = frozenset(
    """
    asking bell beside book books bury buried calm carry climb climbs climbing conduct conductor
    courier crowd deed deeds desk desks door doors doubt doubts ear ears eye eyes fate glass
    greeting habit habits hamlet hear heard house houses keeper lamp lamps lately lead leads
    lesson lessons messenger mouth news newcomer newcomers occasion outpost outposts parcel
    parcels patience pen pulse reel relit room rooms rota rotas said say says seat seats seeker
    shell shelf sight spotless stories story tell tells telling told untold walk walked walking
    walks welcome wheel whoever wish wishes witness word words
    """.split()  # noqa: SIM905  a list of ninety words reads better as a paragraph
)
# An identifier that keeps a retired word, and why.
RETIRED_EXCEPTIONS = {
    "DUTY_LEAD": "the enum member of the public duty `duty_lead` (accounts, rights)",
    "duty_lead": "the same duty, where pages and tests name it",
    "NOTHING_SAID": "the enum member of the public reason `nothing_said` of a dead letter",
    "first_desk": "a finished migration: its module name is in the list of revisions",
    "FIRST_DESK": "the same",
    "newcomer": "the public name of a kind in `patrol eval --json`",
    "SecondSight": "a schema of the public OpenAPI, which takes its name from the class",
    "newcomers": "the same: a column of labels.csv and a set of `patrol eval`",
}
TEMPLATES = sorted((ROOT / "patrol").rglob("templates/**/*.html"))
API_DOCUMENTS = "patrol/web/api/documents.py"
# One class name, several classes, and why.
SHARED_CLASS_NAMES = dict.fromkeys(
    ("Camera", "Case", "CaseEvent", "Finding", "Report", "Round"),
    "also a document of the JSON API, whose class names are the schema names of its OpenAPI",
)


@pytest.mark.parametrize("package", CHECKED)
def test_no_identifier_has_a_retired_word(package: str) -> None:
    """Modules, classes, functions, parameters, variables and attributes where they are defined."""
    found = [
        str(definition)
        for path in modules(package)
        for definition in definitions(path)
        if definition.parts & RETIRED and definition.name not in RETIRED_EXCEPTIONS
        if not definition.name.startswith("test_")  # a sentence, not a name that code uses
    ]
    assert found == []


@pytest.mark.parametrize("path", TEMPLATES, ids=relative)
def test_no_template_variable_has_a_retired_word(path: Path) -> None:
    found = [
        name
        for name in _template_names(path)
        if name_parts(name) & RETIRED and name not in RETIRED_EXCEPTIONS
    ]
    assert found == []


def _template_names(path: Path) -> Iterator[str]:
    """Variables, attributes, macros and their parameters; the names of blocks are public."""
    tree = jinja2.Environment(autoescape=True).parse(path.read_text("utf-8"))
    for node in tree.find_all((nodes.Name, nodes.Getattr, nodes.Macro, nodes.Keyword)):
        match node:
            case nodes.Getattr(attr=name) | nodes.Keyword(key=name) | nodes.Name(name=name):
                yield name
            case nodes.Macro(name=name):
                yield name


@cache
def _classes_by_name() -> dict[str, list[str]]:
    places = defaultdict(list)
    for path in modules("patrol", "streams", "simulators", "tests/support", "tests/long"):
        for node in classes(path):
            places[node.name].append(relative(path))
    return places


def test_a_class_name_means_one_class() -> None:
    shared = {
        name: places
        for name, places in _classes_by_name().items()
        if len(places) > 1 and name not in SHARED_CLASS_NAMES
    }
    assert shared == {}


def _glossary() -> list[str]:
    text = (ROOT / "docs/glossary.md").read_text("utf-8")
    rows = [line.split("|") for line in text.splitlines() if line.startswith("|")]
    return [name for row in rows[2:] for name in re.findall(r"`(\w+)`", row[2])]


GLOSSARY = _glossary()


def test_a_glossary_identifier_stands_in_one_row() -> None:
    assert len(GLOSSARY) > 40
    assert sorted(set(GLOSSARY)) == sorted(GLOSSARY)


@cache
def _strings() -> frozenset[str]:
    return frozenset(
        node.value
        for path in modules("patrol", "streams")
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


@pytest.mark.parametrize("identifier", GLOSSARY)
def test_a_glossary_identifier_is_in_use(identifier: str) -> None:
    """In a definition, or whole as a string: a state's value, a key of a figure."""
    wanted = identifier.lower().replace("_", "")
    assert identifier in _strings() or any(
        wanted in definition.name.lower().replace("_", "")
        for path in modules("patrol", "streams")
        for definition in definitions(path)
    )
    whole = [
        place
        for name, places in _classes_by_name().items()
        if name.lower() == wanted
        for place in places
        if place != API_DOCUMENTS
    ]
    assert len(whole) <= 1, whole
