"""What is asked over HTTP: the API's document, every route, the metrics."""

import json
import re
from collections.abc import Callable
from typing import Any

Photograph = Callable[[str, str], None]
FAMILY = re.compile(r"^# TYPE (\S+) (\S+)$", re.MULTILINE)
SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? \S+$", re.MULTILINE)
LABEL = re.compile(r'(\w+)="')
# Every one of these has a sample once the service has done what is due on its site.
COUNTED = (
    "patrol_visits", "patrol_rounds", "patrol_findings", "patrol_case_events",
    "patrol_deliveries", "patrol_relay", "patrol_inbox", "patrol_ladder", "patrol_sending",
    "patrol_canary_round_trip_seconds",
)  # fmt: skip


def test_the_api_is_as_photographed(service: Any, photograph: Photograph) -> None:
    document = json.loads(service.get(f"{service.console}/api/v1/openapi.json"))
    photograph("openapi.json", json.dumps(document, ensure_ascii=False, indent=1, sort_keys=True))


def test_every_route_is_where_it_was(service: Any, photograph: Photograph) -> None:
    lines = {f"{path} {' '.join(methods)}" for methods, path in service.routes()}
    assert len(lines) > 50
    photograph("routes.txt", "\n".join(sorted(lines)))


def families(text: str) -> dict[str, tuple[str, set[str]]]:
    """Type and labels by the name of the family."""
    found: dict[str, tuple[str, set[str]]] = {
        name: (kind, set()) for name, kind in FAMILY.findall(text)
    }
    for name, labels in SAMPLE.findall(text):
        owner = name if name in found else re.sub("_(bucket|sum|count|total|created)$", "", name)
        found[owner][1].update(LABEL.findall(labels))
    return found


def test_metrics_keep_names_types_and_labels(service: Any, photograph: Photograph) -> None:
    lead = service.site.ask("queue")[0]["id"]
    service.post(f"{service.console}/api/v1/findings/{lead}/dismiss", {"reason": "shadow"})
    service.say("patrol/v1/shangba/grid/620902104203001/reply/C20200101-0001", "{}")  # refused
    text = ""

    def all_counted() -> bool:
        nonlocal text
        text = service.get(service.metrics)
        return all(re.search(rf"^{name}(_total)?[{{ ]", text, re.MULTILINE) for name in COUNTED)

    service.until(all_counted)
    lines = [
        f"{name} {kind} {','.join(sorted(labels))}".rstrip()
        for name, (kind, labels) in sorted(families(text).items())
    ]
    photograph("metrics.txt", "\n".join(lines))
