"""`patrol assets install|list`: scripts of the map and the charts, each checked by its sha256."""

from pathlib import Path
from typing import Annotated

import typer

from patrol.cli.common import FAILED, AsJson, Failure, options, print_json, say_err

IntoOption = Annotated[
    Path | None,
    typer.Option(
        "--into", metavar="DIR", help="安装到。 Where to; else site.yaml's console.assets."
    ),
]


def register(cli: typer.Typer) -> None:
    """Add the verbs."""
    group = typer.Typer(no_args_is_help=True, help="地图与图表脚本。 Scripts of map and charts.")
    group.command("install")(install)
    group.command("list")(show)
    cli.add_typer(group, name="assets")


def directory(context: typer.Context, into: Path | None) -> Path:
    """Where they live: as said, else as in site.yaml, else the default (no site yet)."""
    from patrol.settings.policies import ConsoleSettings  # noqa: PLC0415  pydantic

    if into is not None:
        return into
    if not (options(context).config / "site.yaml").exists():
        return ConsoleSettings().assets
    from patrol.settings import load_site  # noqa: PLC0415  pydantic

    return load_site(options(context).config).settings.console.assets


def install(
    context: typer.Context,
    *,
    source: Annotated[
        Path | None,
        typer.Option(
            "--from", metavar="DIR", help="离线目录(气隙现场)。 A folder, on an air-gapped site."
        ),
    ] = None,
    into: IntoOption = None,
    as_json: AsJson = False,
) -> None:
    """安装脚本,逐个核对 sha256。 Install the scripts, each checked by its sha256."""
    from patrol.console.assets import shipped  # noqa: PLC0415  the console is an optional extra
    from patrol.parcels import NotFetched, fetch  # noqa: PLC0415  only here

    target = directory(context, into)
    parcels = [parcel for asset in shipped().values() for parcel in asset.parcels]
    try:
        fetch(parcels, target, source, say_err)
    except NotFetched as exc:
        # Each failure was said when it happened.
        if as_json:
            print_json({"ok": False, "assets": _states(target)})
        raise Failure(f"assets: not all are installed in {target}", code=FAILED) from exc
    if as_json:
        print_json({"ok": True, "assets": _states(target)})


def show(context: typer.Context, *, into: IntoOption = None, as_json: AsJson = False) -> None:
    """清单里的脚本及其状态。 What the manifest names, and the state of each."""
    states = _states(directory(context, into))
    if as_json:
        print_json(states)
        return
    for one in states:
        typer.echo(f"{one['name']:<10} {one['state']:<8} {one['licence']:<14} {one['credit']}")


def _states(target: Path) -> list[dict[str, str]]:
    from patrol.console.assets import shipped  # noqa: PLC0415  the console is an optional extra

    return [
        {
            "name": asset.name,
            "purpose": asset.purpose,
            "state": asset.state(target),
            "licence": asset.licence,
            "credit": asset.credit,
            "path": str(target / asset.name),
        }
        for asset in shipped().values()
    ]
