"""Read cameras.csv and zones.yaml again when they change on disk, while the service runs.

A withdrawal of consent written into cameras.csv counts within a second. Only cameras are followed;
people, grids and plans are read at start. A file that is invalid or missing leaves the cameras as
they were and is logged once: a household's visible area does not widen because a file was moved.
"""

import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import structlog

from patrol.domain.camera import Camera
from patrol.domain.ids import CameraId
from patrol.settings import ConfigProblems, Site

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
                log.warning("the changed registry is not used", problems=len(exc.problems))
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
