"""Picture files named by their content: kept durably, read back verified, deleted provably.

A picture lies at `root/ab/cd/<sha256>.jpg`. It is written durably (patrol/files.py) before its hash
is returned, so that a row in the store never names a picture that a power cut took; two flushes per
picture (about a millisecond each on a solid-state disk, beside 60 ms of decoding and encoding) are
the price. Without them the flush of the database's own commit would vouch for bytes that are still
in memory. `sweep_pictures` deletes what is due in every place where pixels lie.

With `keys` a file is encrypted with the key of the day until which its picture is kept
(patrol/encryption/day_keys.py); `get` decrypts, and reads what an earlier version left plain. The
name is the hash of the picture, not of the file. picture_keys.py renews and destroys the keys.
"""

import errno
import hashlib
import itertools
import logging
import os
import re
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

from typing_extensions import override

from patrol.domain.ids import CameraId, Sha256
from patrol.encryption import DayKeys, KeyDestroyed, KeyProblem
from patrol.encryption.day_keys import HEADER_BYTES, UNDATED, day_of
from patrol.files import PRIVATE_MODE, atomic_file, flush_folder, make_folders
from patrol.pixels import AnyPicture, PicturePyramid
from patrol.ports import LooseFile, LooseFileStore, PictureStore, PictureStoreFull
from patrol.store import Store
from patrol.store.pixel_places import RetentionClass

log = logging.getLogger(__name__)

# Left free for the database, its journal and the logs: they must be able to say that it is full.
RESERVE_BYTES: Final = 256 * 1024 * 1024
RESERVE_SHARE: Final = 0.05  # of a small file system: a partition for pictures alone can be used
SWEEP_BATCH: Final = 200  # pictures per transaction: the writer's lock is held for some 50 ms
_NAME: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_UNFINISHED: Final = "unfinished"
RESTORE_FOLDER: Final = ".restore-"  # begins the name of a folder that a restore works in
_FULL: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class PictureDamaged(KeyError):
    """The file does not match its name; for the reader there is no such picture."""

    @override
    def __str__(self) -> str:
        return f"evidence {self.args[0]} does not match its name: the file was altered"


