"""The house as the pages of cameras see it: fulfils console.camera_doors.CameraDoors."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from patrol.app.areas import AreaDesk, Pen
from patrol.app.camera_table import CameraTable, said
from patrol.app.house import App
from patrol.app.live import LiveLooks
from patrol.app.normal import Acceptance, NotAccepted, candidates
from patrol.console.camera_doors import (
    Candidate,
    CannotDo,
    Drawn,
    ImportPlan,
    LiveFrame,
    LiveLimits,
    Reference,
    Rejected,
)
from patrol.domain.camera import Camera
from patrol.domain.ids import CameraId, Sha256
from patrol.domain.observation import Light
from patrol.evidence import JpegEncoder
from patrol.settings import ConfigProblems
from patrol.vision.change.compare import AREA_CHANGED
from patrol.vision.memory import EyeMemory
from patrol.vision.reference import SceneState


class CameraDesk:
    """Every part knows one thing; this one puts them together and translates their errors."""

    def __init__(self, app: App) -> None:
        self._app = app
        settings, glass = app.site.settings, app.looks.cases.glass
        pen = Pen(store=app.store, clock=app.clock, live=app.registry)
        self._areas, self._table = AreaDesk(pen), CameraTable(pen)
        self._looks = LiveLooks(
            store=app.store,
            registry=app.registry,
            visitor=glass.visitor,
            beside=glass.beside,
            encode=JpegEncoder(),
            today=lambda: app.clock.now().astimezone(settings.site.tz).date(),
            limits=LiveLimits(
                lasts_s=settings.console.live_s, at_once=settings.console.live_at_once
            ),
        )

    @property
    def writable(self) -> bool:
        """See the door."""
        return self._app.registry.folder is not None

    @property
    def live(self) -> LiveLimits:
        """See the door."""
        return self._looks.limits

    def drawn(self, camera: CameraId) -> Drawn:
        """See the door."""
        return self._areas.drawn(camera)

    def draw(
        self, camera: CameraId, areas: Mapping[str, Any], *, mark: str, by: str, why: str
    ) -> Drawn:
        """See the door."""
        with _rejecting():
            return self._areas.draw(camera, areas, mark=mark, by=by, why=why)

    def references(self, camera: Camera) -> Sequence[Reference]:
        """See the door; a reference of another visible area is suspended before a visit says so."""
        with self._app.store.begin_read() as uow:
            blobs = {light: uow.memories.get(camera.id, light) for light in Light}
        return [_reference(camera, light, blob) for light, blob in blobs.items() if blob]

    def candidate(self, camera: Camera) -> Candidate | None:
        """See the door."""
        with self._app.store.begin_read() as uow:
            found = next(candidates(uow, camera), None)
        if found is None:
            return None
        light, picture = found
        return Candidate(picture=picture.sha256, light=light, taken_at=picture.taken_at)

    def accept(self, camera: CameraId, picture: Sha256, *, by: str) -> None:
        """See the door."""
        accept = Acceptance(
            store=self._app.store,
            evidence=self._app.evidence,
            policy=self._app.looks.cases.glass.judge.policy,
            zone=self._app.site.settings.site.tz,
        )
        now, cameras = self._app.clock.now(), self._app.registry.cameras()
        try:
            accept(camera, cameras, by=by, now=now, picture=picture)
        except NotAccepted as exc:
            raise CannotDo(exc.code) from exc

    def export(self, *, by: str) -> bytes:
        """See the door."""
        with _rejecting():
            return self._table.export(by=by)

    def plan_import(self, data: bytes) -> ImportPlan:
        """See the door."""
        with _rejecting():
            return self._table.plan(data)

    def import_(self, data: bytes, *, mark: str, by: str, why: str) -> ImportPlan:
        """See the door."""
        with _rejecting():
            return self._table.put(data, mark=mark, by=by, why=why)

    def watch(self, camera: CameraId) -> AsyncIterator[LiveFrame]:
        """See the door."""
        return self._looks.watch(camera)


@contextmanager
def _rejecting() -> Iterator[None]:
    """The files' problems in the console's words."""
    try:
        yield
    except ConfigProblems as exc:
        raise Rejected([said(problem) for problem in exc.problems]) from exc


def _reference(camera: Camera, light: Light, blob: bytes) -> Reference:
    scene = EyeMemory.from_bytes(blob, light).scene
    if scene is None:
        return Reference(light=light, state=SceneState.LEARNING, why="", since=None, samples=0)
    state, why = scene.state, scene.why
    if scene.model is not None and not scene.holds_for(camera.areas.visible):
        state, why = SceneState.SUSPENDED, AREA_CHANGED
    return Reference(
        light=light, state=state, why=why, since=scene.learned_at, samples=scene.accepted
    )
