"""A town's cameras behind simulated GB/T 28181 recorders instead of RTSP.

Each recorder is a device of its own that registers with the patrol; its channels are the farm's
cameras, with the farm's scenes and faults. `sources_yaml` writes what the patrol has to know.
"""

import json
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from simulators.faults import CameraFault
from simulators.gb28181.channels import DeviceChannel
from simulators.gb28181.device import SimulatedDevice
from simulators.gb28181.faults import DeviceFaults
from simulators.gb28181.media import EncodedPicture, MediaSender
from simulators.rtsp_farm.camera import FRAMES_PER_S, VIDEO_CLOCK_HZ, FarmCamera, frame_of
from simulators.rtsp_farm.playback import TimerQueue
from simulators.rtsp_farm.rtp_packets import PacketLoop

SERVER_CODE: Final = "62090204002000000001"
SESSION_CAP: Final = 4  # what a recorder gives at once
PASSWORD: Final = "gb-demo-28181"  # noqa: S105  of simulated devices
MEDIA_PORTS: Final = "20000-23999"
_TICKS_PER_FRAME: Final = VIDEO_CLOCK_HZ // FRAMES_PER_S
_REFUSALS: Final = {
    CameraFault.REFUSES_CONNECTION: "480 Temporarily Unavailable",
    CameraFault.NEVER_ANSWERS: "-",
    CameraFault.UNAUTHORIZED_401: "403 Forbidden",
    CameraFault.NOT_FOUND_404: "404 Not Found",
    CameraFault.WRONG_SDP: "415 Unsupported Media Type",
}


@dataclass(frozen=True, slots=True, eq=False)
class FarmSource:
    """One camera of the farm as a channel."""

    camera: FarmCamera
    queue: TimerQueue

    def refusal(self) -> str:
        """What the camera's fault makes of an INVITE."""
        if self.camera.fails_this_pull():
            return "408 Request Timeout"
        return _REFUSALS.get(self.camera.fault, "")

    def start(self, sender: MediaSender) -> "FarmPlaying":
        """Send what the camera shows, in its own time."""
        playing = FarmPlaying(self.camera, sender, self.queue)
        self.queue.add(playing)
        return playing


@dataclass(slots=True, eq=False)
class FarmPlaying:
    """One live view of one camera; the timer queue ticks it once per frame."""

    camera: FarmCamera
    sender: MediaSender
    queue: TimerQueue
    played: int = 0
    _loop: PacketLoop | None = None
    _behind: bool = False

    def stop(self) -> None:
        """Send no more."""
        self.queue.remove(self)

    def tick(self, frame: int) -> None:
        """Send what is due at the farm's frame number `frame`."""
        index = frame + self.camera.town_camera.phase
        wanted = self.camera.loop(sub=False)
        if self._loop is None or index % wanted.format.gop_frames == 0:
            self._loop = wanted
        at = frame_of(self._loop, self.camera.fault, index, self.played)
        self.played += 1
        if at is None:
            return
        key = self._loop.frames[at].key
        if self._behind and not key:
            return
        picture = EncodedPicture(self._shown(self._loop.units[at]), key, self._loop.format.codec)
        time = (self.camera.number * 7_919 + index) * _TICKS_PER_FRAME
        self._behind = not self.sender.send_picture(picture, time)
        if self.camera.fault is CameraFault.DROPS_MID_PICTURE and key:
            self.sender.close()

    def _shown(self, annexb: bytes) -> bytes:
        """The picture as the camera's fault leaves it."""
        if self.camera.fault is CameraFault.GARBAGE_BYTES:
            return bytes(range(128, 256)) * (1 + len(annexb) // 128)
        if self.camera.fault is CameraFault.DROPS_MID_PICTURE:
            return annexb[: len(annexb) // 2]
        if self.camera.fault is CameraFault.CORRUPT_BITSTREAM:
            middle = len(annexb) // 2
            return annexb[:middle] + b"\x5a" * (len(annexb) // 4) + annexb[middle * 3 // 2 :]
        return annexb


@dataclass(slots=True)
class GbFleet:
    """The recorders of a town; `start` lets them register, again and again until they may."""

    cameras: Sequence[FarmCamera]
    queue: TimerQueue
    server: tuple[str, int]
    count: int = 20
    session_cap: int = SESSION_CAP
    devices: list[SimulatedDevice] = field(default_factory=list)

    def recorder_of(self, number: int) -> str:
        """The name of the recorder of the camera with this number."""
        return f"nvr{number % self.count + 1:02d}"

    async def start(self) -> None:
        """Open every recorder."""
        channels: dict[str, list[DeviceChannel]] = {}
        for camera in self.cameras:
            channel = DeviceChannel(
                code=str(camera.town_camera.id),
                name=camera.town_camera.name,
                source=FarmSource(camera, self.queue),
                online=camera.fault is not CameraFault.REFUSES_CONNECTION,
            )
            channels.setdefault(self.recorder_of(camera.number), []).append(channel)
        for name, mine in channels.items():
            device = SimulatedDevice(
                code=device_code(name),
                password=PASSWORD,
                server=self.server,
                server_code=SERVER_CODE,
                channels=mine,
                faults=DeviceFaults(session_cap=self.session_cap, items_per_message=8),
            )
            self.devices.append(device)
            await device.start()

    async def close(self) -> None:
        """End every recorder."""
        for device in self.devices:
            await device.close()

    def stats(self) -> Mapping[str, int]:
        """What the recorders saw, in sum."""
        sums: dict[str, int] = {"gb_sessions": 0, "gb_playing": self.queue.playing()}
        for device in self.devices:
            sums["gb_sessions"] += len(device.sessions.open)
            for name in ("registered", "invites", "acks", "byes", "cancels", "busy", "catalogs"):
                sums[f"gb_{name}"] = sums.get(f"gb_{name}", 0) + getattr(device.counts, name)
            most = max(sums.get("gb_most_sessions", 0), device.counts.most_sessions)
            sums["gb_most_sessions"] = most
        return sums


def device_code(name: str) -> str:
    """The 20-digit code of a recorder."""
    return f"62090204011187{int(name.removeprefix('nvr')):06d}"


def sources_yaml(names: Sequence[str], port: int, host: str) -> str:
    """The sources.yaml of a patrol that these recorders register with."""
    peers: dict[str, Any] = {
        name: {
            "id": device_code(name),
            "password": PASSWORD,
            "sessions": SESSION_CAP,
            "allow_from": [host],
        }
        for name in names
    }
    lines = [f"    {name}: {json.dumps(peer)}\n" for name, peer in peers.items()]
    return (
        "# Written by the simulated town; a real site's file looks the same.\n"
        f'gb28181:\n  id: "{SERVER_CODE}"\n  host: {host}\n  port: {port}\n'
        f'  media_ports: "{MEDIA_PORTS}"\n  peers:\n{"".join(lines)}'
    )


def free_sip_port(host: str) -> int:
    """A port that is free for UDP and TCP just now."""
    while True:
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
            socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp,
        ):
            udp.bind((host, 0))
            port = int(udp.getsockname()[1])
            try:
                tcp.bind((host, port))
            except OSError:
                continue
            return port
