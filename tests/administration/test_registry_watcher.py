"""The registry on disk, followed: what a file said last holds until it says something else."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from patrol.administration.registry_files import MAY_GO, WATCHED_FILES, RegistryWatcher
from patrol.domain.registry import GridTree, Registry
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
        people = {name: name for name in (folder / "people.csv").read_text("utf-8").split()}
        grids = {name: name for name in (folder / "grids.csv").read_text("utf-8").split()}
        tree = GridTree(grids=grids)  # type: ignore[arg-type]  names will do
        registry = Registry(cameras={text: text}, tree=tree, people=people)  # type: ignore[dict-item]  names will do
        return SimpleNamespace(registry=registry, shapes={"outline": folder.name})


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


@pytest.mark.parametrize("name", [name for name in WATCHED_FILES if name not in MAY_GO])
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
    if name != "cameras.csv":
        (folder / name).write_text("b", "utf-8")
    registry.refresh()
    assert set(registry.cameras()) == {"back again"}


@pytest.mark.parametrize(("name", "held"), [("people.csv", "people"), ("grids.csv", "tree")])
def test_who_holds_the_followed_registry_sees_what_is_new(
    folder: Path, name: str, held: str
) -> None:
    files = Files()
    watcher = RegistryWatcher(files.load(folder), folder, files.load)
    followed = getattr(watcher.followed, held)
    before, snapshot = dict(getattr(followed, "grids", followed)), watcher.registry()
    (folder / name).write_text("the new leader", "utf-8")
    watcher.refresh()
    after = getattr(followed, "grids", followed)
    assert (set(before), set(after)) == ({"a"}, {"the", "new", "leader"})
    assert [*after.keys(), *after.values()] == ["the", "new", "leader"] * 2
    assert ("leader" in after, "a" in after, len(after)) == (True, False, 3)
    assert snapshot is not watcher.registry(), "a decision keeps what it began with"


def test_an_editor_that_replaces_the_file_is_seen(folder: Path) -> None:
    """Same size, same time: another file all the same."""
    files = Files()
    watcher = RegistryWatcher(files.load(folder), folder, files.load)
    old = (folder / "people.csv").stat()
    (folder / "new").write_text("b", "utf-8")
    os.utime(folder / "new", ns=(old.st_atime_ns, old.st_mtime_ns))
    (folder / "new").replace(folder / "people.csv")
    watcher.refresh()
    assert set(watcher.followed.people) == {"b"}
