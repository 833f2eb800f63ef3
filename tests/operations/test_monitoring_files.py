"""The shipped Prometheus rules and Grafana dashboard: every metric that they name is exported."""

import json
import re
from pathlib import Path

import yaml

from patrol.domain.round import VisitOutcome

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "config/monitoring"
# What a running service exports: the golden file, kept true by tests/contracts/public/test_web.py.
EXPORTED = {
    name: (kind, set(filter(None, labels.split(","))))
    for name, kind, labels in (
        (*line.split(), "")[:3]
        for line in (ROOT / "tests/contracts/public/golden/metrics.txt").read_text().splitlines()
    )
}
METRIC = re.compile(r"\b(patrol_\w+)\b(?:\{([^}]*)\})?")


def expressions() -> dict[str, str]:
    """Every query of both files by its alert or panel."""
    rules = yaml.safe_load((MONITORING / "patrol-alerts.yml").read_text("utf-8"))
    board = json.loads((MONITORING / "grafana-dashboard.json").read_text("utf-8"))
    found = {rule["alert"]: rule["expr"] for group in rules["groups"] for rule in group["rules"]}
    for panel in board["panels"]:
        for target in panel["targets"]:
            found[f"{panel['title']} {target['refId']}"] = target["expr"]
    return found


def base_name(metric: str) -> str:
    """The family of a histogram's series."""
    family = re.sub(r"_(bucket|sum|count)$", "", metric)
    return family if EXPORTED.get(family, ("",))[0] == "histogram" else metric


def test_every_metric_and_label_is_exported() -> None:
    named = 0
    for where, expression in expressions().items():
        metrics = [(base_name(name), labels) for name, labels in METRIC.findall(expression)]
        for name, matched in metrics:
            named += 1
            assert name in EXPORTED, where
            assert set(re.findall(r"(\w+)\s*[!=]", matched)) <= EXPORTED[name][1], where
        for group in re.findall(r"\bby \(([^)]*)\)", expression):
            assert {one.strip() for one in group.split(",")} <= EXPORTED[metrics[0][0]][1], where
        assert expression.count("(") == expression.count(")"), where
    assert named > 20


def test_each_rule_has_a_severity_and_says_what_it_means() -> None:
    rules = yaml.safe_load((MONITORING / "patrol-alerts.yml").read_text("utf-8"))
    for rule in (rule for group in rules["groups"] for rule in group["rules"]):
        assert rule["labels"]["severity"] in {"critical", "warning"}, rule
        assert rule["annotations"]["summary"], rule


def test_a_visits_outcome_is_one_that_there_is() -> None:
    outcomes = re.findall(r'outcome="([^"]*)"', " ".join(expressions().values()))
    assert outcomes
    assert set(outcomes) <= set(VisitOutcome)
