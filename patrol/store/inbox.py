"""The inbox in the store: keys of messages that were received, and messages that were refused.

A key is stored in the transaction that handles its message, so that a message which the broker
delivers twice is handled once.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import select

from patrol.domain.ids import MessageKey
from patrol.domain.outbox import DeadLetter
from patrol.store.rows import RowMapper
from patrol.store.schema_people import dead_letters, inbox
from patrol.store.transaction import Transaction

DEAD_LETTER_BYTES: Final = 4096  # of a refused message
_DEAD_LETTERS: Final = RowMapper(DeadLetter)


class InboxRepository:
    """Reads and writes keys of messages that were received, and dead letters (refused ones)."""

    def __init__(self, db: Transaction) -> None:
        self._db = db

    def remember_key(self, key: MessageKey, now: datetime) -> bool:
        """Store the key; False when it was stored before: the message is a repeat."""
        return self._db.add_if_new(inbox, {"key": key, "at": now}, "key")

    def add_dead_letter(self, letter: DeadLetter) -> None:
        """Store a refused message, its payload cut at DEAD_LETTER_BYTES."""
        row = {**_DEAD_LETTERS.to_row(letter), "payload": letter.payload[:DEAD_LETTER_BYTES]}
        self._db.add(dead_letters, [row])

    def dead_letters(self, *, limit: int = 100) -> Sequence[DeadLetter]:
        """The last `limit` dead letters, newest first."""
        newest = select(dead_letters).order_by(dead_letters.c.number.desc()).limit(limit)
        return [_DEAD_LETTERS.from_row(row) for row in self._db.all(newest)]

    def prune(self, before: datetime, *, limit: int) -> int:
        """Delete at most `limit` keys and `limit` dead letters from before then; how many."""
        keys = select(inbox.c.key).where(inbox.c.at < before).limit(limit)
        known = self._db.changed(inbox.delete().where(inbox.c.key.in_(keys)))
        of_old = select(dead_letters.c.number).where(dead_letters.c.at < before)
        numbers = of_old.order_by(dead_letters.c.number).limit(limit)
        dead = dead_letters.delete().where(dead_letters.c.number.in_(numbers))
        return known + self._db.changed(dead)
