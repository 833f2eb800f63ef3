"""Pixels of households in the store: ended with consent or camera, expired, counted.

Walks the register (pixel_places.py). Rows that name files are marked as due, and the sweep
(patrol/pictures.py) deletes the files; rows that hold pixels themselves are deleted here. Either
way each gets its line in the deletion ledger. What a legal hold keeps is marked and stays until
the first sweep after the hold's end. A finding that waits for a person leaves the queue with the
consent that its picture stood on.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final

from sqlalchemy import BindParameter, Row, Table, bindparam, case, func, literal, select, union

from patrol.domain.camera import ConsentState
from patrol.domain.finding import CAMERA_LEFT, CONSENT_WITHDRAWN
from patrol.domain.ids import CameraId, Sha256
from patrol.domain.round import CAMERA_RETIRED, CONSENT_ENDED
from patrol.store.column_types import UtcTime
from patrol.store.deletion_ledger import DeletionLedger
from patrol.store.findings import FindingRepository
from patrol.store.legal_holds import camera_is_held, picture_is_held
from patrol.store.pixel_places import PIXEL_PLACES, PixelPlace, PlaceKind
from patrol.store.schema import pictures
from patrol.store.schema_people import cameras, withdrawals
from patrol.store.transaction import Transaction, in_batches

ENDING_MARKS: Final = {CONSENT_ENDED: CONSENT_WITHDRAWN, CAMERA_RETIRED: CAMERA_LEFT}
FILE_ROWS: Final = [place for place in PIXEL_PLACES if place.kind is PlaceKind.FILE_ROWS]
BLOB_ROWS: Final = [place for place in PIXEL_PLACES if place.kind is PlaceKind.BLOB_ROWS]
_WITHDRAWN_HERE: Final = select(withdrawals.c.camera).where(withdrawals.c.restored_at.is_(None))
_WITHDRAWN_THERE: Final = select(cameras.c.id).where(cameras.c.consent == ConsentState.WITHDRAWN)
_WITHDRAWN: Final = union(_WITHDRAWN_HERE, _WITHDRAWN_THERE).subquery()
# Asked at every picture and memory that is written: built once, and of these cameras alone.
_THESE: Final[BindParameter[Any]] = bindparam("these", expanding=True)
_WITHDRAWN_OF_THESE: Final = union(
    _WITHDRAWN_HERE.where(withdrawals.c.camera.in_(_THESE)),
    _WITHDRAWN_THERE.where(cameras.c.id.in_(_THESE)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldPixels:
    """What one place holds of one camera, in one purpose."""

    place: str  # PixelPlace.name
    camera: CameraId
    purpose: str
    count: int
    bytes: int
    oldest: datetime | None  # None: an exchange that does not say
    newest: datetime | None
    until: datetime | None  # when the last of them is due; None: by its retention class


def without_consent(db: Transaction, which: Iterable[CameraId]) -> frozenset[CameraId]:
    """Those of the cameras whose household withdrew, here or in cameras.csv."""
    return frozenset(
        CameraId(row.camera) for row in db.all(_WITHDRAWN_OF_THESE, {"these": list(which)})
    )


def is_marked(table: Table) -> Any:
    """The condition that a row's pixels are due because consent or camera ended."""
    return table.c.purpose.like(f"%{CONSENT_ENDED}") | table.c.purpose.like(f"%{CAMERA_RETIRED}")


