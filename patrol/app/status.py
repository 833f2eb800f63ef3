"""How the house itself does: its children, its disks, its books. For the console's system page."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from patrol.app.application import Application
from patrol.store import check


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceStatus:
    """One part of the running house, as it says of itself."""

    name: str
    ok: bool
    text: str
    since_heartbeat: timedelta | None = None  # since it was last heard of


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskSpace:
    """What one place to write has left."""

    holds: str  # database, evidence
    free: int  # bytes
    total: int


SQLITE: Final = "sqlite:///"


def service_status(app: Application) -> Sequence[ServiceStatus]:
    """The children of the service, as /healthz hears of them."""
    return [
        ServiceStatus(
            name=one.name,
            ok=one.ok,
            text=one.message,
            since_heartbeat=None if one.ago_s is None else timedelta(seconds=one.ago_s),
        )
        for one in app.service_checks()
    ]


def disk_usage(app: Application) -> Sequence[DiskSpace]:
    """Where database and pictures lie; a PostgreSQL guards its own disk."""
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
    """The store's own fsck, beside whatever runs."""
    return [str(problem) for problem in check(app.site.settings.database)]
