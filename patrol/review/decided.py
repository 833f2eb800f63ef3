"""Which decided findings (已判线索) a person looks for: by decider, day and text.

Used by the console, the API and the command line, so that a text finds the same in each. It counts
in ids, reasons and words, and in the names of cameras and categories, of which the store knows
none.
"""

from datetime import date, datetime, time, timedelta, tzinfo

from patrol.domain.finding import CATEGORIES
from patrol.domain.registry import Registry
from patrol.store.findings import DecidedFilter


def decided_filter(
    text: str, registry: Registry, zone: tzinfo, *, by: str = "", day: date | None = None
) -> DecidedFilter:
    """The filter of a search; an empty field asks for nothing. `day`: of `zone`."""
    since, until = (None, None) if day is None else _bounds(day, zone)
    wanted = text.strip()
    part = wanted.lower()
    cameras = registry.cameras.values() if part else ()
    categories = CATEGORIES if part else ()
    return DecidedFilter(
        by=by,
        since=since,
        until=until,
        text=wanted,
        cameras=[one.id for one in cameras if part in one.name.lower()],
        categories=[one.id for one in categories if part in f"{one.zh} {one.en}".lower()],
    )


def _bounds(day: date, zone: tzinfo) -> tuple[datetime, datetime]:
    """Midnight at the day's start, and 24 hours on the clock later."""
    start = datetime.combine(day, time(), zone)
    return start, start + timedelta(days=1)
