"""The access log (调阅登记): who viewed which camera; lines chained by their hashes.

Anyone with the rows and the standard library can follow a plain chain. Once the site has a key,
the store writes an HMAC of the same text instead (store/access_log.py): an owner who changes every
row, but has no key, cannot make a chain that holds.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final

from patrol.domain.ids import CameraId

REPLAY: Final = "replay"  # stored pictures judged again by the machine, for a person
EMPTY_CHAIN_HASH: Final = "0" * 64  # what stands before line 1


def chain_text(previous: str, *fields: str | int | None) -> bytes:
    """What a line's hash covers: the hash of the line before and its fields, as compact JSON."""
    text = json.dumps([previous, *fields], ensure_ascii=True, separators=(",", ":"))
    return text.encode("ascii")


def chain_hash(previous: str, *fields: str | int | None) -> str:
    """SHA-256 over `chain_text`: a line of a chain without a key."""
    return sha256(chain_text(previous, *fields)).hexdigest()


def utc_microseconds_text(moment: datetime) -> str:
    """`2026-11-22T01:02:03.000004Z`: fixed width, so that text order is time order."""
    utc = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    return f"{utc.isoformat(timespec='microseconds')[:26]}Z"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessEntry:
    """One line of the log; numbers run 1, 2, 3 … without a gap."""

    number: int
    at: datetime  # UTC
    who: str  # operator account, "system", the person's id
    what: str  # "view_picture", "live_look", …
    camera: CameraId | None
    why: str
    previous: str = EMPTY_CHAIN_HASH
    hash: str = ""

    @property
    def signed_fields(self) -> tuple[str | int | None, ...]:
        """The fields that `hash` covers, after the hash of the line before."""
        at = utc_microseconds_text(self.at)
        return (self.number, at, self.who, self.what, self.camera, self.why)

    def expected_hash(self) -> str:
        """The hash of its fields in a chain without a key; there `hash` differs after a change."""
        return chain_hash(self.previous, *self.signed_fields)
