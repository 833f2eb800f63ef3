"""Duty of a round (巡查员): who signed on to it, and to whom it was handed over. Pure.

A round belongs to nobody until an operator signs on (签到). The owner may hand it over (移交) to
another account, which then owns it; a duty lead may sign on over somebody else's head. The ledger
names the owners in their order instead of 系统. Nothing is ever deleted: a signature is an entry.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, auto

from patrol.domain.errors import Failed
from patrol.domain.ids import RoundId


class RoundDutyAction(StrEnum):
    """What a person did with a round's duty; the values are public."""

    SIGN_ON = auto()
    HAND_OVER = auto()


class NotRoundOwner(Failed):
    """The round belongs to somebody else, or to nobody; the text says to whom."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundDutyEntry:
    """One signature on a round."""

    round: RoundId
    at: datetime  # UTC
    what: RoundDutyAction
    who: str  # account
    to: str = ""  # of a hand-over: the account that owns it from now on
    note: str = ""

    @property
    def owner(self) -> str:
        """The account that owns the round after this entry."""
        return self.to or self.who


def owner_of(entries: Sequence[RoundDutyEntry]) -> str:
    """The account that owns the round now; empty: nobody signed on."""
    return entries[-1].owner if entries else ""


def owners_of(entries: Sequence[RoundDutyEntry]) -> tuple[str, ...]:
    """Every account that ever owned it, each once, in the order of the signatures."""
    return tuple(dict.fromkeys(entry.owner for entry in entries))


def sign_on(
    entries: Sequence[RoundDutyEntry],
    *,
    round_id: RoundId,
    who: str,
    now: datetime,
    may_take_over: bool,
    note: str = "",
) -> RoundDutyEntry:
    """The entry by which `who` takes the round. Raises NotRoundOwner: another account has it.

    `may_take_over`: a duty lead, who may take it from an operator who left without handing over.
    """
    owner = owner_of(entries)
    if owner == who:
        raise NotRoundOwner(f"round {round_id}: {who} has signed on already")
    if owner and not may_take_over:
        raise NotRoundOwner(f"round {round_id} belongs to {owner}, who may hand it over")
    return RoundDutyEntry(
        round=round_id, at=now, what=RoundDutyAction.SIGN_ON, who=who, note=note.strip()
    )


def hand_over(
    entries: Sequence[RoundDutyEntry],
    *,
    round_id: RoundId,
    who: str,
    to: str,
    now: datetime,
    note: str = "",
) -> RoundDutyEntry:
    """The entry by which the owner gives the round to another account. Raises NotRoundOwner."""
    owner = owner_of(entries)
    if owner != who:
        raise NotRoundOwner(f"round {round_id} belongs to {owner or 'nobody'}, not to {who}")
    if to == who:
        raise NotRoundOwner(f"round {round_id}: give it to somebody else than {who}")
    return RoundDutyEntry(
        round=round_id, at=now, what=RoundDutyAction.HAND_OVER, who=who, to=to, note=note.strip()
    )
