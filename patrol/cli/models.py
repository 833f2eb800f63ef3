"""Files installed by manifest: `patrol models install|list` and `patrol assets install|list`.

Weight files of the detectors, and scripts of the console's map and charts; each file is checked by
its sha256. `FileSet` is what both groups of verbs do.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.table import Table

from patrol.cli.options import AsJson, FromDirectory, config_directory
from patrol.cli.output import console, print_err, print_json
from patrol.cli.site import names_if_any, site_if_any
from patrol.domain.errors import Failed
from patrol.domain.reader_language import translate
from patrol.inference.errors import InstallFailed
from patrol.inference.manifest import Manifest, ModelSpec, Purpose, install, list_models, shipped
from patrol.package_files import FILE_STATES, PackageFileUnavailable, install_files
from patrol.settings.site_paths import Defaults

STATE_COLOURS: Final = {"ready": "green", "missing": "yellow", "broken": "red"}
PURPOSES: Final = {
    Purpose.OBJECTS: ("目标检测", "objects"),
    Purpose.FIRE: ("火情", "fire"),
    Purpose.FACES: ("遮人脸", "faces"),
    Purpose.PLATES: ("遮车牌", "plates"),
    "maps": ("地图", "maps"),
    "charts": ("图表", "charts"),
}

ModelsIntoOption = Annotated[
    Path | None,
    typer.Option("--into", metavar="DIR", help="安装到。 Where to; else site.yaml's models."),
]
FileState = Mapping[str, str]  # at least name, purpose, state and licence; `--json` prints it all


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSet:
    """The files of one manifest in one folder: installed, or listed with their states."""

    noun: str  # the key of `--json`
    folder: Path
    install: Callable[[Path | None], object]  # from a folder, or None: from the package index
    states: Callable[[], Sequence[FileState]]

    def install_from(self, source: Path | None, *, as_json: bool) -> None:
        """Install every file; each failure is printed when it happens. Raises Failed."""
        try:
            self.install(source)
        except (InstallFailed, PackageFileUnavailable) as exc:
            if as_json:
                print_json({"ok": False, self.noun: self.states()})
            raise Failed(f"{self.noun}: not all are installed in {self.folder}") from exc
        if as_json:
            print_json({"ok": True, self.noun: self.states()})

    def print_states(self, columns: Mapping[str, str], *, as_json: bool) -> None:
        """Print the state of every file; `columns` is heading by key, `state` among them."""
        states = self.states()
        if as_json:
            print_json(states)
            return
        table = Table(*columns.values())
        for one in states:
            state = translate(*FILE_STATES[one["state"]])
            shown = {
                **one,
                "state": f"[{STATE_COLOURS[one['state']]}]{state}[/]",
                "purpose": translate(*PURPOSES.get(one["purpose"], (one["purpose"],) * 2)),
            }
            table.add_row(*(shown[key] for key in columns))
        console().print(table)


def install_models(
    context: typer.Context,
    *,
    source: FromDirectory = None,
    into: ModelsIntoOption = None,
    as_json: AsJson = False,
) -> None:
    """安装权重文件，逐个核对 sha256。 Install weight files, each checked by its sha256."""
    files = _models(models_directory(context, into), shipped())
    files.install_from(source, as_json=as_json)


def show_models(
    context: typer.Context, *, into: ModelsIntoOption = None, as_json: AsJson = False
) -> None:
    """清单里的权重及其状态。 What the manifest names, and the state of each file."""
    manifest = {
        **shipped(),
        **{model.name: model for model in own_models(context)},
    }
    columns = {
        "name": translate("名称", "name"),
        "purpose": translate("用途", "for"),
        "state": translate("状态", "state"),
        "licence": translate("许可", "licence"),
        "sha256": "sha256",
    }
    _models(models_directory(context, into), manifest).print_states(columns, as_json=as_json)


def models_directory(context: typer.Context, into: Path | None) -> Path:
    """Where weights live: `into`, else as in site.yaml, else the default (no site yet)."""
    if into is not None:
        return into
    site = names_if_any(context)
    return config_directory(context) / Defaults.MODELS if site is None else site.settings.models


def own_models(context: typer.Context) -> tuple[ModelSpec, ...]:
    """The weight files that the site's own models.yaml names."""
    if not (config_directory(context) / "models.yaml").exists():
        return ()
    site = site_if_any(context)
    return () if site is None else site.own_models


def _models(folder: Path, manifest: Manifest) -> FileSet:
    def states() -> list[FileState]:
        return [
            {
                "name": model.name,
                "purpose": model.purpose,
                "state": model.state,
                "licence": model.licence,
                "sha256": model.sha256,
                "path": str(model.path),
            }
            for model in list_models(folder, manifest)
        ]

    return FileSet(
        noun="models",
        folder=folder,
        install=lambda source: install(folder, source, print_err),
        states=states,
    )


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
    """安装脚本，逐个核对 sha256。 Install the scripts, each checked by its sha256."""
    _assets(_assets_directory(context, into)).install_from(source, as_json=as_json)


def show_assets(
    context: typer.Context, *, into: AssetsIntoOption = None, as_json: AsJson = False
) -> None:
    """清单里的脚本及其状态。 What the manifest names, and the state of each."""
    columns = {
        "name": translate("名称", "name"),
        "purpose": translate("用途", "for"),
        "state": translate("状态", "state"),
        "licence": translate("许可", "licence"),
        "credit": translate("作者", "credit"),
    }
    _assets(_assets_directory(context, into)).print_states(columns, as_json=as_json)


def _assets_directory(context: typer.Context, into: Path | None) -> Path:
    """Where scripts live: `into`, else as in site.yaml, else the default (no site yet)."""
    if into is not None:
        return into
    site = names_if_any(context)
    return config_directory(context) / Defaults.ASSETS if site is None else site.settings.assets


def _assets(folder: Path) -> FileSet:
    from patrol.web.assets import asset_manifest  # noqa: PLC0415  an optional extra

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
