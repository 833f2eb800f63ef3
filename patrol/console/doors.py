"""What the console needs of the house. The composition root fulfils it; tests bring their own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from patrol.console.camera_doors import CameraDoors
from patrol.dispatch.inbox import Handled
from patrol.dispatch.wire import Wire
from patrol.domain.calendar import Calendar
from patrol.domain.finding import Finding
from patrol.domain.observation import Box
from patrol.domain.round import PatrolPlan
from patrol.ports import EvidenceStore
from patrol.review.house_door import HouseDoor
from patrol.vision.redaction import Mark, Redacted


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteFacts:
    """Which town this is, as far as its pages say."""

    id: str
    name: str
    zone: ZoneInfo
    language: str = "zh"  # what somebody sees who has not chosen
    phone: str = ""
    calendar: Calendar = field(default_factory=Calendar)
    keep_evidence: timedelta = timedelta(days=180)

    @property
    def plans(self) -> Mapping[str, PatrolPlan]:
        """All that ever are walked, those of key periods too."""
        return self.calendar.all_plans


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleOptions:
    """How the console is served (site.yaml, `console:`)."""

    host: str = "127.0.0.1"
    port: int = 8624  # 0: any free one
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    # A shift and its hand-over; a phone in a field is asked once a month.
    session: timedelta = timedelta(hours=12)
    phone_session: timedelta = timedelta(days=30)
    behind_tls: bool = False  # a proxy in front speaks https: cookies are marked Secure
    tiles: str = ""  # a background of the map from elsewhere; "": none
    assets: Path | None = None  # where scripts of other people lie (patrol.console.assets)
    trusted_proxies: tuple[str, ...] = ()  # whose X-Forwarded-For is believed

    @property
    def secure(self) -> bool:
        """Whether browsers reach us over https."""
        return self.behind_tls or self.tls_certificate is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of the running house, as it says of itself."""

    name: str
    ok: bool
    words: str
    ago: timedelta | None = None  # since it was last heard of


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """What one place to write has left."""

    holds: str  # database, evidence
    free: int  # bytes
    total: int


class ConsoleDoors(HouseDoor, Protocol):
    """The house with its pictures, and what only its own pages may do."""

    @property
    def facts(self) -> SiteFacts:
        """Of the site; they do not change while it runs."""

    @property
    def evidence(self) -> EvidenceStore:
        """The pictures."""

    @property
    def wire(self) -> Wire:
        """Words for the desk's own moves."""

    def redact(self, jpeg: bytes, box: Box | None, mark: Mark) -> Redacted:
        """What may leave the centre of a stored picture. Raises ValueError: not a picture."""

    def parts(self) -> Sequence[Part]:
        """The children of the service; none when it does not run in this process."""

    def disks(self) -> Sequence[Disk]:
        """Where database and pictures lie; a database elsewhere is left out."""

    def check_store(self) -> Sequence[str]:
        """What the store's own fsck finds, in words; takes seconds. Raises StoreUnavailable."""

    def unsure(self, finding_id: str, *, by: str, reason: str = "") -> Finding:
        """Somebody else has to look. Raises KeyError, AlreadyDecided."""

    def start_round(self, plan: str, *, by: str) -> None:
        """Begin one beside everything else, and return. Raises KeyError, ports.Busy."""

    def hear(self, topic: str, payload: bytes) -> Handled:
        """The inbox: as if it had come in over MQTT."""

    def wake(self) -> None:
        """Something was queued."""

    @property
    def shapes(self) -> Mapping[str, Mapping[str, Any]]:
        """Outlines of grids for the map: GeoJSON geometries by code; may be empty."""

    @property
    def cameras(self) -> CameraDoors:
        """What the pages of cameras ask for."""