class FilePictureStore:
    """A ports.PictureStore in a directory; any number of threads and processes at once."""

    def __init__(
        self,
        root: Path | str,
        *,
        reserve_bytes: int | None = None,
        only_read: bool = False,  # leaves alone what another writer of this process has begun
        keys: DayKeys | None = None,  # None: files are plain
    ) -> None:
        self.root = Path(root)
        self.reserve_bytes = reserve_bytes
        self.keys = keys
        self._number = itertools.count()
        self._unfinished = self.root / _UNFINISHED
        if not only_read:
            make_folders(self._unfinished)
            self._clear_unfinished()

    def put(self, jpeg: bytes, *, until: datetime | None = None) -> Sha256:
        """Keep it, durably; the same bytes twice are one file. Raises PictureStoreFull.

        `until`: when it falls due, whose day's key encrypts it; of one content twice the later day.
        """
        sha256 = Sha256(hashlib.sha256(jpeg).hexdigest())
        day = until.astimezone(UTC).date() if until else UNDATED
        if self._is_stored(sha256, jpeg, day):
            os.utime(self._path(sha256))  # no sweep takes it for a leftover before its row is there
            return sha256
        self.write(sha256, jpeg, day)
        return sha256

    def get(self, sha256: Sha256) -> bytes:
        """The bytes, checked against their name. Raises KeyError when there is none."""
        try:
            jpeg = self._decrypted(self._path(sha256).read_bytes(), sha256)
        except (FileNotFoundError, NotADirectoryError, KeyDestroyed):
            raise KeyError(sha256) from None
        except ValueError:
            raise PictureDamaged(sha256) from None
        if hashlib.sha256(jpeg).hexdigest() != sha256:
            raise PictureDamaged(sha256)
        return jpeg

    def write(self, sha256: Sha256, jpeg: bytes, day: date) -> None:
        """Write the file of this picture, or replace it, under the key of `day`.

        Raises PictureStoreFull.
        """
        data = self.keys.encrypt(jpeg, day=day, name=sha256) if self.keys else jpeg
        with _disk_full_as_error(self.root):
            self._check_reserve(len(data))
            self._write(self._path(sha256), data)

    def key_day(self, sha256: Sha256) -> date | None:
        """The day whose key encrypted it; None: plain. Raises KeyError when there is none."""
        try:
            with self._path(sha256).open("rb") as file:
                return day_of(file.read(HEADER_BYTES))
        except (FileNotFoundError, NotADirectoryError):
            raise KeyError(sha256) from None

    def names(self) -> Iterator[Sha256]:
        """Every picture that has a file, in no order."""
        for path in self.root.glob("[0-9a-f][0-9a-f]/[0-9a-f][0-9a-f]/*.jpg"):
            if _NAME.fullmatch(path.stem):
                yield Sha256(path.stem)

    def delete(self, sha256: Sha256) -> bool:
        """Remove it, for good once this returns; False when there was none."""
        path = self._path(sha256)
        try:
            path.unlink()
        except (FileNotFoundError, NotADirectoryError):
            return False
        flush_folder(path.parent)
        return True

    def files(self) -> Iterator[LooseFile]:
        """Every file below the directory but the locks, named or not, also half-written ones."""
        for path in self.root.rglob("*"):
            if path.parent == self.root:
                continue  # locks
            try:
                status = path.lstat()
            except FileNotFoundError:
                continue  # deleted meanwhile
            if not stat.S_ISREG(status.st_mode):
                continue
            is_named = _NAME.fullmatch(path.stem) and self._path(path.stem) == path
            yield LooseFile(
                path=path,
                sha256=Sha256(path.stem) if is_named else None,
                written_at=datetime.fromtimestamp(status.st_mtime, UTC),
            )

    def _path(self, sha256: str) -> Path:
        if not _NAME.fullmatch(sha256):
            raise KeyError(sha256)  # no other name is ever given out, `../..` least of all
        return self.root / sha256[:2] / sha256[2:4] / f"{sha256}.jpg"

    def _is_stored(self, sha256: Sha256, jpeg: bytes, day: date) -> bool:
        """Whether the very bytes lie there, under a key that lasts until `day`."""
        try:
            data = self._path(sha256).read_bytes()
            present = day_of(data)
            if self.keys is not None and (present is None or present < day):
                return False
            return self._decrypted(data, sha256) == jpeg
        except (OSError, ValueError, KeyError):
            return False

    def _decrypted(self, data: bytes, name: str) -> bytes:
        """The picture of a file's bytes. Raises KeyDestroyed, ValueError, KeyProblem."""
        if day_of(data) is None:
            return data
        if self.keys is None:
            raise KeyProblem(f"{self.root}: its pictures are encrypted, and the site's key is away")
        return self.keys.decrypt(data, name=name)

    def _check_reserve(self, size: int) -> None:
        total, _, free = shutil.disk_usage(self.root)
        reserve = self.reserve_bytes
        if reserve is None:
            reserve = min(RESERVE_BYTES, int(total * RESERVE_SHARE))
        if free - size < reserve:
            raise PictureStoreFull(
                f"{self.root}: {free // 2**20} MB free,"
                f" {reserve // 2**20} MB are kept for the database and logs"
            )

    def _write(self, path: Path, data: bytes) -> None:
        make_folders(path.parent, mode=0o700)
        unfinished = self._unfinished / f"{os.getpid()}-{next(self._number)}"
        with atomic_file(path, mode=PRIVATE_MODE, unfinished=unfinished) as file:
            file.write(data)

    def _clear_unfinished(self) -> None:
        """Delete what processes that are gone left half-written."""
        for leftover in self._unfinished.iterdir():
            pid = leftover.name.partition("-")[0]
            if not (pid.isdigit() and _is_process_alive(int(pid)) and int(pid) != os.getpid()):
                leftover.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class JpegEncoder:
    """How pictures are kept: large ones scaled down, never up; no metadata inside."""

    quality: int = 82  # about 150 kB at 1280 px; below 75 small plates of text dissolve
    max_width_px: int = 1280

    def __call__(self, picture: AnyPicture) -> tuple[bytes, tuple[int, int]]:
        """(JPEG, (width, height))."""
        return PicturePyramid.of(picture).encode_jpeg(self.quality, self.max_width_px)


DEFAULT_REFERENCE_DAYS: Final = timedelta(days=180)
LOOSE_AFTER: Final = timedelta(hours=1)  # a file is written before the row that names it
ERASED_MARK: Final = "free pages erased"  # of site_keys: pages that older versions left are gone


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepResult:
    """What one sweep did."""

    deleted: int = 0  # out of the index and in the ledger; shared bytes stay with the others
    missing: int = 0  # written into the ledger; the file was gone before
    failed: int = 0  # could not be removed: still in the index, tried again next time
    references: int = 0  # rows with pixels of their own that were deleted
    loose: int = 0  # files that nothing named


def sweep_pictures(
    store: Store,
    picture_store: PictureStore,
    now: datetime,
    *,
    most_bytes: int | None = None,
    reference_kept: timedelta = DEFAULT_REFERENCE_DAYS,
) -> SweepResult:
    """Delete what is due by `now` in every place of the register (store/pixel_places.py).

    Due is what withdrew with its household, what left the registry with its camera, and what is
    older than its retention. With `most_bytes` the oldest samples fall due early while more than
    that is stored. Bytes that another picture shares stay until that one is due.

    A file is deleted first and the ledger's line written after it: a line always means that the
    picture is gone. Killed in between, the next sweep finds the file missing and writes the line.
    """
    if most_bytes is not None:
        _expire_oldest_samples(store, most_bytes, now)
    with store.begin() as uow:
        before = uow.pictures.deletions_recorded()
        uow.pixels.end_withdrawn(now)
        uow.pixels.end_retired(now)
        uow.pixels.expire_blobs(now, {RetentionClass.REFERENCE: reference_kept})
        references = uow.pictures.deletions_recorded() - before
        uow.commit()
    swept = _delete_expired(store, picture_store, now, None)
    loose = _delete_loose_files(store, picture_store, now)
    _erase_deleted_rows(store)
    return replace(swept, references=references, loose=loose)


