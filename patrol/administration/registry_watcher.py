"""Read the registry's files again when they change on disk, while the service runs.

A withdrawal of consent written into cameras.csv counts within a second, and so does a new grid
leader in people.csv. Followed are cameras, visible areas, people, grids and their outlines;
site.yaml, rules.yaml and models.yaml are read at start. A change is used when the whole
configuration is valid. Files that are invalid or missing leave everything as it was and are logged
once: a household's visible area does not widen because a file was moved.
"""

import threading
from collections.abc import Callable, ItemsView, Iterator, KeysView, Mapping, ValuesView
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import structlog
from typing_extensions import override

from patrol.domain.camera import Camera
from patrol.domain.ids import CameraId
from patrol.domain.registry import GridTree, Registry
from patrol.settings import ConfigProblems, Site

log = structlog.get_logger(__name__)

K = TypeVar("K")
V = TypeVar("V")
FileStamp = tuple[int, int, int] | None  # modified at, ns; bytes; inode. None: no such file
WATCHED_FILES = ("cameras.csv", "zones.yaml", "people.csv", "grids.csv", "grids.geojson")


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

    def __init__(self, site: Site, folder: Path | None, load: Callable[..., Site]) -> None:
        self.folder = folder
        self.load = load
        self.version = 0  # counts the changes that were read
        self._registry, self._shapes = site.registry, site.shapes
        self._known_stamps = self._stamps()
        self._missing: tuple[str, ...] = ()
        self._lock = threading.Lock()  # after a write, refresh() has read the new file
        self.followed = Registry(  # for whoever keeps a registry for longer than one decision
            cameras=FollowedMapping(self.cameras),
            tree=GridTree(grids=FollowedMapping(lambda: self._registry.tree.grids)),
            people=FollowedMapping(lambda: self._registry.people),
            office=site.registry.office,
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
                    problems=len(exc.problems),
                    first=str(exc.problems[0]) if exc.problems else "",
                )
            else:
                office = self.followed.office  # of site.yaml, which is read at start
                self._registry = replace(loaded.registry, office=office)
                self._shapes = loaded.shapes
                self.version += 1
                log.info("registry read again", cameras=len(self.cameras()))

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
    return stat.st_mtime_ns, stat.st_size, stat.st_ino
