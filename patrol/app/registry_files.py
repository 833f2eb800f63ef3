"""Writing the registry's files: the whole configuration is read with the new ones first.

`check` reads it beside the present one; `replaced` puts the files in place, each whole or not at
all, and puts the old ones back when what belongs to the change (its line in the log) fails.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from patrol.settings import ConfigProblems, Site
from patrol.settings.load import FILES

Contents = Mapping[str, bytes]  # file name → what it shall hold
BOM: Final = b"\xef\xbb\xbf"


def check(folder: Path, contents: Contents, load: Callable[[Path], Site]) -> Site:
    """The site as it would be. Raises ConfigProblems, whose files have plain names."""
    with tempfile.TemporaryDirectory(prefix="patrol-check-") as beside:
        there = Path(beside)
        for name in FILES:
            if name in contents:
                (there / name).write_bytes(contents[name])
            elif (folder / name).exists():
                (there / name).symlink_to((folder / name).resolve())
        try:
            site = load(there)
        except ConfigProblems as exc:
            plain = [replace(problem, file=Path(problem.file).name) for problem in exc.problems]
            raise ConfigProblems(plain) from None
    notices = (replace(notice, file=Path(notice.file).name) for notice in site.notices)
    return replace(site, notices=tuple(notices))


@contextmanager
def replaced(folder: Path, contents: Contents) -> Iterator[None]:
    """The new files for the block and after it; the old ones again when the block fails."""
    before = {name: _read(folder / name) for name in contents}
    try:
        for name, data in contents.items():
            _put(folder / name, data)
        yield
    except BaseException:
        for name, old in before.items():
            _put_back(folder / name, old)
        raise


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _put_back(path: Path, old: bytes | None) -> None:
    if old is None:
        path.unlink(missing_ok=True)
    elif _read(path) != old:
        _put(path, old)


def _put(path: Path, data: bytes) -> None:
    """Through a link to the file it means; readers see the old one or the new one."""
    path = path.resolve()
    handle, unfinished = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            shutil.copymode(path, unfinished)
        else:
            Path(unfinished).chmod(0o644)
        Path(unfinished).replace(path)
    except BaseException:
        with suppress(FileNotFoundError):
            Path(unfinished).unlink()
        raise
