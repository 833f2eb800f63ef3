"""`patrol consent withdraw|restore|list`: what a household says, with effect within a second."""

from typing import TYPE_CHECKING, Annotated

import typer

from patrol.cli.output import (
    AsJson,
    By,
    bad_input,
    console,
    operator,
    print_json,
    site_of,
    store_of,
)

if TYPE_CHECKING:
    from patrol.domain.camera import Camera
    from patrol.settings import Site

CameraArgument = Annotated[
    str,
    typer.Argument(metavar="CAMERA", help="国标编码 20 位,或其末 6 位。 The id, or its last 6."),
]
SHORT_ID_DIGITS = 6


def register(cli: typer.Typer) -> None:
    """Add the verbs."""
    group = typer.Typer(no_args_is_help=True, help="农户同意。 The households' consent.")
    group.command("withdraw")(withdraw_consent)
    group.command("restore")(restore_consent)
    group.command("list")(show_consents)
    cli.add_typer(group, name="consent")


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
    from patrol.clock import SystemClock  # noqa: PLC0415  with the rooms
    from patrol.domain.labels import refusal_label  # noqa: PLC0415  with the rooms

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
    from patrol.clock import SystemClock  # noqa: PLC0415  with the rooms

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


def camera_named(site: "Site", text: str) -> "Camera":
    """The one camera that a person meant; ends the command where there is none."""
    cameras = site.registry.cameras
    found = [camera for id_, camera in cameras.items() if id_ == text]
    if not found and len(text) == SHORT_ID_DIGITS:
        found = [camera for id_, camera in cameras.items() if id_.endswith(text)]
    if not found:
        bad_input(
            f"camera {text!r}: not in cameras.csv, give its 20 digits or the last {SHORT_ID_DIGITS}"
        )
    if len(found) > 1:
        bad_input(f"camera {text!r}: {len(found)} cameras end so, give all 20 digits")
    return found[0]
