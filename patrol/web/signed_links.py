"""Signed addresses: of a picture for one session, and of an account's first login (invitation).

A picture's address, `/picture/{id}/{size}?for=round:ID&until=…&sign=…`, is signed with the
secret of the session's cookie: it opens nothing for anybody else and ends with the session. Its end
is rounded up to full windows, so that a picture keeps its address, and the browser its copy.

An invitation is valid once, for three days. It is signed with the account's password hash, which
the first login replaces, so nothing is stored for it. The token stands behind the `#` of the
address: browsers send that part to no server and write it into no log.

A wall screen's browser keeps the token of its link (domain/display_link.py) in a cookie that no
script reads, and gets a session by it whenever it has none. A person's browser has none.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from patrol.domain.account import Account
from patrol.domain.picture_link import is_signature_hex, sign_hex

WINDOW_S: Final = 600  # an address lives one to two of these
INVITATION_VALID_FOR: Final = timedelta(days=3)
INVITATION_PURPOSE: Final = "welcome"  # as in the invitations that are out
DISPLAY_COOKIE: Final = "patrol_display"
COOKIE_LIFE_S: Final = 400 * 86400  # the longest that browsers keep one; renewed with each session
PICTURE_SIZES: Final = ("thumb", "sheet", "full", "ground")  # ground: redacted, outside the centre


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedPictureUrl:
    """One picture in one size, what it is viewed for, and until when."""

    picture: (
        str  # a picture's id, a sheet's name, or reference.day / reference.infrared of a camera
    )
    size: str  # one of SIZES
    viewed_for: str  # round:ID, finding:ID, case:ID, camera:ID
    until: int  # seconds since 1970

    @property
    def signed_text(self) -> bytes:
        """The bytes that are signed."""
        return f"{self.picture}|{self.size}|{self.viewed_for}|{self.until}".encode()


class InvitationInvalid(Exception):
    """The invitation was used, is too old, or was never signed; the answer does not say which."""


@dataclass(frozen=True, slots=True)
class Invitation:
    """The account that is invited, and until when."""

    name: str
    until: int  # seconds since 1970

    @property
    def ends_at(self) -> datetime:
        """The same as a time in UTC."""
        return datetime.fromtimestamp(self.until, UTC)


def signature_of(secret: str, signed_url: SignedPictureUrl) -> str:
    """The signature of the address with the secret of a session, 40 hexadecimal digits."""
    return sign_hex(secret.encode(), signed_url.signed_text, purpose="")


def verify_signature(
    secret: str, signed_url: SignedPictureUrl, signature: str, now: datetime
) -> bool:
    """Whether the session signed this address, and it has not ended."""
    if signed_url.size not in PICTURE_SIZES or now.timestamp() > signed_url.until:
        return False
    return is_signature_hex(signature, secret.encode(), signed_url.signed_text, purpose="")


def signed_picture_url(secret: str, picture: str, size: str, viewed_for: str, now: datetime) -> str:
    """The signed address of a picture for the session with this secret."""
    window = int(now.timestamp()) // WINDOW_S
    signed_url = SignedPictureUrl(
        picture=picture, size=size, viewed_for=viewed_for, until=(window + 2) * WINDOW_S
    )
    signature = signature_of(secret, signed_url)
    query = f"for={quote(viewed_for, safe=':')}&until={signed_url.until}&sign={signature}"
    return f"/picture/{picture}/{size}?{query}"


def invitation_token(account: Account, now: datetime) -> str:
    """The token of an account's invitation from now on."""
    until = int((now + INVITATION_VALID_FOR).timestamp())
    signature = sign_hex(
        account.password.encode(), f"{account.name}|{until}".encode(), purpose=INVITATION_PURPOSE
    )
    return f"{account.name}~{until}~{signature}"


def read_invitation(text: str) -> tuple[Invitation, str]:
    """(the invitation, its signature) of a token. Raises InvitationInvalid."""
    try:
        name, until, signature = text.split("~")
        return Invitation(name, int(until)), signature
    except ValueError:
        raise InvitationInvalid from None


def check_invitation(
    account: Account, invitation: Invitation, signature: str, now: datetime
) -> None:
    """Check signature, account and time. Raises InvitationInvalid."""
    signed_text = f"{account.name}|{invitation.until}".encode()
    key = account.password.encode()
    good = is_signature_hex(signature, key, signed_text, purpose=INVITATION_PURPOSE)
    if not good or account.disabled_at is not None or now >= invitation.ends_at:
        raise InvitationInvalid


def display_cookie_name(*, secure: bool) -> str:
    """The cookie's name; the prefix makes browsers refuse one set by another host."""
    return f"__Host-{DISPLAY_COOKIE}" if secure else DISPLAY_COOKIE


def display_cookie(request: Request, *, secure: bool) -> str:
    """The token that this browser keeps; empty in a person's browser."""
    return request.cookies.get(display_cookie_name(secure=secure), "")


def keep_display_cookie(answer: Response, token: str, *, secure: bool) -> None:
    """Let the browser keep the token."""
    answer.set_cookie(
        display_cookie_name(secure=secure), token, max_age=COOKIE_LIFE_S, path="/", secure=secure,
        httponly=True, samesite="strict",
    )  # fmt: skip
