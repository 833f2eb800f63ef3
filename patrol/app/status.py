"""The state of the service's parts, its disks and its store, for the console's system page."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from patrol.app.application import Application
from patrol.store import check as check_database

SQLITE: Final = "sqlite:///"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceStatus:
    """The health check of one part of the service."""

    name: str
    ok: bool
    text: str
    since_heartbeat: timedelta | None = None  # None: it sends none


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskSpace:
    """Free space of the disk that holds the database or the pictures."""

    holds: str  # database, evidence
    free: int  # bytes
    total: int


def service_status(app: Application) -> Sequence[ServiceStatus]:
    """The parts of the service as /healthz shows them; none when it runs in another process."""
    return [
        ServiceStatus(
            name=check.name,
            ok=check.ok,
            text=check.message,
            since_heartbeat=None if check.ago_s is None else timedelta(seconds=check.ago_s),
        )
        for check in app.service_checks()
    ]


def disk_usage(app: Application) -> Sequence[DiskSpace]:
    """The disks of pictures and database; a PostgreSQL server's disk is left out."""
    settings = app.site.settings
    folders = {"evidence": settings.evidence}
    if settings.database.startswith(SQLITE):
        folders["database"] = Path(settings.database.removeprefix(SQLITE)).parent
    return [
        DiskSpace(holds=holds, free=usage.free, total=usage.total)
        for holds, folder in folders.items()
        if folder.exists()
        for usage in (shutil.disk_usage(folder),)
    ]


def check_store(app: Application) -> Sequence[str]:
    """Problems that the store's consistency check finds; takes seconds. Raises StoreUnavailable."""
    return [str(problem) for problem in check_database(app.site.settings.database)]