def remove_withdrawn(store: Store, picture_store: PictureStore, now: datetime) -> SweepResult:
    """Delete at once what is left of households that withdrew, and nothing else."""
    with store.begin_read() as uow:
        leaving = uow.pixels.due_of_withdrawn()
    if not leaving:
        return SweepResult()
    with store.begin() as uow:
        uow.pixels.end_withdrawn(now)
        uow.commit()
    results = [_delete_expired(store, picture_store, now, camera) for camera in leaving]
    _erase_deleted_rows(store)
    return SweepResult(
        deleted=sum(one.deleted for one in results),
        missing=sum(one.missing for one in results),
        failed=sum(one.failed for one in results),
    )


def _delete_expired(
    store: Store, picture_store: PictureStore, now: datetime, camera: CameraId | None
) -> SweepResult:
    deleted = missing = failed = 0
    last_error: str | None = None
    while True:
        with store.begin() as uow:
            limit = SWEEP_BATCH + failed  # those that failed come first again
            expired = uow.pictures.expired(now, limit=limit, camera=camera)
            failed_now = 0
            for picture in expired:
                try:
                    shared = uow.pictures.shares_content(picture)
                    was_there = shared or picture_store.delete(picture.sha256)
                except OSError as exc:
                    failed_now, last_error = failed_now + 1, exc.strerror
                    continue
                uow.pictures.record_deletion(picture.id, now)
                deleted, missing = deleted + was_there, missing + (not was_there)
            uow.commit()
        failed = failed_now
        if len(expired) == failed_now < limit:
            if failed:
                log.warning("pictures not deleted", extra={"count": failed, "error": last_error})
            return SweepResult(deleted=deleted, missing=missing, failed=failed)


def find_loose_files(
    store: Store, picture_store: PictureStore, now: datetime
) -> Sequence[LooseFile]:
    """Files below the directory of pictures that no row names, an hour old at least."""
    if not isinstance(picture_store, LooseFileStore):
        return ()
    before = now - LOOSE_AFTER
    old = [file for file in picture_store.files() if file.written_at <= before]
    with store.begin_read() as uow:
        unnamed = uow.pixels.unindexed({f.sha256 for f in old if f.sha256 is not None})
    return [file for file in old if file.sha256 is None or file.sha256 in unnamed]


def _delete_loose_files(store: Store, picture_store: PictureStore, now: datetime) -> int:
    found = find_loose_files(store, picture_store, now)
    for start in range(0, len(found), SWEEP_BATCH):
        with store.begin() as uow:
            part = found[start : start + SWEEP_BATCH]
            named = {f.sha256 for f in part if f.sha256 is not None}
            unnamed = uow.pixels.unindexed(named)  # again: nobody writes a row meanwhile
            for file in part:
                if file.sha256 is None or file.sha256 in unnamed:
                    _unlink(file.path)
                    uow.pixels.record_loose_file(file.path.stem, file.written_at, now)
            uow.commit()
    return len(found)


def _unlink(path: Path) -> None:
    path.unlink(missing_ok=True)
    if path.parent.name.startswith(RESTORE_FOLDER):
        with suppress(OSError):  # it is not empty yet
            path.parent.rmdir()


def _erase_deleted_rows(store: Store) -> None:
    """Leave nothing of deleted rows in the database's files, as far as no reader is in the way."""
    with store.begin_read() as uow:
        erased_before = uow.site_keys.is_marked(ERASED_MARK)
    if not store.erase_free_space(all_of_it=not erased_before):
        log.info("deleted rows stay in the journal until the next turn")
    elif not erased_before:
        with store.begin() as uow:
            uow.site_keys.mark(ERASED_MARK)
            uow.commit()


def _expire_oldest_samples(store: Store, most_bytes: int, now: datetime) -> None:
    with store.begin() as uow:
        early = uow.pictures.expire_oldest_samples(most_bytes=most_bytes, now=now)
        uow.commit()
    if early:
        log.warning("samples deleted early", extra={"count": early, "most_mb": most_bytes >> 20})


@contextmanager
def _disk_full_as_error(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        if exc.errno in _FULL:
            raise PictureStoreFull(f"{root}: {exc.strerror}") from exc
        raise


def _is_process_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # somebody else's
    return True
