"""`patrol who-looked CAMERA|HOUSEHOLD`: the access log of a household's cameras."""

from collections.abc import Sequence
from typing import Annotated, Final

import typer

from patrol.cli.failures import bad_input
from patrol.cli.options import AsJson
from patrol.cli.output import console, print_json
from patrol.cli.site import camera_named, site_of, store_of
from patrol.domain.access_log import AccessEntry
from patrol.domain.ids import CameraId, camera_id_problem
from patrol.domain.labels import ACCESS_ACTIONS, bilingual
from patrol.domain.timestamps import rfc3339_or_none
from patrol.settings import Site

MACHINE_USERS: Final = ("patrol", "rules")  # visits of rounds and of rules

CameraOrHousehold = Annotated[
    str,
    typer.Argument(
        metavar="CAMERA|HOUSEHOLD", help="点位编码(或后 6 位)或农户编号。 A camera, or a household."
    ),
]
PeopleOnly = Annotated[
    bool,
    typer.Option("--people", help="只列人,不列机器巡查。 People only, not the patrol's visits."),
]
Limit = Annotated[int, typer.Option("--limit", min=1, max=100_000, help="最多行数。 At most.")]


def who_looked(
    context: typer.Context,
    whose: CameraOrHousehold,
    *,
    people: PeopleOnly = False,
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """谁看过:某点位(或某农户全部点位)的调用登记,新的在前。 Who looked at a household's cameras."""
    site = site_of(context)
    cameras = _cameras_meant(site, whose)
    with store_of(site) as store, store.begin_read() as uow:
        lines: list[AccessEntry] = []
        for camera in cameras:
            of_camera = uow.access.entries(camera=camera, limit=100_000 if people else limit)
            lines += [e for e in of_camera if not (people and e.who in MACHINE_USERS)]
    lines = sorted(lines, key=lambda entry: -entry.number)[:limit]
    if as_json:
        print_json([_access_document(entry) for entry in lines])
        return
    zone = site.settings.site.tz
    for entry in lines:
        action = (
            bilingual(ACCESS_ACTIONS[entry.what]) if entry.what in ACCESS_ACTIONS else entry.what
        )
        console().print(
            f"{entry.at.astimezone(zone):%Y-%m-%d %H:%M:%S}  {entry.camera}"
            f"  {entry.who}  {action}  {entry.why}  #{entry.number} {entry.hash[:12]}",
            markup=False, soft_wrap=True,
        )  # fmt: skip
    names = "、".join(cameras)
    summary = f"{len(lines)} 条 lines · {names} · 链由 `patrol db check` 核验 proves the chain"
    console().print(summary, markup=False, soft_wrap=True)


def _cameras_meant(site: Site, whose: str) -> Sequence[CameraId]:
    """The cameras of a household, or the one camera named; also one that left cameras.csv."""
    registry = site.registry.cameras
    of_household = [c.id for c in registry.values() if whose and c.household_ref == whose]
    if of_household:
        return sorted(of_household)
    if camera_id_problem(whose) is None:
        return [CameraId(whose)]
    if not whose.isdecimal():
        bad_input(f"{whose!r}: no household of cameras.csv, and no camera; give its 20 digits")
    return [camera_named(site, whose).id]


def _access_document(entry: AccessEntry) -> dict[str, object]:
    return {
        "number": entry.number,
        "at": rfc3339_or_none(entry.at),
        "who": entry.who,
        "what": entry.what,
        "camera": entry.camera,
        "why": entry.why,
        "previous": entry.previous,
        "hash": entry.hash,
    }
