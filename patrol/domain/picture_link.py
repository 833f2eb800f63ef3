"""One-time picture links: signed addresses of a case's picture, for leaders elsewhere. Pure.

A link is a payload (case, grid, revision of the case, end) with an HMAC-SHA256 signature. Nothing
is stored when one is made, so that every process that queues case messages can make it; each
opening is stored. A forged link is refused before anything is looked up. messaging/payloads.py
puts links into case messages, web/pages/pictures.py opens them.

Rules: a link opens once. The browser that opened it may open it again for a minute (a reload, a
lost connection); any other gets nothing. Opening a case's newer link ends its older ones. It ends
with its time, with the case, and when the case is taken from the grid.

`sign` is the one signature of links that the service hands out (web/signed_links.py signs with it,
too), bound to a purpose: made for one purpose, it does not hold for another under the same key.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum, auto
from hashlib import sha256
from typing import Final

from patrol.domain.case import Case
from patrol.domain.escalation import announced_grids
from patrol.domain.ids import CaseId, GridCode

SIGNATURE_HEX_CHARS: Final = 40  # of 64: 160 bits; short enough to be drawn as a QR code


def sign(key: bytes, payload: bytes, *, purpose: str) -> bytes:
    """The signature (32 bytes). `purpose` is empty for a key that serves nothing else."""
    prefix = f"{purpose}|".encode() if purpose else b""
    return hmac.digest(key, prefix + payload, "sha256")


def is_signature(signature: bytes, key: bytes, payload: bytes, *, purpose: str) -> bool:
    """Whether `sign` made it, compared in constant time."""
    return hmac.compare_digest(sign(key, payload, purpose=purpose), signature)


def sign_hex(key: bytes, payload: bytes, *, purpose: str) -> str:
    """The signature as the first 40 of its hexadecimal digits."""
    return sign(key, payload, purpose=purpose).hex()[:SIGNATURE_HEX_CHARS]


def is_signature_hex(signature: str, key: bytes, payload: bytes, *, purpose: str) -> bool:
    """Whether `sign_hex` made it, compared in constant time."""
    made = sign_hex(key, payload, purpose=purpose)
    return hmac.compare_digest(made.encode(), signature.encode("utf-8", "replace"))


REOPEN_WITHIN: Final = timedelta(seconds=60)  # the same browser: a reload, a picture half loaded
MAX_TOKEN_CHARS: Final = 240  # characters; ours have some 110
PICTURE_LINK_PATH: Final = "/p/"
PURPOSE: Final = "picture-link"


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureLink:
    """The signed payload of a link."""

    case: CaseId
    grid: GridCode  # under whose topic the case was published
    revision: int
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkUse:
    """The first opening of a link."""

    case: CaseId
    grid: GridCode
    revision: int
    at: datetime
    holder: str = field(repr=False)  # hash of the secret that the browser was given


class LinkState(StrEnum):
    """Whether a link opens, or why not."""

    OPENS = auto()
    OPENS_AGAIN = auto()  # the same browser, within the minute
    SPENT = auto()  # it was opened, or a newer one of this case was
    EXPIRED = auto()
    ENDED = auto()  # nothing is left to do: the case is closed
    WITHDRAWN = auto()  # the case was reassigned from this grid

    @property
    def opens(self) -> bool:
        """Whether the picture is shown."""
        return self in (LinkState.OPENS, LinkState.OPENS_AGAIN)


def link_state(
    link: PictureLink, case: Case, uses: Iterable[LinkUse], holder: str, now: datetime
) -> LinkState:
    """State of a link whose signature is right; `uses` are those of its case and grid."""
    if not case.is_open:
        return LinkState.ENDED
    if link.grid not in announced_grids(case):
        return LinkState.WITHDRAWN
    if now > link.until:
        return LinkState.EXPIRED
    newest = max(uses, key=lambda opening: opening.revision, default=None)
    if newest is None or newest.revision < link.revision:
        return LinkState.OPENS
    mine = newest.revision == link.revision and hmac.compare_digest(newest.holder, holder)
    is_recent = now - newest.at <= REOPEN_WITHIN
    return LinkState.OPENS_AGAIN if mine and is_recent else LinkState.SPENT


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkSigner:
    """Makes the links of one site, with its key."""

    base_url: str  # where the web application is reached from outside
    key: bytes = field(repr=False)
    lasts: timedelta

    def link(self, case: Case, grid: GridCode, now: datetime) -> str | None:
        """The address for a case message; None where there is no picture, or the case has ended."""
        if case.before is None or not case.is_open:
            return None
        until = (now + self.lasts).replace(microsecond=0)
        made = PictureLink(case=case.id, grid=grid, revision=case.revision, until=until)
        return f"{self.base_url}{PICTURE_LINK_PATH}{sign_token(made, self.key)}"


def sign_token(link: PictureLink, key: bytes) -> str:
    """Payload and signature as they stand in the address, base64url."""
    payload = f"{link.case}|{link.grid}|{link.revision}|{int(link.until.timestamp())}".encode()
    return f"{_encode_base64url(payload)}.{_encode_base64url(sign(key, payload, purpose=PURPOSE))}"


def read_token(text: str, key: bytes) -> PictureLink | None:
    """The payload of a token; None unless `key` signed it. Compared in constant time."""
    payload_text, _, signature_text = text[:MAX_TOKEN_CHARS].partition(".")
    payload = _decode_base64url(payload_text)
    if not is_signature(_decode_base64url(signature_text), key, payload, purpose=PURPOSE):
        return None
    case, grid, revision, until = payload.decode().split("|")
    return PictureLink(
        case=CaseId(case),
        grid=GridCode(grid),
        revision=int(revision),
        until=datetime.fromtimestamp(int(until), UTC),
    )


def holder_hash(secret: str) -> str:
    """Hash under which the store knows the browser that was given the secret."""
    return sha256(secret.encode()).hexdigest()


def _encode_base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


def _decode_base64url(text: str) -> bytes:
    try:
        return urlsafe_b64decode(text.encode("ascii", "replace") + b"=" * (-len(text) % 4))
    except NotBase64:
        return b""
