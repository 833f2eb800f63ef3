"""What the API needs of the house; the console's doors fulfil it, tests bring their own.

The house as its desks see it — the console's pages and the JSON API: read it, decide in it.

What the console needs of the house. The composition root fulfils it; tests bring their own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from patrol.app.camera_types import CameraDeps
from patrol.app.status import DiskSpace, ServiceStatus
from patrol.cases.reply_handler import ReplyResult
from patrol.domain.case import Case
from patrol.domain.finding import Finding
from patrol.domain.observation import Box
from patrol.domain.priority import Level
from patrol.domain.registry import Registry
from patrol.domain.round import PatrolPlan
from patrol.domain.schedule import Calendar
from patrol.messaging.payloads import PayloadBuilder
from patrol.ports import Clock, PictureStore
from patrol.store import Store
from patrol.vision.redaction import Redacted, Watermark


class HouseDoor(Protocol):
    """Every method may be called from any thread."""

    @property
    def store(self) -> Store:
        """The books."""

    @property
    def clock(self) -> Clock:
        """Where time comes from."""

    @property
    def registry(self) -> Registry:
        """Cameras, grids and people, as they stand now."""

    def confirm(
        self,
        finding_id: str,
        *,
        by: str,
        category: str | None = None,
        level: Level | None = None,
        note: str = "",
        phoned: str = "",
        holder: str = "",
    ) -> Case:
        """Make the case and queue its message.

        Raises KeyError, AlreadyDecided, FindingClaimed, ValueError. `holder`: the login that
        decides, if any (review.claims). `phoned`: whom somebody reached by telephone first, and
        what was said (level I).
        """

    def dismiss(self, finding_id: str, *, by: str, reason: str, holder: str = "") -> Finding:
        """Raises KeyError, AlreadyDecided, FindingClaimed, ValueError."""


class ApiSite(Protocol):
    """Which town this is."""

    @property
    def id(self) -> str:
        """Part of every topic."""

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def zone(self) -> ZoneInfo:
        """Its wall clock."""

    @property
    def plans(self) -> Mapping[str, PatrolPlan]:
        """Its rounds."""


class ApiDeps(HouseDoor, Protocol):
    """The house, and which town it stands in."""

    @property
    def site_profile(self) -> ApiSite:
        """Of the site."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteProfile:
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
    assets: Path | None = None  # where scripts of other people lie (patrol.web.rendering)
    trusted_proxies: tuple[str, ...] = ()  # whose X-Forwarded-For is believed

    @property
    def secure(self) -> bool:
        """Whether browsers reach us over https."""
        return self.behind_tls or self.tls_certificate is not None


class WebDeps(HouseDoor, Protocol):
    """The house with its pictures, and what only its own pages may do."""

    @property
    def site_profile(self) -> SiteProfile:
        """Of the site; they do not change while it runs."""

    @property
    def evidence(self) -> PictureStore:
        """The pictures."""

    @property
    def payloads(self) -> PayloadBuilder:
        """Words for the desk's own moves."""

    def redact(self, jpeg: bytes, box: Box | None, watermark: Watermark) -> Redacted:
        """What may leave the centre of a stored picture. Raises ValueError: not a picture."""

    def service_status(self) -> Sequence[ServiceStatus]:
        """The children of the service; none when it does not run in this process."""

    def disk_usage(self) -> Sequence[DiskSpace]:
        """Where database and pictures lie; a database elsewhere is left out."""

    def check_store(self) -> Sequence[str]:
        """What the store's own fsck finds, in words; takes seconds. Raises StoreUnavailable."""

    def unsure(self, finding_id: str, *, by: str, reason: str = "", holder: str = "") -> Finding:
        """Leave it to another person. Raises KeyError, AlreadyDecided, FindingClaimed."""

    def start_round(self, plan: str, *, by: str) -> None:
        """Begin one beside everything else, and return. Raises KeyError, ports.Busy."""

    def handle_reply(self, topic: str, payload: bytes) -> ReplyResult:
        """The inbox: as if it had come in over MQTT."""

    def wake_relays(self) -> None:
        """Something was queued."""

    @property
    def shapes(self) -> Mapping[str, Mapping[str, Any]]:
        """Outlines of grids for the map: GeoJSON geometries by code; may be empty."""

    @property
    def cameras(self) -> CameraDeps:
        """What the pages of cameras ask for."""
