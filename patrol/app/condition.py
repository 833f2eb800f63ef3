"""How the house itself does: its children, its disks, its books. For the console's system page."""

import shutil
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final

from patrol.app.house import App
from patrol.console import Disk, Part
from patrol.store import check

SQLITE: Final = "sqlite:///"


def parts(app: App) -> Sequence[Part]:
    """The children of the service, as /healthz hears of them."""
    return [
        Part(
            name=one.name,
            ok=one.ok,
            words=one.words,
            ago=None if one.ago_s is None else timedelta(seconds=one.ago_s),
        )
        for one in app.parts()
    ]


def disks(app: App) -> Sequence[Disk]:
    """Where database and pictures lie; a PostgreSQL guards its own disk."""
    settings = app.site.settings
    places = {"evidence": settings.evidence}
    if settings.database.startswith(SQLITE):
        places["database"] = Path(settings.database.removeprefix(SQLITE)).parent
    return [
        Disk(holds=holds, free=usage.free, total=usage.total)
        for holds, place in places.items()
        if place.exists()
        for usage in (shutil.disk_usage(place),)
    ]


def check_store(app: App) -> Sequence[str]:
    """The store's own fsck, beside whatever runs."""
    return [str(problem) for problem in check(app.site.settings.database)]
