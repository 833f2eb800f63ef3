"""Publish each day's heads of the chained logs, so that the outside can prove them later.

A minute after local midnight, and when the service starts later, the heads at the day's end go into
the store, into the file beside the site's key, and to the retained topic `centre/audit`, which has
the last days together. What a subscriber kept of it nobody in the centre can take back.
"""

import json
import os
from datetime import date, datetime, time, timedelta
from typing import Final

import structlog

from patrol.app.application import Application
from patrol.domain.audit_anchor import Anchor
from patrol.files import PRIVATE_MODE
from patrol.messaging.payloads import anchor_document
from patrol.settings.site_keys import anchor_path

log = structlog.get_logger(__name__)

DAYS_PUBLISHED: Final = 31  # a subscriber that was away for a month misses nothing


def publish_anchor(app: Application) -> Anchor | None:
    """Make yesterday's anchor, unless there is one or nothing was ever logged.

    Raises StoreUnavailable, StoreFull; OSError where the file cannot be written.
    """
    zone, now = app.site.settings.site.tz, app.clock.now()
    if app.clock_monitor.clock_unconfirmed:
        return None  # a day that has not been cannot have ended
    day = now.astimezone(zone).date() - timedelta(days=1)
    with app.store.begin_read() as uow:
        if uow.anchors.get(day) is not None:
            return None
    with app.store.begin() as uow:
        heads = uow.anchors.heads_before(_end_of(day, app))
        if not any(head.number for head in heads.values()):
            return None
        anchor = Anchor(day=day, at=now, heads=heads)
        if not uow.anchors.add(anchor):
            return None
        newest = uow.anchors.newest(DAYS_PUBLISHED)
        uow.outbox.add(app.payloads.anchor_message(newest, now))
        uow.commit()
    _append(app, anchor)
    app.wake_relays()
    log.info("heads of the logs published", day=day.isoformat())
    return anchor


def _end_of(day: date, app: Application) -> datetime:
    return datetime.combine(day + timedelta(days=1), time(), tzinfo=app.site.settings.site.tz)


def _append(app: Application, anchor: Anchor) -> None:
    path = anchor_path(app.site.settings)
    line = json.dumps(anchor_document(anchor), separators=(",", ":")) + "\n"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, PRIVATE_MODE)
    try:
        os.write(descriptor, line.encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
