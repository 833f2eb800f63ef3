"""Retention: what has expired is deleted, and each deletion stands in the ledger."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import select
from typing_extensions import override

from patrol.domain.ids import CameraId, Sha256
from patrol.domain.round import StoredPicture, Visit, VisitOutcome
from patrol.pictures import SweepResult, sweep_pictures
from patrol.store import Store
from patrol.store.schema import deletions
from tests.support.memory_pictures import MemoryPictureStore
from tests.support.store import new_store

NOW = datetime(2026, 11, 22, 4, tzinfo=UTC)
CAMERA = CameraId("62090204011327000001")


class StuckPictureStore(MemoryPictureStore):
    """Cannot remove anything: a read-only file system."""

    @override
    def delete(self, sha256: Sha256) -> bool:
        raise PermissionError(30, "Read-only file system")


def stocked(
    store: Store, evidence: MemoryPictureStore, count: int, age: timedelta
) -> list[StoredPicture]:
    names = [evidence.put(f"{age} {n}".encode()) for n in range(count)]
    pictures = tuple(
        StoredPicture(
            sha256=name, camera=CAMERA, taken_at=NOW - age, width_px=1, height_px=1, bytes=1,
            purpose="sample", delete_after=NOW - age,
        )
        for name in names
    )  # fmt: skip
    visit = Visit(
        round=None, camera=CAMERA, outcome=VisitOutcome.NORMAL, started_at=NOW, finished_at=NOW,
        pictures=pictures,
    )  # fmt: skip
    with store.begin() as uow:
        uow.rounds.record_visit(visit)
        uow.commit()
    return list(pictures)


def indexed(store: Store, taken: list[StoredPicture]) -> int:
    with store.begin() as uow:
        return sum(uow.pictures.get(picture.id) is not None for picture in taken)


def test_the_expired_go_and_the_others_stay() -> None:
    store, evidence = new_store(), MemoryPictureStore()
    old = stocked(store, evidence, 450, timedelta(days=1))
    new = stocked(store, evidence, 3, -timedelta(days=1))
    assert sweep_pictures(store, evidence, NOW) == SweepResult(deleted=450)
    assert (indexed(store, old), indexed(store, new)) == (0, 3)
    assert len(evidence) == 3
    assert sweep_pictures(store, evidence, NOW) == SweepResult()


def test_a_picture_already_gone_still_gets_its_line() -> None:
    store, evidence = new_store(), MemoryPictureStore()
    taken = stocked(store, evidence, 2, timedelta(days=1))
    evidence.delete(taken[0].sha256)  # killed between the file and the ledger
    assert sweep_pictures(store, evidence, NOW) == SweepResult(deleted=1, missing=1)
    assert indexed(store, taken) == 0


def test_what_cannot_be_removed_is_not_called_deleted() -> None:
    store, evidence = new_store(), StuckPictureStore()
    taken = stocked(store, evidence, 300, timedelta(days=1))
    assert sweep_pictures(store, evidence, NOW) == SweepResult(failed=300)
    assert indexed(store, taken) == 300


def test_the_oldest_samples_go_early_when_room_is_needed() -> None:
    store, evidence = new_store(), MemoryPictureStore()
    older = stocked(store, evidence, 5, timedelta(days=-1))
    newer = stocked(store, evidence, 5, timedelta(days=-2))
    assert sweep_pictures(store, evidence, NOW, most_bytes=10) == SweepResult()
    assert sweep_pictures(store, evidence, NOW, most_bytes=7) == SweepResult(deleted=3)
    assert (indexed(store, older), indexed(store, newer)) == (2, 5)


def test_what_a_case_stands_on_stays_however_little_room_there_is() -> None:
    store, evidence = new_store(), MemoryPictureStore()
    taken = stocked(store, evidence, 4, timedelta(days=-1))
    with store.begin() as uow:
        uow.pictures.keep(taken[0].id, purpose="before", until=NOW + timedelta(days=180))
        uow.pictures.keep(taken[1].id, purpose="evidence", until=NOW + timedelta(days=180))
        uow.commit()
    assert sweep_pictures(store, evidence, NOW, most_bytes=0) == SweepResult(deleted=2)
    assert indexed(store, taken[:2]) == 2


def test_shared_bytes_go_with_the_last_picture_that_has_them() -> None:
    """Two households' cameras show the same slide; each picture has its own time and its line."""
    store, evidence = new_store(), MemoryPictureStore()
    slide = evidence.put(b"no signal")
    whose = [CameraId(f"6209020401132700000{number}") for number in (1, 2)]
    taken = [
        StoredPicture(
            sha256=slide, camera=camera, taken_at=NOW, width_px=1, height_px=1, bytes=5,
            purpose="sample", delete_after=NOW + timedelta(days=days),
        )
        for days, camera in enumerate(whose, start=1)
    ]  # fmt: skip
    with store.begin() as uow:
        for picture in taken:
            uow.pictures.add(picture)
        uow.commit()
    assert sweep_pictures(store, evidence, NOW, most_bytes=5) == SweepResult(), "stored once"
    assert sweep_pictures(store, evidence, NOW + timedelta(days=1)) == SweepResult(deleted=1)
    assert (indexed(store, taken), evidence.get(slide)) == (1, b"no signal")
    assert sweep_pictures(store, evidence, NOW + timedelta(days=2)) == SweepResult(deleted=1)
    assert (indexed(store, taken), len(evidence)) == (0, 0)
    with store.begin_read() as uow:
        lines = uow.db.all(select(deletions.c.camera).order_by(deletions.c.number))
    assert [line.camera for line in lines] == whose


def test_room_is_made_until_bytes_are_free_not_rows() -> None:
    store, evidence = new_store(), MemoryPictureStore()
    older = stocked(store, evidence, 2, timedelta(days=-1))
    again = [replace(older[0], taken_at=NOW - timedelta(days=9 + n)) for n in range(3)]
    with store.begin() as uow:
        for picture in again:
            uow.pictures.add(picture)
        uow.commit()
    swept = sweep_pictures(store, evidence, NOW, most_bytes=1)
    assert (swept.deleted, len(evidence)) == (4, 1), "one content left, and its pictures"
