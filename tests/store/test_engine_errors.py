"""When the database is not there, busy, full, or another one than expected: one clear line."""

import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from patrol.domain.finding import Finding
from patrol.domain.ids import CameraId, FindingId, GridCode
from patrol.domain.observation import Light, Subject
from patrol.domain.priority import Level
from patrol.store import StoreFull, StoreUnavailable, check, current_revision, open_store, upgrade
from patrol.store import engine as engine_module
from tests.support.health import put_health

NOW = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that nobody listens on, and nobody else can take meanwhile."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


def test_an_unreachable_server_is_one_redacted_line(closed_port: int) -> None:
    url = f"postgresql://patrol:s3cret%2Fpw@127.0.0.1:{closed_port}/patrol?application_name=s3cret2"
    with pytest.raises(StoreUnavailable) as caught, open_store(url):
        pass
    line = str(caught.value)
    assert line.startswith(f"postgresql://patrol@127.0.0.1:{closed_port}/patrol: ")
    assert "refused" in line
    assert "\n" not in line
    assert "s3cret" not in line


def test_a_wrong_password_is_not_repeated(postgres_url: str) -> None:
    wrong = postgres_url.replace("s3cret%2F%40pg", "guessed-pw")
    with pytest.raises(StoreUnavailable, match="password authentication failed") as caught:
        upgrade(wrong)
    assert "guessed-pw" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "reported"),
    [
        pytest.param("not a url at all: s3cret", "cannot be read", id="no URL"),
        pytest.param("mysql://u:s3cret@h/db", "database 'mysql' is not known", id="MySQL"),
        pytest.param("postgresql+asyncpg://u:s3cret@h/db", "is not known", id="another driver"),
        pytest.param("postgresql://u:s3cret@h:port/db", "cannot be read", id="bad port"),
        pytest.param("sqlite://", "forgets", id="no file"),
        pytest.param("sqlite:///:memory:", "forgets", id="memory"),
        pytest.param("sqlite:////proc/nowhere/patrol.db", "/proc/nowhere", id="no such place"),
        pytest.param("sqlite:////dev", "", id="a directory"),
    ],
)
def test_urls_that_lead_nowhere(url: str, reported: str) -> None:
    with pytest.raises(StoreUnavailable) as caught, open_store(url):
        pass
    assert reported in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_the_files_directory_is_made(tmp_path: Path) -> None:
    upgrade(f"sqlite:///{tmp_path}/var/town/patrol.db")
    assert (tmp_path / "var/town/patrol.db").is_file()


def test_a_store_that_somebody_keeps_busy(
    sqlite_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "BUSY_TIMEOUT_S", 0.1)
    with (
        open_store(sqlite_database) as mine,
        open_store(sqlite_database) as theirs,
        mine.begin() as unit,
    ):
        unit.next_number("case")
        with pytest.raises(StoreUnavailable, match="database is locked"), theirs.begin():
            pass
        with theirs.begin_read() as reader:  # readers are in nobody's way
            assert reader.cases.list() == []
        unit.commit()


def test_postgres_rows_that_somebody_keeps(
    postgres_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "BUSY_TIMEOUT_S", 0.2)
    with open_store(postgres_database) as store, store.begin() as unit:
        unit.next_number("case")
        with store.begin() as other, pytest.raises(StoreUnavailable, match="lock timeout"):
            other.next_number("case")
        unit.commit()


def test_a_connection_that_the_server_ended_is_replaced_unseen(postgres_database: str) -> None:
    """A database that was restarted costs those who were at it, not whoever comes next."""
    with open_store(postgres_database) as store:
        with store.begin_read() as unit:
            assert unit.outbox.unsent() == 0
        with psycopg.connect(postgres_database.replace("+psycopg", "")) as other:
            others = "datname = current_database() AND pid <> pg_backend_pid()"
            other.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")  # noqa: S608
        with store.begin_read() as unit:
            assert unit.outbox.unsent() == 0


