"""A household and its cameras: `patrol consent withdraw|restore|list`, and `patrol who-looked`.

A change of consent has effect within a second. `who-looked CAMERA|HOUSEHOLD` shows the access log.
"""

from collections.abc import Sequence
from typing import Annotated, Final

import typer

from patrol.cli.options import AsJson, By, CameraArgument, operator
from patrol.cli.output import bad_input, console, print_json
from patrol.cli.site import camera_named, site_of, store_of, trusted_now
from patrol.clock import SystemClock
from patrol.domain.access_log import AccessEntry
from patrol.domain.ids import CameraId, camera_id_problem
from patrol.domain.labels import ACCESS_ACTIONS, bilingual, refusal_label
from patrol.domain.timestamps import rfc3339_or_none
from patrol.settings import Site


def withdraw_consent(
    context: typer.Context, camera: CameraArgument, *, by: By = "", as_json: AsJson = False
) -> None:
    """农户撤回同意:一秒内不再连接。 Withdraw: not connected to from now on."""
    _change_consent(context, camera, by, as_json=as_json, restore_it=False)


def restore_consent(
    context: typer.Context, camera: CameraArgument, *, by: By = "", as_json: AsJson = False
) -> None:
    """取消撤回,以登记册为准。 Take a withdrawal back; the registry's own consent counts again."""
    _change_consent(context, camera, by, as_json=as_json, restore_it=True)


def show_consents(context: typer.Context, *, as_json: AsJson = False) -> None:
    """哪些摄像头不能看,为什么。 Which cameras may not be looked through, and why."""
    site = site_of(context)
    today = SystemClock().now().astimezone(site.settings.site.tz).date()
    with store_of(site) as store, store.begin_read() as uow:
        withdrawn = uow.consents.withdrawn()
    cameras = site.registry.cameras.values()
    rows = [(c, "withdrawn_here" if c.id in withdrawn else c.refusal_on(today)) for c in cameras]
    closed = [(camera, str(why)) for camera, why in rows if why is not None]
    if as_json:
        print_json([{"camera": c.id, "name": c.name, "why": why} for c, why in closed])
        return
    for camera, why in closed:
        reason = (
            "农户已撤回 withdrawn by the household"
            if why == "withdrawn_here"
            else refusal_label(why)
        )
        console().print(f"{camera.id}  {reason}  {camera.name}", markup=False)
    console().print(f"可巡 {len(rows) - len(closed)} / {len(rows)} may be patrolled")


def _change_consent(
    context: typer.Context, text: str, by: str, *, as_json: bool, restore_it: bool
) -> None:
    site = site_of(context)
    camera, who = camera_named(site, text), operator(by)
    what = "consent restored" if restore_it else "consent withdrawn"
    with store_of(site) as store, store.begin() as uow:
        now = trusted_now(uow)
        change = uow.consents.restore if restore_it else uow.consents.withdraw
        change(camera.id, by=who, now=now)
        uow.access.append(at=now, who=who, what=what, camera=camera.id, why="patrol consent")
        uow.commit()
    if as_json:
        print_json({"camera": camera.id, "withdrawn": not restore_it, "by": who})
        return
    zh = "已恢复以登记册为准" if restore_it else "已撤回,不再连接"
    console().print(f"{camera.id} {camera.name}: {zh} {what}", markup=False)


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
