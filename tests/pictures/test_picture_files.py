"""Evidence on a disk: whole or not at all, checked, and never outside its folder."""

import errno
import os
import shutil
from contextlib import nullcontext
from pathlib import Path

import cv2
import numpy as np
import pytest

from patrol.domain.ids import Sha256
from patrol.pictures import FilePictureStore, JpegEncoder, PictureDamaged
from patrol.pixels import fit_width
from patrol.ports import PictureStoreFull


@pytest.fixture
def evidence(tmp_path: Path) -> FilePictureStore:
    return FilePictureStore(tmp_path, reserve_bytes=0)


def files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file())


def test_the_tree_is_two_levels_deep(evidence: FilePictureStore) -> None:
    name = evidence.put(b"picture")
    assert files(evidence.root) == [evidence.root / name[:2] / name[2:4] / f"{name}.jpg"]


def test_an_altered_picture_is_no_evidence(evidence: FilePictureStore) -> None:
    name = evidence.put(b"as it was")
    files(evidence.root)[0].write_bytes(b"as it wasn't")
    with pytest.raises(PictureDamaged, match="altered"):
        evidence.get(name)


def test_putting_it_again_mends_an_altered_picture(evidence: FilePictureStore) -> None:
    name = evidence.put(b"as it was")
    files(evidence.root)[0].write_bytes(b"half")
    assert evidence.put(b"as it was") == name
    assert evidence.get(name) == b"as it was"


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_full_disk_leaves_nothing_behind(
    evidence: FilePictureStore, monkeypatch: pytest.MonkeyPatch, code: int, step: str
) -> None:
    def full(*_args: object, **_kwargs: object) -> None:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as broken:
        broken.setattr(*((os, "fsync", full) if step == "fsync" else (Path, "replace", full)))
        with pytest.raises(PictureStoreFull, match=os.strerror(code)):
            evidence.put(b"picture" * 1000)
    assert files(evidence.root) == []


def test_another_disk_error_is_not_called_full(
    evidence: FilePictureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_args: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OSError, match="Input/output"):
        evidence.put(b"picture")
    assert files(evidence.root) == []


def test_the_reserve_is_kept_for_the_database(tmp_path: Path) -> None:
    evidence = FilePictureStore(tmp_path, reserve_bytes=1 << 60)
    with pytest.raises(PictureStoreFull, match="kept for the database"):
        evidence.put(b"picture")


@pytest.mark.parametrize(
    ("total_mb", "free_mb", "fits"),
    [
        pytest.param(200_000, 300, True, id="a large disk keeps 256 MB"),
        pytest.param(200_000, 255, False, id="and stops there"),
        pytest.param(100, 50, True, id="a small one can be used"),
        pytest.param(100, 4, False, id="to its last twentieth"),
    ],
)
def test_the_reserve_suits_the_file_system(
    total_mb: int,
    free_mb: int,
    fits: bool,  # noqa: FBT001  a column of the table
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    usage = (total_mb << 20, (total_mb - free_mb) << 20, free_mb << 20)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    evidence = FilePictureStore(tmp_path)
    with nullcontext() if fits else pytest.raises(PictureStoreFull, match=f"{free_mb} MB free"):
        evidence.put(b"picture")


def test_leftovers_of_the_dead_are_cleared_and_of_the_living_kept(tmp_path: Path) -> None:
    FilePictureStore(tmp_path)
    dead, living = tmp_path / "unfinished" / "999999999-1", tmp_path / "unfinished" / "1-1"
    dead.write_bytes(b"half")
    living.write_bytes(b"half")
    FilePictureStore(tmp_path)
    assert not dead.exists()
    assert living.exists()


@pytest.mark.parametrize("name", ["../../etc/passwd", "A" * 64, "", "0" * 63, "0" * 64 + "/x"])
def test_a_strange_name_reaches_no_file(evidence: FilePictureStore, name: str) -> None:
    with pytest.raises(KeyError):
        evidence.get(Sha256(name))
    with pytest.raises(KeyError):
        evidence.delete(Sha256(name))


def test_the_bytes_are_on_the_disk_before_the_name_is(
    evidence: FilePictureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    flush, replace = os.fsync, Path.replace

    def noted_flush(descriptor: int) -> None:
        order.append("flush")
        flush(descriptor)

    def noted_replace(self: Path, target: Path) -> Path:
        order.append("rename")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", noted_flush)
    monkeypatch.setattr(Path, "replace", noted_replace)
    evidence.put(b"picture")
    assert order == ["flush", "rename", "flush"]


def test_pictures_are_scaled_down_and_never_up() -> None:
    wide, narrow = np.zeros((1080, 1920, 3), np.uint8), np.zeros((360, 640, 3), np.uint8)
    assert fit_width(wide, 1280).shape == (720, 1280, 3)
    assert fit_width(narrow, 1280) is narrow
    assert JpegEncoder(max_width_px=960)(wide)[1] == (960, 540)


@pytest.mark.parametrize("shape", [(1, 1, 3), (3, 4001, 3), (51, 37, 3)])
def test_any_picture_can_be_kept(shape: tuple[int, int, int]) -> None:
    jpeg = JpegEncoder(quality=90)(np.full(shape, 77, np.uint8))[0]
    back = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert back is not None
    assert abs(float(back.mean()) - 77) < 2


def test_the_same_picture_makes_the_same_bytes() -> None:
    picture = np.random.default_rng(1).integers(0, 255, (90, 160, 3)).astype(np.uint8)
    assert JpegEncoder()(picture) == JpegEncoder()(picture.copy())


def test_what_is_no_picture_is_refused() -> None:
    with pytest.raises(ValueError, match="not a picture"):
        JpegEncoder()(np.zeros((0, 0, 3), np.uint8))
