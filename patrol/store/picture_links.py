"""One-time links: the key that seals them, and each opening."""

from collections.abc import Sequence

from sqlalchemy import select

from patrol.domain.ids import CaseId, GridCode
from patrol.domain.picture_link import Opening
from patrol.store.account_tables import picture_openings, site_keys
from patrol.store.db import Db

KEY = "picture_links"


class SqlPictureLinks:
    """One-time links to the pictures of cases: the key that seals them, and who opened which."""

    def __init__(self, db: Db) -> None:
        self._db = db

    def key(self, fresh: bytes) -> bytes:
        """The site's own; `fresh` becomes it where there is none yet.

        Of two processes that begin at once, the second waits and gets the same.
        """
        standing = select(site_keys.c.secret).where(site_keys.c.name == KEY)
        known = self._db.scalar(standing)
        if known is None:
            self._db.add_if_new(site_keys, {"name": KEY, "secret": fresh}, "name")
            known = self._db.scalar(standing)
        return bytes(known)

    def open(self, opening: Opening) -> bool:
        """Write down that it was opened; False when that link was opened before."""
        row = {
            "case": opening.case,
            "grid": opening.grid,
            "revision": opening.revision,
            "at": opening.at,
            "holder": opening.holder,
        }
        return self._db.add_if_new(picture_openings, row, "case", "grid", "revision")

    def openings(self, case_id: CaseId, grid: GridCode) -> Sequence[Opening]:
        """Of this case as told to this grid."""
        mine = picture_openings.c.case == case_id, picture_openings.c.grid == grid
        in_order = select(picture_openings).where(*mine).order_by(picture_openings.c.revision)
        return [Opening(**row._asdict()) for row in self._db.all(in_order)]
