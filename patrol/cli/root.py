"""The tree of verbs, the global options, and the one place where a run of it ends."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from patrol import __version__
from patrol.cli import (
    accept,
    assets,
    backups,
    benches,
    cases,
    check,
    consents,
    database,
    deliveries,
    desk,
    failures,
    handovers,
    health,
    judge,
    keys,
    looked,
    mosquitto,
    phone,
    probe,
    queue,
    reports,
    rounds,
    service,
    simulate,
    stoppages,
    suppressions,
    users,
    weights,
)
from patrol.cli.common import Options, logs_to_stderr

cli = typer.Typer(
    name="patrol",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for room in (
    service, rounds, check, probe, queue, cases, reports, database, weights, simulate, consents,
    users, judge, benches, desk, mosquitto, backups, keys, deliveries, stoppages, health,
    handovers, suppressions, accept, phone, assets, looked,
):  # fmt: skip
    room.register(cli)


def _version(wanted: bool) -> None:  # noqa: FBT001  Typer calls it so
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
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
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
        return failures.say(exc)
    # Typer answers with the code of `typer.Exit` here, or with what the command returned.
    if result == 130:  # noqa: PLR2004  its word for Ctrl-C
        return failures.say(KeyboardInterrupt())
    return result if isinstance(result, int) else 0
