"""What holds a town's people and pictures is for its own user alone, whatever the umask says."""

import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from patrol.operations.backup import backup
from patrol.pictures import FilePictureStore
from patrol.store import open_store, upgrade


@pytest.fixture(autouse=True)
def open_umask() -> Iterator[None]:
    """As a shell has it; a service unit's would hide what is tested."""
    before = os.umask(0o000)
    yield
    os.umask(before)


def test_database_pictures_and_backup_are_private(tmp_path: Path) -> None:
    url, evidence = f"sqlite:///{tmp_path}/var/patrol.db", tmp_path / "evidence"
    upgrade(url)
    with open_store(url) as store:
        with store.begin() as uow:
            uow.site_keys.mark("x")
            uow.commit()
        pictures = FilePictureStore(evidence)
        pictures.put(b"\xff\xd8 a picture \xff\xd9")
        now = datetime(2026, 11, 30, tzinfo=UTC)
        out = tmp_path / "b.tar"
        backup(url=url, evidence=evidence, site="s", version="1", out=out, now=now)
        files = [*(tmp_path / "var").iterdir(), out, *evidence.rglob("*.jpg")]
        names = {path.name for path in files}
        assert {"patrol.db", "patrol.db-wal", "patrol.db-shm", "b.tar"} < names
        assert len(files) >= 5
        open_to_others = [path for path in files if stat.S_IMODE(path.stat().st_mode) & 0o077]
    assert open_to_others == []
