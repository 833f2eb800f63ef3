"""What the API needs of the house; the console's doors fulfil it, tests bring their own."""

from collections.abc import Mapping
from typing import Protocol
from zoneinfo import ZoneInfo

from patrol.domain.round import PatrolPlan
from patrol.review.house_door import HouseDoor


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


class ApiDoors(HouseDoor, Protocol):
    """The house, and which town it stands in."""

    @property
    def facts(self) -> Facts:
        """Of the site."""
