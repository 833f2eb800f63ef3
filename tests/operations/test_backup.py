"""Backup and restore on both databases: whole, while others write, and after damage."""

import hashlib
import json
import tarfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import pytest

from patrol.cli.root import run
from patrol.domain.case_opening import open_from_report
from patrol.domain.ids import CaseId, MessageKey
from patrol.domain.outbox import OutboxMessage
from patrol.domain.round import StoredPicture
from patrol.files import ProcessBusy, process_lock
from patrol.operations.backup import BackupDamaged, BackupRefused, Manifest, backup, restore, verify
from patrol.pictures import FilePictureStore
from patrol.store import Store, StoreUnavailable, check, open_store
from simulators import small_site

NOW = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
REPORT_TEXT = "路口积水,\\N 与\t制表符"


@dataclass
class Place:
    """A store, its evidence, and an empty pair to restore into."""

    url: str
    evidence: Path
    empty_url: str
    empty_evidence: Path
    out: Path

    def backup(self, out: Path | None = None) -> Manifest:
        return backup(
            url=self.url, evidence=self.evidence, site="shangba", version="test",
            out=out or self.out, now=NOW,
        )  # fmt: skip

    def restore(self, file: Path | None = None, site: str = "shangba") -> tuple[str, ...]:
        restored = restore(
            url=self.empty_url, evidence=self.empty_evidence, site=site, file=file or self.out
        )
        return restored.problems


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    url: str = request.getfixturevalue(f"{request.param}_database")
    if request.param == "sqlite":
        empty = f"sqlite:///{tmp_path}/restored/patrol.db"
    else:
        new: Callable[[], str] = request.getfixturevalue("new_postgres_database")
        empty = new()
    return Place(url, tmp_path / "evidence", empty, tmp_path / "new", tmp_path / "out.tar")


def keep(store: Store, evidence: FilePictureStore, jpeg: bytes) -> str:
    sha256 = evidence.put(jpeg)
    picture = StoredPicture(
        sha256=sha256, camera=small_site.CAMERA, taken_at=NOW, width_px=8, height_px=8,
        bytes=len(jpeg), purpose="sample", delete_after=NOW + timedelta(days=7),
    )  # fmt: skip
    with store.begin() as uow:
        uow.pictures.add(picture)
        uow.commit()
    return sha256


def open_case(store: Store, number: int) -> None:
    case = open_from_report(
        CaseId(f"C20261122-{number:04d}"),
        small_site.registry(),
        grid=small_site.GROUP,
        by="leader",
        now=NOW,
        category="other",
        level="III",
        place="一组",
        text=REPORT_TEXT,
    )
    with store.begin() as uow:
        uow.cases.add(case)
        uow.outbox.add(
            OutboxMessage(
                key=MessageKey(case.id),
                topic="t",
                payload=bytes(range(256)),
                queued_at=NOW,
                retain=True,
                case=case.id,
            )
        )
        uow.access.append(at=NOW, who="op", what="view", camera=small_site.CAMERA, why=REPORT_TEXT)
        uow.next_number("case")
        uow.commit()


def furnish(place: Place) -> list[str]:
    evidence = FilePictureStore(place.evidence, reserve_bytes=0)
    with open_store(place.url) as store:
        names = [keep(store, evidence, f"jpeg {number}".encode() * 50) for number in range(5)]
        for number in range(1, 4):
            open_case(store, number)
        with store.begin() as uow:  # the number is given, its row is gone: never given again
            uow.outbox.lease(holder="x", now=NOW, lease_s=1, limit=1)
            uow.commit()
    return sorted(names)


def test_everything_comes_back_as_it_was(place: Place) -> None:
    names = furnish(place)
    manifest = place.backup()
    assert list(manifest.pictures) == names
    assert (manifest.gone, manifest.damaged) == (0, ())
    assert place.out.stat().st_mode & 0o777 == 0o600
    assert place.restore() == ()
    with open_store(place.url) as old, open_store(place.empty_url) as new:
        with old.begin_read() as was, new.begin_read() as now:
            assert now.cases.list() == was.cases.list()
            assert now.cases.list()[0].entries[0].note or now.cases.list()[0].note
            for case in was.cases.list():
                assert now.outbox.of_case(case.id) == was.outbox.of_case(case.id)
            assert now.access.entries() == was.access.entries()
            kept = was.pictures.expired(NOW + timedelta(days=8))
            assert sorted(one.sha256 for one in kept) == names
            assert now.pictures.expired(NOW + timedelta(days=8)) == kept
        open_case(new, 4)  # sequences go on where they were: no key is given twice
        with new.begin_read() as now:
            orders = [
                m.order for n in range(1, 5) for m in now.outbox.of_case(f"C20261122-{n:04d}")
            ]
            assert orders == sorted(set(orders))
        with new.begin() as unit:
            assert unit.next_number("case") == 5
    assert check(place.empty_url) == []
    restored = FilePictureStore(place.empty_evidence, reserve_bytes=0)
    assert [hashlib.sha256(restored.get(name)).hexdigest() for name in names] == names


