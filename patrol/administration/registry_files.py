"""Files of the configuration directory while the service runs: watched, and replaced by pages.

`RegistryWatcher` reads the registry's files again when they change on disk: a withdrawal of consent
written into cameras.csv counts within a second, and so does a new grid leader in people.csv.
Followed are cameras, visible areas, people, their leave, grids and their outlines; site.yaml,
rules.yaml and models.yaml are read at start. When a leave begins or ends, the registry is another
one, too (`Registry.at`). A change is used when the whole configuration is valid. Files that
are invalid or missing leave everything as it was and are logged once: a household's visible area
does not widen because a file was moved.

To replace files, the whole configuration is read with the new ones first (`check_files`); then each
file is replaced atomically, and the old ones are put back when the access log entry of the change
cannot be committed (`replaced_files`). AreaEditor (zones.yaml) and CameraTable (cameras.csv) share
one RegistryWriteContext, so that one change is made at a time.
"""

import stat
import tempfile
import threading
from collections.abc import Callable, ItemsView, Iterator, KeysView, Mapping, ValuesView
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeVar

import structlog
from typing_extensions import override

from patrol.domain.camera import Camera
from patrol.domain.ids import CameraId
from patrol.domain.leave import next_change
from patrol.domain.registry import GridTree, Registry
from patrol.files import PRIVATE_MODE, write_atomically
from patrol.ports import Clock
from patrol.settings import CONFIG_FILES, ConfigProblems, Site
from patrol.store import Store

log = structlog.get_logger(__name__)

K = TypeVar("K")
V = TypeVar("V")
FileStamp = tuple[int, int, int] | None  # modified at, ns; bytes; inode. None: no such file
WATCHED_FILES = (
    "cameras.csv", "zones.yaml", "people.csv", "grids.csv", "grids.geojson", "leave.csv",
    "points.csv",
)  # fmt: skip
MAY_GO = ("leave.csv",)  # nobody is on leave any more; nothing widens without it


class FollowedMapping(Mapping[K, V]):
    """A read-only mapping that always shows the newest one; `current` gives that."""

    def __init__(self, current: Callable[[], Mapping[K, V]]) -> None:
        self._current = current

    @override
    def __getitem__(self, key: K) -> V:
        return self._current()[key]

    @override
    def __iter__(self) -> Iterator[K]:
        return iter(self._current())

    @override
    def __len__(self) -> int:
        return len(self._current())

    # Each of one and the same mapping, also when a newer one comes meanwhile:

    @override
    def keys(self) -> KeysView[K]:
        return self._current().keys()

    @override
    def values(self) -> ValuesView[V]:
        return self._current().values()

    @override
    def items(self) -> ItemsView[K, V]:
        return self._current().items()


class RegistryWatcher:
    """Holds the registry of the newest files that were valid; callers ask it to refresh."""

    def __init__(
        self,
        site: Site,
        folder: Path | None,
        load: Callable[..., Site],
        now: Callable[[], datetime] | None = None,
    ) -> None:
        self.folder = folder
        self.load = load
        self.now = now  # None: the calendar of leave stands still
        self.version = 0  # counts the changes that were read
        self._registry, self._shapes = site.registry, site.shapes
        self._leave_changes_at: datetime | None = None
        self._look_at_calendar()
        self._known_stamps = self._stamps()
        self._missing: tuple[str, ...] = ()
        self._lock = threading.Lock()  # after a write, refresh() has read the new file
        self.followed = Registry(  # for whoever keeps a registry for longer than one decision
            cameras=FollowedMapping(self.cameras),
            tree=GridTree(
                grids=FollowedMapping(lambda: self._registry.tree.grids),
                centres=site.registry.tree.centres,
            ),
            people=FollowedMapping(lambda: self._registry.people),
            office=site.registry.office,
            points=FollowedMapping(lambda: self._registry.points),
            absent=FollowedMapping(lambda: self._registry.absent),
            teams=site.registry.teams,
        )

    def registry(self) -> Registry:
        """The registry as last read: cameras, grids and people that belong together."""
        return self._registry

    def cameras(self) -> Mapping[CameraId, Camera]:
        """The cameras as last read."""
        return self._registry.cameras

    def shapes(self) -> Mapping[str, Mapping[str, Any]]:
        """The outlines of the grids as last read, by grid code."""
        return self._shapes

    def refresh(self) -> None:
        """Read the files again when one changed; a stat call for each when none did."""
        with self._lock:
            self._follow_calendar()
            stamps = self._stamps()
            if (
                self.folder is None
                or self._has_missing_file(stamps)
                or stamps == self._known_stamps
            ):
                return
            self._known_stamps = stamps
            try:
                loaded = self.load(self.folder)
            except ConfigProblems as exc:
                log.warning(
                    "the changed registry is not used",
                    problems=exc.count,
                    first=str(exc.problems[0]) if exc.problems else "",
                )
            else:
                kept = self.followed  # what stands in site.yaml, which is read at start
                tree = replace(loaded.registry.tree, centres=kept.tree.centres)
                self._registry = replace(
                    loaded.registry, tree=tree, office=kept.office, teams=kept.teams
                )
                self._shapes = loaded.shapes
                self._look_at_calendar()
                self.version += 1
                log.info("registry read again", cameras=len(self.cameras()))

    def _follow_calendar(self) -> None:
        """Another registry when a leave began or ended since the last look."""
        due = self._leave_changes_at
        if due is not None and self.now is not None and self.now() >= due:
            self._look_at_calendar()
            self.version += 1
            log.info("the calendar of leave moved on", away=len(self._registry.absent))

    def _look_at_calendar(self) -> None:
        if self.now is None:
            return
        now = self.now()
        self._registry = self._registry.at(now)
        self._leave_changes_at = next_change(self._registry.leaves, now)

    def _has_missing_file(self, stamps: tuple[FileStamp, ...]) -> bool:
        pairs = zip(WATCHED_FILES, stamps, self._known_stamps, strict=True)
        missing = tuple(
            name for name, now, before in pairs if before and not now and name not in MAY_GO
        )
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
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


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
    mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else PRIVATE_MODE
    write_atomically(target, data, mode=mode)
