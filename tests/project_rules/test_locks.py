"""The lock files: whole, each file by its hash, and what pyproject.toml admits."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
LOCKS = ["requirements.txt", "requirements-dev.txt"]


def locked(name: str) -> dict[str, Requirement]:
    """The requirements of a lock by package; a package that stands twice is a fault."""
    text = (ROOT / name).read_text("utf-8").replace("\\\n", "")
    lines = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    assert [line for line in lines if "--hash=sha256:" not in line] == []
    requirements = [Requirement(line.split(" --hash")[0]) for line in lines]
    by_name: dict[str, Requirement] = {canonicalize_name(one.name): one for one in requirements}
    assert len(by_name) == len(requirements)
    return by_name


def wanted(name: str) -> list[Requirement]:
    extras = PROJECT["project"]["optional-dependencies"]
    groups = PROJECT["dependency-groups"]
    lines = [*PROJECT["project"]["dependencies"], *PROJECT["build-system"]["requires"]]
    lines += [line for extra, more in extras.items() if extra != "all" for line in more]
    lines += groups["build"] + (groups["dev"] if name == LOCKS[1] else [])
    return [Requirement(line) for line in lines]


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_holds_what_pyproject_admits(name: str) -> None:
    lock = locked(name)
    for want in wanted(name):
        (pin,) = lock[canonicalize_name(want.name)].specifier
        assert pin.operator == "=="
        assert want.specifier.contains(pin.version), f"{want}: {pin}; run `make lock`"


def test_what_users_run_is_what_is_tested() -> None:
    users, tested = (locked(name) for name in LOCKS)
    assert {name: tested.get(name) for name in users} == users


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_names_no_index(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    assert re.findall(r"://|^ *--(?!hash).*", text, re.MULTILINE) == []
