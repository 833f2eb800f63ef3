"""Save the areas that a person drew on a camera's picture into zones.yaml and the access log.

One camera at a time: the lines of the file that belong to other cameras stay as they are. Used by
the console's area page; the settings' own reader checks what was drawn.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from patrol.administration.registry_files import (
    ChangedMeanwhile,
    RegistryEditRefused,
    RegistryWriteContext,
    check_files,
    replaced_files,
)
from patrol.domain.ids import CameraId
from patrol.settings.zones_editor import NotEditable, camera_areas, replace_camera

ZONES_FILE: Final = "zones.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnAreas:
    """The entry of one camera in zones.yaml, as it is written there."""

    areas: Mapping[str, Any]
    version: str  # hash of this entry: a save names the version that it changes


@dataclass(frozen=True, slots=True)
class AreaEditor:
    """Reads and replaces the entry of one camera in zones.yaml; every method from any thread."""

    context: RegistryWriteContext

    def load(self, camera: CameraId) -> DrawnAreas:
        """Read the camera's entry. Raises RegistryEditRefused: not editable here."""
        try:
            areas = camera_areas(self.context.folder / ZONES_FILE, camera)
        except NotEditable as exc:
            raise RegistryEditRefused(str(exc)) from exc
        return DrawnAreas(areas=areas, version=_areas_version(areas))

    def save(
        self, camera: CameraId, areas: Mapping[str, Any], *, version: str, by: str, why: str
    ) -> DrawnAreas:
        """Replace the camera's entry and log it.

        Raises ChangedMeanwhile, RegistryEditRefused, ConfigProblems; nothing was changed then.
        """
        context = self.context
        folder, now = context.folder, context.clock.now()
        with context.lock:
            present = self.load(camera)
            if present.version != version:
                raise ChangedMeanwhile("somebody else drew here meanwhile")
            try:
                contents = {ZONES_FILE: replace_camera(folder / ZONES_FILE, camera, areas).encode()}
            except NotEditable as exc:
                raise RegistryEditRefused(str(exc)) from exc
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
    """`visible: 4 → 5 points, zones: 1 → 2`, for the access log."""
    changes = []
    for key, unit in (("visible", " points"), ("ignore", ""), ("zones", "")):
        old, new = before.get(key) or (), after.get(key) or ()
        if list(old) != list(new):
            changes.append(f"{key}: {len(old)} → {len(new)}{unit}")
    return ", ".join(changes) or "nothing changed"
