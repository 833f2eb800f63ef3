"""The whole camera farm: build the town, encode what is missing, write the configuration, serve."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Final

from patrol.clock import SystemClock
from patrol.ports import Clock
from simulators.faults import CameraFault, mixture_problem
from simulators.gb28181.fleet import GbFleet, free_sip_port, sources_yaml
from simulators.rtsp_farm.camera import (
    FarmCamera,
    FarmTimeline,
    farm_cameras,
    loop_spec,
    loops_needed,
)
from simulators.rtsp_farm.connection import RtspConnection
from simulators.rtsp_farm.control import FarmController, serve_control
from simulators.rtsp_farm.playback import TimerQueue
from simulators.rtsp_farm.rtp_packets import PacketCache
from simulators.rtsp_farm.server_state import SWEEP_S, ServerState, StreamLimit
from simulators.rtsp_farm.sockets import (
    BACKLOG,
    DeadPort,
    allow_many_files,
    open_dead_port,
    open_udp_pair,
)
from simulators.rtsp_farm.vendors import VENDORS
from simulators.scenes.catalogue import SceneLight, by_name, catalogue
from simulators.scenes.library import (
    DEFAULT_CACHE,
    EncodingCancelled,
    LoopLibrary,
    LoopSpec,
    ProgressCallback,
    cost_of,
)
from simulators.town.build import build_town
from simulators.town.config_files import SiteAddresses, credentials, write_config
from simulators.town.ground_truth import town_truth, write_truth
from simulators.town.model import Town, TownCamera

SITE_TIME: Final = timezone(timedelta(hours=8), "CST")
_ENV_EVERY: Final = 10  # with `password_env`, every tenth camera's password comes from there
_DAY_HOURS: Final = (7, 19)


@dataclass(frozen=True, slots=True, kw_only=True)
class FarmOptions:
    """What a farm is asked to serve; `light` is auto or one of the scene lights."""

    count: int
    out: Path  # the configuration directory to write
    port: int = 0  # 0: any free one
    control_port: int = 0
    host: str = "127.0.0.1"
    seed: int = 7
    faults: str = "town"
    light: str = "auto"
    profile: str = "town"
    cache: Path = DEFAULT_CACHE
    mqtt_url: str = "mqtt://127.0.0.1:1883"
    password_env: str = ""  # write `${NAME}` instead of the password of every tenth camera
    session_timeout_s: int = 60
    stream_limit: StreamLimit | None = None  # all cameras are channels of one recorder
    sources: str = ""  # gb: the cameras come over GB/T 28181, behind `devices` recorders
    devices: int = 20
    first_stream: bool = False  # serve cameras of one stream before all streams are encoded
    progress: ProgressCallback | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class FarmInfo:
    """Where a farm listens, as it prints when it is ready.

    `first` are the cameras that it serves while the streams of the others are being encoded; none
    where all are served. The line is printed again, without them, when all are.
    """

    port: int
    control_port: int
    cameras: int
    pid: int
    config: Path
    light: str
    first: tuple[str, ...] = ()


async def serve(
    options: FarmOptions,
    ready: Callable[[FarmInfo], None],
    stop: asyncio.Event,
    clock: Clock | None = None,
) -> None:
    """Run a farm; `ready` is called once everything listens and the configuration is written.

    With `first_stream` it is called twice where streams have to be encoded (`FarmInfo.first`).

    Raises ValueError for options that make no sense and OSError when a port is taken.
    """
    _check_options(options)
    clock = clock or SystemClock()
    now = clock.now()
    light = choose_light(options.light, now)
    town = _build_town(options, now)
    streams = _Streams(town, options, light, stop)
    try:
        cameras = await streams.encode_first()
        timeline = FarmTimeline(began_s=asyncio.get_running_loop().time(), began_at=clock.now())
        state = ServerState(
            cameras, timeline, TimerQueue(timeline), options.seed,
            options.session_timeout_s, options.stream_limit,
        )  # fmt: skip
        async with _listening(options, state) as (server, dead):
            port = int(server.sockets[0].getsockname()[1])
            packets, listen = streams.packet_cache, dead.start_listening
            farm = FarmController(town, state, packets, options.profile, light, listen)
            control = await serve_control(options.host, options.control_port, farm.handle_request)
            try:
                async with _fleet(options, state, farm) as fleet:
                    _write_files(options, town, light, port, dead.port, fleet=fleet)
                    info = _info(options, port, int(control.sockets[0].getsockname()[1]), light)
                    if streams.first:
                        ready(replace(info, first=tuple(cameras)))
                        cameras.update(await streams.encode_all())
                    ready(info)
                    await stop.wait()
            finally:
                control.close()  # without waiting for its clients to hang up
    except* EncodingCancelled:  # alone, or out of the group of tasks that serves meanwhile
        pass


class _Streams:
    """The streams of a town's cameras: those of the first cameras, then all."""

    def __init__(
        self, town: Town, options: FarmOptions, light: SceneLight, stop: asyncio.Event
    ) -> None:
        self._town, self._options, self._light, self._stop = town, options, light, stop
        self._library = LoopLibrary(options.cache)
        self._needed = loops_needed(town, options.profile, light)
        self.packet_cache = PacketCache(self._library)
        self.first = _first_loop(town, options, light, self._library, self._needed)

    async def encode_first(self) -> dict[str, FarmCamera]:
        """The cameras to begin with: of one stream where streams are missing, else all.

        Raises EncodingCancelled.
        """
        if self.first is None:
            return await self.encode_all()
        await asyncio.to_thread(self._library.ensure, [self.first], None, self._stop.is_set)
        return self._cameras(self.first)

    async def encode_all(self) -> dict[str, FarmCamera]:
        """Every camera. Raises EncodingCancelled."""
        progress, cancelled = self._options.progress, self._stop.is_set
        await asyncio.to_thread(self._library.ensure, self._needed, progress, cancelled)
        return self._cameras(None)

    def _cameras(self, only: LoopSpec | None) -> dict[str, FarmCamera]:
        profile, light = self._options.profile, self._light
        return farm_cameras(self._town, profile, light, self.packet_cache, only=only)


