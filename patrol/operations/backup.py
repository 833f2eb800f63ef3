"""Backup and restore of the store and its pictures: one file, checked by hash before it is used.

While the service runs: first the database as of one moment, then the pictures that its rows name. A
picture is durable before its row is committed, so every row of the copy has its file; those that
the retention sweep deletes in between are counted as `gone`, and no picture that the copy does not
name is included — nothing would ever delete it again.

The file is a plain tar: `store/…`, `evidence/<sha256>`, and last `manifest.json` with the hash of
everything, then the manifest's own. Nothing of it is unpacked by name, so a forged archive cannot
write anywhere. It holds what the town knows about its people: mode 0600, encrypt it before it
travels. Not here: the configuration directory, the weight files.
"""

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from patrol.domain.errors import BadInput
from patrol.domain.timestamps import rfc3339
from patrol.files import (
    PRIVATE_MODE,
    ProcessBusy,
    atomic_file,
    process_lock,
    remove_abandoned_folders,
    scratch_folder,
)
from patrol.pictures import FilePictureStore, PictureDamaged
from patrol.store import check
from patrol.store.copy import (
    DatabaseCopy,
    check_restorable,
    copy_in,
    copy_out,
    remove_unfinished_copy,
)

BACKUP_FORMAT: Final = 1
MANIFEST, MANIFEST_HASH = "manifest.json", "manifest.sha256"
_CHUNK: Final = 1 << 20
BACKUP_SCRATCH: Final = ".patrol-backup-"  # beside the backup: the copy, and the file so far
RESTORE_SCRATCH: Final = ".restore-"  # below the pictures


class BackupDamaged(BadInput):
    """The file is not the backup that was written; nothing was restored from it."""


class BackupRefused(BadInput):
    """Refused: the backup is another site's, or a file would be overwritten."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The contents of a backup, as its manifest.json lists them."""

    format: int
    site: str
    made_at: str
    version: str
    store: Mapping[str, Any]  # store.copy.DatabaseCopy without its pictures
    files: Mapping[str, str]  # store/NAME → sha256
    pictures: tuple[str, ...]
    gone: int = 0  # deleted on schedule while we copied
    damaged: tuple[str, ...] = ()  # did not match their names any more; left out


def backup(
    *, url: str, evidence: Path, site: str, version: str, out: Path, now: datetime
) -> Manifest:
    """Write `out`, whole or not at all. Raises BackupRefused, StoreUnavailable, OSError."""
    if out.exists():
        raise BackupRefused(f"{out}: exists, name a new file")
    with (
        scratch_folder(out.parent, BACKUP_SCRATCH) as scratch,
        atomic_file(out, mode=PRIVATE_MODE, unfinished=scratch / out.name) as file,
        tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        folder = scratch / "store"
        folder.mkdir()
        copied = copy_out(url, folder)
        files = {path.name: _add_file(tar, path) for path in sorted(folder.iterdir())}
        kept, gone, damaged = _add_pictures(tar, FilePictureStore(evidence, only_read=True), copied)
        store = {key: value for key, value in asdict(copied).items() if key != "pictures"}
        manifest = Manifest(
            format=BACKUP_FORMAT,
            site=site,
            made_at=rfc3339(now),
            version=version,
            store=store,
            files=files,
            pictures=tuple(kept),
            gone=gone,
            damaged=tuple(damaged),
        )
        _write_manifest(tar, manifest)
    return manifest


def _add_file(tar: tarfile.TarFile, path: Path) -> str:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0)
        info = _tar_entry(f"store/{path.name}", path.stat().st_size)
        tar.addfile(info, file)
    return digest


def _add_pictures(
    tar: tarfile.TarFile, evidence: FilePictureStore, copied: DatabaseCopy
) -> tuple[list[str], int, list[str]]:
    kept: list[str] = []
    damaged: list[str] = []
    gone = 0
    for name in sorted(copied.pictures):
        try:
            jpeg = evidence.get(name)  # type: ignore[arg-type]  # Sha256 by its column
        except PictureDamaged:
            damaged.append(name)
        except KeyError:
            gone += 1
        else:
            kept.append(name)
            tar.addfile(_tar_entry(f"evidence/{name}", len(jpeg)), io.BytesIO(jpeg))
    return kept, gone, damaged


def _write_manifest(tar: tarfile.TarFile, manifest: Manifest) -> None:
    body = json.dumps(asdict(manifest), ensure_ascii=False, indent=1).encode()
    tar.addfile(_tar_entry(MANIFEST, len(body)), io.BytesIO(body))
    digest = hashlib.sha256(body).hexdigest().encode()
    tar.addfile(_tar_entry(MANIFEST_HASH, len(digest)), io.BytesIO(digest))


