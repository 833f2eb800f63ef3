"""`patrol models install|list`: weight files by manifest, each checked by its sha256."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from patrol.cli.common import FAILED, AsJson, Failure, console, options, print_json, say_err

if TYPE_CHECKING:
    from patrol.inference import Manifest, ModelSpec
    from patrol.settings import Settings

IntoOption = Annotated[
    Path | None,
    typer.Option("--into", metavar="DIR", help="安装到。 Where to; else site.yaml's models."),
]


def register(cli: typer.Typer) -> None:
    """Add the verbs."""
    group = typer.Typer(no_args_is_help=True, help="模型权重。 Weight files.")
    group.command("install")(install)
    group.command("list")(show)
    cli.add_typer(group, name="models")


def directory(context: typer.Context, into: Path | None) -> Path:
    """Where weights live: as said, else as in site.yaml, else the default (no site yet)."""
    if into is not None:
        return into
    settings = _settings(context)
    return Path("var/models") if settings is None else settings.models


def manifest(context: typer.Context) -> "Manifest":
    """The product's own weight files, and the site's."""
    from patrol.inference import shipped  # noqa: PLC0415  onnxruntime

    return {**shipped(), **{model.name: model for model in own_models(context)}}


def own_models(context: typer.Context) -> "tuple[ModelSpec, ...]":
    """Those that the site's models.yaml names."""
    settings = _settings(context)
    return () if settings is None else settings.own_models


def _settings(context: typer.Context) -> "Settings | None":
    if not (options(context).config / "site.yaml").exists():
        return None
    from patrol.settings import load_site  # noqa: PLC0415  pydantic

    return load_site(options(context).config).settings


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
    """安装权重文件,逐个核对 sha256。 Install weight files, each checked by its sha256."""
    from patrol import inference  # noqa: PLC0415  onnxruntime

    target = directory(context, into)
    try:
        inference.install(target, source, say_err)
    except inference.InstallFailed as exc:
        # Each failure was said when it happened.
        if as_json:
            print_json({"ok": False, "models": _states(target, inference.shipped())})
        raise Failure(f"models: not all are installed in {target}", code=FAILED) from exc
    if as_json:
        print_json({"ok": True, "models": _states(target, inference.shipped())})


def show(context: typer.Context, *, into: IntoOption = None, as_json: AsJson = False) -> None:
    """清单里的权重及其状态。 What the manifest names, and the state of each file."""
    states = _states(directory(context, into), manifest(context))
    if as_json:
        print_json(states)
        return
    from rich.table import Table  # noqa: PLC0415  rich

    marks = {"ready": "[green]就绪 ready[/]", "missing": "[yellow]缺失 missing[/]"}
    table = Table()
    for heading in ("名称 name", "用途 for", "状态 state", "许可 licence", "sha256"):
        table.add_column(heading)
    for model in states:
        state = marks.get(model["state"], "[red]损坏 broken[/]")
        table.add_row(
            model["name"], model["purpose"], state, model["licence"], model["sha256"][:12]
        )
    console().print(table)


def _states(target: Path, entries: "Manifest") -> list[dict[str, str]]:
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
