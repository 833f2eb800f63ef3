"""A first login by QR code: the address of one account, good once and for three days.

Nothing is kept for it. It is signed with the account's password hash, which nobody knows until the
new password takes its place — and then the signature fits no more. What is signed stands behind the
`#` of the address: browsers send it to no server and write it into no log.
"""

import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final

from patrol.domain.account import Account

LASTS: Final = timedelta(days=3)


class NotWelcome(Exception):
    """It was used, is too old, or never was ours: which one is not said."""


@dataclass(frozen=True, slots=True)
class Invitation:
    """Whose account, and until when."""

    name: str
    until: int  # seconds since 1970

    @property
    def ends_at(self) -> datetime:
        """When it ends."""
        return datetime.fromtimestamp(self.until, UTC)


def invite(account: Account, now: datetime) -> str:
    """What stands behind the `#`."""
    until = int((now + LASTS).timestamp())
    return f"{account.name}~{until}~{_signature(account, until)}"


def read(text: str) -> tuple[Invitation, str]:
    """(the invitation, its signature). Raises NotWelcome."""
    try:
        name, until, signature = text.split("~")
        return Invitation(name, int(until)), signature
    except ValueError:
        raise NotWelcome from None


def check(account: Account, invitation: Invitation, signature: str, now: datetime) -> None:
    """Raises NotWelcome."""
    good = hmac.compare_digest(_signature(account, invitation.until).encode(), signature.encode())
    if not good or account.disabled_at is not None or now >= invitation.ends_at:
        raise NotWelcome


def _signature(account: Account, until: int) -> str:
    said = f"welcome|{account.name}|{until}".encode()
    return hmac.new(account.password.encode(), said, sha256).hexdigest()[:40]
