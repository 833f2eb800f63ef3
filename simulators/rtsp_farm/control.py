"""The farm's control channel: JSON lines over loopback TCP, one request and one answer per line.

    {"do": "scene", "camera": ID, "scene": "clean" | NAME}   what it shows; a bare variant too
    {"do": "fault", "camera": ID, "fault": NAME | "none"}
    {"do": "truth", "camera": ID}                            what it shows, and its fault
    {"do": "stats"}
Answers: {"ok": true, …} or {"ok": false, "error": "…"}. `FarmControl` is the client, used by
simulated leaders and tests; `FarmController` carries out the requests.
"""

import asyncio
import json
import resource
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

from simulators.faults import CameraFault
from simulators.rtsp_farm.camera import FarmCamera, loop_spec
from simulators.rtsp_farm.rtp_packets import PacketCache
from simulators.rtsp_farm.server_state import ServerState
from simulators.scenes.catalogue import SceneLight
from simulators.town.ground_truth import GroundTruth, truth_of
from simulators.town.model import Town

Handler = Callable[[Mapping[str, Any]], Awaitable[Mapping[str, Any]]]
_MOST_BYTES: Final = 4096


class ControlError(Exception):
    """The farm could not do what was asked; the text says why."""


async def serve_control(host: str, port: int, handler: Handler) -> asyncio.Server:
    """Listen for requests; `handler` raises ControlError for what it cannot do."""

    async def handle_client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                writer.write(json.dumps(await _answer(line, handler)).encode() + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError):  # hung up, or a line without end
            pass
        finally:
            writer.close()

    return await asyncio.start_server(handle_client, host, port, limit=_MOST_BYTES)


async def _answer(line: bytes, handler: Handler) -> dict[str, Any]:
    try:
        request = json.loads(line)
        if isinstance(request, dict):
            return {"ok": True, **await handler(request)}
    except (ControlError, ValueError) as error:
        return {"ok": False, "error": str(error)}
    return {"ok": False, "error": "a request is a JSON object"}


class FarmControl:
    """A blocking client of the control channel."""

    def __init__(self, port: int, host: str = "127.0.0.1", timeout_s: float = 60.0) -> None:
        self._socket = socket.create_connection((host, port), timeout=timeout_s)
        self._lines = self._socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._lines.close()
        self._socket.close()

    def scene(self, camera: str, scene: str = "clean") -> None:
        """Let the camera show something else, from its next key frame on."""
        self._ask({"do": "scene", "camera": camera, "scene": scene})

    def fault(self, camera: str, fault: str = "none") -> None:
        """Give the camera a fault, or mend it."""
        self._ask({"do": "fault", "camera": camera, "fault": fault})

    def truth(self, camera: str) -> dict[str, Any]:
        """The ground truth of one camera just now."""
        truth: dict[str, Any] = self._ask({"do": "truth", "camera": camera})["truth"]
        return truth

    def stats(self) -> dict[str, Any]:
        """The fields of `ServerCounts`, and sockets, sessions, CPU and memory in use."""
        return self._ask({"do": "stats"})

    def _ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        self._socket.sendall(json.dumps(request).encode() + b"\n")
        line = self._lines.readline()
        if not line:
            raise ControlError("the farm hung up")
        answer: dict[str, Any] = json.loads(line)
        if not answer.pop("ok"):
            raise ControlError(answer["error"])
        return answer


@dataclass(slots=True)
class FarmController:
    """Carries out control requests on the running farm."""

    town: Town
    server: ServerState
    packet_cache: PacketCache
    profile: str
    light: SceneLight
    wake_dead_port: Callable[[], None]
    more_stats: Callable[[], Mapping[str, Any]] = dict

    async def handle_request(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Answer one request. Raises ControlError."""
        match request.get("do"):
            case "scene":
                return await self._set_scene(self._camera(request), str(request.get("scene")))
            case "fault":
                return await self._set_fault(self._camera(request), str(request.get("fault")))
            case "truth":
                return {"truth": asdict(self._truth(self._camera(request)))}
            case "stats":
                return self._stats()
            case other:
                raise ControlError(f"cannot do {other!r}; give scene, fault, truth or stats")

    def _camera(self, request: Mapping[str, Any]) -> FarmCamera:
        try:
            return self.server.cameras[str(request.get("camera"))]
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
        if wanted not in set(CameraFault):
            raise ControlError(f"no fault {wanted!r}, give one of {', '.join(CameraFault)}")
        fault = CameraFault(wanted)
        if (
            camera.town_camera.fault is CameraFault.REFUSES_CONNECTION
            and fault is not camera.town_camera.fault
        ):
            self.wake_dead_port()
        await self._show(camera, camera.shows, fault)
        return {"fault": fault}

    async def _show(self, camera: FarmCamera, name: str, fault: CameraFault) -> None:
        """Switch the loop; one that is not cached is drawn and encoded in a thread first."""
        spec = loop_spec(self.profile, name, self.light, fault)
        camera.loops = await asyncio.to_thread(self.packet_cache.loops_for, spec, camera.vendor)
        camera.shows, camera.fault = name, fault

    def _truth(self, camera: FarmCamera) -> GroundTruth:
        return truth_of(
            camera.town_camera,
            camera.scene,
            shows=camera.shows,
            fault=camera.fault,
            light=self.light,
            patrolled=camera.town_camera.patrolled(self.town.today),
        )

    def _stats(self) -> Mapping[str, Any]:
        used = resource.getrusage(resource.RUSAGE_SELF)
        return {
            **asdict(self.server.counts),
            **self.more_stats(),
            "open": len(self.server.connected),
            "sessions": len(self.server.sessions),
            "playing": self.server.timer_queue.playing(),
            "skipped_ticks": self.server.timer_queue.skipped,
            "cpu_s": round(used.ru_utime + used.ru_stime, 3),
            "peak_rss_mb": round(used.ru_maxrss / 1024, 1),
        }
