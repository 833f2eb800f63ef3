"""Visits between rows and nouns; pictures are fetched for many visits at once."""

from collections import defaultdict
from collections.abc import Mapping
from math import nan
from typing import Any, Final

from sqlalchemy import Row, Select, bindparam, select

from patrol.domain.round import StoredPicture, Visit, VisitOutcome
from patrol.store.db import Db, in_parts
from patrol.store.pictures import picture_of
from patrol.store.tables import visit_pictures, visits

_PICTURES: Final = (
    select(visit_pictures, visits.c.camera)
    .join(visits)
    .where(visit_pictures.c.visit.in_(bindparam("these", expanding=True)))
    .order_by(visit_pictures.c.visit, visit_pictures.c.place)
)


def visit_row(visit: Visit) -> Mapping[str, Any]:
    """What `record` writes; the place in the plan stays as it was planned."""
    return {
        "round": visit.round,
        "camera": visit.camera,
        "outcome": visit.outcome,
        "started_at": visit.started_at,
        "finished_at": visit.finished_at,
        "tries": visit.tries,
        "failure": visit.failure,
        "seen": visit.seen,
        "usable_pictures": visit.usable_pictures,
        "faults": list(visit.faults),
        "readings": None if visit.readings is None else dict(visit.readings),
        "facts": None if visit.facts is None else dict(visit.facts),
        "freshness": visit.freshness,
        "light": visit.light,
    }


def read_visits(db: Db, statement: Select[Any]) -> list[Visit]:
    """The visits that `statement` selects, in its order, with the pictures they took."""
    rows = db.all(statement)
    taken: defaultdict[int, list[StoredPicture]] = defaultdict(list)
    for part in in_parts(row.number for row in rows):
        for picture in db.all(_PICTURES, {"these": part}):
            taken[picture.visit].append(picture_of(picture))
    return [_visit(row, tuple(taken[row.number])) for row in rows]


def _visit(row: Row[Any], pictures: tuple[StoredPicture, ...]) -> Visit:
    return Visit(
        round=row.round,
        camera=row.camera,
        outcome=VisitOutcome(row.outcome),
        started_at=row.started_at,
        finished_at=row.finished_at,
        tries=row.tries,
        failure=row.failure,
        seen=row.seen,
        usable_pictures=row.usable_pictures,
        faults=tuple(row.faults),
        readings=_numbers(row.readings),
        facts=row.facts,
        freshness=row.freshness,
        light=row.light,
        pictures=pictures,
    )


def _numbers(readings: Mapping[str, float | None] | None) -> Mapping[str, float] | None:
    if readings is None:
        return None
    return {name: nan if value is None else value for name, value in readings.items()}
