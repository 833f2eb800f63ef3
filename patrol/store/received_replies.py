"""The application acknowledgement: the last keys of replies that the centre has, by case and grid.

One row a case and grid with a short list, so that a reply costs the same however many came before.
The case's retained message shows it (messaging/payloads.py).
"""

from collections.abc import Mapping, Sequence
from typing import Final

from sqlalchemy import bindparam, select

from patrol.domain.ids import CaseId, GridCode
from patrol.store.schema_people import received_replies
from patrol.store.transaction import Transaction

KEYS_SHOWN: Final = 20  # more than one person sends about a case between two of its messages
_ONE: Final = select(received_replies).where(
    received_replies.c.case == bindparam("of_case"), received_replies.c.grid == bindparam("of_grid")
)
_OF_CASE: Final = select(received_replies).where(received_replies.c.case == bindparam("of_case"))


class ReceivedReplyRepository:
    """Reads and writes which replies of a case were handled."""

    def __init__(self, db: Transaction) -> None:
        self._db = db

    def add(self, case: CaseId, grid: GridCode, key: str) -> int:
        """Note the sender's key; how many replies this case has had from the grid."""
        mine = {"of_case": case, "of_grid": grid}
        row = self._db.first(self._db.locked(_ONE), mine)
        known = [] if row is None else [one for one in row.keys_shown if one != key]
        count = 1 if row is None else row.replies + 1
        fields = {"case": case, "grid": grid, "replies": count}
        shown = [*known, key][-KEYS_SHOWN:]
        self._db.put(received_replies, {**fields, "keys_shown": shown}, "case", "grid")
        return count

    def of_case(self, case: CaseId) -> Mapping[GridCode, Sequence[str]]:
        """The last keys by grid, the newest last."""
        rows = self._db.all(_OF_CASE, {"of_case": case})
        return {GridCode(row.grid): tuple(row.keys_shown) for row in rows}
