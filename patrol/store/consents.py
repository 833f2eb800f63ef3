"""Consents in the store: withdrawals, pauses and hours beside cameras.csv, and household links.

Each has effect within a second. No row is deleted: one that is over says when and by whom it was
ended. A withdrawal also ends the pixels of the camera in every place, in its own transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import bindparam, or_, select, text

from patrol.domain.camera import DailyHours
from patrol.domain.consent import ConsentTerms, TermsAction, TermsChange, hours_text, parse_hours
from patrol.domain.ids import CameraId
from patrol.domain.round import CONSENT_ENDED
from patrol.store.column_types import UtcTime
from patrol.store.pixels import PixelRepository
from patrol.store.rows import RowMapper
from patrol.store.schema_people import consent_terms, household_links, withdrawals
from patrol.store.transaction import Transaction

PAUSE, HOURS = "pause", "hours"  # kinds of terms
# Asked some times a second while a round runs, by every process that visits.
_WITHDRAWN: Final = select(withdrawals.c.camera).where(withdrawals.c.restored_at.is_(None))
_STANDING: Final = select(
    *(consent_terms.c[name] for name in ("camera", "kind", "until", "hours"))
).where(
    consent_terms.c.ended_at.is_(None),
    or_(consent_terms.c.until.is_(None), consent_terms.c.until > bindparam("now", type_=UtcTime)),
)


# Of the columns that a worker's role may read, of what stands; times that pass are no part of it.
TERMS_TOKEN: Final = text(
    "SELECT md5(concat_ws('/',"
    " (SELECT string_agg(camera, ',' ORDER BY camera) FROM withdrawals WHERE restored_at IS NULL),"
    " 'terms', (SELECT string_agg(concat_ws(' ', camera, kind, until, hours::text), ','"
    "  ORDER BY camera, kind) FROM consent_terms WHERE ended_at IS NULL),"
    " 'stoppages', (SELECT string_agg(concat_ws(' ', number, until), ',' ORDER BY number)"
    "  FROM stoppages WHERE ended_at IS NULL)))"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraTerms:
    """What stands for one camera beside cameras.csv."""

    withdrawn_at: datetime | None = None
    withdrawn_by: str = ""
    paused_until: datetime | None = None
    paused_by: str = ""
    hours: tuple[DailyHours, ...] = ()
    hours_by: str = ""

    @property
    def hours_text(self) -> str:
        """The hours as a person writes them; empty: at any hour."""
        return hours_text(self.hours)


class ConsentRepository:
    """Reads and writes what households, or the centre for them, said after cameras.csv was read."""

    def __init__(self, db: Transaction) -> None:
        self._db = db

    def apply(self, camera: CameraId, change: TermsChange, *, by: str, now: datetime) -> None:
        """Make one change. Raises BadTerms; the caller writes the access log and commits."""
        change.check(now)
        if change.action is TermsAction.WITHDRAW:
            self.withdraw(camera, by=by, now=now)
        elif change.action is TermsAction.RESTORE:
            self.restore(camera, by=by, now=now)
        elif change.action is TermsAction.HOURS:
            self._set(camera, HOURS, by, now, hours=hours_text(change.hours) or None)
        else:
            self._set(camera, PAUSE, by, now, until=change.until)

    def withdraw(self, camera: CameraId, *, by: str, now: datetime) -> None:
        """Withdraw the consent; nothing happens when it is withdrawn already."""
        insert = self._db.insert(withdrawals).on_conflict_do_nothing(
            index_elements=["camera"], index_where=withdrawals.c.restored_at.is_(None)
        )
        self._db.run(insert, {"camera": camera, "withdrawn_at": now, "withdrawn_by": by})
        PixelRepository(self._db).end_camera(camera, CONSENT_ENDED, now)

    def restore(self, camera: CameraId, *, by: str, now: datetime) -> None:
        """End the withdrawal: the consent of cameras.csv counts again."""
        not_restored = withdrawals.c.camera == camera, withdrawals.c.restored_at.is_(None)
        restored = withdrawals.update().where(*not_restored)
        self._db.run(restored.values(restored_at=now, restored_by=by))

    def withdrawn(self) -> frozenset[CameraId]:
        """The cameras whose consent is withdrawn now."""
        return frozenset(row.camera for row in self._db.all(_WITHDRAWN))

    def terms(self, now: datetime) -> ConsentTerms:
        """Everything that stands now, of all cameras."""
        rows = self._db.all(_STANDING, {"now": now})
        return ConsentTerms(
            withdrawn=self.withdrawn(),
            paused={row.camera: row.until for row in rows if row.kind == PAUSE},
            hours={row.camera: parse_hours(row.hours) for row in rows if row.kind == HOURS},
        )

    def of_camera(self, camera: CameraId, now: datetime) -> CameraTerms:
        """What stands for one camera now, and who said it."""
        mine = withdrawals.c.camera == camera, withdrawals.c.restored_at.is_(None)
        gone = self._db.first(select(withdrawals).where(*mine))
        standing = consent_terms.c.camera == camera, consent_terms.c.ended_at.is_(None)
        rows = {row.kind: row for row in self._db.all(select(consent_terms).where(*standing))}
        pause, hours = rows.get(PAUSE), rows.get(HOURS)
        is_paused = pause is not None and pause.until > now
        return CameraTerms(
            withdrawn_at=gone.withdrawn_at if gone else None,
            withdrawn_by=gone.withdrawn_by if gone else "",
            paused_until=pause.until if pause and is_paused else None,
            paused_by=pause.set_by if pause and is_paused else "",
            hours=parse_hours(hours.hours) if hours else (),
            hours_by=hours.set_by if hours else "",
        )

    def _set(
        self,
        camera: CameraId,
        kind: str,
        by: str,
        now: datetime,
        *,
        hours: str | None = None,
        until: datetime | None = None,
    ) -> None:
        """End what stands of this kind; with a value, put that in its place."""
        table = consent_terms
        standing = table.c.camera == camera, table.c.kind == kind, table.c.ended_at.is_(None)
        self._db.run(table.update().where(*standing).values(ended_at=now, ended_by=by))
        if hours is not None or until is not None:
            row = {"camera": camera, "kind": kind, "hours": hours, "until": until}
            self._db.add(table, [{**row, "set_at": now, "set_by": by}])


@dataclass(frozen=True, slots=True, kw_only=True)
class HouseholdLinkRow:
    """A link to a household's own page, for one camera; it stands until it is revoked."""

    id: str
    camera: CameraId
    made_at: datetime
    made_by: str
    revoked_at: datetime | None = None
    revoked_by: str | None = None


