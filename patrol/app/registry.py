"""The registry as it stands on disk: a withdrawal written into cameras.csv counts within a second.

Only cameras are followed while we run; people, grids and plans are read at start. A file that was
saved half-way, or is gone, keeps the registry that we have, and says so once: a household's visible
area does not widen because somebody moved a file.
"""

import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import structlog

from patrol.domain.camera import Camera
from patrol.domain.ids import CameraId
from patrol.settings import ConfigProblems, Site

log = structlog.get_logger(__name__)

Stamp = tuple[int, int] | None  # modified at, ns; bytes. None: no such file
FOLLOWED = ("cameras.csv", "zones.yaml")


class LiveRegistry:
    """Answers with the cameras of the newest files that were without a problem."""

    def __init__(self, site: Site, folder: Path | None, load: Callable[[Path], Site]) -> None:
        self.folder = folder
        self.load = load
        self._cameras: Mapping[CameraId, Camera] = site.registry.cameras
        self._seen = self._stamps()
        self._gone: tuple[str, ...] = ()
        self._lock = threading.Lock()  # whoever wrote a file must find it read

    def cameras(self) -> Mapping[CameraId, Camera]:
        """As last read."""
        return self._cameras

    def refresh(self) -> None:
        """Read again when a file changed; two stat calls when none did."""
        with self._lock:
            stamps = self._stamps()
            if self.folder is None or self._is_gone(stamps) or stamps == self._seen:
                return
            self._seen = stamps
            try:
                self._cameras = self.load(self.folder).registry.cameras
            except ConfigProblems as exc:
                log.warning("the changed registry is not used", problems=len(exc.problems))
            else:
                log.info("registry read again", cameras=len(self._cameras))

    def _is_gone(self, stamps: tuple[Stamp, ...]) -> bool:
        pairs = zip(FOLLOWED, stamps, self._seen, strict=True)
        gone = tuple(name for name, now, before in pairs if before and not now)
        if gone and gone != self._gone:
            log.warning("a file of the registry is gone; what it said last holds", files=gone)
        self._gone = gone
        return bool(gone)

    def _stamps(self) -> tuple[Stamp, ...]:
        if self.folder is None:
            return ()
        return tuple(_stamp(self.folder / name) for name in FOLLOWED)


def _stamp(path: Path) -> Stamp:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size