def _tar_entry(name: str, size: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o600
    return info


def verify(file: Path) -> Manifest:
    """Read all of it and compare every hash with the manifest. Raises BackupDamaged, OSError."""
    try:
        return _verified(file)
    except (tarfile.TarError, EOFError) as exc:
        raise BackupDamaged(f"{file}: is damaged or no backup at all: {exc}") from exc


def _verified(file: Path) -> Manifest:
    seen: dict[str, str] = {}
    last: dict[str, bytes] = {}
    for info, stream in _members(file):
        if info.name in (MANIFEST, MANIFEST_HASH):
            last[info.name] = stream.read()
        else:
            seen[info.name] = hashlib.file_digest(stream, "sha256").hexdigest()
    manifest = _read_manifest(file, last)
    expected = {f"store/{name}": digest for name, digest in manifest.files.items()}
    expected |= {f"evidence/{name}": name for name in manifest.pictures}
    wrong = sorted(
        name for name in expected.keys() | seen.keys() if expected.get(name) != seen.get(name)
    )
    if wrong:
        raise BackupDamaged(
            f"{file}: {len(wrong)} of {len(expected)} parts are damaged or missing, "
            f"first {wrong[0]}"
        )
    return manifest


def _members(file: Path) -> Iterator[tuple[tarfile.TarInfo, Any]]:
    with tarfile.open(file, "r:") as tar:
        for info in tar:
            stream = tar.extractfile(info) if info.isreg() else None
            if stream is None:
                raise BackupDamaged(f"{file}: {info.name!r} is no file of a backup")
            yield info, stream


def _read_manifest(file: Path, last: Mapping[str, bytes]) -> Manifest:
    body, digest = last.get(MANIFEST), last.get(MANIFEST_HASH)
    if body is None or digest is None:
        raise BackupDamaged(f"{file}: is cut off, or no backup at all: its manifest is missing")
    if hashlib.sha256(body).hexdigest().encode() != digest:
        raise BackupDamaged(f"{file}: its manifest is damaged")
    try:
        fields = json.loads(body)
        if isinstance(fields, dict) and fields.get("format", BACKUP_FORMAT) != BACKUP_FORMAT:
            raise BackupDamaged(
                f"{file}: format {fields['format']!r:.40}, this patrol reads {BACKUP_FORMAT}"
            )
        return TypeAdapter(Manifest).validate_python(fields)
    except ValidationError as exc:
        wrong = ", ".join(".".join(map(str, one["loc"])) for one in exc.errors()[:3])
        raise BackupDamaged(f"{file}: its manifest is none of ours: {wrong[:200]}") from None
    except (ValueError, RecursionError) as exc:
        raise BackupDamaged(f"{file}: its manifest is not JSON: {exc}") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What `restore` wrote, and the problems that the store's check found in it."""

    manifest: Manifest
    problems: tuple[str, ...]


def restore(*, url: str, evidence: Path, site: str, file: Path) -> Restored:
    """Restore into an empty database, after every byte was checked; overwrites nothing.

    Pictures first and the database last: an interrupted restore is simply done again.
    Raises BackupDamaged, BackupRefused, ProcessBusy (the service runs), StoreUnavailable,
    PictureStoreFull.
    """
    with _lock_service_and_rounds(evidence):
        manifest = verify(file)
        if manifest.site != site:
            raise BackupRefused(f"{file}: is of the site {manifest.site!r}, this is {site!r}")
        copied = DatabaseCopy(**manifest.store, pictures=manifest.pictures)
        check_restorable(url, copied)
        remove_unfinished_restore(url, evidence)
        with scratch_folder(evidence, RESTORE_SCRATCH) as folder:
            _unpack(file, FilePictureStore(evidence), folder)
            copy_in(url, folder, copied)
        return Restored(manifest=manifest, problems=tuple(str(p) for p in check(url)))


def remove_unfinished_restore(url: str, evidence: Path) -> None:
    """Remove the copies of a database that a killed restore left; the caller holds a site's lock.

    Called by the next restore, round or service.
    """
    remove_abandoned_folders(evidence, RESTORE_SCRATCH)
    remove_unfinished_copy(url)


@contextmanager
def _lock_service_and_rounds(evidence: Path) -> Iterator[None]:
    try:
        with process_lock(evidence / ".service.lock"), process_lock(evidence / ".round.lock"):
            yield
    except ProcessBusy:
        raise ProcessBusy(f"{evidence}: a patrol process is at work here, stop it first") from None


def _unpack(file: Path, evidence: FilePictureStore, folder: Path) -> None:
    for info, stream in _members(file):
        kind, _, name = info.name.partition("/")
        if kind == "evidence":
            evidence.put(stream.read())
        elif kind == "store":
            with (folder / Path(name).name).open("wb") as target:
                while chunk := stream.read(_CHUNK):
                    target.write(chunk)