class PixelRepository:
    """Ends, expires and counts the pixels of cameras in every place that the store knows."""

    def __init__(self, db: Transaction) -> None:
        self._db = db

    def end_camera(self, camera: CameraId, mark: str, now: datetime) -> int:
        """Let everything of the camera be deleted now; how many rows that were.

        Its findings that wait for a person leave the queue, with the reason.

        `mark` (of ENDING_MARKS) ends the purpose that the ledger will have.
        """
        ended = 0
        for place in FILE_ROWS:
            table = _table(place)
            at = literal(now, UtcTime)
            due = case((table.c.delete_after > at, at), else_=table.c.delete_after)
            mine = table.update().where(table.c.camera == camera, ~is_marked(table))
            marked = mine.values(delete_after=due, purpose=table.c.purpose + mark)
            ended += self._db.changed(marked)
        for place in BLOB_ROWS:
            table = _table(place)
            ended += self._delete_blobs(place, table.c.camera == camera, mark, now, due_at=now)
        FindingRepository(self._db).close_waiting(camera, reason=ENDING_MARKS[mark], now=now)
        return ended

    def end_withdrawn(self, now: datetime) -> Collection[CameraId]:
        """`end_camera` for every withdrawn camera of which something is left to end.

        A finding can come after a withdrawal: of a visit that was under way.
        """
        waiting = FindingRepository(self._db).cameras_waiting(select(_WITHDRAWN.c.camera))
        return self._end({*self.kept_of_withdrawn(), *waiting}, CONSENT_ENDED, now)

    def end_retired(self, now: datetime) -> Collection[CameraId]:
        """`end_camera` for every camera that left the registry."""
        retired = select(cameras.c.id).where(cameras.c.retired_at <= now)
        waiting = FindingRepository(self._db).cameras_waiting(retired)
        return self._end({*self.kept_of_retired(now), *waiting}, CAMERA_RETIRED, now)

    def kept_of_withdrawn(self) -> Collection[CameraId]:
        """Withdrawn cameras of which some place holds pixels that are not marked as due."""
        return self._kept_of(select(_WITHDRAWN.c.camera))

    def kept_of_retired(self, before: datetime) -> Collection[CameraId]:
        """The same of cameras that left the registry until then."""
        return self._kept_of(select(cameras.c.id).where(cameras.c.retired_at <= before))

    def _end(self, which: Collection[CameraId], mark: str, now: datetime) -> Collection[CameraId]:
        for camera in sorted(which):
            self.end_camera(camera, mark, now)
        return which

    def _kept_of(self, which: Any) -> Collection[CameraId]:
        parts = [
            select(table.c.camera).where(table.c.camera.in_(which), ~is_marked(table))
            for table in map(_table, FILE_ROWS)
        ]
        parts += [
            select(table.c.camera).where(table.c.camera.in_(which), ~_is_held(place))
            for place, table in ((place, _table(place)) for place in BLOB_ROWS)
        ]
        return sorted(CameraId(row[0]) for row in self._db.all(union(*parts)))

    def due_of_withdrawn(self) -> Collection[CameraId]:
        """Withdrawn cameras of which rows are left, marked or not: their files are to go.

        Without what a legal hold keeps.
        """
        withdrawn = select(_WITHDRAWN.c.camera)
        parts = [
            select(table.c.camera).where(table.c.camera.in_(withdrawn), ~_is_held(place))
            for place, table in _PLACES_IN_ROWS
        ]
        return sorted(CameraId(row[0]) for row in self._db.all(union(*parts)))

    def held_after_consent(self) -> Mapping[CameraId, int]:
        """How many pictures and references of withdrawn cameras a legal hold keeps."""
        counts: Counter[CameraId] = Counter()
        withdrawn = select(_WITHDRAWN.c.camera)
        for place, table in _PLACES_IN_ROWS:
            held = select(table.c.camera, func.count()).where(
                table.c.camera.in_(withdrawn), _is_held(place)
            )
            for camera, count in self._db.pairs(held.group_by(table.c.camera)):
                counts[CameraId(camera)] += count
        return dict(sorted(counts.items()))

    def expire_blobs(self, now: datetime, kept: Mapping[str, timedelta]) -> int:
        """Delete rows with pixels whose time is over; `kept`: how long, by retention class."""
        gone = 0
        for place in BLOB_ROWS:
            span = kept[place.retention]
            over = place.dated <= literal(now - span, UtcTime)
            gone += self._delete_blobs(place, over, "", now, kept=span)
        return gone

    def unindexed(self, names: Collection[Sha256]) -> frozenset[Sha256]:
        """Those contents that no row names."""
        known: set[str] = set()
        for part in in_batches(names):
            for place in FILE_ROWS:
                named = select(place.pixels).where(place.pixels.in_(part))
                known.update(row[0] for row in self._db.all(named))
        return frozenset(name for name in names if name not in known)

    def departed(self, now: datetime) -> Mapping[CameraId, str]:
        """Cameras whose household withdrew or that left the registry, and the mark of each."""
        retired = select(cameras.c.id).where(cameras.c.retired_at <= now)
        gone = {CameraId(row[0]): CAMERA_RETIRED for row in self._db.all(retired)}
        withdrawn = self._db.all(select(_WITHDRAWN.c.camera))
        return gone | {CameraId(row[0]): CONSENT_ENDED for row in withdrawn}

    def record_blob(
        self, name: str, camera: str, purpose: str, *, written_at: datetime, due_at: datetime,
        now: datetime,
    ) -> None:  # fmt: skip
        """Write into the ledger that a sealed blob of an exchange was deleted, by its name."""
        line = {
            "sha256": name, "camera": camera, "taken_at": written_at, "purpose": purpose,
            "due_at": due_at, "deleted_at": now,
        }  # fmt: skip
        DeletionLedger(self._db).add(line)

    def record_loose_file(self, name: str, written_at: datetime, now: datetime) -> None:
        """Write into the ledger that a file which nothing named was deleted."""
        at = {"written_at": written_at, "due_at": written_at, "now": now}
        self.record_blob(name, "", "loose file", **at)

    def held(self, camera: CameraId) -> Sequence[HeldPixels]:
        """What every place holds of the camera."""
        return [*self._held_files(camera), *self._held_blobs(camera)]

    def _held_files(self, camera: CameraId) -> Iterable[HeldPixels]:
        for place in FILE_ROWS:
            table = _table(place)
            summed = select(
                table.c.purpose, func.count().label("count_"),
                func.sum(table.c.bytes).label("bytes"),
                func.min(table.c.taken_at).label("oldest"),
                func.max(table.c.taken_at).label("newest"),
                func.max(table.c.delete_after).label("until"),
            ).where(table.c.camera == camera)  # fmt: skip
            for row in self._db.all(summed.group_by(table.c.purpose).order_by(table.c.purpose)):
                yield _held(place, camera, row, row.purpose, row.until)

    def _held_blobs(self, camera: CameraId) -> Iterable[HeldPixels]:
        for place in BLOB_ROWS:
            table = _table(place)
            dated = place.dated.label("oldest")
            summed = select(
                place.detail, literal(1).label("count_"),
                func.length(place.pixels).label("bytes"), dated, dated.label("newest"),
            )  # fmt: skip
            for row in self._db.all(summed.where(table.c.camera == camera).order_by(place.detail)):
                yield _held(place, camera, row, row[0], None)

    def _delete_blobs(
        self,
        place: PixelPlace,
        condition: Any,
        mark: str,
        now: datetime,
        *,
        due_at: datetime | None = None,
        kept: timedelta = timedelta(),
    ) -> int:
        table = _table(place)
        key = list(table.primary_key)
        wanted = select(
            *key, place.pixels.label("pixels"), place.dated.label("dated"),
            place.detail.label("detail"), table.c.camera.label("whose"),
        ).where(condition, ~_is_held(place))  # fmt: skip
        found = self._db.all(self._db.locked(wanted))
        ledger = DeletionLedger(self._db)
        for row in found:
            line = {
                "sha256": sha256(bytes(row.pixels)).hexdigest(),
                "camera": row.whose,
                "taken_at": row.dated,
                "purpose": f"{place.name} {row.detail}{mark}",
                "due_at": due_at or row.dated + kept,
                "deleted_at": now,
            }
            ledger.add(line)
            mine = [column == value for column, value in zip(key, row, strict=False)]
            self._db.run(table.delete().where(*mine))
        return len(found)


def _table(place: PixelPlace) -> Table:
    assert place.table is not None  # noqa: S101  of a place in rows  # nosec B101
    return place.table


_PLACES_IN_ROWS: Final = [(place, _table(place)) for place in (*FILE_ROWS, *BLOB_ROWS)]


def _is_held(place: PixelPlace) -> Any:
    """The condition that a legal hold keeps a row of this place."""
    if place.table is pictures:
        return picture_is_held()
    return camera_is_held(_table(place).c.camera)


def _held(
    place: PixelPlace, camera: CameraId, row: Row[Any], purpose: str, until: datetime | None
) -> HeldPixels:
    return HeldPixels(
        place=place.name, camera=camera, purpose=purpose, count=int(row.count_),
        bytes=int(row.bytes), oldest=row.oldest, newest=row.newest, until=until,
    )  # fmt: skip
