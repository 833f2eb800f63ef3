"""What every evidence store does, the real one and the fake."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import pytest

from patrol.domain.ids import Sha256
from patrol.pictures import FilePictureStore
from patrol.ports import PictureStore, PictureStoreFull
from tests.support.memory_pictures import MemoryPictureStore

ABSENT = Sha256("0" * 64)


def _files(folder: Path) -> PictureStore:
    return FilePictureStore(folder / "evidence", reserve_bytes=0)


def _memory(_folder: Path) -> PictureStore:
    return MemoryPictureStore()


@pytest.fixture(params=[_files, _memory])
def evidence(request: pytest.FixtureRequest, tmp_path: Path) -> PictureStore:
    make: Callable[[Path], PictureStore] = request.param
    return make(tmp_path)


def test_a_picture_is_named_by_its_content(evidence: PictureStore) -> None:
    name = evidence.put(b"a picture")
    assert name == sha256(b"a picture").hexdigest()
    assert evidence.get(name) == b"a picture"


def test_the_same_bytes_twice_are_one_picture(evidence: PictureStore) -> None:
    assert evidence.put(b"same") == evidence.put(b"same")
    assert evidence.delete(evidence.put(b"same"))
    with pytest.raises(KeyError):
        evidence.get(Sha256(sha256(b"same").hexdigest()))


def test_what_was_never_put_is_not_there(evidence: PictureStore) -> None:
    with pytest.raises(KeyError):
        evidence.get(ABSENT)
    assert not evidence.delete(ABSENT)


def test_deleting_twice_says_so(evidence: PictureStore) -> None:
    name = evidence.put(b"gone soon")
    assert evidence.delete(name)
    assert not evidence.delete(name)


def test_many_threads_put_at_once(evidence: PictureStore) -> None:
    pictures = [f"picture {n % 20}".encode() * 1000 for n in range(200)]
    with ThreadPoolExecutor(8) as pool:
        names = list(pool.map(evidence.put, pictures))
    assert len(set(names)) == 20
    assert [evidence.get(name) for name in names] == pictures


def test_full_is_said_in_one_way(tmp_path: Path) -> None:
    for full in (
        FilePictureStore(tmp_path, reserve_bytes=1 << 60),
        MemoryPictureStore(capacity_bytes=4),
    ):
        with pytest.raises(PictureStoreFull):
            full.put(b"too much")
