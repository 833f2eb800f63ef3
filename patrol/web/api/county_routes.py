"""API routes for the county: what changed behind a cursor, and what is so now.

One scope, `county:read`, opens both and nothing else; no other scope opens them. Each is one short
read of the store that blocks no writer; the answer is sent after it. docs/county.md.
"""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query

from patrol import __version__
from patrol.app import Application
from patrol.domain.timestamps import rfc3339
from patrol.reports.county_documents import CountySource, changed_documents, county_now
from patrol.reports.documents import JsonObject
from patrol.web.api import county_documents
from patrol.web.api.routes import BEARER, App, DocumentRoute, RequireScope
from patrol.web.errors import translate_errors

router = APIRouter(prefix="/county", dependencies=[Depends(BEARER)], route_class=DocumentRoute)
READ: Final = [Depends(RequireScope("county:read"))]
Page = Annotated[int, Query(ge=1, le=200, description="At most so many changes.")]
After = Annotated[
    str, Query(max_length=60, description="The `cursor` of the last answer; empty: all there is.")
]


@router.get("/changes", response_model=county_documents.CountyChanges, dependencies=READ)
def changes(app: App, after: After = "", limit: Page = 50) -> JsonObject:
    """Rounds and days that changed behind the cursor, as they are now; read on while `more`.

    A round or day is told whole each time, under its own key: what is read twice changes nothing.
    """
    now = app.clock.now()
    with app.store.begin_read() as uow, translate_errors():
        found = uow.report_changes.since(after, limit=limit)
        return {
            **_heading(app),
            "version": __version__,
            "cursor": found.cursor,
            "more": found.more,
            "restarted": found.restarted,
            **changed_documents(uow, _source(app), found.changes, now),
        }


@router.get("/now", response_model=county_documents.CountyNow, dependencies=READ)
def now(app: App) -> JsonObject:
    """Rounds under way, open and overdue cases, the cameras' health."""
    with app.store.begin_read() as uow:
        return {**_heading(app), **county_now(uow, _source(app), app.clock.now())}


def _heading(app: Application) -> JsonObject:
    return {
        "v": county_documents.FORMAT_VERSION,
        "site": app.site.settings.site.id,
        "at": rfc3339(app.clock.now()),
    }


def _source(app: Application) -> CountySource:
    settings = app.site.settings
    return CountySource(registry=app.registry, calendar=settings.calendar, zone=settings.site.tz)
