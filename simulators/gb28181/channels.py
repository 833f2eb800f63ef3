"""Channels and live views of simulated devices, and what is counted of a device."""

import asyncio
from dataclasses import dataclass, field

from simulators.gb28181.media import MediaSender, PictureSource, Playing
from simulators.gb28181.wire import WireMessage


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceChannel:
    """One channel of a device."""

    code: str
    name: str
    source: PictureSource
    online: bool = True
    parent: str = ""


@dataclass(slots=True, eq=False)
class DeviceSession:
    """A live view under way."""

    call_id: str
    invite: WireMessage
    answer: bytes
    sender: MediaSender
    to_tag: str
    playing: Playing | None = None
    tasks: list["asyncio.Task[None]"] = field(default_factory=list)


@dataclass(slots=True)
class DeviceCounts:
    """What happened to a device."""

    registered: int = 0
    refused: int = 0
    catalogs: int = 0
    subscriptions: int = 0  # new ones
    unsubscribed: int = 0
    invites: int = 0
    acks: int = 0
    byes: int = 0
    cancels: int = 0
    busy: int = 0
    most_sessions: int = 0
    commands: int = 0  # for a key frame
    dropped: int = 0  # messages that an exact device does not read
