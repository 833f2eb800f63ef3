"""Every part of the service that reports its health has a name in both languages."""

import ast
from collections.abc import Iterator
from pathlib import Path

import patrol.app
from patrol.domain.labels import SERVICE_PARTS

APP = Path(patrol.app.__file__).parent
NAMED_AT = {"every": 1, "expect": 0, "with_heartbeat": 0}  # which argument is the part's name


def part_names() -> Iterator[str]:
    """The literal names in the code: of heartbeats, and of checks."""
    for path in sorted(APP.glob("*.py")):
        for call in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(call, ast.Call):
                continue
            called = call.func.attr if isinstance(call.func, ast.Attribute) else None
            called = call.func.id if isinstance(call.func, ast.Name) else called
            at = NAMED_AT.get(called or "", len(call.args))
            given = [*call.args[at : at + 1]]
            if called == "HealthCheck":
                given = [word.value for word in call.keywords if word.arg == "name"]
            for one in given:
                if isinstance(one, ast.Constant) and isinstance(one.value, str):
                    yield one.value


def test_every_part_of_the_service_has_a_label() -> None:
    names = set(part_names())
    assert {"ladder", "relay", "canary came back"} <= names
    assert names - set(SERVICE_PARTS) == set()
