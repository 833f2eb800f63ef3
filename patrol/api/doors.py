"""What the API needs of the house; the console's doors fulfil it, tests bring their own."""

from collections.abc import Mapping
from typing import Protocol
from zoneinfo import ZoneInfo

from patrol.domain.case import Case
from patrol.domain.finding import Finding
from patrol.domain.levels import Level
from patrol.domain.registry import Registry
from patrol.domain.round import PatrolPlan
from patrol.ports import Clock, Store


class Facts(Protocol):
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


class ApiDoors(Protocol):
    """Every method may be called from any thread."""

    @property
    def facts(self) -> Facts:
        """Of the site."""

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
    ) -> Case:
        """Raises KeyError, AlreadyDecided, ValueError."""

    def dismiss(self, finding_id: str, *, by: str, reason: str) -> Finding:
        """Raises KeyError, AlreadyDecided, ValueError."""
