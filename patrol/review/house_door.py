"""The house as its desks see it — the console's pages and the JSON API: read it, decide in it."""

from typing import Protocol

from patrol.domain.case import Case
from patrol.domain.finding import Finding
from patrol.domain.levels import Level
from patrol.domain.registry import Registry
from patrol.ports import Clock
from patrol.store import Store


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
    ) -> Case:
        """Make the case and queue its message. Raises KeyError, AlreadyDecided, ValueError.

        `phoned`: whom somebody reached by telephone first, and what was said (level I).
        """

    def dismiss(self, finding_id: str, *, by: str, reason: str) -> Finding:
        """Raises KeyError, AlreadyDecided, ValueError."""
