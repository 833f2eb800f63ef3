"""Tickets: picture addresses that work for one login, in one context, for a few minutes.

`/picture/{sha256}/{size}?for=round:ID&until=…&sign=…`. The signature is made with the secret of the
session's cookie, so an address that leaks opens nothing, and none outlives its session. The end of
validity is rounded up to full windows: the same picture keeps its address for a while, and the
browser its copy.

A first login by QR code: the address of one account, good once and for three days.

Nothing is kept for it. It is signed with the account's password hash, which nobody knows until the
new password takes its place — and then the signature fits no more. What is signed stands behind the
`#` of the address: browsers send it to no server and write it into no log.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import quote

from patrol.domain.account import Account
from patrol.domain.signed_token import is_signature_hex, sign_hex

WINDOW_S: Final = 600  # an address lives one to two of these
PICTURE_SIZES: Final = (
    "thumb",
    "sheet",
    "full",
    "ground",
)  # ground: redacted, it leaves the centre


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedPictureUrl:
    """One picture, as somebody may look at it, and why."""

    picture: str  # sha256, a sheet's name, or reference.day / reference.infrared of a camera
    size: str  # one of SIZES
    viewed_for: str  # round:ID, finding:ID, case:ID, camera:ID
    until: int  # seconds since 1970

    @property
    def signed_text(self) -> bytes:
        """What is signed."""
        return f"{self.picture}|{self.size}|{self.viewed_for}|{self.until}".encode()


def signature_of(secret: str, signed_url: SignedPictureUrl) -> str:
    """The signature of this session."""
    return sign_hex(secret.encode(), signed_url.signed_text, purpose="")


def verify_signature(
    secret: str, signed_url: SignedPictureUrl, signature: str, now: datetime
) -> bool:
    """Whether this session was given the ticket, and it still holds."""
    if signed_url.size not in PICTURE_SIZES or now.timestamp() > signed_url.until:
        return False
    return is_signature_hex(signature, secret.encode(), signed_url.signed_text, purpose="")


def signed_picture_url(secret: str, picture: str, size: str, viewed_for: str, now: datetime) -> str:
    """The picture's address for this session."""
    window = int(now.timestamp()) // WINDOW_S
    signed_url = SignedPictureUrl(
        picture=picture, size=size, viewed_for=viewed_for, until=(window + 2) * WINDOW_S
    )
    signature = signature_of(secret, signed_url)
    query = f"for={quote(viewed_for, safe=':')}&until={signed_url.until}&sign={signature}"
    return f"/picture/{picture}/{size}?{query}"


def expires_at(signed_url: SignedPictureUrl) -> datetime:
    """When it ends."""
    return datetime.fromtimestamp(signed_url.until, UTC)


INVITATION_VALID_FOR: Final = timedelta(days=3)
INVITATION_PURPOSE: Final = "welcome"  # as in the invitations that are out


class InvitationInvalid(Exception):
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


def invitation_token(account: Account, now: datetime) -> str:
    """What stands behind the `#`."""
    until = int((now + INVITATION_VALID_FOR).timestamp())
    signature = sign_hex(
        account.password.encode(), f"{account.name}|{until}".encode(), purpose=INVITATION_PURPOSE
    )
    return f"{account.name}~{until}~{signature}"


def read_invitation(text: str) -> tuple[Invitation, str]:
    """(the invitation, its signature). Raises NotWelcome."""
    try:
        name, until, signature = text.split("~")
        return Invitation(name, int(until)), signature
    except ValueError:
        raise InvitationInvalid from None


def check_invitation(
    account: Account, invitation: Invitation, signature: str, now: datetime
) -> None:
    """Raises NotWelcome."""
    signed_text = f"{account.name}|{invitation.until}".encode()
    key = account.password.encode()
    good = is_signature_hex(signature, key, signed_text, purpose=INVITATION_PURPOSE)
    if not good or account.disabled_at is not None or now >= invitation.ends_at:
        raise InvitationInvalid
