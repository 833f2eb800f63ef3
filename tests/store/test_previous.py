"""A database of the previous state opens, upgrades and is whole; its site is still understood.

tests/store/data/previous is a small town's site as the code of schema 0009 left it:
rounds in every state, cases with histories in every state, leads, messages, accounts, a shift,
camera memories. It is never made anew: it is what a site has that upgrades. No secret in it is
anybody's.
"""

import gzip
import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from patrol.domain.observation import Light
from patrol.vision.camera_memory import CameraMemory

PREVIOUS = Path(__file__).parent / "data/previous"
MOST_BYTES = 300_000


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site's directory before the upgrade, its files where relative paths count from now."""
    home = tmp_path_factory.mktemp("previous")
    (home / "config").mkdir()
    for file in (PREVIOUS / "config").iterdir():
        (home / "config" / file.name).write_bytes(file.read_bytes())
    packed = (PREVIOUS / "previous.sqlite.gz").read_bytes()
    assert len(packed) < MOST_BYTES
    (home / "config/patrol.db").write_bytes(gzip.decompress(packed))
    (home / "config/files").mkdir()
    (home / "config/files/secret").write_text("json://127.0.0.1:9/nobody-listens-there\n")
    return home


def patrol(home: Path, *line: str) -> str:
    """What a command says; it must be content."""
    done = subprocess.run(
        [sys.executable, "-m", "patrol", "-c", "config", *line], cwd=home,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def documents(home: Path, *line: str) -> Any:
    return json.loads(patrol(home, *line, "--json"))


def counted(home: Path) -> dict[str, int]:
    with closing(sqlite3.connect(home / "config/patrol.db")) as database:
        tables = [
            name
            for (name,) in database.execute("SELECT name FROM sqlite_schema WHERE type='table'")
        ]
        count = "SELECT count(*) FROM "
        return {name: database.execute(count + name).fetchone()[0] for name in tables}


def test_it_upgrades_and_stays_whole(home: Path) -> None:
    before = counted(home)
    assert before["cases"] == 44
    documents(home, "db", "upgrade")
    assert documents(home, "db", "check") == {"ok": True, "problems": []}
    after = counted(home)
    kept = {name: number for name, number in after.items() if name in before}
    assert {n: c for n, c in kept.items() if c < before[n]} == {}, "no row is lost"

    assert len(documents(home, "queue")) == 13
    cases = documents(home, "cases")
    assert {case["state"] for case in cases} == {
        "dispatched", "acknowledged", "arrived", "handled", "fed_back", "verified", "closed",
        "returned", "rework", "voided",
    }  # fmt: skip
    assert all(case["events"][0]["what"] == "dispatch" for case in cases)
    for format_ in ("json", "html", "csv"):
        patrol(home, "report", "--month", "2026-11", "--format", format_, "--out", format_)
        assert (home / format_).stat().st_size > 1000


def test_a_camera_still_remembers(home: Path) -> None:
    """Memories are binary and written by the code itself; an unreadable one says so in `forgot`."""
    with closing(sqlite3.connect(home / "config/patrol.db")) as database:
        memories = database.execute("SELECT light, blob FROM memories").fetchall()
    assert len(memories) == 3
    for light, blob in memories:
        assert not CameraMemory.from_bytes(blob, Light(light)).discarded_reason


def test_files_left_in_the_working_directory_are_named_and_nothing_is_begun_anew(
    tmp_path: Path,
) -> None:
    (tmp_path / "config").mkdir()
    for file in (PREVIOUS / "config").iterdir():
        (tmp_path / "config" / file.name).write_bytes(file.read_bytes())
    packed = (PREVIOUS / "previous.sqlite.gz").read_bytes()
    (tmp_path / "patrol.db").write_bytes(gzip.decompress(packed))
    (tmp_path / "files").mkdir()
    (tmp_path / "files/secret").write_text("json://127.0.0.1:9/nobody-listens-there\n")

    def upgraded() -> str:
        line = [sys.executable, "-m", "patrol", "-c", "config", "db", "upgrade"]
        done = subprocess.run(
            line, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode
        assert not (tmp_path / "config/patrol.db").exists()
        return done.stderr

    assert f"{tmp_path}/files/secret is there, but relative paths count from" in upgraded()
    (tmp_path / "files").rename(tmp_path / "config/files")
    assert f"{tmp_path}/config/patrol.db 不存在，而 {tmp_path}/patrol.db" in upgraded()
    (tmp_path / "patrol.db").rename(tmp_path / "config/patrol.db")
    assert documents(tmp_path, "db", "upgrade")["before"] == "0009"