def _first_loop(
    town: Town,
    options: FarmOptions,
    light: SceneLight,
    library: LoopLibrary,
    needed: list[LoopSpec],
) -> LoopSpec | None:
    """The loop to encode before all others: the cheapest that sound cameras play.

    None where the cache has all loops already, or the cameras are behind recorders.
    """
    if not options.first_stream or options.sources or all(map(library.has, needed)):
        return None
    sound = {
        loop_spec(options.profile, one.scene, light, one.fault)
        for one in town.cameras
        if one.scene == one.clean and one.fault is CameraFault.NONE
    }
    return min(sound, key=cost_of, default=None)


def _check_options(options: FarmOptions) -> None:
    problem = mixture_problem(options.faults)
    if problem is None and options.sources not in {"", "gb"}:
        problem = f"no sources {options.sources!r}, give gb"
    if problem is None and options.count < 1:
        problem = f"{options.count} cameras are no town, give 1 or more"
    if problem is not None:
        raise ValueError(problem)


def _build_town(options: FarmOptions, now: datetime) -> Town:
    town = build_town(
        count=options.count,
        seed=options.seed,
        today=now.astimezone(SITE_TIME).date(),
        faults=options.faults,
        profile=options.profile,
    )
    return _with_env_passwords(town, options.password_env)


def choose_light(wanted: str, now: datetime) -> SceneLight:
    """The light of a scene; `auto` takes what a camera in Jiuquan sees by at this hour."""
    if wanted != "auto":
        return SceneLight(wanted)
    hour = now.astimezone(SITE_TIME).hour
    first, last = _DAY_HOURS
    if not first <= hour < last:
        return SceneLight.INFRARED
    return SceneLight.MORNING if hour < 13 else SceneLight.AFTERNOON  # noqa: PLR2004 solar noon


def _with_env_passwords(town: Town, env: str) -> Town:
    if not env:
        return town
    password = os.environ[env]
    cameras = [
        replace(camera, login=replace(camera.login, password=password))
        if _from_env(number) and camera.login.user
        else camera
        for number, camera in enumerate(town.cameras)
    ]
    return replace(town, cameras=tuple(cameras))


