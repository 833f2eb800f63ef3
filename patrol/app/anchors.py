"""Publish each day's heads of the chained logs, so that the outside can prove them later.

A minute after local midnight, and when the service starts later, the heads at the day's end go into
the store, into the file beside the site's key, and to the retained topic `centre/audit`, which has
the last days together. What a subscriber kept of it nobody in the centre can take back. Where the
site names a time-stamp authority, its stamp of the heads proves when they were made.
"""

import json
import os
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Final

import structlog

from patrol.app.application import Application
from patrol.domain.audit_anchor import STAMP_ENDING, Anchor, stamped_text
from patrol.files import PRIVATE_MODE, make_folders, write_atomically
from patrol.messaging.payloads import anchor_document
from patrol.settings.site_keys import anchor_path, stamp_folder

log = structlog.get_logger(__name__)

DAYS_STAMPED: Final = 7  # an authority that was away for a week is asked again
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


def stamp_anchors(app: Application) -> int:
    """Have the newest anchors without a time stamp stamped, where the site names an authority.

    The stamp lies beside the key with the text that it is of, for `patrol audit verify` and for
    `openssl ts -verify`. One that was not to be had is asked for again at the next turn.
    """
    settings = app.site.settings.timestamp
    if settings is None:
        return 0
    from patrol.integrations import timestamps  # noqa: PLC0415  an optional extra

    folder = stamp_folder(app.site.settings)
    with app.store.begin_read() as uow:
        anchors = uow.anchors.newest(DAYS_STAMPED)
    missing = [one for one in anchors if not _stamp_file(folder, one.day).exists()]
    if not missing:
        return 0
    make_folders(folder, mode=0o700)
    roots = timestamps.read_roots(settings.ca_file)
    authority = timestamps.Authority(settings.url, roots, settings.timeout_s)
    for number, anchor in enumerate(reversed(missing)):
        text = stamped_text(anchor.day.isoformat(), anchor.heads)
        try:
            stamp = timestamps.request_stamp(authority, text)
        except timestamps.StampRefused as exc:
            log.warning("no time stamp", day=anchor.day.isoformat(), reason=str(exc))
            return number
        write_atomically(folder / f"{anchor.day}.txt", text, mode=PRIVATE_MODE)
        write_atomically(_stamp_file(folder, anchor.day), stamp, mode=PRIVATE_MODE)
        log.info("heads of the logs stamped", day=anchor.day.isoformat())
    return len(missing)


def _stamp_file(folder: Path, day: date) -> Path:
    return folder / f"{day}{STAMP_ENDING}"


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
