"""The registry on disk, followed: what a file said last holds until it says something else."""

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from patrol.administration.registry_files import WATCHED_FILES, RegistryWatcher
from patrol.settings import ConfigProblems


@dataclass
class Files:
    """Reads the cameras' names out of cameras.csv; notes how often it was asked."""

    refuse: bool = False
    reads: list[str] = field(default_factory=list)

    def load(self, folder: Path) -> Any:
        text = (folder / "cameras.csv").read_text("utf-8")
        self.reads.append(text)
        if self.refuse:
            raise ConfigProblems([])
        return SimpleNamespace(registry=SimpleNamespace(cameras={text: text}))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in WATCHED_FILES:
        (tmp_path / name).write_text("a", "utf-8")
    return tmp_path


def test_a_changed_file_is_read_once(folder: Path) -> None:
    files = Files()
    registry = RegistryWatcher(files.load(folder), folder, files.load)
    (folder / "cameras.csv").write_text("more", "utf-8")
    registry.refresh()
    registry.refresh()
    assert set(registry.cameras()) == {"more"}
    assert files.reads == ["a", "more"]


def test_a_file_with_problems_changes_nothing(folder: Path) -> None:
    files = Files()
    registry = RegistryWatcher(files.load(folder), folder, files.load)
    (folder / "cameras.csv").write_text("half", "utf-8")
    files.refuse = True
    registry.refresh()
    assert set(registry.cameras()) == {"a"}


@pytest.mark.parametrize("name", WATCHED_FILES)
def test_a_file_that_is_gone_widens_nothing_and_counts_when_it_is_back(
    folder: Path, name: str
) -> None:
    files = Files()
    registry = RegistryWatcher(files.load(folder), folder, files.load)
    kept = folder / name
    kept.rename(folder / "moved")
    registry.refresh()
    assert files.reads == ["a"]
    assert set(registry.cameras()) == {"a"}
    (folder / "cameras.csv").write_text("back again", "utf-8")
    (folder / "zones.yaml").write_text("b", "utf-8")
    registry.refresh()
    assert set(registry.cameras()) == {"back again"}