_LINKS = RowMapper(HouseholdLinkRow)


class HouseholdLinkRepository:
    """Reads and writes the links of households' own pages; one stands for each camera at most."""

    def __init__(self, db: Transaction) -> None:
        self._db = db

    def get(self, ident: str) -> HouseholdLinkRow | None:
        """The link of this id, also a revoked one."""
        row = self._db.first(select(household_links).where(household_links.c.id == ident))
        return None if row is None else _LINKS.from_row(row)

    def standing(self, camera: CameraId) -> HouseholdLinkRow | None:
        """The camera's link that was not revoked."""
        mine = household_links.c.camera == camera, household_links.c.revoked_at.is_(None)
        row = self._db.first(select(household_links).where(*mine))
        return None if row is None else _LINKS.from_row(row)

    def standing_or_new(
        self, camera: CameraId, *, fresh_id: str, by: str, now: datetime
    ) -> HouseholdLinkRow:
        """The camera's link; one with `fresh_id` is made where none stands."""
        known = self.standing(camera)
        if known is not None:
            return known
        made = HouseholdLinkRow(id=fresh_id, camera=camera, made_at=now, made_by=by)
        insert = self._db.insert(household_links).on_conflict_do_nothing(
            index_elements=["camera"], index_where=household_links.c.revoked_at.is_(None)
        )
        self._db.run(insert, _LINKS.to_row(made))
        return self.standing(camera) or made

    def revoke(self, camera: CameraId, *, by: str, now: datetime) -> bool:
        """Revoke the camera's link; False when none stands."""
        mine = household_links.c.camera == camera, household_links.c.revoked_at.is_(None)
        ended = household_links.update().where(*mine).values(revoked_at=now, revoked_by=by)
        return self._db.changed(ended) > 0

    def history(self, camera: CameraId) -> Sequence[HouseholdLinkRow]:
        """Every link that the camera ever had, the newest first."""
        mine = select(household_links).where(household_links.c.camera == camera)
        newest = mine.order_by(household_links.c.made_at.desc(), household_links.c.id)
        return [_LINKS.from_row(row) for row in self._db.all(newest)]
