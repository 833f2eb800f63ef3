"""`patrol eval`: the detectors, measured against labelled pictures."""

from pathlib import Path
from typing import Annotated

import typer

from patrol import evaluation
from patrol.cli.failures import bad_input
from patrol.cli.models import models_directory, own_models
from patrol.cli.options import AsJson
from patrol.cli.output import console, print_err, print_json


def evaluate(
    context: typer.Context,
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
    if out is not None and not out.parent.is_dir():
        bad_input(f"--out: {out.parent}: no such directory, make it first")
    found = evaluation.run(
        what,
        out=out,
        report=print_err,
        models=models_directory(context, None),
        own=own_models(context),
    )
    if as_json:
        print_json(found)
    else:
        console().print(evaluation.render(found))
