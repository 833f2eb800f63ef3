"""Files that other processes read meanwhile: written whole or not at all; a lock on a file.

A writer fills a file of another name in the same folder and renames it, so that a reader sees the
old content or the new one, also after a kill -9; with `durable` also after a power cut. What root
makes belongs to the owner of the folder it is in: a command of root's does not lock the service's
user out.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

from patrol.domain.errors import Failed

PRIVATE_MODE: Final = 0o600  # what only the product's own user may read
SHARED_MODE: Final = 0o644
_NO_LINK: Final = {"follow_symlinks": False}  # of `os.chown`


class ProcessBusy(Failed):
    """Another process does it just now; says what it holds."""


def give_to_owner(made: Path | int, folder: Path) -> None:
    """As root, give a new file (its path or descriptor) to the owner of `folder`. Raises OSError.

    The service's user owns the site's folders, and root administers them.
    """
    if os.geteuid() == 0:
        owner = folder.stat()
        os.chown(made, owner.st_uid, owner.st_gid, **({} if isinstance(made, int) else _NO_LINK))


def make_folders(folder: Path, *, mode: int = 0o777) -> None:
    """Make a folder and those above it that are missing, each its upper one's owner's."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    for one in reversed(missing):
        with suppress(FileExistsError):
            one.mkdir(mode=mode)
            give_to_owner(one, one.parent)


def append_line(path: Path, line: str) -> None:
    """Append a line durably, in one write; the file is this user's alone. Raises OSError."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    is_new = not path.exists()
    descriptor = os.open(path, flags, PRIVATE_MODE)
    try:
        if is_new:
            give_to_owner(descriptor, path.parent)
        os.write(descriptor, f"{line}\n".encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def atomic_file(
    path: Path, *, mode: int = SHARED_MODE, durable: bool = True, unfinished: Path | None = None
) -> Iterator[BinaryIO]:
    """A new file, readable and writable, that takes the place of `path` when the block succeeds.

    `durable`: content and name are on the disk when this returns (two flushes, about a millisecond
    each on a solid-state disk). `unfinished`: the name to write under, on the same file system;
    what a killed process left there is overwritten. Otherwise a random name beside `path`.
    Raises OSError; the unfinished file is gone then.
    """
    descriptor, name = _open_unfinished(path, unfinished)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            yield file
            file.flush()
            os.fchmod(descriptor, mode)
            give_to_owner(descriptor, path.parent)
            if durable:
                os.fsync(descriptor)
        name.replace(path)
    except BaseException:
        name.unlink(missing_ok=True)
        raise
    if durable:
        flush_folder(path.parent)


def write_atomically(
    path: Path, data: bytes, *, mode: int = SHARED_MODE, durable: bool = True
) -> None:
    """Put `data` at `path`, whole or not at all, as `atomic_file` does. Raises OSError."""
    with atomic_file(path, mode=mode, durable=durable) as file:
        file.write(data)


def create_once(path: Path, data: bytes, *, mode: int = PRIVATE_MODE) -> bool:
    """Put `data` at `path`, durably, unless a file is there; whether it was put.

    Of several processes at once one wins, and nobody ever reads half of it. Raises OSError.
    """
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(descriptor, mode)
            give_to_owner(descriptor, path.parent)
            os.fsync(descriptor)
        try:
            os.link(name, path)
        except FileExistsError:
            return False
    finally:
        Path(name).unlink(missing_ok=True)
    flush_folder(path.parent)
    return True


def flush_folder(folder: Path) -> None:
    """Write a folder's names to the disk; file systems that cannot do so are left alone."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def unfinished_name(path: Path) -> Path:
    """A fixed name beside `path` to write under: the next try overwrites what a kill left."""
    return path.with_name(f".{path.name}.part")


@contextmanager
def process_lock(path: Path) -> Iterator[None]:
    """Hold the lock at `path` for the block. Raises ProcessBusy at once when another has it.

    flock(2): it ends with its process, however that ends, so no stale lock stays.
    """
    make_folders(path.parent)
    is_new = not path.exists()
    with path.open("a") as handle:
        if is_new:
            give_to_owner(handle.fileno(), path.parent)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ProcessBusy(f"another patrol process is at it (it holds {path})") from None
        yield


@contextmanager
def scratch_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """A temporary folder below `parent`, locked by this process and removed after the block.

    A kill -9 leaves one behind, with a copy of the database perhaps: the next use of the prefix
    removes it (`remove_abandoned_folders`). Raises OSError.
    """
    remove_abandoned_folders(parent, prefix)
    with ExitStack() as stack:
        yield _locked_folder(parent, prefix, stack)


def _locked_folder(parent: Path, prefix: str, stack: ExitStack) -> Path:
    """A new folder that is ours; made anew where another removed it before it was locked."""
    while True:
        with ExitStack() as ours:
            new = tempfile.TemporaryDirectory(prefix=prefix, dir=parent, ignore_cleanup_errors=True)
            folder = Path(ours.enter_context(new))
            with suppress(OSError):
                ours.enter_context(_folder_lock(folder))
                if folder.exists():
                    stack.push(ours.pop_all())
                    return folder


def remove_abandoned_folders(parent: Path, prefix: str) -> list[Path]:
    """Remove the scratch folders that no living process holds; those. Never raises."""
    removed = []
    for folder in sorted(parent.glob(f"{prefix}*")):
        with suppress(OSError), _folder_lock(folder):
            shutil.rmtree(folder, ignore_errors=True)
            removed.append(folder)
    return removed


@contextmanager
def _folder_lock(folder: Path) -> Iterator[None]:
    """Hold flock(2) on the folder itself. Raises OSError (BlockingIOError: another holds it)."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def is_lock_free(path: Path) -> bool:
    """Whether no process holds the lock; False also where this user may not open its file."""
    try:
        with process_lock(path):
            return True
    except (ProcessBusy, OSError):
        return False


def _open_unfinished(path: Path, unfinished: Path | None) -> tuple[int, Path]:
    """(descriptor, name) of a new file that nobody else can read yet."""
    if unfinished is None:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        return descriptor, Path(name)
    unfinished.unlink(missing_ok=True)
    return os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL, PRIVATE_MODE), unfinished
