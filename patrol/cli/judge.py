"""`patrol eval`: the machine's eye, measured against labelled pictures."""

from pathlib import Path
from typing import Annotated

import typer

from patrol.cli.common import AsJson, console, print_json, say_err


def register(cli: typer.Typer) -> None:
    """Add the verb."""
    cli.command("eval")(evaluate)


def evaluate(
    what: Annotated[
        str,
        typer.Argument(
            metavar="[SET|DIR]", help="自带集名,或含 visits.csv 的目录。 A set's name or a folder."
        ),
    ] = "all",
    *,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="图文报告 HTML。 A page with pictures."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """评测检出率与误报率。 Precision, recall and F1 per kind, with intervals."""
    from patrol import eval as evaluation  # noqa: PLC0415  cv2

    result = evaluation.run(what, out=out, tell=say_err)
    if as_json:
        print_json(result)
        return
    from patrol.cli.tables import render_document  # noqa: PLC0415  rich

    console().print(render_document(result))
