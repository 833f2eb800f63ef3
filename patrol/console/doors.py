"""What the console needs of the house. The composition root fulfils it; tests bring their own."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Protocol
from zoneinfo import ZoneInfo

from patrol.dispatch.inbox import Handled
from patrol.dispatch.wire import Wire
from patrol.domain.case import Case
from patrol.domain.finding import Finding
from patrol.domain.levels import Level
from patrol.domain.registry import Registry
from patrol.domain.round import PatrolPlan
from patrol.ports import Clock, EvidenceStore, Store


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteFacts:
    """Which town this is, as far as its pages say."""

    id: str
    name: str
    zone: ZoneInfo
    language: str = "zh"  # what somebody sees who has not chosen
    phone: str = ""
    plans: Mapping[str, PatrolPlan] = field(default_factory=dict)
    keep_evidence: timedelta = timedelta(days=180)


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
    assets: Path | None = None  # where scripts of other people lie (patrol.console.assets)
    trusted_proxies: tuple[str, ...] = ()  # whose X-Forwarded-For is believed

    @property
    def secure(self) -> bool:
        """Whether browsers reach us over https."""
        return self.behind_tls or self.tls_certificate is not None


class ConsoleDoors(Protocol):
    """Every method may be called from any thread."""

    @property
    def facts(self) -> SiteFacts:
        """Of the site; they do not change while it runs."""

    @property
    def store(self) -> Store:
        """The books."""

    @property
    def evidence(self) -> EvidenceStore:
        """The pictures."""

    @property
    def clock(self) -> Clock:
        """Where time comes from."""

    @property
    def registry(self) -> Registry:
        """Cameras, grids and people, as they stand now."""

    @property
    def wire(self) -> Wire:
        """Words for the desk's own moves."""

    def confirm(
        self,
        finding_id: str,
        *,
        by: str,
        category: str | None = None,
        level: Level | None = None,
        note: str = "",
    ) -> Case:
        """Make the case and queue its message. Raises KeyError, AlreadyDecided, ValueError."""

    def dismiss(self, finding_id: str, *, by: str, reason: str) -> Finding:
        """Raises KeyError, AlreadyDecided, ValueError."""

    def unsure(self, finding_id: str, *, by: str, reason: str = "") -> Finding:
        """Somebody else has to look. Raises KeyError, AlreadyDecided."""

    def start_round(self, plan: str, *, by: str) -> None:
        """Begin one beside everything else, and return. Raises KeyError, ports.Busy."""

    def hear(self, topic: str, payload: bytes) -> Handled:
        """The inbox: as if it had come in over MQTT."""

    def wake(self) -> None:
        """Something was queued."""
