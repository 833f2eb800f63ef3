"""Sizes: a module holds one whole thought, a function is seen at once."""

import ast
from pathlib import Path

import pytest

from tests.project_rules.source_tree import modules, relative, tree_of

MODULES = modules("patrol", "streams", "simulators")
LONGEST_MODULE = 450
SHORTEST_MODULE = 40
LONGEST_FUNCTION = 45  # formatted lines; a docstring counts
# A module of fewer lines, and why it stands alone. (`__init__.py` may be as short as it likes.)
SHORT_MODULES = {
    "patrol/vision/quality/percentiles.py": "below the features and the edges, which both use it",
    "patrol/cases/trouble_link.py": "a case and the queue's entry of the same camera are one thing",
    "patrol/domain/errors.py": "base classes of exceptions that end a command",
    "patrol/domain/object_labels.py": "the one table that labels.py is too long for",
    "patrol/domain/backoff.py": "the one exponential back-off, used by five packages",
    "patrol/store/migrations/env.py": "Alembic's entry, where Alembic looks for it",
    "streams/gb28181/text.py": "the charset of peers, for messages, documents and logs alike",
    "patrol/bench/brokers.py": "the brokers that two benchmarks start",
    "patrol/households/qr_code.py": "QR codes of slips and of hand-off sheets",
    "patrol/cli/init.py": "the one verb that makes a site instead of reading one",
    "patrol/reports/fleet.py": "what the rates of health leave out, for `patrol health` and county",
    "patrol/review/suppressed.py": "a count of one line that a list prints, without the decisions",
    "patrol/store/schema_all.py": "the one place that knows every table",
    "patrol/settings/addresses.py": "where phones reach the console, for links and slips",
}


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_a_module_introduces_itself_and_is_not_too_long(path: Path) -> None:
    assert ast.get_docstring(tree_of(path)), "a module says what it is"
    assert len(path.read_text("utf-8").splitlines()) <= LONGEST_MODULE
    long = [
        f"{node.name}: {length}"
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or node.lineno) - node.lineno + 1) > LONGEST_FUNCTION
    ]
    assert not long


def test_a_short_module_is_argued() -> None:
    short = {
        relative(path)
        for path in MODULES
        if path.stem not in {"__init__", "__main__"}
        and len(path.read_text("utf-8").splitlines()) < SHORTEST_MODULE
    }
    assert short == SHORT_MODULES.keys()  # none without a reason, no reason without its module