def test_words_are_cleaned_on_their_way_in(sqlite_database: str, postgres_database: str) -> None:
    dirty = "banner\x00 \ud800 rtsp://admin:p@ss/w0rd@10.0.0.1/ch1 and http://u@h/"
    for url in (sqlite_database, postgres_database):
        with open_store(url) as store, store.begin() as unit:
            unit.findings.add(_finding(dirty))
            assert unit.findings.get(FindingId("F1")).why == (
                "banner\ufffd ? rtsp://…@10.0.0.1/ch1 and http://…@h/"
            )
            put_health(unit, CameraId("1"), "offline", NOW, dirty)
            unit.access.append(at=NOW, who=dirty, what=dirty, camera=None, why=dirty)
            unit.commit()
        assert check(url) == []


def _finding(why: str, found_at: datetime = NOW) -> Finding:
    return Finding(
        id=FindingId("F1"),
        camera=CameraId("1"),
        grid=GridCode("2"),
        round=None,
        subject=Subject.SCENE,
        kind="dumping",
        score=1.0,
        found_at=found_at,
        why=why,
        level=Level.NOTE,
        category="dumping",
    )


def test_a_moment_without_a_zone_is_our_mistake(
    sqlite_database: str, postgres_database: str
) -> None:
    naive = NOW.replace(tzinfo=None)
    for url in (sqlite_database, postgres_database):
        not_aware = pytest.raises(ValueError, match="not even aware")
        with open_store(url) as store, store.begin() as unit, not_aware:
            unit.findings.add(_finding("", naive))


FILL = """
import resource, signal, sys
from datetime import UTC, datetime
from patrol.store import StoreFull
from patrol.store import open_store

limit, url = int(sys.argv[1]), sys.argv[2]
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
kept = 0
with open_store(url) as store:
    try:
        while True:
            with store.begin() as unit:
                number = unit.next_number("case")
                now = datetime(2026, 1, 1, tzinfo=UTC)
                unit.memories.put(f"{number}", "day", bytes(50_000), now)
                unit.commit()
            kept = number
    except StoreFull as full:
        print(f"{kept}|{full}")
"""


def _fill(url: str, limit_bytes: int = 0) -> tuple[int, str]:
    """Write until it is full, in a process of its own; (the last number committed, the line)."""
    done = subprocess.run(
        [sys.executable, "-c", FILL, str(limit_bytes), url],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    kept, _, line = done.stdout.partition("|")
    return int(kept), line


def test_a_size_limit_stops_the_writer_and_loses_nothing(sqlite_database: str) -> None:
    kept, line = _fill(sqlite_database, limit_bytes=3_000_000)
    assert kept > 5
    assert "no space left to write" in line
    assert line.startswith(sqlite_database)
    assert check(sqlite_database) == []
    with open_store(sqlite_database) as store, store.begin() as unit:
        assert unit.next_number("case") == kept + 1
        unit.commit()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 10 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=10m", "tmpfs", str(disk)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip("mounting a small disk needs root; the size limit above shows the same")
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def _remember_much(url: str) -> None:
    with open_store(url) as store, store.begin() as unit:
        unit.memories.put(CameraId("1"), Light.DAY, bytes(1_000_000), NOW)
        unit.commit()


def test_a_full_disk_stops_the_writer_and_loses_nothing(
    sqlite_database: str, small_disk: Path
) -> None:
    file = small_disk / "patrol.db"
    shutil.copyfile(sqlite_database.removeprefix("sqlite:///"), file)
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(5_000_000))  # more than the log that must be merged
    kept, line = _fill(f"sqlite:///{file}")
    assert kept > 5
    assert "no space left to write" in line
    ballast.unlink()  # somebody makes a little room
    assert check(f"sqlite:///{file}") == []
    ballast.write_bytes(bytes(shutil.disk_usage(small_disk).free))  # and all is gone again
    with pytest.raises(StoreFull, match="no space left"):
        _remember_much(f"sqlite:///{file}")
    ballast.unlink()
    with open_store(f"sqlite:///{file}") as store, store.begin() as unit:
        assert unit.next_number("case") == kept + 1
        unit.memories.delete(CameraId("1"))
        unit.commit()
    assert current_revision(f"sqlite:///{file}")
