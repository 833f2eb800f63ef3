"""What no linter knows: rooms small enough to read, tables without dead ends, true docs."""

import ast
import re
from collections.abc import Iterable, Mapping
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
import yaml

from patrol.domain import case, finding, outbox
from patrol.domain import round as rounds

ROOT = Path(__file__).parents[2]
MODULES = sorted(
    path
    for room in ("patrol", "streams", "simulators")
    for path in (ROOT / room).rglob("*.py")
    if "versions" not in path.parts
)
LONGEST_MODULE = 450
LONGEST_FUNCTION = 45  # formatted lines; a docstring counts


def names(paths: Iterable[Path]) -> list[str]:
    return [str(path.relative_to(ROOT)) for path in paths]


@pytest.mark.parametrize("path", MODULES, ids=names(MODULES))
def test_a_module_is_read_in_one_sitting(path: Path) -> None:
    text = path.read_text("utf-8")
    tree = ast.parse(text)
    assert ast.get_docstring(tree), "a module introduces itself"
    assert len(text.splitlines()) <= LONGEST_MODULE
    long = [
        f"{node.name}: {length}"
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or node.lineno) - node.lineno + 1) > LONGEST_FUNCTION
    ]
    assert not long


TABLES = {
    "case": (case.CASE_TRANSITIONS, case.CaseState, case.CaseState.DISPATCHED),
    "finding": (finding.FINDING_TRANSITIONS, finding.FindingState, finding.FindingState.CANDIDATE),
    "delivery": (outbox.MESSAGE_TRANSITIONS, outbox.DeliveryState, outbox.DeliveryState.QUEUED),
    "round": (rounds.ROUND_TRANSITIONS, rounds.RoundState, rounds.RoundState.PLANNED),
}


@pytest.mark.parametrize("table", TABLES)
def test_every_state_can_be_reached(table: str) -> None:
    moves: Mapping[Any, Any]
    moves, states, first = TABLES[table]
    reached: set[Enum] = {first}
    while more := {to for (start, _), to in moves.items() if start in reached} - reached:
        reached |= more
    assert reached == set(states)


def test_only_the_demo_and_the_benches_meet_the_simulators() -> None:
    pattern = re.compile(r"^\s*(from|import) simulators", re.MULTILINE)
    importers = sorted(
        path for path in (ROOT / "patrol").rglob("*.py") if pattern.search(path.read_text())
    )
    measuring = ("patrol/bench/", "patrol/evaluation/")
    met = [name for name in names(importers) if not name.startswith(measuring)]
    assert met == ["patrol/cli/demo.py", "patrol/demo.py"]


@pytest.mark.parametrize("page", ["README.md", "README.zh-CN.md"])
def test_the_readme_names_only_what_exists(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    linked = re.findall(r"\]\((?!http)([^)#]+)", text)
    assert linked, "the README shows the way"
    assert [link for link in linked if not (ROOT / link).exists()] == []
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    assert set(re.findall(r"`make ([a-z]+)`", text)) <= targets


def test_no_registry_host_and_no_machine_path_is_named() -> None:
    suspicious = re.compile(r"pypi\.org|files\.pythonhosted|deb\.debian\.org|/root/|/work/")
    found = [path for path in MODULES if suspicious.search(path.read_text("utf-8"))]
    assert names(found) == []


RULES = yaml.safe_load((ROOT / "docs/house-rules.yaml").read_text("utf-8"))["rules"]


@pytest.mark.parametrize("name", RULES)
def test_a_rule_of_the_house_can_be_seen(name: str) -> None:
    rule = RULES[name]
    assert rule["status"] in {"done", "exempt"}
    assert (rule["status"] == "exempt") == ("reason" in rule)
    assert [place for place in rule["see"] if not (ROOT / place).exists()] == []
