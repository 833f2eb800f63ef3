"""The tree of verbs, the global options, and the one place where a run of it ends."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from patrol import __version__
from patrol.cli import (
    backup,
    bench,
    case,
    case_actions,
    check,
    consent,
    db,
    deliveries,
    handover,
    health,
    models,
    mosquitto,
    output,
    pause,
    probe,
    queue,
    report,
    suppress,
    user,
    who_looked,
)
from patrol.cli import eval as eval_verb
from patrol.cli import round as round_verb
from patrol.cli import run as run_verbs
from patrol.cli.output import Options, logs_to_stderr

cli = typer.Typer(
    name="patrol",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for register in (
    run_verbs.register, round_verb.register, check.register, probe.register, queue.register_queue,
    case.register, report.register, db.register, models.register_weights,
    run_verbs.register_simulate, consent.register, user.register_users, eval_verb.register,
    bench.register, case_actions.register, mosquitto.register, backup.register, user.register,
    deliveries.register, pause.register, health.register, handover.register, suppress.register,
    queue.register, case.register_phone, models.register, who_looked.register,
):  # fmt: skip
    register(cli)


def _print_version(wanted: bool) -> None:  # noqa: FBT001  Typer calls it so
    if wanted:
        typer.echo(f"patrol {__version__}")
        raise typer.Exit


@cli.callback(
    help="视频巡查:每天两轮,发现、预警、上报、处理、反馈。\n\n"
    "Two online patrol rounds a day over a township's cameras. A patrol, not a fire alarm."
)
def _root(
    context: typer.Context,
    config: Annotated[
        Path,
        typer.Option("-c", "--config", metavar="DIR", help="配置目录。 Configuration directory."),
    ] = Path("config"),
    *,
    _version_wanted: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    # Typer shows the help text given above; logs are for stderr, whatever a room prints.
    context.obj = Options(config)
    logs_to_stderr()


def run(arguments: Sequence[str]) -> int:
    """Run one command line; the exit code."""
    try:
        result = cli(args=list(arguments), prog_name="patrol", standalone_mode=False)
    except (Exception, KeyboardInterrupt) as exc:  # noqa: BLE001  the last hand before Python's
        return output.report_failure(exc)
    # Typer answers with the code of `typer.Exit` here, or with what the command returned.
    if result == 130:  # noqa: PLR2004  its word for Ctrl-C
        return output.report_failure(KeyboardInterrupt())
    return result if isinstance(result, int) else 0
