"""What no linter knows: state tables without dead ends, who imports the simulators, the rules."""

import re
from collections.abc import Mapping
from enum import Enum
from typing import Any

import pytest
import yaml

from patrol.cli.verbs import VERBS
from patrol.domain import case, finding, outbox
from patrol.domain import round as rounds
from tests.project_rules.source_tree import ROOT, import_order, modules, relative

MODULES = modules("patrol", "streams", "simulators")


TABLES: dict[str, tuple[Mapping[Any, Any], type[Enum], Enum]] = {
    "case": (case.CASE_TRANSITIONS, case.CaseState, case.CaseState.DISPATCHED),
    "finding": (finding.FINDING_TRANSITIONS, finding.FindingState, finding.FindingState.CANDIDATE),
    "delivery": (outbox.MESSAGE_TRANSITIONS, outbox.DeliveryState, outbox.DeliveryState.QUEUED),
    "round": (rounds.ROUND_TRANSITIONS, rounds.RoundState, rounds.RoundState.PLANNED),
}


@pytest.mark.parametrize("table", TABLES)
def test_every_state_can_be_reached(table: str) -> None:
    moves, states, first = TABLES[table]
    reached: set[Enum] = {first}
    while more := {to for (start, _), to in moves.items() if start in reached} - reached:
        reached |= more
    assert reached == set(states)


def test_the_import_contract_forgets_no_package() -> None:
    packages = {path.parent.name for path in (ROOT / "patrol").glob("*/__init__.py")}
    lone_modules = {path.stem for path in (ROOT / "patrol").glob("[a-z]*.py")}
    ours = {f"patrol.{name}" for name in packages | lone_modules}
    assert sorted(import_order()) == sorted({*ours, "streams", "simulators"})


def test_only_the_demo_and_the_benches_meet_the_simulators() -> None:
    pattern = re.compile(r"^\s*(from|import) simulators", re.MULTILINE)
    importers = sorted(
        path for path in (ROOT / "patrol").rglob("*.py") if pattern.search(path.read_text())
    )
    meeting = ("patrol/bench/", "patrol/evaluation/", "patrol/demo/")
    assert [name for name in map(relative, importers) if not name.startswith(meeting)] == []


def test_a_verbs_module_bears_the_name_of_one_of_its_verbs_or_groups() -> None:
    names: dict[str, set[str]] = {}
    for path, verb in VERBS.items():
        names.setdefault(verb.function.partition(":")[0], set()).add(path.split()[0])
    assert [name for name in names if name.replace("_", "-") not in names[name]] == []


def test_no_registry_host_and_no_machine_path_is_named() -> None:
    suspicious = re.compile(r"pypi\.org|files\.pythonhosted|deb\.debian\.org|/root/|/work/")
    found = [path for path in MODULES if suspicious.search(path.read_text("utf-8"))]
    assert [relative(path) for path in found] == []


RULES = yaml.safe_load((ROOT / "docs/project-rules.yaml").read_text("utf-8"))["rules"]


@pytest.mark.parametrize("name", RULES)
def test_a_project_rule_can_be_seen(name: str) -> None:
    rule = RULES[name]
    assert rule["status"] in {"done", "exempt"}
    assert (rule["status"] == "exempt") == ("reason" in rule)
    assert [place for place in rule["see"] if not (ROOT / place).exists()] == []
