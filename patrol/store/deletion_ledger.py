"""The deletion ledger: one chained line for each picture or reference that was deleted, and when.

A line always means that the pixels are gone. Written by pictures.py and pixels.py, checked by
fsck.py.
"""

from collections.abc import Mapping
from typing import Any, Final

from patrol.domain.access_log import utc_microseconds_text
from patrol.store.access_log import HashChain
from patrol.store.schema import deletions
from patrol.store.transaction import Transaction

DELETION_CHAIN: Final = "deletions"


class DeletionLedger:
    """The chained lines of what was deleted, of whatever place."""

    def __init__(self, db: Transaction) -> None:
        self._db = db

    def add(self, line: Mapping[str, Any]) -> None:
        """Append a line: sha256, camera, taken_at, purpose, due_at, deleted_at."""
        chain = HashChain(self._db, DELETION_CHAIN)
        number, previous = chain.head()
        numbered = {"number": number + 1, **line}
        link = chain.extend(number + 1, previous, *deletion_fields(numbered))
        self._db.add(deletions, [{**numbered, "previous": previous, "hash": link}])


def deletion_fields(line: Mapping[str, Any]) -> tuple[str | int | None, ...]:
    """What the hash of a ledger line covers, number first."""
    return (
        line["number"],
        line["sha256"],
        line["camera"],
        utc_microseconds_text(line["taken_at"]),
        line["purpose"],
        utc_microseconds_text(line["due_at"]),
        utc_microseconds_text(line["deleted_at"]),
    )
