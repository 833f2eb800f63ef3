"""Dockerfile and compose.yaml, as far as they can be judged without building them."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))


def test_what_is_copied_is_there_and_what_the_wheel_takes_is_copied() -> None:
    copied = set()
    for sources in re.findall(r"^COPY (?!--)(.+) \S+$", DOCKERFILE, re.MULTILINE):
        copied |= set(sources.split())
    assert all((ROOT / name).exists() for name in copied)
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    forced = re.findall(r'^"([\w/.-]+)" = "patrol/site_files', project, re.MULTILINE)
    assert forced
    assert {name.partition("/")[0] for name in forced} <= copied
    assert {"patrol", "streams", "simulators", "requirements.txt"} <= copied


def test_the_image_runs_without_root_and_says_how_it_is() -> None:
    last = DOCKERFILE.rpartition("\nFROM ")[2]
    assert re.search(r"^USER [1-9]\d*:", last, re.MULTILINE)
    assert "/healthz" in last
    assert "--require-hashes" in DOCKERFILE
    assert "--platform" not in "".join(re.findall(r"^FROM .*$", DOCKERFILE, re.MULTILINE))


def test_the_service_is_hardened_and_waits_for_its_database() -> None:
    service = COMPOSE["services"]["patrol"]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["depends_on"]["database"]["condition"] == "service_healthy"
    assert set(COMPOSE["services"]) == {"patrol", "database", "broker"}
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
