"""`patrol accept CAMERA`: so it looks from now on."""

from typing import Annotated

import typer

from patrol.cli.common import AsJson, By, app_of, console, operator, print_json

CameraArgument = Annotated[
    str,
    typer.Argument(metavar="CAMERA", help="国标编码 20 位,或其末 6 位。 The id, or its last 6."),
]


def register(cli: typer.Typer) -> None:
    """Add the verb."""
    cli.command("accept")(accept)


def accept(
    context: typer.Context, camera: CameraArgument, *, by: By = "", as_json: AsJson = False
) -> None:
    """认可为新常态:以最近可用画面为参考。 Make its newest usable picture the reference."""
    from patrol.cli.consents import camera_named  # noqa: PLC0415  one way to name a camera

    with app_of(context) as app:
        chosen = camera_named(app.site, camera)
        normal = app.accept_as_normal(chosen.id, by=operator(by))
    if as_json:
        print_json({
            "camera": normal.camera,
            "light": str(normal.light),
            "picture": normal.picture,
            "taken_at": f"{normal.taken_at:%Y-%m-%dT%H:%M:%SZ}",
            "by": normal.by,
        })  # fmt: skip
        return
    at = normal.taken_at.astimezone(app.site.settings.site.tz)
    console().print(
        f"{chosen.id} {chosen.name}: {at:%m-%d %H:%M} 的画面为新常态"
        f" the picture of then is its {normal.light} reference",
        markup=False,
    )
