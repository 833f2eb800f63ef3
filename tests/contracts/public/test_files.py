"""What a site may write in its files is still understood: every key of site.yaml, every column.

The photograph is the small site itself (tests/store/data/previous/config): its files use whatever
may be written, once. `patrol check` refuses what it does not know, so a key that was renamed is
refused there; and that it does refuse unknown keys, in every section, is tested beside it.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

KEYS = ("site.yaml", "zones.yaml", "rules.yaml")
ODD = "no_key_of_ours"
JUDGED_LATER = "quality"  # its keys are the gauges' names; asked only when all else is right


def checked(site: Any) -> dict[str, list[tuple[str, str]]]:
    """(field, words) of every problem that `check` has with a file of the site, by file."""
    (ended,) = site.run(["check", "--json"])
    problems: dict[str, list[tuple[str, str]]] = {}
    for problem in json.loads(ended.out)["problems"]:
        name = Path(problem["file"]).name
        problems.setdefault(name, []).append((problem["field"], problem["text"]))
    return problems


def test_every_key_and_every_column_is_understood(copied: Any, tmp_path: Path) -> None:
    site = copied(tmp_path / "site")
    own = {file.name for file in (site.home / "config").iterdir()}
    found = checked(site)
    assert {name: found[name] for name in own & found.keys()} == {}


def sections(value: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every mapping in a document, with where it stands: `calendar.holidays[0]`."""
    if isinstance(value, list):
        for number, member in enumerate(value):
            yield from sections(member, f"{path}[{number}]")
    elif isinstance(value, dict):
        yield path, value
        for key, member in value.items():
            yield from sections(member, f"{path}.{key}".lstrip("."))


@pytest.mark.parametrize("name", KEYS)
def test_an_unknown_key_is_refused_in_every_section(copied: Any, tmp_path: Path, name: str) -> None:
    site = copied(tmp_path / "site")
    file = site.home / "config" / name
    document = yaml.safe_load(file.read_text("utf-8"))
    everywhere = [(path, section) for path, section in sections(document) if path != JUDGED_LATER]
    for _, section in everywhere:
        section[ODD] = 1
    file.write_text(yaml.safe_dump(document, allow_unicode=True), "utf-8")
    refused = {field for field, _ in checked(site)[name]}
    assert {f"{path}.{ODD}".lstrip(".") for path, _ in everywhere} - refused == set()


def test_an_unknown_threshold_is_refused(copied: Any, tmp_path: Path) -> None:
    site = copied(tmp_path / "site")
    site.edit("quality:", f"quality:\n  {ODD}: 1")
    assert [field for field, _ in checked(site)["site.yaml"]] == [f"quality.{ODD}"]


@pytest.mark.parametrize("name", ["grids.csv", "people.csv", "cameras.csv"])
def test_an_unknown_column_is_refused(copied: Any, tmp_path: Path, name: str) -> None:
    site = copied(tmp_path / "site")
    file = site.home / "config" / name
    header, *rows = file.read_text("utf-8").splitlines()
    file.write_text("\n".join([f"{header},{ODD}", *(f"{row},x" for row in rows)]), "utf-8")
    assert any(ODD in words for _, words in checked(site)[name])
