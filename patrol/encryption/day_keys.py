"""A key for each day on which pictures fall due, and its destruction with that day.

A picture is encrypted with the key of the day until which it is kept. When that day is over and
its pictures are deleted, the key is destroyed: copies of the files on a lost disk, in a snapshot
or in a file system's free blocks are noise from then on. Keys lie in files `YYYY-MM-DD.key`, sealed
with the site's key: a disk without that key has nothing either. A destroyed file is overwritten
before it is removed; where the medium keeps old blocks, the site's key still protects them.

An encrypted file is `PTP1`, ten bytes of the day, 12 bytes nonce, AES-256-GCM; its name and its
day are authenticated with it.
"""

import os
import secrets
import threading
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Final

from patrol.encryption.site_key import KEY_BYTES, SiteKey
from patrol.files import PRIVATE_MODE, create_once, flush_folder, make_folders

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

FILE_MARK: Final = b"PTP1"
UNDATED: Final = date.max  # of what was stored without a day; the sweep gives it one
_PURPOSE: Final = "day keys"
_DAY_BYTES: Final = 10
_NONCE_BYTES: Final = 12
HEADER_BYTES: Final = len(FILE_MARK) + _DAY_BYTES
OVERHEAD_BYTES: Final = HEADER_BYTES + _NONCE_BYTES + 16  # with GCM's tag
_CACHED: Final = 512


class KeyDestroyed(KeyError):
    """The day's key is gone, and with it what it encrypted."""


class DayKeys:
    """The keys in a folder; any number of threads and processes at once."""

    def __init__(self, folder: Path, site_key: SiteKey) -> None:
        self.folder = folder
        self._site_key = site_key
        self._ciphers: dict[date, AESGCM] = {}
        self._lock = threading.Lock()

    def encrypt(self, plain: bytes, *, day: date, name: str) -> bytes:
        """The file's bytes under the key of `day`, which is made where there is none."""
        header = FILE_MARK + day.isoformat().encode()
        nonce = secrets.token_bytes(_NONCE_BYTES)
        text = self._cipher(day, make=True).encrypt(nonce, plain, header + name.encode())
        return header + nonce + text

    def decrypt(self, data: bytes, *, name: str) -> bytes:
        """What was encrypted. Raises KeyDestroyed, ValueError for bytes that were altered."""
        day = day_of(data)
        if day is None:
            raise ValueError("not encrypted")
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415  see _cipher

        header, rest = data[:HEADER_BYTES], data[HEADER_BYTES:]
        nonce, text = rest[:_NONCE_BYTES], rest[_NONCE_BYTES:]
        try:
            return self._cipher(day, make=False).decrypt(nonce, text, header + name.encode())
        except InvalidTag:
            raise ValueError("altered, or encrypted with another key") from None

    def days(self) -> list[date]:
        """The days whose keys are there, the oldest first."""
        return sorted(self._days())

    def destroy(self, day: date) -> bool:
        """Overwrite and remove the day's key, for good once this returns; False: there was none."""
        path = self._path(day)
        with self._lock:
            self._ciphers.pop(day, None)
            try:
                with path.open("r+b", buffering=0) as file:
                    file.write(secrets.token_bytes(path.stat().st_size))
                    os.fsync(file.fileno())
                path.unlink()
            except FileNotFoundError:
                return False
        flush_folder(self.folder)
        return True

    def _days(self) -> Iterator[date]:
        if self.folder.is_dir():
            for path in self.folder.glob("????-??-??.key"):
                try:
                    yield date.fromisoformat(path.stem)
                except ValueError:
                    continue

    def _path(self, day: date) -> Path:
        return self.folder / f"{day.isoformat()}.key"

    def _cipher(self, day: date, *, make: bool) -> "AESGCM":
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415  30 ms

        with self._lock:
            known = self._ciphers.get(day)
            if known is None:
                known = AESGCM(self._read(day, make=make))
                if len(self._ciphers) >= _CACHED:
                    self._ciphers.clear()
                self._ciphers[day] = known
            return known

    def _read(self, day: date, *, make: bool) -> bytes:
        path, about = self._path(day), f"key of {day.isoformat()}"
        if make and not path.exists():
            make_folders(self.folder, mode=0o700)
            fresh = secrets.token_bytes(KEY_BYTES)
            sealed = self._site_key.seal(fresh, purpose=_PURPOSE, about=about)
            create_once(path, sealed, mode=PRIVATE_MODE)
        try:
            sealed = path.read_bytes()
        except FileNotFoundError:
            raise KeyDestroyed(day.isoformat()) from None
        return self._site_key.open(sealed, purpose=_PURPOSE, about=about)


def day_of(data: bytes) -> date | None:
    """The day whose key encrypted these bytes (their first 14 are enough); None: plain."""
    if not data.startswith(FILE_MARK):
        return None
    try:
        return date.fromisoformat(data[len(FILE_MARK) : HEADER_BYTES].decode("ascii"))
    except ValueError:
        return None
