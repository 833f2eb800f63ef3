"""What happens at a GB/T 28181 platform, as its owner is told. Pure."""

from dataclasses import dataclass

from streams.gb28181.catalog import Catalog
from streams.gb28181.manscdp import Alarm, CatalogItem
from streams.gb28181.transactions import Flow


@dataclass(frozen=True, slots=True)
class PeerRegistered:
    """A peer registered, or we with it; or that was refreshed. `changed`: at another address."""

    name: str
    flow: Flow
    expires_s: int
    changed: bool


@dataclass(frozen=True, slots=True)
class PeerGone:
    """A peer logged out, or gave no sign of life."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class CatalogReceived:
    """The answer to a query, whole or what came of it."""

    name: str
    number: int
    catalog: Catalog


@dataclass(frozen=True, slots=True)
class CatalogNoticed:
    """Changes that a peer told on its own."""

    name: str
    items: tuple[CatalogItem, ...]


@dataclass(frozen=True, slots=True)
class AlarmReceived:
    """A new alarm of a peer whose alarms are taken."""

    name: str
    alarm: Alarm


@dataclass(frozen=True, slots=True)
class Refused:
    """The first of its kind that was refused or ignored; `seen`: what helps to find out why."""

    reason: str
    origin: str
    seen: str = ""


PlatformEvent = (
    PeerRegistered | PeerGone | CatalogReceived | CatalogNoticed | AlarmReceived | Refused
)
