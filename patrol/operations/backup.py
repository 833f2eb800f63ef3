"""Backup and restore of the store and its pictures: one file, checked by hash before it is used.

While the service runs: first the database as of one moment, then the pictures that its rows name. A
picture is durable before its row is committed, so every row of the copy has its file; those that
the retention sweep deletes in between are counted as `gone`, and no picture that the copy does not
name is included — nothing would ever delete it again.

The file is a plain tar: `store/…`, `evidence/<sha256>`, and last `manifest.json` with the hash of
everything, then the manifest's own. Nothing of it is unpacked by name, so a forged archive cannot
write anywhere. Where the site has a key, pictures are sealed with it in the tar, too, and the rows
hold passwords and references as sealed as they are in the database. The rest of the rows is what
the town knows about its people: mode 0600, and with recipients the whole tar is encrypted in the
age format as it is written. Such a backup also carries the site's key, so that its identity alone
brings everything back; a plain one never does: keep the key elsewhere. The manifest says all this.
Not here: the configuration directory, the weight files.
"""

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

from pydantic import TypeAdapter, ValidationError

from patrol.domain.errors import BadInput
from patrol.domain.timestamps import rfc3339
from patrol.encryption import DayKeys, SiteKey
from patrol.encryption.recipients import decrypted, encrypted_to, is_encrypted
from patrol.files import (
    PRIVATE_MODE,
    ProcessBusy,
    atomic_file,
    process_lock,
    remove_abandoned_folders,
    scratch_folder,
)
from patrol.pictures import RESTORE_FOLDER, FilePictureStore, PictureDamaged
from patrol.store import check
from patrol.store.copy import (
    DatabaseCopy,
    check_restorable,
    copy_in,
    copy_out,
    remove_unfinished_copy,
)

BACKUP_FORMAT: Final = 2
READABLE_FORMATS: Final = (1, 2)  # 1: pictures plain
KEY_ENTRY: Final = "key/patrol.key"
_PURPOSE: Final = "pictures in backups"
MANIFEST, MANIFEST_HASH = "manifest.json", "manifest.sha256"
_CHUNK: Final = 1 << 20
BACKUP_SCRATCH: Final = ".patrol-backup-"  # beside the backup: the copy, and the file so far


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
    sealed: Mapping[str, str] = field(default_factory=dict)  # picture → sha256 of its entry
    key_fingerprint: str = ""  # of the site's key that opens pictures and sealed columns
    key_included: bool = False
    encrypted: bool = False  # to recipients, as a whole


class ManifestHead(NamedTuple):
    """What a backup is of, and when it was made."""

    site: str
    made_at: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupKeys:
    """The site's key and its pictures' keys, as a backup and a restore need them."""

    site_key: SiteKey
    days: DayKeys
    recipients: Sequence[str] = ()  # of a backup; empty: the tar is not encrypted


def backup(
    *,
    url: str,
    evidence: Path,
    site: str,
    version: str,
    out: Path,
    now: datetime,
    keys: BackupKeys | None = None,
) -> Manifest:
    """Write `out`, whole or not at all.

    Raises BackupRefused, BadRecipient, StoreUnavailable, OSError.
    """
    if out.exists():
        raise BackupRefused(f"{out}: exists, name a new file")
    recipients = keys.recipients if keys else ()
    with (
        scratch_folder(out.parent, BACKUP_SCRATCH) as scratch,
        atomic_file(out, mode=PRIVATE_MODE, unfinished=scratch / out.name) as file,
        _target(file, recipients) as target,
        tarfile.open(fileobj=target, mode="w|", format=tarfile.PAX_FORMAT) as tar,
    ):
        folder = scratch / "store"
        folder.mkdir()
        copied = copy_out(url, folder)
        files = {path.name: _add_file(tar, path) for path in sorted(folder.iterdir())}
        pictures = _add_pictures(tar, evidence, copied, keys)
        if keys is not None and recipients:
            secret = keys.site_key.as_text().encode()
            tar.addfile(_tar_entry(KEY_ENTRY, len(secret)), io.BytesIO(secret))
        head = ManifestHead(site=site, made_at=rfc3339(now), version=version)
        manifest = _manifest(head, copied, files, pictures, keys)
        _write_manifest(tar, manifest)
    return manifest


