"""What may be seen and where to look, as drawn by a person: into zones.yaml, and into the log."""

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from patrol.app.registry import LiveRegistry
from patrol.app.registry_files import check, replaced
from patrol.console.camera_doors import CannotDo, Changed, Drawn
from patrol.domain.ids import CameraId
from patrol.ports import Clock
from patrol.settings.areas_text import NotEditable, areas_of, with_areas
from patrol.store import Store

FILE: Final = "zones.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pen:
    """What writing the registry's files takes; one for the house, so that one writes at a time."""

    store: Store
    clock: Clock
    live: LiveRegistry
    writing: threading.Lock = field(default_factory=threading.Lock)

    @property
    def folder(self) -> Path:
        """Where the files are. Raises CannotDo when nobody said."""
        if self.live.folder is None:
            raise CannotDo("no_folder")
        return self.live.folder


@dataclass(frozen=True, slots=True)
class AreaDesk:
    """One change at a time; the lines of zones.yaml that are not its business stay."""

    pen: Pen

    def drawn(self, camera: CameraId) -> Drawn:
        """As the file says it now."""
        try:
            areas = areas_of(self.pen.folder / FILE, camera)
        except NotEditable as exc:
            raise CannotDo(str(exc)) from exc
        return Drawn(areas=areas, mark=_mark(areas))

    def draw(
        self, camera: CameraId, areas: Mapping[str, Any], *, mark: str, by: str, why: str
    ) -> Drawn:
        """Raises Changed, CannotDo, ConfigProblems."""
        pen = self.pen
        folder, now = pen.folder, pen.clock.now()
        with pen.writing:
            before = self.drawn(camera)
            if before.mark != mark:
                raise Changed("somebody else drew here meanwhile")
            try:
                contents = {FILE: with_areas(folder / FILE, camera, areas).encode()}
            except NotEditable as exc:
                raise CannotDo(str(exc)) from exc
            check(folder, contents, pen.live.load)
            with pen.store.begin() as uow:
                uow.access.append(
                    at=now, who=by, what="change_areas", camera=camera,
                    why=f"{_summary(before.areas, areas)}; {why}",
                )  # fmt: skip
                with replaced(folder, contents):
                    uow.commit()
            pen.live.refresh()
        return self.drawn(camera)


def _mark(areas: Mapping[str, Any]) -> str:
    return sha256(json.dumps(areas, sort_keys=True).encode()).hexdigest()[:16]


def _summary(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """`visible: 4 → 5 points, zones: 1 → 2`: what kind of change it was, for the log."""
    said = []
    for key, unit in (("visible", " points"), ("ignore", ""), ("zones", "")):
        old, new = before.get(key) or (), after.get(key) or ()
        if list(old) != list(new):
            said.append(f"{key}: {len(old)} → {len(new)}{unit}")
    return ", ".join(said) or "nothing changed"
