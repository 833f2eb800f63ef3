"""Which decided findings (已判线索) a person looks for: by decider, day and text.

Used by the console, the API and the command line, so that a text finds the same in each. It counts
in ids, reasons and words, and in the names of cameras and categories, of which the store knows
none.
"""

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Protocol

from patrol.domain.finding import CATEGORIES
from patrol.domain.ids import CameraId
from patrol.store.findings import DecidedFilter


class Named(Protocol):
    """What has a name: a camera of the registry, or its row in a list."""

    @property
    def name(self) -> str:
        """As people call it."""
        ...


def decided_filter(
    text: str,
    cameras: Mapping[CameraId, Named],
    zone: tzinfo,
    *,
    by: str = "",
    day: date | None = None,
) -> DecidedFilter:
    """The filter of a search; an empty field asks for nothing. `day`: of `zone`."""
    since, until = (None, None) if day is None else _bounds(day, zone)
    wanted = text.strip()
    part = wanted.lower()
    categories = CATEGORIES if part else ()
    return DecidedFilter(
        by=by,
        since=since,
        until=until,
        text=wanted,
        cameras=[id_ for id_, one in cameras.items() if part in one.name.lower()] if part else [],
        categories=[one.id for one in categories if part in f"{one.zh} {one.en}".lower()],
    )


def _bounds(day: date, zone: tzinfo) -> tuple[datetime, datetime]:
    """Midnight at the day's start, and 24 hours on the clock later."""
    start = datetime.combine(day, time(), zone)
    return start, start + timedelta(days=1)
