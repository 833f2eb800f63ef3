"""The camera client with an opener for each scheme of platforms and gateways in sources.yaml.

`OPENERS` is the registry: a scheme leads to the function that makes its opener, which is called
once, when the application is built, and only where sources.yaml or the scheme itself needs it. What
an opener keeps open (a socket, a thread) it pushes on the context's stack; what has to run before
anybody asks (devices register with us) it adds to `resident`, which `patrol run` starts.
"""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final
from zoneinfo import ZoneInfo

from patrol.app.gb28181 import Gb28181Service
from patrol.app.gb28181_control import serve_control
from patrol.app.http_sources import (
    make_onvif_opener,
    make_ticket_opener,
    make_wvp_opener,
    make_zlm_opener,
)
from patrol.domain.ids import ServerId
from patrol.ports import CameraClient, Clock
from patrol.rounds.stream_limits import server_of
from patrol.settings import Site
from patrol.settings.sources_yaml import SourcesSettings
from patrol.store import Store
from streams.capture import SourceOpener, StreamCameraClient


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceContext:
    """What the makers of openers may use."""

    settings: SourcesSettings
    zone: ZoneInfo  # of the site
    folder: Path  # of the service's pictures, where sockets and locks lie, too
    store: Store
    clock: Clock
    direct: CameraClient  # visits rtsp:// and its like: for what a platform answers with
    stack: ExitStack  # closes what is pushed on it with the application
    resident: list[Callable[[], None]]  # called once when the service starts


def _gb28181_opener(context: SourceContext) -> SourceOpener | None:
    settings = context.settings.gb28181
    if settings is None:
        return None
    folder = context.folder
    service = Gb28181Service(
        settings,
        context.store,
        context.clock,
        context.zone,
        control=lambda service: serve_control(service, folder),
    )
    context.stack.callback(service.close)
    context.resident.append(service.start_resident)
    return service.capture


MakeOpener = Callable[[SourceContext], SourceOpener | None]  # None: sources.yaml has none
OPENERS: Final[Mapping[str, MakeOpener]] = MappingProxyType(
    {
        "gb28181": _gb28181_opener,
        "onvif": make_onvif_opener,
        "ticket": make_ticket_opener,
        "wvp": make_wvp_opener,
        "zlm": make_zlm_opener,
    }
)


@dataclass(frozen=True, slots=True)
class Sources:
    """The camera client of the application, and what its service starts for it."""

    client: StreamCameraClient
    resident: list[Callable[[], None]] = field(default_factory=list)

    def start(self) -> None:
        """Start what must run before a camera is visited. Raises Failed."""
        for start in self.resident:
            start()


def open_sources(
    site: Site,
    store: Store,
    clock: Clock,
    stack: ExitStack,
    openers: Mapping[str, MakeOpener] = OPENERS,
) -> Sources:
    """The client of a site's cameras; `stack` closes its openers."""
    resident: list[Callable[[], None]] = []
    context = SourceContext(
        settings=site.sources,
        zone=site.settings.site.tz,
        folder=site.settings.evidence,
        store=store,
        clock=clock,
        direct=StreamCameraClient(clock.now),
        stack=stack,
        resident=resident,
    )
    made = {scheme: make(context) for scheme, make in openers.items()}
    known = {scheme: opener for scheme, opener in made.items() if opener is not None}
    return Sources(StreamCameraClient(clock.now, known), resident)


def agreed_streams(settings: SourcesSettings) -> Mapping[ServerId, int]:
    """How many streams each platform may be asked for at once, as rounds name its server."""
    return {server_of(address): limit for address, limit in settings.session_limits().items()}
