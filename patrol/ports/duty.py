"""What a shift lives by: what is stopped, what the maintainer has to see to, who handed over."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from patrol.domain.handover import HandoverEntry, Signature
from patrol.domain.stoppage import Scope, Stoppage
from patrol.domain.trouble import Trouble


class Stoppages(Protocol):
    """Pauses and maintenance, said by people; site.yaml's own windows are not in here."""

    def add(
        self,
        *,
        scope: Scope,
        subject: str,
        start: datetime,
        until: datetime | None,
        reason: str,
        by: str,
        now: datetime,
    ) -> Stoppage:
        """Write it; answers it with its number. Raises ValueError when it would never hold."""

    def end(self, number: int, *, by: str, now: datetime) -> bool:
        """Before its time; False when it is over already, or never was."""

    def standing(self, now: datetime) -> Sequence[Stoppage]:
        """Not over at `now`, those still to come included; oldest first."""

    def list(self, *, limit: int = 1000) -> Sequence[Stoppage]:
        """All that ever were, newest first."""


class Troubles(Protocol):
    """The maintenance queue."""

    def open(self, trouble: Trouble) -> Trouble | None:
        """Write it with its number; None while one of the same kind and subject stands."""

    def get(self, number: int) -> Trouble:
        """Locked for this unit of work where the database can. Raises KeyError."""

    def put(self, trouble: Trouble) -> None:
        """Write its changed fields."""

    def standing(self) -> Sequence[Trouble]:
        """Not closed, oldest first."""

    def list(self, *, limit: int = 1000) -> Sequence[Trouble]:
        """All, newest first."""


class Handovers(Protocol):
    """Signatures of hand-overs, chained like the access log; nothing is ever changed."""

    def append(
        self,
        *,
        at: datetime,
        what: Signature,
        who: str,
        to: str,
        note: str,
        sheet: Mapping[str, object],
    ) -> HandoverEntry:
        """One signature under the sheet, which must be plain JSON."""

    def entries(self, *, limit: int = 100) -> Sequence[HandoverEntry]:
        """Newest first."""

    def first_broken(self) -> int | None:
        """The number of the first entry whose chain or sheet does not hold, or None."""
