"""`patrol consent withdraw|restore|list`: a household's consent, with effect within a second."""

import typer

from patrol.cli.options import AsJson, By, CameraArgument, operator
from patrol.cli.output import console, print_json
from patrol.cli.site import camera_named, site_of, store_of
from patrol.clock import SystemClock
from patrol.domain.labels import refusal_label


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
    camera, now, who = camera_named(site, text), SystemClock().now(), operator(by)
    what = "consent restored" if restore_it else "consent withdrawn"
    with store_of(site) as store, store.begin() as uow:
        change = uow.consents.restore if restore_it else uow.consents.withdraw
        change(camera.id, by=who, now=now)
        uow.access.append(at=now, who=who, what=what, camera=camera.id, why="patrol consent")
        uow.commit()
    if as_json:
        print_json({"camera": camera.id, "withdrawn": not restore_it, "by": who})
        return
    zh = "已恢复以登记册为准" if restore_it else "已撤回,不再连接"
    console().print(f"{camera.id} {camera.name}: {zh} {what}", markup=False)
