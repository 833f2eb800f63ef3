"""The running farm: what the control channel may do to it."""

import asyncio
import resource
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from simulators.farm.build import loop_spec
from simulators.farm.camera import FarmCamera
from simulators.farm.control import ControlError
from simulators.farm.desk import Desk
from simulators.farm.shelf import Shelf
from simulators.faults import Fault
from simulators.scenes.catalogue import SceneLight
from simulators.town.model import Town
from simulators.truth import Truth, truth_of


@dataclass(slots=True)
class Farm:
    """Town, desk and shelf together."""

    town: Town
    desk: Desk
    shelf: Shelf
    profile: str
    light: SceneLight
    wake_dead_port: Callable[[], None]

    async def control(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """One request of the control channel. Raises ControlError."""
        match request.get("do"):
            case "scene":
                return await self._set_scene(self._camera(request), str(request.get("scene")))
            case "fault":
                return await self._set_fault(self._camera(request), str(request.get("fault")))
            case "truth" if "camera" in request:
                return {"truth": asdict(self._truth(self._camera(request)))}
            case "truth":
                cameras = self.desk.cameras.items()
                return {"cameras": {ident: asdict(self._truth(c)) for ident, c in cameras}}
            case "stats":
                return self._stats()
            case other:
                raise ControlError(f"cannot do {other!r}; give scene, fault, truth or stats")

    def _camera(self, request: Mapping[str, Any]) -> FarmCamera:
        try:
            return self.desk.cameras[str(request.get("camera"))]
        except KeyError:
            raise ControlError(f"no camera {request.get('camera')!r}") from None

    async def _set_scene(self, camera: FarmCamera, wanted: str) -> Mapping[str, Any]:
        name = camera.scene.name if wanted in {"clean", camera.scene.name} else wanted
        if name != camera.scene.name and "+" not in name:
            name = f"{camera.scene.name}+{wanted}"
        known = {camera.scene.name, *(camera.scene.staged(v) for v in camera.scene.variants)}
        if name not in known:
            raise ControlError(f"this camera has no scene {wanted!r}, give one of {sorted(known)}")
        await self._show(camera, name, camera.fault)
        return {"scene": name}

    async def _set_fault(self, camera: FarmCamera, wanted: str) -> Mapping[str, Any]:
        if wanted not in set(Fault):
            raise ControlError(f"no fault {wanted!r}, give one of {', '.join(Fault)}")
        fault = Fault(wanted)
        if camera.record.fault is Fault.REFUSES_CONNECTION and fault is not camera.record.fault:
            self.wake_dead_port()
        await self._show(camera, camera.shows, fault)
        return {"fault": fault}

    async def _show(self, camera: FarmCamera, name: str, fault: Fault) -> None:
        """A loop that is not on the shelf is drawn and encoded first, beside the serving."""
        spec = loop_spec(self.profile, name, self.light, fault)
        camera.reel = await asyncio.to_thread(self.shelf.reel, spec, camera.vendor)
        camera.shows, camera.fault = name, fault

    def _truth(self, camera: FarmCamera) -> Truth:
        return truth_of(
            camera.record,
            camera.scene,
            shows=camera.shows,
            fault=camera.fault,
            light=self.light,
            patrolled=camera.record.patrolled(self.town.today),
        )

    def _stats(self) -> Mapping[str, Any]:
        used = resource.getrusage(resource.RUSAGE_SELF)
        return {
            **asdict(self.desk.counts),
            "open": len(self.desk.connected),
            "sessions": len(self.desk.sessions),
            "playing": self.desk.wheel.playing(),
            "skipped_ticks": self.desk.wheel.skipped,
            "cpu_s": round(used.ru_utime + used.ru_stime, 3),
            "peak_rss_mb": round(used.ru_maxrss / 1024, 1),
        }