def _from_env(number: int) -> bool:
    return number % _ENV_EVERY == 0


@asynccontextmanager
async def _listening(
    options: FarmOptions, state: ServerState
) -> AsyncIterator[tuple[asyncio.Server, DeadPort]]:
    """Open RTSP, RTP and RTCP, run timer and sweep; all are closed at the end."""
    allow_many_files()
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        pair = await open_udp_pair(
            options.host, lambda peer: state.note_datagram(peer, loop.time())
        )
        stack.callback(pair.close)
        state.rtp, state.rtcp, state.udp_port = pair.rtp, pair.rtcp, pair.port
        dead = open_dead_port(options.host, lambda: RtspConnection(state, loop.time))
        stack.push_async_callback(dead.close)
        server = await loop.create_server(
            lambda: RtspConnection(state, loop.time), options.host, options.port, backlog=BACKLOG
        )
        stack.callback(server.close)
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(state.timer_queue.run(), name="timer queue"),
                tasks.create_task(_sweep_loop(state), name="sweep"),
            ]
            try:
                yield server, dead
            finally:
                for task in running:
                    task.cancel()
                _close_all(state)


async def _sweep_loop(state: ServerState) -> None:
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(SWEEP_S)
        state.close_silent_sessions(loop.time())


def _close_all(state: ServerState) -> None:
    for session in tuple(state.sessions.values()):
        state.close(session)
    for transport in tuple(state.connected):
        transport.abort()


@asynccontextmanager
async def _fleet(
    options: FarmOptions, state: ServerState, farm: FarmController
) -> AsyncIterator[GbFleet | None]:
    """The recorders that the cameras come through, while the block runs; None: they do not."""
    if options.sources != "gb":
        yield None
        return
    server = options.host, free_sip_port(options.host)
    fleet = GbFleet(list(state.cameras.values()), state.timer_queue, server, options.devices)
    farm.more_stats = fleet.stats
    try:
        await fleet.start()
        yield fleet
    finally:
        await fleet.close()


def _write_files(
    options: FarmOptions,
    town: Town,
    light: SceneLight,
    port: int,
    dead: int,
    *,
    fleet: GbFleet | None,
) -> None:
    scenes = by_name(catalogue(options.profile))
    from_env = {c.id for n, c in enumerate(town.cameras) if options.password_env and _from_env(n)}

    numbers = {camera.id: number for number, camera in enumerate(town.cameras)}

    def url(camera: TownCamera, sub: bool) -> str:  # noqa: FBT001 as SiteAddresses asks for it
        if fleet is not None:
            query = "?stream=sub" if sub else ""
            return f"gb28181://{fleet.recorder_of(numbers[camera.id])}/{camera.id}{query}"
        vendor = VENDORS[scenes[camera.clean].vendor]
        secret = credentials(camera, options.password_env if camera.id in from_env else "")
        at = dead if camera.fault is CameraFault.REFUSES_CONNECTION else port
        path = vendor.sub if sub else vendor.main
        return f"rtsp://{secret}{options.host}:{at}/{camera.id}/{path}"

    addresses = SiteAddresses(url=url, mqtt_url=options.mqtt_url, profile=options.profile)
    write_config(options.out, town, addresses)
    if fleet is not None:
        names = sorted({fleet.recorder_of(number) for number in range(len(town.cameras))})
        text = sources_yaml(names, fleet.server[1], options.host)
        (options.out / "sources.yaml").write_text(text, encoding="utf-8")
    about = {
        "seed": options.seed,
        "count": options.count,
        "faults": options.faults,
        "profile": options.profile,
        "light": light,
        "today": town.today.isoformat(),
    }
    write_truth(options.out, town_truth(town, options.profile, light), about=about)


def _info(options: FarmOptions, port: int, control_port: int, light: SceneLight) -> FarmInfo:
    return FarmInfo(
        port=port,
        control_port=control_port,
        cameras=options.count,
        pid=os.getpid(),
        config=options.out,
        light=light,
    )
