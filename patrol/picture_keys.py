"""Upkeep of the pictures' day keys, after each sweep: renew what stays, destroy what is over.

A key's day is over when it lies before today: the sweep has deleted the pictures that fell due on
it. What is still in the index under such a key lives longer than was planned when it was taken
(evidence of a case, a legal hold, bytes that a later picture shares) and is encrypted anew with the
key of its present day; what is in no index goes with the key. Then the key is destroyed. Files that
an earlier version left plain, and those stored without a day, get their key in the same way.
"""

import logging
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

from patrol.domain.ids import Sha256
from patrol.encryption.day_keys import UNDATED
from patrol.pictures import FilePictureStore, PictureDamaged
from patrol.store import Store

log = logging.getLogger(__name__)

# What should be gone and is not (a legal hold, a file that cannot be removed) is renewed this far
# ahead, so that it costs a rewrite a month and not one a day.
OVERDUE_FOR: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewedKeys:
    """What one upkeep did."""

    encrypted: int = 0  # were plain, or without a day
    renewed: int = 0  # were under a key that is over
    dropped: int = 0  # in no index, under a key that is over
    failed: int = 0  # damaged or not writable: their key stays until the next upkeep
    destroyed: tuple[date, ...] = ()  # days whose keys are gone


def renew_keys(store: Store, pictures: FilePictureStore, now: datetime) -> RenewedKeys:
    """Give every picture the key of its day and destroy the keys that are over.

    Reads the head of every file, some 20 µs each. Raises StoreUnavailable, PictureStoreFull.
    """
    if pictures.keys is None:
        return RenewedKeys()
    today = now.astimezone(UTC).date()
    over = {day for day in pictures.keys.days() if day < today}
    by_day = _names_by_day(pictures)
    day_by_name = {name: day for day in (*over, UNDATED, None) for name in by_day.get(day, ())}
    due_days = _due_days(store)
    counts = {"encrypted": 0, "renewed": 0, "dropped": 0, "failed": 0}
    kept_days: set[date] = set()
    for name in sorted(day_by_name):
        present = day_by_name[name]
        what = _renew_one(pictures, name, present, due_days.get(name), today)
        counts[what] = counts.get(what, 0) + 1
        if what == "failed" and present is not None:
            kept_days.add(present)
    gone = sorted(day for day in over - kept_days if pictures.keys.destroy(day))
    if any(counts.values()) or gone:
        log.info("keys of pictures renewed", extra={**counts, "destroyed": len(gone)})
    return RenewedKeys(
        encrypted=counts["encrypted"],
        renewed=counts["renewed"],
        dropped=counts["dropped"],
        failed=counts["failed"],
        destroyed=tuple(gone),
    )


def plain_count(pictures: FilePictureStore) -> int:
    """How many files are not encrypted."""
    return len(_names_by_day(pictures).get(None, ()))


def _names_by_day(pictures: FilePictureStore) -> Mapping[date | None, set[Sha256]]:
    found: defaultdict[date | None, set[Sha256]] = defaultdict(set)
    for name in pictures.names():
        try:
            found[pictures.key_day(name)].add(name)
        except KeyError:  # deleted meanwhile
            continue
    return found


def _due_days(store: Store) -> Mapping[Sha256, date]:
    """The last day of every content in the index."""
    with store.begin_read() as uow:
        return uow.pictures.last_due_days()


def _renew_one(
    pictures: FilePictureStore,
    name: Sha256,
    present: date | None,
    due: date | None,
    today: date,
) -> str:
    is_over = present is not None and present < today
    if due is None:  # in no index: just stored, or an orphan that goes with its key
        if is_over:
            pictures.delete(name)
            return "dropped"
        return "unindexed"
    day = due if due >= today else today + OVERDUE_FOR
    try:
        pictures.write(name, pictures.get(name), day)
    except (KeyError, PictureDamaged, OSError) as exc:
        log.warning("a picture keeps its key", extra={"sha256": name, "reason": str(exc)})
        return "failed"
    return "renewed" if is_over else "encrypted"
