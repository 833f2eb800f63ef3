"""A restore or backup that is killed leaves no copy of the database behind."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from patrol.files import scratch_folder
from patrol.operations.backup import BACKUP_SCRATCH, remove_unfinished_restore
from patrol.pictures import RESTORE_FOLDER
from tests.support.peak_memory import ROOT

# Fills its scratch folder, says so, and is then killed or ended.
_PROCESS = """
import signal, sys, threading
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
from pathlib import Path
from patrol.cli.site import cleaning_up_on_signals
from patrol.files import scratch_folder
with cleaning_up_on_signals(), scratch_folder(Path(sys.argv[1]), sys.argv[2]) as folder:
    (folder / "store.db").write_bytes(b"rows")
    print("ready", flush=True)
    threading.Event().wait(60)
"""


@pytest.fixture(params=[RESTORE_FOLDER, BACKUP_SCRATCH])
def prefix(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def busy(tmp_path: Path, prefix: str) -> Iterator["subprocess.Popen[str]"]:
    child = subprocess.Popen(
        [sys.executable, "-c", _PROCESS, str(tmp_path), prefix],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT,
    )  # fmt: skip
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    yield child
    child.kill()
    child.wait()
    child.stdout.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_cleans_up(
    tmp_path: Path, busy: "subprocess.Popen[str]", number: signal.Signals
) -> None:
    assert list(tmp_path.iterdir())
    busy.send_signal(number)
    busy.wait(30)
    assert list(tmp_path.iterdir()) == []


def test_a_living_ones_folder_stays_and_a_killed_ones_goes(
    tmp_path: Path, busy: "subprocess.Popen[str]", prefix: str
) -> None:
    [theirs] = tmp_path.iterdir()
    with scratch_folder(tmp_path, prefix):
        assert theirs.exists()
    busy.kill()
    busy.wait(30)
    assert theirs.exists()  # nobody could clean up
    with scratch_folder(tmp_path, prefix) as ours:
        assert list(tmp_path.iterdir()) == [ours]
    assert list(tmp_path.iterdir()) == []


def test_the_next_start_removes_what_a_killed_restore_left(tmp_path: Path) -> None:
    evidence, store = tmp_path / "evidence", tmp_path / "store"
    left = evidence / f"{RESTORE_FOLDER}x"
    left.mkdir(parents=True)
    (left / "store.db").write_bytes(b"rows")
    store.mkdir()
    (store / ".patrol.db.part").write_bytes(b"rows")
    (store / "patrol.db").write_bytes(b"")
    remove_unfinished_restore(f"sqlite:///{store}/patrol.db", evidence)
    assert list(evidence.iterdir()) == []
    assert [path.name for path in store.iterdir()] == ["patrol.db"]


def test_folders_are_made_and_removed_by_many_at_once(tmp_path: Path, prefix: str) -> None:
    """None loses the folder in which it works to another's cleaning."""
    wrong: list[str] = []

    def work() -> None:
        for _ in range(20):
            with scratch_folder(tmp_path, prefix) as folder:
                if not folder.exists():
                    wrong.append(str(folder))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert list(tmp_path.iterdir()) == []
