"""Tickets: picture addresses that work for one login, in one context, for a few minutes.

`/picture/{sha256}/{size}?for=round:ID&until=…&sign=…`. The signature is made with the secret of the
session's cookie, so an address that leaks opens nothing, and none outlives its session. The end of
validity is rounded up to full windows: the same picture keeps its address for a while, and the
browser its copy.
"""

import hmac
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final
from urllib.parse import quote

WINDOW_S: Final = 600  # an address lives one to two of these
SIZES: Final = ("thumb", "sheet", "full", "ground")  # ground: redacted, it leaves the centre


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """One picture, as somebody may look at it, and why."""

    picture: str  # sha256, a sheet's name, or reference.day / reference.infrared of a camera
    size: str  # one of SIZES
    context: str  # round:ID, finding:ID, case:ID, camera:ID
    until: int  # seconds since 1970

    @property
    def said(self) -> bytes:
        """What is signed."""
        return f"{self.picture}|{self.size}|{self.context}|{self.until}".encode()


def sign(secret: str, ticket: Ticket) -> str:
    """The signature of this session."""
    return hmac.new(secret.encode(), ticket.said, sha256).hexdigest()[:40]


def is_good(secret: str, ticket: Ticket, signature: str, now: datetime) -> bool:
    """Whether this session was given the ticket, and it still holds."""
    if ticket.size not in SIZES or now.timestamp() > ticket.until:
        return False
    return hmac.compare_digest(sign(secret, ticket), signature)


def address(secret: str, picture: str, size: str, context: str, now: datetime) -> str:
    """The picture's address for this session."""
    window = int(now.timestamp()) // WINDOW_S
    ticket = Ticket(picture=picture, size=size, context=context, until=(window + 2) * WINDOW_S)
    query = f"for={quote(context, safe=':')}&until={ticket.until}&sign={sign(secret, ticket)}"
    return f"/picture/{picture}/{size}?{query}"


def ends_at(ticket: Ticket) -> datetime:
    """When it ends."""
    return datetime.fromtimestamp(ticket.until, UTC)
