"""Who works at the console: accounts, sessions, claims, keys, photographs, marks of change."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from patrol.domain.account import Account, ApiKey, CasePhoto, Claim, Session
from patrol.domain.ids import CaseId, FindingId


class Accounts(Protocol):
    """Who may log in to the console."""

    def get(self, name: str) -> Account:
        """Locked for this unit of work where the database can. Raises KeyError."""

    def put(self, account: Account) -> None:
        """Add or replace; accounts are disabled, never deleted."""

    def all(self) -> Sequence[Account]:
        """By name."""


class Sessions(Protocol):
    """Who is logged in."""

    def add(self, session: Session) -> None:
        """Append."""

    def get(self, session_id: str, now: datetime) -> Session | None:
        """None when it never was, has ended or was ended."""

    def of(self, account: str | None, now: datetime) -> Sequence[Session]:
        """Those that stand, newest first; None: everybody's."""

    def end(self, session_id: str) -> None:
        """Log out; twice is once."""

    def end_all(self, account: str) -> int:
        """Log the account out everywhere; how many ended."""

    def sweep(self, now: datetime) -> int:
        """Drop those whose time is over; how many."""


class Claims(Protocol):
    """Which finding is before which person just now; two never get the same one."""

    def take(self, claim: Claim, now: datetime) -> bool:
        """Take it, or renew one's own; False while somebody else holds it."""

    def standing(self, now: datetime) -> Mapping[FindingId, Claim]:
        """All that hold now."""

    def drop(self, finding: FindingId) -> None:
        """Give it back: decided, or passed on."""

    def drop_all(self, holder: str) -> None:
        """Give back whatever this holder has."""


class ApiKeys(Protocol):
    """Programs that may ask."""

    def add(self, key: ApiKey) -> None:
        """Append."""

    def by_secret(self, secret: str) -> ApiKey | None:
        """The one with this hash that is not revoked."""

    def revoke(self, key_id: str, now: datetime) -> bool:
        """False when there is none, or it is revoked already."""

    def all(self) -> Sequence[ApiKey]:
        """Newest first, revoked ones too."""


class CasePhotos(Protocol):
    """Pictures that came with words from the ground."""

    def add(self, photo: CasePhoto) -> bool:
        """Keep it; False when its key was kept before."""

    def of_case(self, case_id: CaseId) -> Sequence[CasePhoto]:
        """Oldest first."""


class Watch(Protocol):
    """What a live page polls."""

    def marks(self) -> Mapping[str, str]:
        """One per topic (rounds, queue, cases, health, messages, shift); as its rows are."""
