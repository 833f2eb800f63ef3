"""Files written whole or not at all."""

import stat
from pathlib import Path

import pytest

from patrol.files import PRIVATE_MODE, atomic_file, unfinished_name, write_atomically


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
