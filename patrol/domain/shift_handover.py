"""Shift handover (交接班): who owns the shift, and the hash chain of signatures. Pure.

The leaving operator signs a sheet of what is open (GIVE); the coming one signs the same sheet
(TAKE; its digest is part of both signatures) and owns the shift from then on. Entries are never
edited. cases/shift_handover.py gathers the sheet and appends the entries.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, auto
from hashlib import sha256

from patrol.domain.access_log import chain_hash, utc_microseconds_text
from patrol.domain.errors import Failed


class HandoverAction(StrEnum):
    """Give or take over a shift; the values are public."""

    GIVE = auto()
    TAKE = auto()


class NotShiftOwner(Failed):
    """Another person owns the shift, or the sheet was given to another one; the text names who."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HandoverEntry:
    """One signature, under `sheet`; chained to the entry before by its hash."""

    number: int  # given by the store, without gaps
    at: datetime
    what: HandoverAction
    who: str
    to: str  # GIVE: who is to take it; TAKE: empty
    note: str
    sheet: Mapping[str, object]
    digest: str  # of the sheet
    previous: str = ""  # the hash of the entry before
    hash: str = ""

    def expected_hash(self) -> str:
        """The value that `hash` must have."""
        return chain_hash(self.previous, *signed_fields(self))


def signed_fields(entry: HandoverEntry) -> tuple[str | int | None, ...]:
    """The fields that the hash of an entry covers; the sheet by its digest."""
    return (
        entry.number,
        utc_microseconds_text(entry.at),
        str(entry.what),
        entry.who,
        entry.to,
        entry.note,
        entry.digest,
    )


def sheet_digest(sheet: Mapping[str, object]) -> str:
    """SHA-256 of the sheet as canonical JSON (sorted keys), in hexadecimal."""
    text = json.dumps(sheet, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return sha256(text.encode()).hexdigest()


def shift_owner(entries: Sequence[HandoverEntry]) -> str:
    """The person who took over last; empty before the first. `entries`: newest first."""
    return next((entry.who for entry in entries if entry.what is HandoverAction.TAKE), "")


def pending_sheet(entries: Sequence[HandoverEntry]) -> HandoverEntry | None:
    """The sheet that was given and not yet taken. `entries`: newest first."""
    newest = entries[0] if entries else None
    return newest if newest is not None and newest.what is HandoverAction.GIVE else None


def handover_refusal(entries: Sequence[HandoverEntry], who: str, to: str) -> str | None:
    """The reason why `who` cannot hand over to `to`, or None. A given sheet may be given anew."""
    owner = shift_owner(entries)
    if who == to:
        return f"{who} cannot hand over to {to}: two people sign"
    if owner and owner != who:
        return f"the shift is {owner}'s, who alone can hand it over"
    return None


def takeover_refusal(entries: Sequence[HandoverEntry], who: str) -> str | None:
    """The reason why `who` cannot take over just now, or None."""
    waiting = pending_sheet(entries)
    if waiting is None:
        return "nothing was handed over: the one who goes signs first (patrol handover give)"
    if waiting.to != who:
        return f"it was handed over to {waiting.to} by {waiting.who}, not to {who}"
    return None
