"""Simulated cameras at run time: their timeline, what each shows, and what is wrong with it.

All cameras run at 15 frames a second, each ahead by its own phase. A frame is divided into ticks,
and every camera belongs to one of them, so that the work is spread evenly over time. `loops_needed`
and `farm_cameras` turn a town into what the farm serves.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from simulators.faults import SHOWN_IN_PICTURE, CameraFault
from simulators.rtsp_farm.rtp_packets import CameraLoops, PacketCache, PacketLoop
from simulators.rtsp_farm.vendors import VENDORS, Vendor
from simulators.scenes.catalogue import Scene, SceneLight, by_name, catalogue, clean_name
from simulators.scenes.library import LoopSpec
from simulators.town.model import Login, Town, TownCamera

FRAMES_PER_S: Final = 15
TICKS_PER_FRAME: Final = 8  # 8.3 ms: hundreds of viewers make a few dozen writes per tick
TICKS_PER_S: Final = FRAMES_PER_S * TICKS_PER_FRAME
VIDEO_CLOCK_HZ: Final = 90_000
AUDIO_CLOCK_HZ: Final = 8_000
_NTP_EPOCH_S: Final = 2_208_988_800  # 1900 → 1970
SKEW: Final = timedelta(minutes=-7)  # of a camera whose clock is off
_WITHHELD_FRAMES: Final = 30 * FRAMES_PER_S
_RARE_KEY_FRAMES: Final = 10 * FRAMES_PER_S
_LOCKED: Final = Login(scheme="digest-md5-qop", user="admin", password="\0")  # noqa: S106 nobody's  # nosec B106
"""Nobody has this password."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FarmTimeline:
    """Frame and tick numbers since the farm began, and the wall clock that belongs to each."""

    began_s: float  # on the event loop's clock
    began_at: datetime  # UTC

    def tick_at(self, now_s: float) -> int:
        """The tick that is running at `now_s`."""
        return int((now_s - self.began_s) * TICKS_PER_S)

    def due_s(self, tick: int) -> float:
        """When a tick begins, on the event loop's clock."""
        return self.began_s + tick / TICKS_PER_S

    def wall_at(self, frame: int) -> datetime:
        """The wall clock at a frame of a camera without phase."""
        return self.began_at + timedelta(seconds=frame / FRAMES_PER_S)


def ntp_time(at: datetime) -> int:
    """64-bit NTP timestamp of RTCP (RFC 3550 §4)."""
    return int((at.timestamp() + _NTP_EPOCH_S) * (1 << 32))


@dataclass(slots=True, eq=False)
class FarmCamera:
    """One camera; the control channel changes `loops`, `shows` and `fault` while it serves."""

    town_camera: TownCamera
    scene: Scene
    loops: CameraLoops
    shows: str  # name of the scene just now
    fault: CameraFault
    number: int
    pulls: int = 0  # connections that asked for it
    viewers: int = 0  # sessions that play

    @property
    def vendor(self) -> Vendor:
        """The dialect of its maker."""
        return VENDORS[self.scene.vendor]

    @property
    def login(self) -> Login:
        """The login that it asks for; one that nobody has while its fault is a refused password."""
        return _LOCKED if self.fault is CameraFault.UNAUTHORIZED_401 else self.town_camera.login

    @property
    def slot(self) -> int:
        """The tick within each frame at which its viewers are served."""
        return self.number % TICKS_PER_FRAME

    @property
    def clock_skew(self) -> timedelta:
        """How far its clock is off."""
        return SKEW if self.fault is CameraFault.CLOCK_SKEW else timedelta()

    def loop(self, *, sub: bool) -> PacketLoop:
        """The frames that the main or the sub stream repeats."""
        return self.loops.sub if sub else self.loops.main

    def fails_this_pull(self) -> bool:
        """Count a connection; every other one fails while the camera is flaky."""
        self.pulls += 1
        return self.fault is CameraFault.FLAKY and self.pulls % 2 == 1


def frame_of(loop: PacketLoop, fault: CameraFault, index: int, played: int) -> int | None:
    """Which frame of the loop is due at frame `index` of the camera's time; None: nothing is.

    `played` counts this viewer's frames since PLAY.
    """
    frames, gop = loop.format.loop_frames, loop.format.gop_frames
    due = index % frames
    if fault is CameraFault.NO_PACKETS:
        return None
    if fault is CameraFault.FROZEN:
        return index % gop
    if fault is CameraFault.NO_KEY_FRAME_30S and played < _WITHHELD_FRAMES:
        return due if due % gop else (due - 1) % frames
    if fault is CameraFault.KEY_FRAME_EVERY_10S:
        turn, at = divmod(index, _RARE_KEY_FRAMES)
        first = turn % loop.format.gops * gop
        return first if at == 0 else first + 1 + (at - 1) % (gop - 1)
    return due


def loop_spec(profile: str, scene: str, light: SceneLight, fault: CameraFault) -> LoopSpec:
    """The loop that a camera plays; faults of the transmission are made out of a sound loop."""
    shown = fault if fault in SHOWN_IN_PICTURE else CameraFault.NONE
    return LoopSpec(profile=profile, scene=scene, light=light, fault=shown)


def loops_needed(town: Town, profile: str, light: SceneLight) -> list[LoopSpec]:
    """The loops that a town plays, each once, with the clean twin of each problem."""
    specs: dict[LoopSpec, None] = {}
    for camera in town.cameras:
        specs[loop_spec(profile, camera.scene, light, camera.fault)] = None
        if camera.scene != camera.clean:
            specs[loop_spec(profile, camera.clean, light, CameraFault.NONE)] = None
    return list(specs)


def farm_cameras(
    town: Town,
    profile: str,
    light: SceneLight,
    packet_cache: PacketCache,
    only: LoopSpec | None = None,
) -> dict[str, FarmCamera]:
    """The cameras of the town with their loops, by id; `only`: sound ones that play this loop."""
    scenes = by_name(catalogue(profile))
    cameras: dict[str, FarmCamera] = {}
    for number, town_camera in enumerate(town.cameras):
        spec = loop_spec(profile, town_camera.scene, light, town_camera.fault)
        if only and (spec != only or town_camera.fault is not CameraFault.NONE):
            continue
        scene = scenes[clean_name(town_camera.clean)]
        cameras[str(town_camera.id)] = FarmCamera(
            town_camera=town_camera,
            scene=scene,
            loops=packet_cache.loops_for(spec, VENDORS[scene.vendor]),
            shows=town_camera.scene,
            fault=town_camera.fault,
            number=number,
        )
    return cameras
