"""`patrol assets install|list`: scripts of the map and the charts, each checked by its sha256.

`patrol models install|list`: weight files by manifest, each checked by its sha256.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from patrol.cli.output import FAILED, AsJson, Failure, console, options, print_err, print_json

if TYPE_CHECKING:
    from patrol.inference import Manifest, ModelSpec
    from patrol.settings import Settings


AssetsIntoOption = Annotated[
    Path | None,
    typer.Option(
        "--into", metavar="DIR", help="安装到。 Where to; else site.yaml's console.assets."
    ),
]


def register(cli: typer.Typer) -> None:
    """Add the verbs."""
    group = typer.Typer(no_args_is_help=True, help="地图与图表脚本。 Scripts of map and charts.")
    group.command("install")(install_assets)
    group.command("list")(show_assets)
    cli.add_typer(group, name="assets")


def assets_directory(context: typer.Context, into: Path | None) -> Path:
    """Where they live: as said, else as in site.yaml, else the default (no site yet)."""
    from patrol.settings.site_settings import ConsoleSettings  # noqa: PLC0415  pydantic

    if into is not None:
        return into
    if not (options(context).config / "site.yaml").exists():
        return ConsoleSettings().assets
    from patrol.settings import load_site  # noqa: PLC0415  pydantic

    return load_site(options(context).config).settings.console.assets


def install_assets(
    context: typer.Context,
    *,
    source: Annotated[
        Path | None,
        typer.Option(
            "--from", metavar="DIR", help="离线目录(气隙现场)。 A folder, on an air-gapped site."
        ),
    ] = None,
    into: AssetsIntoOption = None,
    as_json: AsJson = False,
) -> None:
    """安装脚本,逐个核对 sha256。 Install the scripts, each checked by its sha256."""
    from patrol.package_files import PackageFileUnavailable, install_files  # noqa: PLC0415  only here
    from patrol.web.assets import asset_manifest  # noqa: PLC0415  the console is an optional extra

    target = assets_directory(context, into)
    package_files = [
        package_file for asset in asset_manifest().values() for package_file in asset.package_files
    ]
    try:
        install_files(package_files, target, source, print_err)
    except PackageFileUnavailable as exc:
        # Each failure was said when it happened.
        if as_json:
            print_json({"ok": False, "assets": _asset_states(target)})
        raise Failure(f"assets: not all are installed in {target}", code=FAILED) from exc
    if as_json:
        print_json({"ok": True, "assets": _asset_states(target)})


def show_assets(
    context: typer.Context, *, into: AssetsIntoOption = None, as_json: AsJson = False
) -> None:
    """清单里的脚本及其状态。 What the manifest names, and the state of each."""
    states = _asset_states(assets_directory(context, into))
    if as_json:
        print_json(states)
        return
    for one in states:
        typer.echo(f"{one['name']:<10} {one['state']:<8} {one['licence']:<14} {one['credit']}")


def _asset_states(target: Path) -> list[dict[str, str]]:
    from patrol.web.assets import asset_manifest  # noqa: PLC0415  the console is an optional extra

    return [
        {
            "name": asset.name,
            "purpose": asset.purpose,
            "state": asset.state(target),
            "licence": asset.licence,
            "credit": asset.credit,
            "path": str(target / asset.name),
        }
        for asset in asset_manifest().values()
    ]


ModelsIntoOption = Annotated[
    Path | None,
    typer.Option("--into", metavar="DIR", help="安装到。 Where to; else site.yaml's models."),
]


def register_weights(cli: typer.Typer) -> None:
    """Add the verbs."""
    group = typer.Typer(no_args_is_help=True, help="模型权重。 Weight files.")
    group.command("install")(install_models)
    group.command("list")(show_models)
    cli.add_typer(group, name="models")


def models_directory(context: typer.Context, into: Path | None) -> Path:
    """Where weights live: as said, else as in site.yaml, else the default (no site yet)."""
    if into is not None:
        return into
    settings = _settings_if_any(context)
    return Path("var/models") if settings is None else settings.models


def models_manifest(context: typer.Context) -> "Manifest":
    """The product's own weight files, and the site's."""
    from patrol.inference import shipped  # noqa: PLC0415  onnxruntime

    return {**shipped(), **{model.name: model for model in own_models(context)}}


def own_models(context: typer.Context) -> "tuple[ModelSpec, ...]":
    """Those that the site's models.yaml names."""
    settings = _settings_if_any(context)
    return () if settings is None else settings.own_models


def _settings_if_any(context: typer.Context) -> "Settings | None":
    if not (options(context).config / "site.yaml").exists():
        return None
    from patrol.settings import load_site  # noqa: PLC0415  pydantic

    return load_site(options(context).config).settings


def install_models(
    context: typer.Context,
    *,
    source: Annotated[
        Path | None,
        typer.Option(
            "--from", metavar="DIR", help="离线目录(气隙现场)。 A folder, on an air-gapped site."
        ),
    ] = None,
    into: ModelsIntoOption = None,
    as_json: AsJson = False,
) -> None:
    """安装权重文件,逐个核对 sha256。 Install weight files, each checked by its sha256."""
    from patrol import inference  # noqa: PLC0415  onnxruntime

    target = models_directory(context, into)
    try:
        inference.install(target, source, print_err)
    except inference.InstallFailed as exc:
        # Each failure was said when it happened.
        if as_json:
            print_json({"ok": False, "models": _model_states(target, inference.shipped())})
        raise Failure(f"models: not all are installed in {target}", code=FAILED) from exc
    if as_json:
        print_json({"ok": True, "models": _model_states(target, inference.shipped())})


def show_models(
    context: typer.Context, *, into: ModelsIntoOption = None, as_json: AsJson = False
) -> None:
    """清单里的权重及其状态。 What the manifest names, and the state of each file."""
    states = _model_states(models_directory(context, into), models_manifest(context))
    if as_json:
        print_json(states)
        return
    from rich.table import Table  # noqa: PLC0415  rich

    state_labels = {"ready": "[green]就绪 ready[/]", "missing": "[yellow]缺失 missing[/]"}
    table = Table()
    for heading in ("名称 name", "用途 for", "状态 state", "许可 licence", "sha256"):
        table.add_column(heading)
    for model in states:
        state = state_labels.get(model["state"], "[red]损坏 broken[/]")
        table.add_row(
            model["name"], model["purpose"], state, model["licence"], model["sha256"][:12]
        )
    console().print(table)


def _model_states(target: Path, entries: "Manifest") -> list[dict[str, str]]:
    from patrol.inference import list_models  # noqa: PLC0415  onnxruntime

    return [
        {
            "name": model.name,
            "purpose": model.purpose,
            "state": model.state,
            "licence": model.licence,
            "sha256": model.sha256,
            "path": str(model.path),
        }
        for model in list_models(target, entries)
    ]
