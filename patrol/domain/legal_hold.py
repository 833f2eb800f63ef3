"""Legal hold (调查保全): nothing of a case or a camera is deleted while an order is in force.

An order has a reference (a letter's number) and a reason, is set and ended by a person, and is
never deleted itself. What a hold keeps longer is deleted by the next sweep after its end.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, auto
from typing import Final

from patrol.domain.errors import BadInput

MAX_REFERENCE_CHARS: Final = 120
MAX_REASON_CHARS: Final = 500


class HoldScope(StrEnum):
    """What a hold covers: everything of one case, or of one camera."""

    CASE = auto()
    CAMERA = auto()


class BadHold(BadInput, ValueError):
    """A hold without a reference or a reason, or of something unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LegalHold:
    """One order; in force until a person ends it."""

    number: int = 0  # given by the store
    scope: HoldScope
    subject: str  # a case's or a camera's id
    reference: str
    reason: str
    since: datetime
    set_by: str
    ended_at: datetime | None = None
    ended_by: str = ""
    ended_why: str = ""

    @property
    def is_in_force(self) -> bool:
        """Whether it still holds deletion."""
        return self.ended_at is None


def checked_hold_text(field: str, text: str, limit: int) -> str:
    """The text without spaces around it. Raises BadHold, naming the field."""
    plain = " ".join(text.split())
    if not plain:
        raise BadHold(f"{field}: is empty; a hold is ordered by somebody, for a reason")
    if len(plain) > limit:
        raise BadHold(f"{field}: {len(plain)} characters, at most {limit}")
    return plain