def test_while_somebody_writes_the_copy_is_of_one_moment(place: Place) -> None:
    furnish(place)
    evidence = FilePictureStore(place.evidence, reserve_bytes=0)
    stop, wrote = threading.Event(), threading.Event()
    written: list[int] = []

    def write() -> None:
        with open_store(place.url) as store:
            number = 10
            while not stop.is_set():
                keep(store, evidence, f"later {number}".encode())
                open_case(store, number)
                written.append(number)
                number += 1
                if len(written) > 3:
                    wrote.set()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert wrote.wait(20)
        before = len(written)
        manifest = place.backup()
        after = len(written)
    finally:
        stop.set()
        writer.join(20)
    assert manifest.gone == 0
    assert place.restore() == ()
    with open_store(place.empty_url) as store, store.begin_read() as uow:
        cases = len(uow.cases.list()) - 3
        assert before <= cases <= after + 1
        # Case, message, log line, number and picture of one moment stand or fall together.
        assert len(uow.access.entries(limit=10_000)) == cases + 3
        assert cases + 5 <= len(manifest.pictures) <= cases + 6


def test_pictures_that_left_meanwhile_or_were_altered(place: Place) -> None:
    names = furnish(place)
    evidence = FilePictureStore(place.evidence, reserve_bytes=0)
    evidence.delete(names[0])  # the sweep is faster than its ledger line
    altered = next(place.evidence.rglob(f"{names[1]}.jpg"))
    altered.write_bytes(b"altered")
    evidence.put(b"a stranger that no row speaks of")
    manifest = place.backup()
    assert (manifest.gone, manifest.damaged) == (1, (names[1],))
    assert list(manifest.pictures) == names[2:]


@pytest.fixture
def made(sqlite_database: str, tmp_path: Path) -> Place:
    place = Place(
        sqlite_database, tmp_path / "evidence", f"sqlite:///{tmp_path}/restored/patrol.db",
        tmp_path / "new", tmp_path / "out.tar",
    )  # fmt: skip
    furnish(place)
    place.backup()
    return place


def test_damage_anywhere_is_found_before_anything_is_written(made: Place) -> None:
    whole = made.out.read_bytes()
    content = [
        offset for offset in range(0, len(whole), len(whole) // 31) if whole[offset] != 0
    ] + [600, len(whole) // 2]
    found = 0
    for offset in content:
        spoilt = bytearray(whole)
        spoilt[offset] ^= 0x01
        made.out.write_bytes(spoilt)
        try:
            verify(made.out)
        except BackupDamaged:
            found += 1
            with pytest.raises(BackupDamaged):
                made.restore()
    assert found == len(content)
    assert not (made.empty_evidence.parent / "restored").exists()
    assert not list(made.empty_evidence.rglob("*.jpg"))


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.99])
def test_a_file_cut_off_is_refused(made: Place, share: float) -> None:
    whole = made.out.read_bytes()
    made.out.write_bytes(whole[: int(len(whole.rstrip(b"\0")) * share)])
    with pytest.raises(BackupDamaged):
        made.restore()


@pytest.mark.parametrize("name", ["../../evil", "/evil", "evidence/../../evil"])
def test_a_forged_archive_writes_nowhere(made: Place, tmp_path: Path, name: str) -> None:
    forged = tmp_path / "forged.tar"
    with tarfile.open(made.out) as old, tarfile.open(forged, "w") as new:
        for info in old:
            new.addfile(info, old.extractfile(info))
        info = tarfile.TarInfo(name)
        info.size = 4
        new.addfile(info, BytesIO(b"evil"))
    with pytest.raises(BackupDamaged, match="evil"):
        made.restore(forged)


def test_nothing_is_overwritten(made: Place) -> None:
    with pytest.raises(BackupRefused, match="exists"):
        made.backup()
    with pytest.raises(BackupRefused, match="of the site 'shangba', this is 'other'"):
        made.restore(site="other")
    made.restore()
    with pytest.raises(StoreUnavailable, match="is not empty"):
        made.restore()


def test_not_beside_a_running_service(made: Place) -> None:
    with (
        process_lock(made.empty_evidence / ".service.lock"),
        pytest.raises(ProcessBusy, match="stop it"),
    ):
        made.restore()


def test_the_disk_is_full_and_no_half_file_stays(
    made: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "x")

    monkeypatch.setattr("patrol.files.os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        made.backup(tmp_path / "second.tar")
    assert not list(tmp_path.glob("*second*")) + list(tmp_path.glob(".patrol-backup-*"))


def patrol(
    capsys: pytest.CaptureFixture[str], folder: Path, *arguments: str
) -> tuple[int, str, str]:
    code = run(["-c", str(folder), *arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_by_the_command_line(
    made: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "config"
    config.mkdir()
    source = Path(__file__).parents[2] / "config"
    for name in ("grids.csv", "people.csv", "cameras.csv"):
        (config / name).write_bytes((source / name).read_bytes())
    site = "site: {id: shangba, name: 上坝镇, latitude: 39.6, longitude: 98.75}\n"
    (config / "site.yaml").write_text(
        f"{site}database: {made.empty_url}\nevidence: {made.empty_evidence}\n", "utf-8"
    )
    code, out, err = patrol(capsys, config, "restore", str(made.out), "--check", "--json")
    assert (code, json.loads(out)["pictures"], err) == (0, 5, "")
    assert patrol(capsys, config, "restore", str(made.out))[0] == 0
    code, _, err = patrol(capsys, config, "restore", str(made.out))
    assert code == 1
    assert "不是空的" in err
    assert len(err.splitlines()) == 1
    second = str(tmp_path / "second.tar")
    code, out, err = patrol(capsys, config, "backup", "--out", second, "--json")
    assert (code, json.loads(out)["pictures"], err) == (0, 5, "")
    assert patrol(capsys, config, "backup", "--out", second)[0] == 2
