"""`patrol assets install|list`: scripts of the map and the charts, each checked by its sha256."""

from pathlib import Path
from typing import Annotated

import typer

from patrol.cli.models import FileSet, FileState
from patrol.cli.options import AsJson, FromDirectory, config_directory
from patrol.cli.output import print_err
from patrol.cli.site import site_if_any
from patrol.package_files import install_files
from patrol.settings.site_settings import DEFAULT_ASSETS
from patrol.web.assets import asset_manifest

AssetsIntoOption = Annotated[
    Path | None,
    typer.Option(
        "--into", metavar="DIR", help="安装到。 Where to; else site.yaml's console.assets."
    ),
]


def install_assets(
    context: typer.Context,
    *,
    source: FromDirectory = None,
    into: AssetsIntoOption = None,
    as_json: AsJson = False,
) -> None:
    """安装脚本,逐个核对 sha256。 Install the scripts, each checked by its sha256."""
    _assets(_assets_directory(context, into)).install_from(source, as_json=as_json)


def show_assets(
    context: typer.Context, *, into: AssetsIntoOption = None, as_json: AsJson = False
) -> None:
    """清单里的脚本及其状态。 What the manifest names, and the state of each."""
    columns = {
        "name": "名称 name",
        "purpose": "用途 for",
        "state": "状态 state",
        "licence": "许可 licence",
        "credit": "作者 credit",
    }
    _assets(_assets_directory(context, into)).print_states(columns, as_json=as_json)


def _assets_directory(context: typer.Context, into: Path | None) -> Path:
    """Where scripts live: `into`, else as in site.yaml, else the default (no site yet)."""
    if into is not None:
        return into
    site = site_if_any(context)
    if site is None:
        return config_directory(context) / DEFAULT_ASSETS
    return site.settings.console.assets


def _assets(folder: Path) -> FileSet:
    def states() -> list[FileState]:
        return [
            {
                "name": asset.name,
                "purpose": asset.purpose,
                "state": asset.state(folder),
                "licence": asset.licence,
                "credit": asset.credit,
                "path": str(folder / asset.name),
            }
            for asset in asset_manifest().values()
        ]

    wanted = [file for asset in asset_manifest().values() for file in asset.package_files]
    return FileSet(
        noun="assets",
        folder=folder,
        install=lambda source: install_files(wanted, folder, source, print_err),
        states=states,
    )
