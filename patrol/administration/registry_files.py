"""Files of the configuration directory while the service runs: watched, and replaced by pages.

`RegistryWatcher` reads cameras.csv and zones.yaml again when they change on disk: a withdrawal of
consent written into cameras.csv counts within a second. Only cameras are followed; people, grids
and plans are read at start. A file that is invalid or missing leaves the cameras as they were and
is logged once: a household's visible area does not widen because a file was moved.

To replace files, the whole configuration is read with the new ones first (`check_files`); then each
file is replaced atomically, and the old ones are put back when the access log entry of the change
cannot be committed (`replaced_files`). AreaEditor (zones.yaml) and CameraTable (cameras.csv) share
one RegistryWriteContext, so that one change is made at a time.
"""

import stat
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import structlog

from patrol.domain.camera import Camera
from patrol.domain.ids import CameraId
from patrol.files import SHARED_MODE, write_atomically
from patrol.ports import Clock
from patrol.settings import CONFIG_FILES, ConfigProblems, Site
from patrol.store import Store

log = structlog.get_logger(__name__)

FileStamp = tuple[int, int] | None  # modified at, ns; bytes. None: no such file
WATCHED_FILES = ("cameras.csv", "zones.yaml")


class RegistryWatcher:
    """Holds the cameras of the newest files that were valid; callers ask it to refresh."""

    def __init__(self, site: Site, folder: Path | None, load: Callable[[Path], Site]) -> None:
        self.folder = folder
        self.load = load
        self._cameras: Mapping[CameraId, Camera] = site.registry.cameras
        self._known_stamps = self._stamps()
        self._missing: tuple[str, ...] = ()
        self._lock = threading.Lock()  # after a write, refresh() has read the new file

    def cameras(self) -> Mapping[CameraId, Camera]:
        """The cameras as last read."""
        return self._cameras

    def refresh(self) -> None:
        """Read the files again when one changed; two stat calls when none did."""
        with self._lock:
            stamps = self._stamps()
            if (
                self.folder is None
                or self._has_missing_file(stamps)
                or stamps == self._known_stamps
            ):
                return
            self._known_stamps = stamps
            try:
                self._cameras = self.load(self.folder).registry.cameras
            except ConfigProblems as exc:
                log.warning("the changed registry is not used", problems=exc.count)
            else:
                log.info("registry read again", cameras=len(self._cameras))

    def _has_missing_file(self, stamps: tuple[FileStamp, ...]) -> bool:
        pairs = zip(WATCHED_FILES, stamps, self._known_stamps, strict=True)
        missing = tuple(name for name, now, before in pairs if before and not now)
        if missing and missing != self._missing:
            log.warning("a file of the registry is gone; what it said last holds", files=missing)
        self._missing = missing
        return bool(missing)

    def _stamps(self) -> tuple[FileStamp, ...]:
        if self.folder is None:
            return ()
        return tuple(_file_stamp(self.folder / name) for name in WATCHED_FILES)


def _file_stamp(path: Path) -> FileStamp:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size


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


def check_files(folder: Path, contents: FileContents, load: Callable[[Path], Site]) -> Site:
    """Read the configuration as it would be. Raises ConfigProblems with plain file names."""
    with tempfile.TemporaryDirectory(prefix="patrol-check-") as scratch:
        copies = Path(scratch)
        for name in CONFIG_FILES:
            if name in contents:
                (copies / name).write_bytes(contents[name])
            elif (folder / name).exists():
                (copies / name).symlink_to((folder / name).resolve())
        try:
            site = load(copies)
        except ConfigProblems as exc:
            problems = [replace(problem, file=Path(problem.file).name) for problem in exc.problems]
            raise ConfigProblems(problems, count=exc.count) from None
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