def _manifest(
    head: ManifestHead,
    copied: DatabaseCopy,
    files: Mapping[str, str],
    pictures: "_AddedPictures",
    keys: BackupKeys | None,
) -> Manifest:
    is_encrypted_to = bool(keys and keys.recipients)
    return Manifest(
        format=BACKUP_FORMAT,
        **head._asdict(),
        store={key: value for key, value in asdict(copied).items() if key != "pictures"},
        files=files,
        pictures=tuple(pictures.kept),
        gone=pictures.gone,
        damaged=tuple(pictures.damaged),
        sealed=pictures.sealed,
        key_fingerprint=keys.site_key.fingerprint if keys else "",
        key_included=is_encrypted_to,
        encrypted=is_encrypted_to,
    )


@contextmanager
def _target(file: BinaryIO, recipients: Sequence[str]) -> Iterator[BinaryIO]:
    if not recipients:
        yield file
        return
    with encrypted_to(file, recipients) as target:
        yield target


@dataclass(slots=True)
class _AddedPictures:
    kept: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    sealed: dict[str, str] = field(default_factory=dict)
    gone: int = 0


def _add_file(tar: tarfile.TarFile, path: Path) -> str:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0)
        info = _tar_entry(f"store/{path.name}", path.stat().st_size)
        tar.addfile(info, file)
    return digest


def _add_pictures(
    tar: tarfile.TarFile, evidence: Path, copied: DatabaseCopy, keys: BackupKeys | None
) -> _AddedPictures:
    store = FilePictureStore(evidence, only_read=True, keys=keys.days if keys else None)
    added = _AddedPictures()
    for name in sorted(copied.pictures):
        try:
            entry = store.get(name)  # type: ignore[arg-type]  # Sha256 by its column
        except PictureDamaged:
            added.damaged.append(name)
            continue
        except KeyError:
            added.gone += 1
            continue
        added.kept.append(name)
        if keys is not None:
            entry = keys.site_key.seal(entry, purpose=_PURPOSE, about=name)
            added.sealed[name] = hashlib.sha256(entry).hexdigest()
        tar.addfile(_tar_entry(f"evidence/{name}", len(entry)), io.BytesIO(entry))
    return added


def _write_manifest(tar: tarfile.TarFile, manifest: Manifest) -> None:
    body = json.dumps(asdict(manifest), ensure_ascii=False, indent=1).encode()
    tar.addfile(_tar_entry(MANIFEST, len(body)), io.BytesIO(body))
    digest = hashlib.sha256(body).hexdigest().encode()
    tar.addfile(_tar_entry(MANIFEST_HASH, len(digest)), io.BytesIO(digest))


