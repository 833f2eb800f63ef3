"""Options and arguments that several verbs share, and the global ones that stand before the verb.

Imported by the command tree itself, so it imports nothing heavy.
"""

import getpass
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer

DEFAULT_CONFIG: Final = Path("config")
SITE_FILE: Final = "site.yaml"

AsJson = Annotated[
    bool, typer.Option("--json", help="只输出一个 JSON 文档。 One JSON document on stdout.")
]
By = Annotated[
    str,
    typer.Option("--by", help="经办人，默认当前系统用户。 Who decides; the OS user if left out."),
]
CameraArgument = Annotated[
    str,
    typer.Argument(metavar="CAMERA", help="国标编码 20 位，或其末 6 位。 The id, or its last 6."),
]
CaseArgument = Annotated[str, typer.Argument(metavar="ID", help="案件编号。 A case's id.")]
RoundArgument = Annotated[str, typer.Argument(metavar="ROUND", help="轮次编号。 A round's id.")]
FindingArgument = Annotated[str, typer.Argument(metavar="ID", help="线索编号。 A finding's id.")]
Limit = Annotated[
    int | None,
    typer.Option("--limit", min=1, help="每页几条；表格默认 50,JSON 默认全部。 Lines a page."),
]
Page = Annotated[int, typer.Option("--page", min=1, max=10_000_000, help="第几页。 Which page.")]
FromDirectory = Annotated[
    Path | None,
    typer.Option(
        "--from", metavar="DIR", help="离线目录（气隙现场）。 A folder, on an air-gapped site."
    ),
]


@dataclass(frozen=True, slots=True)
class GlobalOptions:
    """The options that stand before the verb."""

    config: Path


def config_directory(context: typer.Context) -> Path:
    """The configuration directory that `-c` names: itself, or by the site.yaml in it."""
    found = context.find_object(GlobalOptions)
    named = DEFAULT_CONFIG if found is None else found.config
    return named.parent if named.name == SITE_FILE and named.is_file() else named


def operator(by: str) -> str:
    """Who decides: the name given with `--by`, else the user of the operating system."""
    name = by.strip()
    if name:
        return name
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "operator"
