"""One-time links: how a case's picture is reached from outside the centre. Pure.

A link is words and a seal over them: which case, as told to which grid, at which revision of the
case, until when. Nothing is written down when one is made, so that every process that can tell a
case can make its link; what is written down is each opening. Whoever cannot make the seal learns
nothing: a guess is refused before anything is looked up.

Rules: a link opens once. The browser that opened it may open it again for a minute (a reload, a
lost connection); any other gets nothing. Opening a case's newer link ends its older ones. It ends
with its time, with the case, and when the case is taken from the grid.
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
from patrol.domain.escalation import grids_told
from patrol.domain.ids import CaseId, GridCode

AGAIN_WITHIN: Final = timedelta(seconds=60)  # the same browser: a reload, a picture half loaded
LONGEST_TOKEN: Final = 240  # characters; ours have some 110
PATH: Final = "/p/"


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureLink:
    """What the seal vouches for."""

    case: CaseId
    grid: GridCode  # under whose topic it was told
    revision: int
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """A link that was opened, for the first time."""

    case: CaseId
    grid: GridCode
    revision: int
    at: datetime
    holder: str = field(repr=False)  # hash of what the opening browser was given


class Verdict(StrEnum):
    """Whether it opens, or why not."""

    OPENS = auto()
    OPENS_AGAIN = auto()  # the same browser, within the minute
    SPENT = auto()  # it was opened, or a newer one of this case was
    EXPIRED = auto()
    ENDED = auto()  # nothing is left to do: the case is closed
    WITHDRAWN = auto()  # the case was taken from this grid

    @property
    def opens(self) -> bool:
        """Whether the picture is shown."""
        return self in (Verdict.OPENS, Verdict.OPENS_AGAIN)


def judge(
    link: PictureLink, case: Case, openings: Iterable[Opening], holder: str, now: datetime
) -> Verdict:
    """Of a link whose seal is right; `openings` are those of its case and grid."""
    if not case.is_open:
        return Verdict.ENDED
    if link.grid not in grids_told(case):
        return Verdict.WITHDRAWN
    if now > link.until:
        return Verdict.EXPIRED
    newest = max(openings, key=lambda opening: opening.revision, default=None)
    if newest is None or newest.revision < link.revision:
        return Verdict.OPENS
    mine = newest.revision == link.revision and hmac.compare_digest(newest.holder, holder)
    soon = now - newest.at <= AGAIN_WITHIN
    return Verdict.OPENS_AGAIN if mine and soon else Verdict.SPENT


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkMaker:
    """Makes the links of one site."""

    base_url: str  # where the console is reached from outside
    key: bytes = field(repr=False)
    lasts: timedelta

    def link(self, case: Case, grid: GridCode, now: datetime) -> str | None:
        """The address that stands in the case's message; None where there is nothing to show."""
        if case.before is None or not case.is_open:
            return None
        until = (now + self.lasts).replace(microsecond=0)
        made = PictureLink(case=case.id, grid=grid, revision=case.revision, until=until)
        return f"{self.base_url}{PATH}{token(made, self.key)}"


def token(link: PictureLink, key: bytes) -> str:
    """The words and their seal, as they stand in the address."""
    said = f"{link.case}|{link.grid}|{link.revision}|{int(link.until.timestamp())}".encode()
    return f"{_text(said)}.{_text(_seal(said, key))}"


def read_token(text: str, key: bytes) -> PictureLink | None:
    """None for whatever we did not seal. Takes as long for a near miss as for nonsense."""
    words, _, seal = text[:LONGEST_TOKEN].partition(".")
    said = _bytes(words)
    if not hmac.compare_digest(_seal(said, key), _bytes(seal)):
        return None
    case, grid, revision, until = said.decode().split("|")
    return PictureLink(
        case=CaseId(case),
        grid=GridCode(grid),
        revision=int(revision),
        until=datetime.fromtimestamp(int(until), UTC),
    )


def holder_of(secret: str) -> str:
    """How the books know the browser that was given the secret."""
    return sha256(secret.encode()).hexdigest()


def _seal(said: bytes, key: bytes) -> bytes:
    return hmac.new(key, b"picture-link|" + said, sha256).digest()


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    try:
        return urlsafe_b64decode(text.encode("ascii", "replace") + b"=" * (-len(text) % 4))
    except NotBase64:
        return b""
