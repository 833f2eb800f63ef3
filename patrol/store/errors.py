"""Strangers' errors become ours, once, in one redacted line, with whose move it is.

StoreFull          -> free some disk; the round resumes
StoreUnavailable   -> the database's keeper; we retry with back-off
└── StoreOutdated  -> run `patrol db upgrade`; no retry helps
ValueError, RuntimeError -> a mistake in our own code
"""

import shutil
import sqlite3
from pathlib import Path
from typing import Final

from sqlalchemy import exc
from sqlalchemy.engine import URL

_SQLITE_FULL: Final = frozenset(
    {
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR_WRITE,  # a quota or a size limit instead of ENOSPC
        sqlite3.SQLITE_IOERR_FSYNC,
        sqlite3.SQLITE_IOERR_TRUNCATE,
        sqlite3.SQLITE_IOERR_SHMSIZE,
    }
)
_OUR_MISTAKES: Final = (exc.ProgrammingError, exc.DataError, exc.NotSupportedError)
_THEIR_TROUBLE: Final = (exc.DBAPIError, exc.TimeoutError, OSError)
_PG_FULL: Final = frozenset({"53100"})  # disk_full
_HARDLY_ANYTHING_BYTES: Final = 1 << 20  # less free than this: files cannot be opened either


class StoreFull(Exception):
    """The database cannot write (disk full). Stops the round, which resumes."""


class StoreUnavailable(Exception):
    """The database cannot be reached; retried with back-off."""


class StoreOutdated(StoreUnavailable):
    """The database's tables are not the ones this version knows."""


def redacted(url: URL) -> str:
    """The database as logs may name it: no password, no query (both can hold secrets)."""
    if url.get_backend_name() == "sqlite":
        return f"sqlite:///{url.database or ''}"
    user = f"{url.username}@" if url.username else ""
    port = f":{url.port}" if url.port else ""
    return f"{url.get_backend_name()}://{user}{url.host or ''}{port}/{url.database or ''}"


def translated(error: exc.SQLAlchemyError | OSError, url: URL) -> Exception:
    """Our error for theirs; the caller raises it `from` the original."""
    original = getattr(error, "orig", None) or error
    line = _one_line(original, url)
    if _is_full(original, url):
        return StoreFull(f"{redacted(url)}: no space left to write: {line}")
    if isinstance(error, exc.IntegrityError):
        return ValueError(f"the books would not hold: {line}")
    if _is_read_only_unit(original):
        return RuntimeError(f"this unit of work only reads: {line}")
    if isinstance(original, ValueError):  # a value that its column refuses
        return ValueError(line)
    if isinstance(error, _OUR_MISTAKES) or not isinstance(error, _THEIR_TROUBLE):
        return RuntimeError(f"{redacted(url)}: {line}")
    return StoreUnavailable(f"{redacted(url)}: {line}")


def _one_line(error: BaseException, url: URL) -> str:
    line = " ".join(str(error).split()) or type(error).__name__
    secrets = [url.password, *(v for v in url.query.values() if isinstance(v, str))]
    for secret in filter(None, secrets):
        line = line.replace(str(secret), "…")
    return line


def _is_full(error: BaseException, url: URL) -> bool:
    if getattr(error, "sqlstate", None) in _PG_FULL:
        return True
    code = getattr(error, "sqlite_errorcode", None)
    if code in _SQLITE_FULL:
        return True
    if code is None or code & 0xFF not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR):
        return False
    folder = Path(url.database or ".").resolve().parent
    return folder.is_dir() and shutil.disk_usage(folder).free < _HARDLY_ANYTHING_BYTES


def _is_read_only_unit(error: BaseException) -> bool:
    """Our own begin_read, not a read-only file: that one says so on opening (engine.py)."""
    if getattr(error, "sqlstate", None) == "25006":  # read_only_sql_transaction
        return True
    code = getattr(error, "sqlite_errorcode", None)
    return code == sqlite3.SQLITE_READONLY
