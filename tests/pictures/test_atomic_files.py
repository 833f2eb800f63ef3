"""Files written whole or not at all."""

import os
import stat
from pathlib import Path

import pytest

from patrol.files import (
    PRIVATE_MODE,
    append_line,
    atomic_file,
    create_once,
    make_folders,
    process_lock,
    unfinished_name,
    write_atomically,
)
from patrol.store import upgrade


@pytest.mark.parametrize("mode", [PRIVATE_MODE, 0o644])
def test_a_file_is_replaced_with_the_mode_that_was_asked_for(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    write_atomically(path, b"new", mode=mode)
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert [file.name for file in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize("durable", [True, False])
def test_a_block_that_fails_leaves_the_old_file_alone(tmp_path: Path, durable: bool) -> None:  # noqa: FBT001  a parameter of the test
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with pytest.raises(TypeError), atomic_file(path, durable=durable) as file:
        file.write(None)  # type: ignore[arg-type]  # any failure
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["a"]


def test_what_a_kill_left_under_the_fixed_name_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "a"
    unfinished_name(path).write_bytes(b"left by a killed process, and longer")
    with atomic_file(path, unfinished=unfinished_name(path)) as file:
        file.write(b"new")
    assert path.read_bytes() == b"new"
    assert [file.name for file in tmp_path.iterdir()] == ["a"]


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "nowhere" / "a", b"")


def test_what_root_makes_belongs_to_the_owner_of_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service's user owns the site's folders: a command of root's does not lock him out."""
    given: set[Path] = set()

    def chown(made: int | Path, uid: int, gid: int, **_more: object) -> None:
        path = Path(f"/proc/self/fd/{made}").readlink() if isinstance(made, int) else made
        assert (uid, gid) == (owner.st_uid, owner.st_gid)
        given.add(path)

    owner = tmp_path.stat()
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "chown", chown)
    append_line(tmp_path / "lines", "one")
    create_once(tmp_path / "once", b"x")
    write_atomically(tmp_path / "whole", b"x")
    with process_lock(tmp_path / "new/lock"):
        make_folders(tmp_path / "a/b")
    upgrade(f"sqlite:///{tmp_path}/db/patrol.db")
    unfinished = {one for one in given if one.name.startswith((".whole", ".once"))}
    assert len(unfinished) == 2
    assert {str(one.relative_to(tmp_path)) for one in given - unfinished} == {
        "lines", "new", "new/lock", "a", "a/b", "db", "db/patrol.db",
    }  # fmt: skip
    given.clear()
    append_line(tmp_path / "lines", "two")
    with process_lock(tmp_path / "new/lock"):
        pass
    assert given == set(), "what is there keeps its owner"