def _tar_entry(name: str, size: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o600
    return info


def verify(file: Path, *, identity: Path | None = None) -> Manifest:
    """Read all of it and compare every hash with the manifest.

    `identity`: opens a backup that is encrypted to a recipient. Raises BackupDamaged, BadRecipient,
    OSError.
    """
    try:
        return _verified(file, identity)
    except (tarfile.TarError, EOFError) as exc:
        raise BackupDamaged(f"{file}: is damaged or no backup at all: {exc}") from exc


def _verified(file: Path, identity: Path | None) -> Manifest:
    seen: dict[str, str] = {}
    last: dict[str, bytes] = {}
    with _opened(file, identity) as source:
        for info, stream in _members(file, source):
            if info.name in (MANIFEST, MANIFEST_HASH):
                last[info.name] = stream.read()
            elif info.name != KEY_ENTRY:
                seen[info.name] = _digest(stream)
    manifest = _read_manifest(file, last)
    expected = {f"store/{name}": digest for name, digest in manifest.files.items()}
    expected |= {f"evidence/{name}": manifest.sealed.get(name, name) for name in manifest.pictures}
    wrong = sorted(
        name for name in expected.keys() | seen.keys() if expected.get(name) != seen.get(name)
    )
    if wrong:
        raise BackupDamaged(
            f"{file}: {len(wrong)} of {len(expected)} parts are damaged or missing, "
            f"first {wrong[0]}"
        )
    return manifest


def key_of(file: Path, identity: Path) -> SiteKey | None:
    """The site's key that an encrypted backup carries; None where it has none."""
    with _opened(file, identity) as source:
        for info, stream in _members(file, source):
            if info.name == KEY_ENTRY:
                return SiteKey.from_text(stream.read().decode("ascii"), place=str(file))
    return None


def _digest(stream: Any) -> str:
    digest = hashlib.sha256()
    while chunk := stream.read(_CHUNK):
        digest.update(chunk)
    return digest.hexdigest()


@contextmanager
def _opened(file: Path, identity: Path | None) -> Iterator[BinaryIO]:
    """The tar's bytes, decrypted where it is encrypted."""
    with file.open("rb") as source:
        if not is_encrypted(file):
            yield source
            return
        if identity is None:
            raise BackupRefused(f"{file}: is encrypted to a recipient; give --identity FILE")
        with decrypted(source, identity) as plain:
            yield plain


def _members(file: Path, source: BinaryIO) -> Iterator[tuple[tarfile.TarInfo, Any]]:
    with tarfile.open(fileobj=source, mode="r|") as tar:
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
        if isinstance(fields, dict) and fields.get("format") not in READABLE_FORMATS:
            raise BackupDamaged(
                f"{file}: format {fields.get('format')!r:.40}, this patrol reads {BACKUP_FORMAT}"
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


def restore(
    *,
    url: str,
    evidence: Path,
    site: str,
    file: Path,
    keys: BackupKeys | None = None,
    identity: Path | None = None,
) -> Restored:
    """Restore into an empty database, after every byte was checked; overwrites nothing.

    Pictures first and the database last: an interrupted restore is simply done again. Pictures are
    encrypted anew, under the keys of their days here.
    Raises BackupDamaged, BackupRefused, BadRecipient, KeyProblem, ProcessBusy (the service runs),
    StoreUnavailable, PictureStoreFull.
    """
    with _lock_service_and_rounds(evidence):
        manifest = verify(file, identity=identity)
        if manifest.site != site:
            raise BackupRefused(f"{file}: is of the site {manifest.site!r}, this is {site!r}")
        _check_key(file, manifest, keys)
        copied = DatabaseCopy(**manifest.store, pictures=manifest.pictures)
        check_restorable(url, copied)
        remove_unfinished_restore(url, evidence)
        with scratch_folder(evidence, RESTORE_FOLDER) as folder:
            with _opened(file, identity) as source:
                store = FilePictureStore(evidence, keys=keys.days if keys else None)
                _unpack(_members(file, source), store, folder, keys, manifest)
            copy_in(url, folder, copied)
        site_key = keys.site_key if keys else None
        return Restored(
            manifest=manifest, problems=tuple(str(p) for p in check(url, site_key=site_key))
        )


def _check_key(file: Path, manifest: Manifest, keys: BackupKeys | None) -> None:
    needed = manifest.key_fingerprint
    if needed and (keys is None or keys.site_key.fingerprint != needed):
        place = keys.site_key.place if keys else "no key"
        raise BackupRefused(
            f"{file}: was made with the site's key {needed}, here is {place}; put that key file"
            " there first (`keys: {file: …}` in site.yaml)"
        )


def remove_unfinished_restore(url: str, evidence: Path) -> None:
    """Remove the copies of a database that a killed restore left; the caller holds a site's lock.

    Called by the next restore, round or service.
    """
    remove_abandoned_folders(evidence, RESTORE_FOLDER)
    remove_unfinished_copy(url)


@contextmanager
def _lock_service_and_rounds(evidence: Path) -> Iterator[None]:
    try:
        with process_lock(evidence / ".service.lock"), process_lock(evidence / ".round.lock"):
            yield
    except ProcessBusy:
        raise ProcessBusy(f"{evidence}: a patrol process is at work here, stop it first") from None


def _unpack(
    members: Iterator[tuple[tarfile.TarInfo, Any]],
    evidence: FilePictureStore,
    folder: Path,
    keys: BackupKeys | None,
    manifest: Manifest,
) -> None:
    for info, stream in members:
        kind, _, name = info.name.partition("/")
        if kind == "evidence":
            entry = stream.read()
            if keys is not None and name in manifest.sealed:
                entry = keys.site_key.open(entry, purpose=_PURPOSE, about=name)
            evidence.put(entry)
        elif kind == "store":
            with (folder / Path(name).name).open("wb") as target:
                while chunk := stream.read(_CHUNK):
                    target.write(chunk)
