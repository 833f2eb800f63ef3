"""A platform on loopback with one simulated device, and what may be left behind a visit."""

import asyncio
import itertools
import secrets
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any

from patrol.clock import SystemClock
from simulators.gb28181.channels import DeviceChannel
from simulators.gb28181.device import SimulatedDevice
from simulators.gb28181.faults import DeviceFaults
from simulators.gb28181.media import EncodedPicture, LoopSource
from streams.gb28181.endpoint import Gb28181Endpoint, local_host_towards
from streams.gb28181.events import CatalogReceived, PlatformEvent
from streams.gb28181.invite_session import Dialog
from streams.gb28181.media_sockets import PortPool
from streams.gb28181.peers import PeerConfig
from streams.gb28181.platform import Gb28181Platform
from streams.gb28181.requests import Identity
from streams.gb28181.visit import Gb28181Visits
from streams.model import Sample, VisitOptions
from tests.zoo.clips import START, clip_of

OURS, DEVICE, PASSWORD = "34020000002000000001", "34020000001180000001", "s3cret-28181"
CAMERAS = [f"3402000000132000000{n}" for n in range(1, 6)]
CLOCK = SystemClock()
FIRST_PORT = 22_000
_NUMBERS = itertools.count()
QUICK = VisitOptions(pictures=2, spacing_s=0.2, visit_timeout_s=6.0, connect_timeout_s=1.0)


@cache
def loop_source(codec: str = "h264", start_at: int = 2) -> LoopSource:
    clip = clip_of(codec)
    pictures = [EncodedPicture(START + START.join(u.nals), u.key, codec) for u in clip.units]
    return LoopSource(pictures, frames_per_s=40.0, start_at=start_at)


class Journal:
    """What a journal was told."""

    def __init__(self) -> None:
        self.open: dict[str, Dialog] = {}
        self.ever = 0

    async def opened(self, dialog: Dialog) -> None:
        self.open[dialog.call_id] = dialog
        self.ever += 1

    async def answered(self, dialog: Dialog) -> None:
        self.open[dialog.call_id] = dialog

    async def ended(self, call_id: str) -> None:
        self.open.pop(call_id, None)


class Town:
    """A platform on loopback and one device."""

    def __init__(
        self, visits: Gb28181Visits, device: SimulatedDevice, events: list[PlatformEvent]
    ) -> None:
        self.visits, self.device, self.events = visits, device, events
        self.platform = visits.endpoint.platform
        self.journal: Any = visits.journal

    async def capture(self, channel: str = CAMERAS[0], options: VisitOptions = QUICK) -> Sample:
        return await self.visits.capture("nvr", channel, options)

    async def catalog(self) -> CatalogReceived:
        self.platform.query_catalog("nvr", self.visits.endpoint.now_s)
        self.visits.endpoint.pump()
        async with asyncio.timeout(5):
            while not any(isinstance(e, CatalogReceived) for e in self.events):
                await self.visits.endpoint.changed(0.2)
        return next(e for e in self.events if isinstance(e, CatalogReceived))


Work = Callable[[Town], Awaitable[None]]


def run(work: Work, faults: DeviceFaults | None = None, **changed: Any) -> None:
    """Run `work` against a registered device, and look for what is left behind it."""
    asyncio.run(against_device(work, faults, **changed))


async def listening(
    config: PeerConfig, events: list[PlatformEvent], host: str = "127.0.0.1"
) -> Gb28181Visits:
    """A platform with one peer, at a free port."""
    identity = Identity(id=OURS, domain=OURS[:10], port=0, token=lambda: secrets.token_hex(8))
    platform = Gb28181Platform(identity, [config], b"k" * 32, local_host_towards)
    endpoint = Gb28181Endpoint(platform, local_time=CLOCK.now, on_event=events.append)
    platform.use_port(await endpoint.open(host, 0))
    first = FIRST_PORT + next(_NUMBERS) % 100 * 40  # several at once do not meet
    return Gb28181Visits(
        endpoint=endpoint, ports=PortPool(first, first + 38), journal=Journal(), now=CLOCK.now,
        media_host=host,
    )  # fmt: skip


async def closed(visits: Gb28181Visits) -> None:
    """Look for what is left behind visits."""
    await visits.close(6.0)
    assert not visits.ports.in_use
    assert not visits.releasing


def cameras(codec: str = "h264") -> list[DeviceChannel]:
    return [
        DeviceChannel(code=c, name=f"村口{c[-1]}号", source=loop_source(codec)) for c in CAMERAS
    ]


def device_of(visits: Gb28181Visits, **changed: Any) -> SimulatedDevice:
    """A device that registers with the platform."""
    plain: dict[str, Any] = {
        "code": DEVICE, "password": PASSWORD, "server_code": OURS, "channels": cameras(),
        "server": ("127.0.0.1", visits.endpoint.platform.identity.port), "keepalive_s": 0.3,
    }  # fmt: skip
    return SimulatedDevice(**{**plain, **changed})


def nvr(**changed: Any) -> PeerConfig:
    plain: dict[str, Any] = {
        "name": "nvr", "id": DEVICE, "user": DEVICE, "password": PASSWORD, "media_s": 1.0,
        "answer_s": 1.5, "catalog_s": 0.6,
    }  # fmt: skip
    return PeerConfig(**{**plain, **changed})


async def against_device(
    work: Work,
    faults: DeviceFaults | None = None,
    *,
    codec: str = "h264",
    transport: str = "udp",
    multi_homed: bool = False,
    **changed: Any,
) -> None:
    """Run `work`; `multi_homed`: the device knows another of our addresses than the first."""
    events: list[PlatformEvent] = []
    every = "0.0.0.0"  # noqa: S104  all of this machine's, as a multi-homed host listens
    visits = await listening(nvr(**changed), events, every if multi_homed else "127.0.0.1")
    at = "127.0.0.2" if multi_homed else "127.0.0.1"
    device = device_of(
        visits, faults=faults, transport=transport, channels=cameras(codec),
        server=(at, visits.endpoint.platform.identity.port),
    )  # fmt: skip
    try:
        await device.start()
        await device.registered()
        await work(Town(visits, device, events))
        await closed(visits)
    finally:
        await device.close()
        await visits.endpoint.close()


def left_clean(town: Town) -> bool:
    return not (town.device.sessions.open or town.journal.open or town.platform.sessions.open)


async def settled(town: Town) -> None:
    async with asyncio.timeout(8):
        while not left_clean(town):
            await town.visits.endpoint.changed(0.1)
