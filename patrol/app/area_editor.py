"""What may be seen and where to look, as drawn by a person: into zones.yaml, and into the log.

Writing the registry's files: the whole configuration is read with the new ones first.

`check` reads it beside the present one; `replaced` puts the files in place, each whole or not at
all, and puts the old ones back when what belongs to the change (its line in the log) fails.
"""

import json
import stat
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from patrol.app.camera_types import ActionRefused, ChangedMeanwhile, DrawnAreas
from patrol.app.registry_watcher import RegistryWatcher
from patrol.domain.ids import CameraId
from patrol.files import SHARED_MODE, write_atomically
from patrol.ports import Clock
from patrol.settings import ConfigProblems, Site
from patrol.settings.load import CONFIG_FILES
from patrol.settings.zones_editor import NotEditable, camera_areas, replace_camera
from patrol.store import Store

FileContents = Mapping[str, bytes]  # file name → what it shall hold
BOM: Final = b"\xef\xbb\xbf"


def check_files(folder: Path, contents: FileContents, load: Callable[[Path], Site]) -> Site:
    """The site as it would be. Raises ConfigProblems, whose files have plain names."""
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
            raise ConfigProblems(problems) from None
    notices = (replace(notice, file=Path(notice.file).name) for notice in site.notices)
    return replace(site, notices=tuple(notices))


@contextmanager
def replaced_files(folder: Path, contents: FileContents) -> Iterator[None]:
    """The new files for the block and after it; the old ones again when the block fails."""
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
    """Through a link to the file it means, whose mode stays."""
    target = path.resolve()
    mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else SHARED_MODE
    write_atomically(target, data, mode=mode)


ZONES_FILE: Final = "zones.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryWriteContext:
    """What writing the registry's files takes; one for the house, so that one writes at a time."""

    store: Store
    clock: Clock
    watcher: RegistryWatcher
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def folder(self) -> Path:
        """Where the files are. Raises CannotDo when nobody said."""
        if self.watcher.folder is None:
            raise ActionRefused("no_folder")
        return self.watcher.folder


@dataclass(frozen=True, slots=True)
class AreaEditor:
    """One change at a time; the lines of zones.yaml that are not its business stay."""

    context: RegistryWriteContext

    def load(self, camera: CameraId) -> DrawnAreas:
        """As the file says it now."""
        try:
            areas = camera_areas(self.context.folder / ZONES_FILE, camera)
        except NotEditable as exc:
            raise ActionRefused(str(exc)) from exc
        return DrawnAreas(areas=areas, version=_areas_version(areas))

    def save(
        self, camera: CameraId, areas: Mapping[str, Any], *, version: str, by: str, why: str
    ) -> DrawnAreas:
        """Raises Changed, CannotDo, ConfigProblems."""
        context = self.context
        folder, now = context.folder, context.clock.now()
        with context.lock:
            present = self.load(camera)
            if present.version != version:
                raise ChangedMeanwhile("somebody else drew here meanwhile")
            try:
                contents = {ZONES_FILE: replace_camera(folder / ZONES_FILE, camera, areas).encode()}
            except NotEditable as exc:
                raise ActionRefused(str(exc)) from exc
            check_files(folder, contents, context.watcher.load)
            with context.store.begin() as uow:
                uow.access.append(
                    at=now, who=by, what="change_areas", camera=camera,
                    why=f"{_change_summary(present.areas, areas)}; {why}",
                )  # fmt: skip
                with replaced_files(folder, contents):
                    uow.commit()
            context.watcher.refresh()
        return self.load(camera)


def _areas_version(areas: Mapping[str, Any]) -> str:
    return sha256(json.dumps(areas, sort_keys=True).encode()).hexdigest()[:16]


def _change_summary(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """`visible: 4 → 5 points, zones: 1 → 2`: what kind of change it was, for the log."""
    changes = []
    for key, unit in (("visible", " points"), ("ignore", ""), ("zones", "")):
        old, new = before.get(key) or (), after.get(key) or ()
        if list(old) != list(new):
            changes.append(f"{key}: {len(old)} → {len(new)}{unit}")
    return ", ".join(changes) or "nothing changed"
