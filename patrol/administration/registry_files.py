"""Replace files of the configuration directory while the service runs.

The whole configuration is read with the new files first (`check_files`); then each file is
replaced atomically, and the old ones are put back when the access log entry of the change cannot be
committed (`replaced_files`). AreaEditor (zones.yaml) and CameraTable (cameras.csv) share one
RegistryWriteContext, so that one change is made at a time.
"""

import stat
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from patrol.administration.registry_watcher import RegistryWatcher
from patrol.files import SHARED_MODE, write_atomically
from patrol.ports import Clock
from patrol.settings import ConfigProblems, Site
from patrol.settings.load import CONFIG_FILES
from patrol.store import Store

FileContents = Mapping[str, bytes]  # file name → its new content
BOM: Final = b"\xef\xbb\xbf"


class RegistryEditRefused(Exception):
    """The registry's files cannot be edited; the text is the code `no_folder` or a sentence."""


class ChangedMeanwhile(RegistryEditRefused):
    """The file changed after the version that the caller compared or edited."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryWriteContext:
    """Store, clock, watcher and the one lock of everything that writes the registry's files."""

    store: Store
    clock: Clock
    watcher: RegistryWatcher
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def folder(self) -> Path:
        """The configuration directory. Raises RegistryEditRefused: the service has none."""
        if self.watcher.folder is None:
            raise RegistryEditRefused("no_folder")
        return self.watcher.folder


def check_files(folder: Path, contents: FileContents, load: Callable[..., Site]) -> Site:
    """Read the configuration as it would be. Raises ConfigProblems with plain file names."""
    with tempfile.TemporaryDirectory(prefix="patrol-check-") as scratch:
        copies = Path(scratch)
        for name in CONFIG_FILES:
            if name in contents:
                (copies / name).write_bytes(contents[name])
            elif (folder / name).exists():
                (copies / name).symlink_to((folder / name).resolve())
        try:
            site = load(copies, base=folder)
        except ConfigProblems as exc:
            problems = [replace(problem, file=Path(problem.file).name) for problem in exc.problems]
            raise ConfigProblems(problems) from None
    notices = (replace(notice, file=Path(notice.file).name) for notice in site.notices)
    return replace(site, notices=tuple(notices))


@contextmanager
def replaced_files(folder: Path, contents: FileContents) -> Iterator[None]:
    """Replace the files for the block and after it; restore the old ones when the block raises."""
    before = {name: _read_if_present(folder / name) for name in contents}
    try:
        for name, data in contents.items():
            _replace_file(folder / name, data)
        yield
    except BaseException:
        for name, old in before.items():
            _restore(folder / name, old)
        raise


def _read_if_present(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _restore(path: Path, old: bytes | None) -> None:
    if old is None:
        path.unlink(missing_ok=True)
    elif _read_if_present(path) != old:
        _replace_file(path, old)


def _replace_file(path: Path, data: bytes) -> None:
    """Replace the file behind a symbolic link atomically, keeping its mode."""
    target = path.resolve()
    mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else SHARED_MODE
    write_atomically(target, data, mode=mode)
